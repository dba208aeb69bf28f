package fetch

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var errDown = errors.New("down")

// source counts how often it is asked, and answers with that number or with err. The tests run on the clock of a
// synctest bubble: time.Sleep there moves time and takes none.
type source struct {
	fetches atomic.Int32
	fresh   time.Duration
	err     error
	wait    chan struct{} // nil: none
}

func (s *source) document(rules Rules) *Document[int] { return New(rules, s.fetch) }

func (s *source) fetch(context.Context) (int, time.Duration, error) {
	n := int(s.fetches.Add(1))
	if s.wait != nil {
		<-s.wait
	}
	if s.err != nil {
		return 0, 0, s.err
	}
	return n, s.fresh, nil
}

func (s *source) wantFetches(t *testing.T, when string, want int32) {
	t.Helper()
	if got := s.fetches.Load(); got != want {
		t.Errorf("%s: %d fetches, want %d", when, got, want)
	}
}

func wantValue(t *testing.T, d *Document[int], want int) {
	t.Helper()
	if got, err := d.Get(t.Context()); got != want || err != nil {
		t.Errorf("got %d, %v, want %d", got, err, want)
	}
}

func wantError(t *testing.T, d *Document[int], want error) {
	t.Helper()
	if got, err := d.Get(t.Context()); got != 0 || !errors.Is(err, want) {
		t.Errorf("got %d, %v, want %v", got, err, want)
	}
}

const every = 10 * time.Second

func TestFreshValueIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{fresh: time.Minute}
		d := s.document(Rules{Pace: Pace{Every: every}})
		if _, err := d.Kept(); !errors.Is(err, ErrTooSoon) || d.Ready() {
			t.Errorf("before the first fetch: %v, ready: %t", err, d.Ready())
		}
		wantValue(t, d, 1)
		time.Sleep(time.Minute - 1)
		wantValue(t, d, 1)
		if kept, err := d.Kept(); kept != 1 || err != nil || !d.Ready() {
			t.Errorf("kept %d, %v, ready: %t", kept, err, d.Ready())
		}
		time.Sleep(time.Nanosecond)
		if d.Ready() {
			t.Error("ready without a fresh value")
		}
		wantValue(t, d, 2)
	})
}

// A stale value serves while the source is down, up to a bound.
func TestStaleValueServes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{fresh: time.Minute}
		d := s.document(Rules{Stale: time.Hour, Pace: Pace{Burst: 3, Every: every}})
		wantValue(t, d, 1)
		s.err = errDown
		time.Sleep(time.Minute)
		for range 100 {
			wantValue(t, d, 1)
		}
		s.wantFetches(t, "in a row", 1+3)
		time.Sleep(time.Hour - 1)
		wantValue(t, d, 1)
		time.Sleep(time.Nanosecond)
		wantError(t, d, errDown)
		s.err = nil
		time.Sleep(every)
		if got, err := d.Get(t.Context()); got == 1 || err != nil {
			t.Errorf("up again: %d, %v", got, err)
		}
	})
}

// With Rest, only one caller in that time waits for a source that is down, as long as there is a stale value.
func TestRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{fresh: time.Hour}
		d := s.document(Rules{Stale: time.Hour, Pace: Pace{Every: 5 * time.Second}, Rest: time.Minute})
		wantValue(t, d, 1)
		s.err = errDown
		time.Sleep(time.Hour)
		for range 60 {
			wantValue(t, d, 1)
			time.Sleep(time.Second)
		}
		s.wantFetches(t, "in a minute", 2)
		wantValue(t, d, 1)
		if !d.Ready() {
			t.Error("not ready during the rest")
		}
		s.wantFetches(t, "in the next", 3)
		time.Sleep(5 * time.Second)
		if _, err := d.Renew(t.Context()); !errors.Is(err, errDown) {
			t.Errorf("renewed: %v", err)
		}
		s.wantFetches(t, "with a renewal", 4)

		time.Sleep(time.Hour - 65*time.Second) // no rest without a value
		for range 12 {
			wantError(t, d, errDown)
			time.Sleep(5 * time.Second)
		}
		s.wantFetches(t, "without a value", 4+12)
	})
}

// Nobody makes us hammer a source: not one that fails, not by asking for what it does not have.
func TestPace(t *testing.T) {
	for name, down := range map[string]error{"down": errDown, "fine": nil} {
		for ask, f := range map[string]func(*Document[int], context.Context) (int, error){"get": (*Document[int]).Get, "renew": (*Document[int]).Renew} {
			t.Run(name+" "+ask, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := &source{err: down, fresh: time.Hour}
					d := s.document(Rules{Pace: Pace{Burst: 3, Every: every}})
					for range 100 {
						if _, err := f(d, t.Context()); !errors.Is(err, down) {
							t.Fatalf("%v, want %v", err, down)
						}
					}
					want := int32(3)
					if down == nil && ask == "get" {
						want = 1
					}
					s.wantFetches(t, "at once", want)
					for range 600 { // ten minutes
						time.Sleep(time.Second)
						f(d, t.Context())
					}
					if want > 1 {
						want += int32(10 * time.Minute / every)
					}
					s.wantFetches(t, "in ten minutes", want)
				})
			})
		}
	}
}

// After failures there is a fetch soon, and then less and less often.
func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{err: errDown, fresh: time.Minute}
		d := s.document(Rules{Pace: Pace{Every: 20 * time.Second, Retry: time.Second}})
		wantError(t, d, errDown)
		for _, wait := range []time.Duration{1, 2, 4, 8, 16, 20, 20} {
			if got := d.Wait(); got != wait*time.Second {
				t.Errorf("wait %v, want %d s", got, wait)
			}
			time.Sleep(wait*time.Second - 1)
			wantError(t, d, errDown)
			time.Sleep(time.Nanosecond)
			wantError(t, d, errDown)
		}
		s.wantFetches(t, "by now", 8)
		s.err = nil
		time.Sleep(20 * time.Second)
		wantValue(t, d, 9)
		if got := d.Wait(); got != 20*time.Second {
			t.Errorf("after a good fetch, wait %v", got)
		}
	})
}

// Where the value is too old and may not be fetched, there is an error.
func TestTooSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{fresh: time.Second}
		d := s.document(Rules{Pace: Pace{Every: every}})
		wantValue(t, d, 1)
		time.Sleep(time.Second)
		wantError(t, d, ErrTooSoon)
		time.Sleep(every)
		wantValue(t, d, 2)
	})
}

// With Ahead and steady callers, the value is fetched before it is stale, and nobody waits.
func TestAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{fresh: 400 * time.Second}
		d := s.document(Rules{Stale: time.Hour, Pace: Pace{Every: every}, Ahead: true})
		wantValue(t, d, 1)
		time.Sleep(300*time.Second - 1)
		wantValue(t, d, 1)
		synctest.Wait()
		s.wantFetches(t, "early", 1)
		s.wait = make(chan struct{})
		time.Sleep(time.Nanosecond)
		wantValue(t, d, 1)
		synctest.Wait()
		s.wantFetches(t, "in the last quarter", 2)
		close(s.wait)
		synctest.Wait()
		wantValue(t, d, 2)
	})
}

// With Ahead, a source that hangs costs the first caller after the freshness its time, not every one.
func TestAheadOfASourceThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := true
		n := 0
		d := New(Rules{Stale: time.Hour, Pace: Pace{Every: every}, Ahead: true, Timeout: 7 * time.Second}, func(ctx context.Context) (int, time.Duration, error) {
			n++
			if !answers {
				<-ctx.Done()
				return 0, 0, ctx.Err()
			}
			return n, time.Minute, nil
		})
		wantValue(t, d, 1)
		answers = false
		time.Sleep(time.Minute)
		for i, want := range []time.Duration{7 * time.Second, 0, 0} {
			start := time.Now()
			wantValue(t, d, 1)
			if took := time.Since(start); took != want {
				t.Errorf("call %d took %v, want %v", i, took, want)
			}
			time.Sleep(20 * time.Second) // a fetch in the background fails, and the next is due
		}
		synctest.Wait()
		if n != 4 {
			t.Errorf("%d fetches", n)
		}
		time.Sleep(time.Hour)
		start := time.Now()
		wantError(t, d, context.DeadlineExceeded)
		if took := time.Since(start); took != 7*time.Second {
			t.Errorf("without a value, it took %v", took)
		}
	})
}

func TestRenew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{fresh: time.Hour}
		d := s.document(Rules{Pace: Pace{Burst: 3, Every: every}})
		wantValue(t, d, 1)
		if got, err := d.Renew(t.Context()); got != 2 || err != nil {
			t.Errorf("renewed: %d, %v", got, err)
		}
		s.err = errDown
		if got, err := d.Renew(t.Context()); got != 0 || !errors.Is(err, errDown) {
			t.Errorf("not renewed: %d, %v", got, err)
		}
		wantValue(t, d, 2)
		if got, err := d.Renew(t.Context()); got != 0 || !errors.Is(err, errDown) {
			t.Errorf("too soon after a failure: %d, %v", got, err)
		}
		s.err = nil
		time.Sleep(every)
		d.Renew(t.Context())
		if got, err := d.Renew(t.Context()); got != 4 || err != nil {
			t.Errorf("too soon after a good fetch: %d, %v", got, err)
		}
	})
}

func TestOneFetchIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{fresh: time.Hour, wait: make(chan struct{})}
		d := s.document(Rules{Pace: Pace{Every: every}})
		impatient, leave := context.WithCancel(t.Context())
		gone := make(chan error)
		go func() { _, err := d.Get(impatient); gone <- err }()
		synctest.Wait()
		var all sync.WaitGroup
		for range 64 {
			all.Go(func() { wantValue(t, d, 1) })
			all.Go(func() {
				if got, err := d.Renew(t.Context()); got != 1 || err != nil {
					t.Errorf("renewed: %d, %v", got, err)
				}
			})
		}
		synctest.Wait()
		leave()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Errorf("the caller who leaves gets %v", err)
		}
		close(s.wait)
		all.Wait()
		s.wantFetches(t, "129 callers", 1)
	})
}

// A caller may decide to fetch, and be overtaken by a fetch that ends before its own begins.
func TestOvertakenCallerFetchesNothing(t *testing.T) {
	s := &source{fresh: time.Hour}
	d := s.document(Rules{Pace: Pace{Burst: 3, Every: every}})
	seen := d.state.Load()
	wantValue(t, d, 1)
	if got, err := d.await(t.Context(), seen); err != nil || got.value != 1 {
		t.Errorf("%d, %v", got.value, err)
	}
	s.wantFetches(t, "afterwards", 1)
}

// The fetch sees what the context of its caller carries, and not that it ends.
func TestContextOfAFetch(t *testing.T) {
	type key struct{}
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "carried"))
	d := New(Rules{}, func(ctx context.Context) (string, time.Duration, error) {
		cancel()
		value, _ := ctx.Value(key{}).(string)
		return value, time.Hour, ctx.Err()
	})
	_, _ = d.Get(ctx)
	if value, err := d.Get(t.Context()); value != "carried" || err != nil {
		t.Errorf("%q, %v", value, err)
	}
}
