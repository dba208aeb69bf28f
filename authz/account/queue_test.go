package account

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/authzd/authzd/authz/throttle"
)

// site is the i-th network of some.
func site(i int) netip.Prefix {
	return throttle.SiteOf(netip.MustParseAddr(fmt.Sprintf("2001:db8:%x::1", i)))
}

// No more hashes than CPUs run at once, so many more wait, and the rest is told to come back.
func TestBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &Passwords{line: newLine(2, 5), checked: func() {}}
		for range 2 {
			if err := p.enter(t.Context(), site(1)); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		waited := make(chan error, 5)
		for range cap(waited) {
			go func() {
				_, _, err := p.Verify(ctx, "", "password")
				waited <- err
			}()
		}
		synctest.Wait()
		if len(waited) != 0 {
			t.Fatalf("%d did not wait", len(waited))
		}
		if _, _, err := p.Verify(t.Context(), "", "password"); !errors.Is(err, ErrBusy) {
			t.Errorf("beyond the queue: %v", err)
		}
		if _, err := p.Hash(t.Context(), "password"); !errors.Is(err, ErrBusy) {
			t.Errorf("beyond the queue: %v", err)
		}
		cancel()
		synctest.Wait()
		for range len(waited) {
			if err := <-waited; !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled while waiting: %v", err)
			}
		}
		p.line.leave()
		p.line.leave()
		if p.line.free != 2 || p.line.length != 0 || len(p.line.turns) != 0 || len(p.line.waiting) != 0 {
			t.Errorf("when all is done: %+v", p.line)
		}
		if _, _, err := p.Verify(t.Context(), "", "password"); err != nil {
			t.Errorf("when all is done: %v", err)
		}
	})
}

// A network that sends many waits for itself: another one is next, even where the line was full.
func TestLineIsFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(1, 100)
		if err := l.enter(t.Context(), site(0)); err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var order []int
		busy := 0
		wait := func(network int) {
			go func() {
				err := l.enter(t.Context(), site(network))
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					order = append(order, network)
				case errors.Is(err, ErrBusy):
					busy++
				default:
					t.Error(err)
				}
			}()
			synctest.Wait()
		}
		for range 300 {
			wait(1)
		}
		if busy != 200 {
			t.Errorf("%d of 300 are told to come back", busy)
		}
		for _, network := range []int{2, 3, 3} {
			wait(network)
		}
		if busy != 203 || l.length != 100 {
			t.Errorf("others came into the full line: %d were sent away, %d wait", busy, l.length)
		}
		for range 6 {
			l.leave()
			synctest.Wait()
		}
		if want := []int{1, 2, 3, 1, 3, 1}; !slices.Equal(order, want) {
			t.Errorf("order %v, want %v", order, want)
		}
		for range 94 {
			l.leave()
			synctest.Wait()
		}
		l.leave()
		if l.free != 1 || l.length != 0 {
			t.Errorf("in the end: %d free, %d wait", l.free, l.length)
		}
	})
}
