// Package fetch keeps what comes from elsewhere, such as key sets and metadata, for as long as it may be used.
//
//	Document.Get ─> is it fresh? ─ yes ─> the value
//	                  └ no ─> may it be fetched (Pace)? ─ no ──> the old value, or the last error
//	                            └ yes ─> one fetch for all who wait ─> Freshness of the answer
//
// It guards no address: strangers' URLs are fetched by package outbound, which keeps its documents here. It
// imports nothing of this module, so that the middleware may use it.
package fetch

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// ErrTooSoon: there is no value that may be used, and it has been fetched too often lately to be fetched now.
var ErrTooSoon = errors.New("it was fetched a moment ago")

// Rules say when a document is fetched, and how long it serves.
type Rules struct {
	// Stale is how long a value serves beyond its freshness while it cannot be fetched.
	Stale time.Duration
	// Pace bounds the fetches of all callers together, failed ones included.
	Pace Pace
	// Rest is how long Get leaves the source alone after a failure, as long as there is a stale value.
	Rest time.Duration
	// Ahead makes Get fetch in the background in the last quarter of the freshness, and while fetching a stale
	// value again fails: the first caller after the freshness may have to wait, and no other.
	Ahead bool
	// Timeout is for one fetch; 0: the fetch ends by itself.
	Timeout time.Duration
}

// Pace bounds how often something is fetched.
type Pace struct {
	Burst int           // fetches in a row, at most; 0: 1
	Every time.Duration // and then one in this time
	// Retry is how long after a failure there may be a fetch, doubled with each failure that follows, up to Every;
	// 0: Every.
	Retry time.Duration
}

// Document is a value that is fetched when it is needed. Callers who need it at the same time share one fetch,
// which outlives the caller who began it. Failures are kept too.
type Document[T any] struct {
	rules Rules
	fetch func(context.Context) (T, time.Duration, error)
	state atomic.Pointer[state[T]] // never nil; what it leads to never changes

	mu      sync.Mutex
	running chan struct{} // guarded by mu; closed at the end of the fetch; nil: there is none
}

// state is the outcome of the last fetch, and what is left of those before it.
type state[T any] struct {
	value      T
	aheadFrom  time.Time // with Rules.Ahead, a fetch in the background may begin
	freshUntil time.Time // value may be used until then
	staleUntil time.Time // and so long if it cannot be fetched again
	restUntil  time.Time // see Rules.Rest
	err        error     // of the last fetch
	failures   int       // since the last good one
	paidUntil  time.Time // each fetch moves it ahead, see mayFetch
}

// New returns a document that fetch brings, with the time for which it is fresh. Two fetches never run at once,
// and their context carries the values of the first caller's.
func New[T any](rules Rules, fetch func(context.Context) (T, time.Duration, error)) *Document[T] {
	d := &Document[T]{rules: rules, fetch: fetch}
	d.state.Store(new(state[T]))
	return d
}

// Get returns the value, fetching it if there is no fresh one.
func (d *Document[T]) Get(ctx context.Context) (T, error) {
	s, now := d.state.Load(), time.Now()
	ahead := d.rules.Ahead && !now.Before(s.aheadFrom)
	switch {
	case s.fresh(now) && !ahead:
		return s.value, nil
	case ahead && s.serves(now) && (s.fresh(now) || s.err != nil):
		d.begin(ctx, s)
	case !s.rests(now):
		var err error
		if s, err = d.await(ctx, s); err != nil {
			return *new(T), err
		}
	}
	return s.usable(time.Now())
}

// Renew is for a caller to whom the value of Get was of no use, because it lacks a key for instance: it is
// fetched even if it is fresh, unless Pace forbids it. The error is that of the last fetch, and leaves the value
// to others.
func (d *Document[T]) Renew(ctx context.Context) (T, error) {
	s, err := d.await(ctx, d.state.Load())
	if err == nil {
		err = s.err
	}
	if err != nil {
		return *new(T), err
	}
	return s.usable(time.Now())
}

// Kept is Get without fetching.
func (d *Document[T]) Kept() (T, error) { return d.state.Load().usable(time.Now()) }

// Ready reports whether Get would answer without waiting for a fetch of its own.
func (d *Document[T]) Ready() bool {
	s, now := d.state.Load(), time.Now()
	return s.fresh(now) || s.rests(now) || d.wait(s, now) > 0
}

// Wait returns how long it takes until Pace allows another fetch; 0 or less: it does now.
func (d *Document[T]) Wait() time.Duration { return d.wait(d.state.Load(), time.Now()) }

// wait is a leaky bucket (GCRA): a fetch pays for some time, and Burst times Every may be paid ahead.
func (d *Document[T]) wait(s *state[T], now time.Time) time.Duration {
	ahead := time.Duration(max(d.rules.Pace.Burst, 1)-1) * d.rules.Pace.Every
	return s.paidUntil.Sub(now.Add(ahead))
}

func (s *state[T]) fresh(now time.Time) bool  { return now.Before(s.freshUntil) }
func (s *state[T]) serves(now time.Time) bool { return now.Before(s.staleUntil) }
func (s *state[T]) rests(now time.Time) bool  { return s.serves(now) && now.Before(s.restUntil) }

func (s *state[T]) usable(now time.Time) (T, error) {
	switch {
	case s.serves(now):
		return s.value, nil
	case s.err == nil: // too old, or never fetched
		return *new(T), ErrTooSoon
	}
	return *new(T), s.err
}

// await waits for the fetch that follows seen, beginning it if nobody has and Pace allows it, and returns what is
// there then. Its error is that of ctx.
func (d *Document[T]) await(ctx context.Context, seen *state[T]) (*state[T], error) {
	if running := d.begin(ctx, seen); running != nil {
		select {
		case <-running:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return d.state.Load(), nil
}

// begin returns the fetch that runs. If there is none, it begins one, unless one has ended since the caller saw
// the state, or Pace forbids it.
func (d *Document[T]) begin(ctx context.Context, seen *state[T]) (running chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.running == nil && d.state.Load() == seen && d.wait(seen, time.Now()) <= 0 {
		d.running = make(chan struct{})
		go d.run(context.WithoutCancel(ctx))
	}
	return d.running
}

func (d *Document[T]) run(ctx context.Context) {
	if d.rules.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.rules.Timeout)
		defer cancel()
	}
	value, fresh, err := d.fetch(ctx)

	d.mu.Lock()
	defer d.mu.Unlock()
	d.state.Store(d.next(value, fresh, err, time.Now()))
	close(d.running)
	d.running = nil
}

// next is the state after a fetch that has ended now.
func (d *Document[T]) next(value T, fresh time.Duration, err error, now time.Time) *state[T] {
	next := *d.state.Load()
	pace := d.rules.Pace
	cost := pace.Every
	if err == nil {
		next.value, next.failures = value, 0
		next.aheadFrom, next.freshUntil = now.Add(fresh*3/4), now.Add(fresh)
		next.staleUntil = next.freshUntil.Add(d.rules.Stale)
	} else {
		if pace.Retry > 0 {
			cost = min(pace.Retry<<min(next.failures, 16), pace.Every)
		}
		next.failures++
		if !next.fresh(now) {
			next.restUntil = now.Add(d.rules.Rest)
		}
	}
	next.err = err
	if next.paidUntil.Before(now) {
		next.paidUntil = now
	}
	next.paidUntil = next.paidUntil.Add(cost)
	return &next
}
