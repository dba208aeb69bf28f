package account

import (
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	home = netip.MustParseAddr("192.0.2.1")
	noon = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
)

// fail makes failed attempts until one is refused, and returns how many there were and the wait.
func fail(t *failures, now time.Time, login string, from netip.Addr) (n int, wait time.Duration) {
	for {
		if _, wait = t.begin(now, login, from); wait > 0 {
			return n, wait
		}
		n++
	}
}

// address returns the i-th of many addresses.
func address(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
}

func TestOneLoginFromOneAddress(t *testing.T) {
	th := newFailures()
	n, wait := fail(th, noon, "alice", home)
	if n != 10 || wait != 30*time.Second {
		t.Errorf("%d failures, then a wait of %v", n, wait)
	}
	if _, wait := th.begin(noon.Add(29*time.Second), "alice", home); wait != time.Second {
		t.Errorf("after 29 s: a wait of %v", wait)
	}
	if n, _ := fail(th, noon.Add(30*time.Second), "alice", home); n != 1 {
		t.Errorf("after 30 s: %d", n)
	}
	if n, _ := fail(th, noon.Add(time.Hour), "alice", home); n != 10 {
		t.Errorf("after an hour: %d", n)
	}
	if n, _ := fail(th, noon.Add(time.Hour), "bob", home); n != 10 {
		t.Errorf("another login: %d", n)
	}
	if n, _ := fail(th, noon.Add(time.Hour), "alice", address(1)); n != 10 {
		t.Errorf("another address: %d", n)
	}
}

func TestManyLoginsFromOneAddress(t *testing.T) {
	th := newFailures()
	n := 0
	for ; n < 1000; n++ {
		if _, wait := th.begin(noon, fmt.Sprint("user", n), home); wait > 0 {
			break
		}
	}
	if n != 50 {
		t.Errorf("%d failures", n)
	}
	if _, wait := th.begin(noon, "alice", address(1)); wait > 0 {
		t.Errorf("another address waits %v", wait)
	}
}

// A botnet's guesses are limited, but they don't keep the user out: not where they have signed in
// before, and nowhere for longer than the attack.
func TestBotnet(t *testing.T) {
	th := newFailures()
	a, _ := th.begin(noon, "alice", home)
	th.succeed(noon, a)

	guesses := 0
	for second := range 3600 {
		now := noon.Add(time.Duration(second) * time.Second)
		for bot := range 3 {
			if _, wait := th.begin(now, "alice", address(3*second+bot)); wait == 0 {
				guesses++
			}
		}
	}
	if guesses < 100 || guesses > 200 { // 100 at once, 100 in the hour
		t.Errorf("%d guesses in an hour", guesses)
	}
	end := noon.Add(3599 * time.Second)
	if _, wait := th.begin(end, "alice", home); wait > 0 {
		t.Errorf("at home alice waits %v", wait)
	}
	if _, wait := th.begin(end, "alice", address(1<<20)); wait <= 0 || wait > perLogin.Interval {
		t.Errorf("elsewhere alice waits %v", wait)
	}
	if _, wait := th.begin(end.Add(perLogin.Interval), "alice", address(1<<20)); wait > 0 {
		t.Errorf("after the attack alice waits %v", wait)
	}
	if _, wait := th.begin(end, "bob", address(1<<20)); wait > 0 {
		t.Errorf("bob waits %v", wait)
	}
	if n, _ := fail(th, end.Add(trustFor), "alice", home); n != 10 {
		t.Errorf("long after: %d failures", n)
	}
}

// Attempts that are under way at once count like those that came one after the other.
func TestParallelAttempts(t *testing.T) {
	th := newFailures()
	var all sync.WaitGroup
	var passed atomic.Int32
	for range 200 {
		all.Go(func() {
			if _, wait := th.begin(noon, "alice", home); wait == 0 {
				passed.Add(1)
			}
		})
	}
	all.Wait()
	if passed.Load() != 10 {
		t.Errorf("%d passed", passed.Load())
	}
}

func TestSuccessCostsNothing(t *testing.T) {
	th := newFailures()
	for i := range 1000 { // an office behind one address
		a, wait := th.begin(noon, fmt.Sprint("user", i%100), home)
		if wait > 0 {
			t.Fatalf("login %d waits %v", i, wait)
		}
		th.succeed(noon, a)
	}
}

func TestSuccessForgivesTypos(t *testing.T) {
	th := newFailures()
	for range 9 {
		th.begin(noon, "alice", home)
	}
	a, _ := th.begin(noon, "alice", home)
	th.succeed(noon, a)
	if n, _ := fail(th, noon, "alice", home); n != 10 {
		t.Errorf("%d failures after a success", n)
	}
}

// An attacker's own account does not buy guesses at others.
func TestSuccessDoesNotForgiveOthers(t *testing.T) {
	th := newFailures()
	for guesses := range 100 {
		if _, wait := th.begin(noon, fmt.Sprint("user", guesses), home); wait > 0 {
			if guesses != 50 {
				t.Errorf("%d guesses", guesses)
			}
			return
		}
		if a, wait := th.begin(noon, "mallory", home); wait == 0 {
			th.succeed(noon, a)
		}
	}
	t.Error("no limit")
}

func TestUndo(t *testing.T) {
	th := newFailures()
	for range 1000 {
		a, wait := th.begin(noon, "alice", home)
		if wait > 0 {
			t.Fatalf("waits %v", wait)
		}
		th.undo(noon, a)
	}
}

// Who comes from an address that is not known has a limit like any other.
func TestUnknownAddress(t *testing.T) {
	if n, _ := fail(newFailures(), noon, "alice", netip.Addr{}); n != 10 {
		t.Errorf("%d failures", n)
	}
}

func BenchmarkThrottle(b *testing.B) {
	th := newFailures()
	for i := 0; b.Loop(); i++ {
		th.begin(noon, "alice", address(i&0xffffff))
	}
}
