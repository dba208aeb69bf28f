package feed

import (
	"context"
	"time"

	"github.com/authzd/authzd/authz/revocation"
)

// waiter is a request that waits for a change.
type waiter struct{ after uint64 }

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
	w := &waiter{after.Seq}
	f.join(w)
	defer f.leave(w)
	over := time.NewTimer(wait)
	defer over.Stop()
	for {
		p, changed := f.news(w)
		if p != nil {
			return p, nil
		}
		select {
		case <-changed:
		case <-over.C:
			return f.latest(after.Seq)
		case <-draining:
			return f.latest(after.Seq)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
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
	return c.Epoch == f.epoch && c.Seq+uint64(reach.Milliseconds()) >= f.scanned && c.Seq <= f.scanned+uint64(overlap.Milliseconds())
}

// latest returns a delta that is younger than keepFor and can begin at a cursor.
func (f *Feed) latest(after uint64) (*publication, error) {
	f.mu.Lock()
	p := f.recent
	f.mu.Unlock()
	switch {
	case p == nil || time.Since(p.made) >= keepFor:
		return f.publishDelta(f.oldest(after))
	case p.from > after:
		return f.publishFull()
	}
	return p, nil
}

// news returns the document that a waiter should get now. If it is nil, the waiter has all of it, or a pause is under
// way that gathers more: then the channel is closed at the next document.
func (f *Feed) news(w *waiter) (*publication, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.recent
	switch {
	case f.has(w.after) && f.found <= w.after, f.found+uint64(skew.Milliseconds()) < w.after:
		return nil, f.changed
	case p != nil && p.from <= w.after && w.after < p.Seq && f.found <= p.Seq:
		return p, nil
	}
	if f.since.IsZero() {
		f.since = time.Now()
	}
	return nil, f.changed
}

// has reports whether a cursor is of a document of this replica, and so whether its owner knows what the replica knew
// then. The caller holds the lock.
func (f *Feed) has(seq uint64) bool {
	return f.recent != nil && f.recent.Seq == seq || f.full != nil && f.full.Seq == seq
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

// oldest returns the oldest cursor of all who wait, and of one more; 0: no more.
func (f *Feed) oldest(one uint64) uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	oldest := f.scanned
	if one != 0 {
		oldest = min(oldest, one)
	}
	for w := range f.waiting {
		oldest = min(oldest, w.after)
	}
	return oldest
}

// parting is how long a follower may wait once the server is about to stop.
const parting = time.Second

// Drain answers all who wait. From now on nobody waits for longer than parting.
func (f *Feed) Drain() { f.drained.Do(func() { close(f.draining) }) }
