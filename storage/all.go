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
// An error is the last that comes, with a zero Record. Records are read page by page, each page as the
// table is at that moment, and nothing is held between two pages: the loop may write to the store. A
// record that is there all the time comes once. One that is written or deleted meanwhile comes as it
// was or as it is, or not at all, and again if it moves to a later key.
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

// All is storage.All with decoded values. A record that cannot be decoded ends it with an error; a
// caller whom such a record must not stop takes storage.All and Entry.
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
