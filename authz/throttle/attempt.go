package throttle

import (
	"context"
	"errors"
	"slices"
	"time"
)

const (
	// patience is how long an attempt waits for the outcome of others.
	patience = 5 * time.Second
	// waitersPerPlace bounds how many attempts wait for the places of one bucket.
	waitersPerPlace = 8
)

// ErrCrowded says that attempts under way fill a limit, and their outcome has not come in time.
var ErrCrowded = errors.New("too many attempts are under way")

// Attempt is something under way that may fail. It has a place in its buckets until it is over, so that many
// at once can't slip through. Only failures are charged.
type Attempt struct {
	buckets *Buckets
	charges []Charge
	over    bool
}

// waiter is an attempt without a place.
type waiter struct {
	charges []Charge
	result  chan time.Duration // 0: it has its place; otherwise how long until there may be one
}

// Begin reserves a place for each charge. If failures fill a limit, it returns at once the time until there
// is room. If attempts under way fill it, Begin waits for their outcome; the error is ErrCrowded after 5 s,
// or that of ctx.
func (b *Buckets) Begin(ctx context.Context, charges ...Charge) (a *Attempt, wait time.Duration, err error) {
	b.mu.Lock()
	wait, fits := b.room(time.Now(), charges)
	if fits {
		b.reserve(charges, 1)
	}
	if fits || wait > 0 {
		b.mu.Unlock()
		return b.attempt(charges, wait), wait, nil
	}
	for _, c := range charges {
		if b.waiters(c.Key) >= waitersPerPlace*c.Limit.Burst {
			b.mu.Unlock()
			return nil, 0, ErrCrowded
		}
	}
	w := &waiter{charges, make(chan time.Duration, 1)}
	b.waiting = append(b.waiting, w)
	b.mu.Unlock()

	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case wait = <-w.result:
		return b.attempt(charges, wait), wait, nil
	case <-timer.C:
		err = ErrCrowded
	case <-ctx.Done():
		err = ctx.Err()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.Index(b.waiting, w); i >= 0 {
		b.waiting = slices.Delete(b.waiting, i, i+1)
	} else if <-w.result == 0 { // it came at this moment: give the place back
		b.reserve(charges, -1)
		b.admit(time.Now())
	}
	return nil, 0, err
}

// attempt returns nil for one that was refused.
func (b *Buckets) attempt(charges []Charge, wait time.Duration) *Attempt {
	if wait > 0 {
		return nil
	}
	return &Attempt{buckets: b, charges: charges}
}

// Failed ends an attempt as a failure. An attempt that has ended does not change.
func (a *Attempt) Failed() { a.end(true) }

// Over ends an attempt without a failure. An attempt that has ended does not change.
func (a *Attempt) Over() { a.end(false) }

func (a *Attempt) end(failed bool) {
	if a == nil {
		return
	}
	b := a.buckets
	b.mu.Lock()
	defer b.mu.Unlock()
	if a.over {
		return
	}
	a.over = true
	now := time.Now()
	b.reserve(a.charges, -1)
	if failed {
		for _, c := range a.charges {
			b.add(now, c.Key, c.debt())
		}
	}
	b.admit(now)
}

// room returns how long failures alone keep an attempt out. If they don't, it reports whether the attempt has
// a place beside those under way.
func (b *Buckets) room(now time.Time, charges []Charge) (wait time.Duration, fits bool) {
	fits = true
	for _, c := range charges {
		w := b.wait(now, c)
		wait = max(wait, w)
		owed := max(0, b.debts[c.Key].Sub(now))
		fits = fits && owed+b.reserved[c.Key]+c.debt() <= time.Duration(c.Limit.Burst)*c.Limit.Interval
	}
	return wait, fits && wait == 0
}

// reserve takes places, or gives them back.
func (b *Buckets) reserve(charges []Charge, sign time.Duration) {
	for _, c := range charges {
		if b.reserved[c.Key] += sign * c.debt(); b.reserved[c.Key] == 0 {
			delete(b.reserved, c.Key)
		}
	}
}

// admit gives the waiting attempts their results, in order.
func (b *Buckets) admit(now time.Time) {
	b.waiting = slices.DeleteFunc(b.waiting, func(w *waiter) bool {
		wait, fits := b.room(now, w.charges)
		if fits {
			b.reserve(w.charges, 1)
		}
		if fits || wait > 0 {
			w.result <- wait
			return true
		}
		return false
	})
}

// waiters counts the attempts that wait for a place in one bucket.
func (b *Buckets) waiters(key Key) (n int) {
	for _, w := range b.waiting {
		if slices.ContainsFunc(w.charges, func(c Charge) bool { return c.Key == key }) {
			n++
		}
	}
	return n
}
