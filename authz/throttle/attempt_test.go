package throttle

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// Attempts have places, failures are charged, and attempts that wait are admitted or refused by the outcome
// of others.
func TestAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, limit := New(), Limit{2, time.Minute}
		charge := Charge{Key: b.Key("a", "", netip.Prefix{}), Limit: limit}
		begin := func() *Attempt {
			a, wait, err := b.Begin(t.Context(), charge)
			if wait != 0 || err != nil {
				t.Fatal(wait, err)
			}
			return a
		}
		first, second := begin(), begin()
		type result struct {
			a    *Attempt
			wait time.Duration
			err  error
		}
		results := make(chan result, 3)
		for range cap(results) {
			go func() {
				a, wait, err := b.Begin(t.Context(), charge)
				results <- result{a, wait, err}
			}()
		}
		synctest.Wait()
		if len(results) != 0 {
			t.Fatal("not waiting")
		}
		first.Over()
		synctest.Wait()
		third := <-results
		if third.a == nil || len(results) != 0 {
			t.Fatalf("%+v, and %d more", third, len(results))
		}
		second.Failed()
		second.Over() // changes nothing
		third.a.Failed()
		synctest.Wait()
		for range 2 {
			if r := <-results; r.a != nil || r.err != nil || r.wait != time.Minute {
				t.Errorf("%+v", r)
			}
		}
		time.Sleep(time.Minute)
		begin().Over()
		if len(b.reserved) != 0 || len(b.waiting) != 0 {
			t.Errorf("left: %v, %v", b.reserved, b.waiting)
		}
	})
}

// An attempt that waits too long, or is given up, leaves nothing behind, and not too many wait.
func TestAttemptsThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, limit := New(), Limit{1, time.Minute}
		charge := Charge{Key: b.Key("a", "", netip.Prefix{}), Limit: limit}
		a, _, err := b.Begin(t.Context(), charge)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		errs := make(chan error, 2*waitersPerPlace)
		for i := range cap(errs) {
			ctx := ctx
			if i%2 == 0 {
				ctx = t.Context()
			}
			go func() {
				_, _, err := b.Begin(ctx, charge)
				errs <- err
			}()
			synctest.Wait()
		}
		if len(errs) != waitersPerPlace {
			t.Errorf("%d were sent away at once", len(errs))
		}
		cancel()
		synctest.Wait()
		time.Sleep(patience)
		synctest.Wait()
		crowded, cancelled := 0, 0
		for range cap(errs) {
			switch err := <-errs; {
			case errors.Is(err, ErrCrowded):
				crowded++
			case errors.Is(err, context.Canceled):
				cancelled++
			}
		}
		if crowded != waitersPerPlace*3/2 || cancelled != waitersPerPlace/2 {
			t.Errorf("%d were told that it is crowded, %d went away", crowded, cancelled)
		}
		a.Over()
		if len(b.reserved) != 0 || len(b.waiting) != 0 || len(b.debts) != 0 {
			t.Errorf("left: %v, %v, %v", b.reserved, b.waiting, b.debts)
		}
	})
}
