package feed

import (
	"context"
	"time"

	"github.com/authzd/authzd/authz/revocation"
)

// waiter is a request that waits for a change.
type waiter struct {
	after  uint64
	joined time.Time
}

// answer returns the document for a follower who has come to a cursor; the zero Cursor is one who has nothing. With
// wait, it returns at the first change or when the time is over. Errors are those of the store and of Config.Sign.
func (f *Feed) answer(ctx context.Context, after revocation.Cursor, wait time.Duration) (*publication, error) {
	if err := f.refresh(ctx); err != nil {
		return nil, err
	}
	if !f.reaches(after) {
		return f.publishFull()
	}
	if wait <= 0 {
		return f.latest(after.Seq)
	}
	draining := f.draining
	select {
	case <-draining: // those who come now come from another wait
		wait, draining = min(wait, parting), nil
	default:
	}
	w := &waiter{after.Seq, time.Now()}
	f.join(w)
	defer f.leave(w)
	over := time.NewTimer(wait)
	defer over.Stop()
	for waits := true; waits; {
		p, changed := f.news(w)
		if p != nil {
			return p, nil
		}
		select {
		case <-changed:
		case <-over.C:
			waits = false
		case <-draining:
			waits = false
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if err := f.refresh(ctx); err != nil { // nothing has come, or nothing can be read: only the former is an answer
		return nil, err
	}
	return f.latest(after.Seq)
}

// refresh makes sure that a scan has ended lately.
func (f *Feed) refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, scanTimeout)
	defer cancel()
	return f.scan(ctx, scanEvery)
}

// reaches reports whether a delta can begin at a cursor. Otherwise its owner needs the complete list. The clock of the
// replica that gave it may be a little ahead.
func (f *Feed) reaches(c revocation.Cursor) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return c.Epoch == f.epoch && c.Seq+uint64(reach.Microseconds()) >= f.scanned && c.Seq <= f.scanned+uint64(skew.Microseconds())
}

// latest returns a delta that is younger than keepFor and can begin at a cursor.
func (f *Feed) latest(after uint64) (*publication, error) {
	f.mu.Lock()
	p, begins := f.recent, f.begin(after)
	f.mu.Unlock()
	switch {
	case p == nil || time.Since(p.made) >= keepFor:
		return f.publishDelta(f.oldest(after))
	case p.from > begins:
		return f.publishFull()
	}
	return p, nil
}

// news returns the document that a waiter should get now. If it is nil, the waiter has all of it, or a pause is under
// way that gathers more: then the channel is closed at the next document.
func (f *Feed) news(w *waiter) (*publication, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p, begins := f.recent, f.begin(w.after)
	switch {
	case f.found <= begins:
		return nil, f.changed
	case p != nil && p.from <= begins && f.found <= p.Seq && (w.after < p.Seq || w.joined.Before(p.made)):
		return p, nil
	}
	if f.since.IsZero() {
		f.since = time.Now()
	}
	return nil, f.changed
}

// begin returns when a follower knew everything that this replica had found. If the cursor is of another replica, that
// is some time before: the clocks differ, and their scans were not at the same moment. The caller holds the lock.
func (f *Feed) begin(cursor uint64) uint64 {
	if f.own[cursor] {
		return cursor
	}
	return cursor - uint64(skew.Microseconds())
}

// join adds a waiter. The first one starts the scans.
func (f *Feed) join(w *waiter) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiting[w] = struct{}{}
	if !f.driving {
		f.driving = true
		go f.drive()
	}
}

func (f *Feed) leave(w *waiter) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.waiting, w)
}

// drive scans and publishes as long as somebody waits.
func (f *Feed) drive() {
	for {
		began := time.Now()
		err := f.refresh(context.Background())
		due, more := f.due()
		if due && err == nil {
			_, err = f.publishDelta(f.oldest(0))
		}
		if !more {
			return
		}
		if err != nil {
			f.config.Logger.Error("those who wait for revocations hear nothing", "error", err)
		}
		time.Sleep(min(max(scanEvery, 4*time.Since(began)), time.Second)) // a slow store must not do this only
	}
}

// due reports whether a change has waited long enough, and whether anybody still waits.
func (f *Feed) due() (due, more bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.waiting) == 0 {
		f.driving = false
		return false, false
	}
	spaced := f.recent == nil || time.Since(f.recent.made) >= publishEvery
	return !f.since.IsZero() && time.Since(f.since) >= gather && spaced, true
}

// oldest returns where a delta must begin for all who wait, and for one more; 0: no more.
func (f *Feed) oldest(one uint64) uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	oldest := f.scanned
	if one != 0 {
		oldest = min(oldest, f.begin(one))
	}
	for w := range f.waiting {
		oldest = min(oldest, f.begin(w.after))
	}
	return oldest
}

// parting is how long a follower may wait once the server is about to stop.
const parting = time.Second

// Drain answers all who wait. From now on nobody waits for longer than parting.
func (f *Feed) Drain() { f.drained.Do(func() { close(f.draining) }) }
