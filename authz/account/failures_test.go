package account

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var home = netip.MustParseAddr("192.0.2.1")

// start begins an attempt, and returns how long it has to wait if it may not.
func start(t *testing.T, f *failures, login string, from netip.Addr) (*attempt, time.Duration) {
	t.Helper()
	full := new(ThrottledError)
	a, err := f.begin(t.Context(), login, from)
	if err == nil {
		if err = f.everywhere(t.Context(), a, login); err != nil {
			a.over()
		}
	}
	if errors.As(err, &full) {
		return nil, full.RetryAfter
	} else if err != nil {
		t.Error(err)
	}
	return a, 0
}

// fail makes failed attempts until one is refused, and returns how many there were and the wait.
func fail(t *testing.T, f *failures, login string, from netip.Addr) (n int, wait time.Duration) {
	t.Helper()
	for {
		a, wait := start(t, f, login, from)
		if wait > 0 {
			return n, wait
		}
		f.fail(a, nil)
		n++
	}
}

// address returns the i-th of many addresses.
func address(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
}

func TestOneLoginFromOneAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFailures()
		if n, wait := fail(t, f, "alice", home); n != 10 || wait != 30*time.Second {
			t.Errorf("%d failures, then a wait of %v", n, wait)
		}
		time.Sleep(29 * time.Second)
		if _, wait := start(t, f, "alice", home); wait != time.Second {
			t.Errorf("after 29 s: a wait of %v", wait)
		}
		time.Sleep(time.Second)
		if n, _ := fail(t, f, "alice", home); n != 1 {
			t.Errorf("after 30 s: %d", n)
		}
		time.Sleep(time.Hour)
		if n, _ := fail(t, f, "alice", home); n != 10 {
			t.Errorf("after an hour: %d", n)
		}
		if n, _ := fail(t, f, "bob", home); n != 10 {
			t.Errorf("another login: %d", n)
		}
		if n, _ := fail(t, f, "alice", address(1)); n != 10 {
			t.Errorf("another address: %d", n)
		}
	})
}

// Many logins from one address are one attacker; so are those from one IPv6 /64, and those of one /48 are few.
func TestManyLoginsFromOneNetwork(t *testing.T) {
	for name, tt := range map[string]struct {
		from func(i int) netip.Addr
		want int
	}{
		"an IPv4 address": {func(int) netip.Addr { return home }, 50},
		"an IPv6 /64":     {func(i int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf("2001:db8:1:2::%x", i)) }, 50},
		"an IPv6 /48":     {func(i int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf("2001:db8:1:%x::1", i)) }, 200},
	} {
		synctest.Test(t, func(t *testing.T) {
			f, n := newFailures(), 0
			for ; n < 1000; n++ {
				a, wait := start(t, f, fmt.Sprint("user", n), tt.from(n))
				if wait > 0 {
					break
				}
				f.fail(a, nil)
			}
			if n != tt.want {
				t.Errorf("%s: %d failures", name, n)
			}
			if _, wait := start(t, f, "alice", address(1)); wait > 0 {
				t.Errorf("%s: another address waits %v", name, wait)
			}
		})
	}
}

// A botnet's guesses are limited, and they keep the user out nowhere for longer than the attack.
func TestBotnet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, guesses := newFailures(), 0
		for second := range 3600 {
			for bot := range 3 {
				if a, wait := start(t, f, "alice", address(3*second+bot)); wait == 0 {
					f.fail(a, nil)
					guesses++
				}
			}
			time.Sleep(time.Second)
		}
		if guesses < 100 || guesses > 200 { // 100 at once, 100 in the hour
			t.Errorf("%d guesses in an hour", guesses)
		}
		if _, wait := start(t, f, "bob", address(1<<20)); wait > 0 {
			t.Errorf("bob waits %v", wait)
		}
		_, wait := start(t, f, "alice", address(1<<20))
		if wait > perLogin.Interval {
			t.Errorf("elsewhere alice waits %v", wait)
		}
		time.Sleep(perLogin.Interval)
		if _, wait := start(t, f, "alice", address(1<<20)); wait > 0 {
			t.Errorf("after the attack alice waits %v", wait)
		}
	})
}

// Attempts that are under way at once count like those that came one after the other: no more than ten wrong
// passwords are looked at.
func TestParallelAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFailures()
		var all sync.WaitGroup
		var looked, refused atomic.Int32
		for range 60 {
			all.Go(func() {
				a, wait := start(t, f, "alice", home)
				if wait > 0 {
					refused.Add(1)
					return
				}
				looked.Add(1)
				time.Sleep(time.Second)
				f.fail(a, nil)
			})
		}
		all.Wait()
		if looked.Load() != 10 || refused.Load() != 50 {
			t.Errorf("%d were looked at, %d refused", looked.Load(), refused.Load())
		}
	})
}

// An office at nine o'clock: 200 people behind one address, all with the right password at once. Nobody is
// refused.
func TestOffice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFailures()
		var all sync.WaitGroup
		var in atomic.Int32
		for i := range 200 {
			all.Go(func() {
				a, wait := start(t, f, fmt.Sprint("user", i), home)
				if wait > 0 {
					t.Errorf("user %d waits %v", i, wait)
					return
				}
				time.Sleep(time.Second)
				f.succeed(a)
				in.Add(1)
			})
		}
		all.Wait()
		if in.Load() != 200 {
			t.Errorf("%d are in", in.Load())
		}
	})
}

// Nobody waits longer than five seconds for others, and that is no failure.
func TestAttemptsThatHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFailures()
		var hang []*attempt
		for range 10 {
			a, _ := start(t, f, "alice", home)
			hang = append(hang, a)
		}
		began := time.Now()
		if _, err := f.begin(t.Context(), "alice", home); !errors.Is(err, ErrBusy) || time.Since(began) != 5*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		for _, a := range hang {
			a.over()
		}
		if n, _ := fail(t, f, "alice", home); n != 10 {
			t.Errorf("%d failures afterwards", n)
		}
	})
}

func TestSuccessForgivesTypos(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFailures()
		for range 9 {
			a, _ := start(t, f, "alice", home)
			f.fail(a, nil)
		}
		a, _ := start(t, f, "alice", home)
		f.succeed(a)
		if n, _ := fail(t, f, "alice", home); n != 10 {
			t.Errorf("%d failures after a success", n)
		}
	})
}

// An attacker's own account does not buy guesses at others.
func TestSuccessDoesNotForgiveOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFailures()
		for guesses := range 100 {
			a, wait := start(t, f, fmt.Sprint("user", guesses), home)
			if wait > 0 {
				if guesses != 50 {
					t.Errorf("%d guesses", guesses)
				}
				return
			}
			f.fail(a, nil)
			if a, wait := start(t, f, "mallory", home); wait == 0 {
				f.succeed(a)
			}
		}
		t.Error("no limit")
	})
}

// A request from an unknown address has a limit like any other.
func TestUnknownAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if n, _ := fail(t, newFailures(), "alice", netip.Addr{}); n != 10 {
			t.Errorf("%d failures", n)
		}
	})
}

func BenchmarkThrottle(b *testing.B) {
	f := newFailures()
	for i := 0; b.Loop(); i++ {
		if a, err := f.begin(b.Context(), "alice", address(i&0xffffff)); err == nil {
			f.fail(a, nil)
		}
	}
}
