package feed

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/authzd/authzd/authz/revocation"
	"github.com/authzd/authzd/storage"
)

// item is a revocation that a scan has found.
type item struct {
	found   uint64 // by the clock
	ended   int64  // seconds since 1970
	expires time.Time
	entries []revocation.Entry
	all     int64 // of storage.RevokedAll: tokens up to this second have ended; 0: it is another kind
}

const (
	// scanEvery is the shortest time between two scans.
	scanEvery = 100 * time.Millisecond
	// renewEvery is the time between two readings of the shared state. That scan looks back further, for a record whose
	// replica has a wrong clock or a disk that hung.
	renewEvery = 15 * time.Second
	lookBack   = 2 * time.Minute
	// scanTimeout bounds one scan, except the first.
	scanTimeout = 5 * time.Second
	scanPage    = 1000
	// expandAtOnce is how many revocations are looked up at the same time.
	expandAtOnce = 16
)

// scan finds new revocations, unless the last scan ended less than age ago.
func (f *Feed) scan(ctx context.Context, age time.Duration) error {
	select {
	case <-f.scanning:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { f.scanning <- struct{}{} }()
	if age > 0 && time.Since(f.looked) < age {
		return nil
	}
	back := overlap
	if time.Since(f.renewed) >= renewEvery {
		if err := f.renew(ctx); err != nil {
			return err
		}
		f.forget()
		f.renewed, back = time.Now(), lookBack
	}
	crowded, err := f.look(ctx, back)
	if err == nil && crowded {
		err = f.endAll(ctx)
	}
	if err == nil {
		f.looked = time.Now()
	}
	return err
}

// endAll ends all tokens that were issued before the present second, because the list has become too long. A token
// that is issued from now on counts.
func (f *Feed) endAll(ctx context.Context) error {
	f.config.Logger.Warn("too many tokens have ended to list them: all tokens that were issued before this second are refreshed")
	if err := f.config.Store.Apply(ctx, f.Put(causeCrowded, all(now()-1))); err != nil {
		return err
	}
	_, err := f.look(ctx, overlap)
	return err
}

// causeCrowded is the cause of an end of all tokens.
const causeCrowded = "revocations.crowded"

// look takes new records into the list. It reports whether the list has become too long.
func (f *Feed) look(ctx context.Context, back time.Duration) (crowded bool, err error) {
	at := f.clock.next()
	records, err := f.unseen(ctx, back)
	if err != nil {
		return false, err
	}
	items, err := f.expand(ctx, records)
	if err != nil {
		return false, err
	}
	return f.keep(at, records, items), nil
}

// unseen returns the records that no scan has found before. It looks back from the newest one.
func (f *Feed) unseen(ctx context.Context, back time.Duration) (records []storage.Record, err error) {
	after := ""
	if !f.newest.IsZero() {
		after = storage.DueKey(f.newest.Add(-back), "")
	}
	for {
		page, err := f.config.Store.Scan(ctx, storage.Revocations.Table, "", after, scanPage)
		if err != nil {
			return nil, err
		}
		for _, rec := range page {
			if after = rec.Key; !f.seen[rec.Key] {
				records = append(records, rec)
			}
		}
		if len(page) < scanPage {
			return records, nil
		}
	}
}

// expand returns the items of records. The item of a damaged record has no entries.
func (f *Feed) expand(ctx context.Context, records []storage.Record) ([]item, error) {
	items := make([]item, len(records))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(expandAtOnce)
	for i, rec := range records {
		due, err := storage.DueTime(rec.Key)
		items[i] = item{ended: due.Unix(), expires: rec.Expires}
		entry, spoilt := storage.Revocations.Entry(rec)
		switch {
		case err != nil || spoilt != nil:
			f.config.Logger.Error("a record of the revocation feed is damaged", "key", rec.Key, "error", spoilt)
		case entry.Value.Kind == storage.RevokedAll:
			items[i].all = entry.Value.Before
		default:
			group.Go(func() (err error) {
				items[i].entries, err = f.config.Entries(ctx, entry.Value)
				return err
			})
		}
	}
	return items, group.Wait()
}

// keep takes what a scan has found into the list. at is when the scan began.
func (f *Feed) keep(at uint64, records []storage.Record, items []item) (crowded bool) {
	first := f.looked.IsZero()
	for i, rec := range records {
		f.seen[rec.Key] = true
		items[i].found = at
		due, err := storage.DueTime(rec.Key)
		if err != nil {
			continue
		}
		if due.After(f.newest) {
			f.newest = due
		}
		if first { // other replicas have found it before
			items[i].found = min(at, uint64(due.Add(overlap).UnixMicro()))
		}
	}
	f.clock.pass(f.newest)
	slices.SortStableFunc(items, func(a, b item) int { return cmp.Compare(a.found, b.found) })
	f.mu.Lock()
	defer f.mu.Unlock()
	f.scanned = at
	f.items = append(f.items, items...)
	for _, i := range items {
		f.found, f.length = i.found, f.length+lengthOf(i.entries)
		if i.all > f.allBefore {
			f.allBefore = i.all
			f.length = lengthOf(f.live(0))
		}
		if f.since.IsZero() {
			f.since = time.Now()
		}
	}
	return f.tooLong(f.length) && f.allBefore < now()-1
}

// live returns the entries of the items that were found after a time. Those are left out whose tokens have all ended
// by allBefore. The caller holds the lock.
func (f *Feed) live(after uint64) (entries []revocation.Entry) {
	first, _ := slices.BinarySearchFunc(f.items, after+1, func(i item, t uint64) int { return cmp.Compare(i.found, t) })
	for _, i := range f.items[first:] {
		if i.ended > f.allBefore {
			entries = append(entries, i.entries...)
		}
	}
	return entries
}

// forget drops what has expired.
func (f *Feed) forget() {
	oldest := storage.DueKey(f.newest.Add(-lookBack), "")
	maps.DeleteFunc(f.seen, func(key string, _ bool) bool { return key < oldest })
	now := time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.items = slices.DeleteFunc(f.items, func(i item) bool { return now.After(i.expires) })
	f.length = lengthOf(f.live(0))
	maps.DeleteFunc(f.own, func(seq uint64, _ bool) bool { return seq+uint64(reach.Microseconds()) < f.scanned })
}
