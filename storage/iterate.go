package storage

import (
	"context"
	"iter"
)

// allPage is how many records All has in memory at once.
const allPage = 200

// All returns the live records of a table whose keys begin with prefix, in byte order of their keys:
//
//	for rec, err := range storage.All(ctx, store, table, prefix) {
//		if err != nil {
//			return err
//		}
//		…
//	}
//
// The last value may be an error, with a zero Record. Records are read page by page. Each page shows the
// table as it is at that moment, and nothing is locked between two pages, so the loop may write to the store.
// A record that stays in the table comes once. A record that is written or deleted meanwhile may come in its
// old or its new form, or not at all; it comes again if it moves to a later key.
func All(ctx context.Context, s Store, table Table, prefix string) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for after := ""; ; {
			page, err := s.Scan(ctx, table, prefix, after, allPage)
			if err != nil {
				yield(Record{}, err)
				return
			}
			for _, rec := range page {
				if !yield(rec, nil) {
					return
				}
				after = rec.Key
			}
			if len(page) < allPage {
				return
			}
		}
	}
}

// All is storage.All with decoded values. A record that cannot be decoded ends the loop with an error. To go
// on after such a record, use storage.All and Entry.
func (k Kind[T]) All(ctx context.Context, s Store, prefix string) iter.Seq2[Entry[T], error] {
	return func(yield func(Entry[T], error) bool) {
		for rec, err := range All(ctx, s, k.Table, prefix) {
			var entry Entry[T]
			if err == nil {
				entry, err = k.Entry(rec)
			}
			if err != nil {
				yield(Entry[T]{}, err)
				return
			}
			if !yield(entry, nil) {
				return
			}
		}
	}
}
