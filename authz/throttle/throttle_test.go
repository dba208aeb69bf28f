package throttle

import (
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	noon  = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	some  = Limit{Burst: 3, Interval: time.Minute}
	every = netip.Prefix{}
)

func TestLimit(t *testing.T) {
	b := New()
	alice := Charge{Key: b.Key("guess", "alice", every), Limit: some}
	for range 3 {
		if wait := b.Take(noon, alice); wait != 0 {
			t.Fatalf("waits %v", wait)
		}
	}
	if wait := b.Take(noon, alice); wait != time.Minute {
		t.Errorf("after the burst: waits %v", wait)
	}
	if wait := b.Take(noon.Add(59*time.Second), alice); wait != time.Second {
		t.Errorf("after 59 s: waits %v", wait)
	}
	if wait := b.Take(noon.Add(time.Minute), alice); wait != 0 {
		t.Errorf("after a minute: waits %v", wait)
	}
	if wait := b.Take(noon, Charge{Key: b.Key("guess", "bob", every), Limit: some}); wait != 0 {
		t.Errorf("another name waits %v", wait)
	}
	if wait := b.Take(noon, Charge{Key: b.Key("login", "alice", every), Limit: some}); wait != 0 {
		t.Errorf("another kind waits %v", wait)
	}
	b.Forget(alice.Key)
	if wait := b.Take(noon, alice); wait != 0 {
		t.Errorf("forgotten, and waits %v", wait)
	}
}

// Charges are made together or not at all.
func TestChargesAreOne(t *testing.T) {
	b := New()
	narrow := Charge{Key: b.Key("narrow", "", every), Limit: Limit{1, time.Hour}}
	wide := Charge{Key: b.Key("wide", "", every), Limit: Limit{2, time.Minute}}
	if wait := b.Take(noon, wide, narrow); wait != 0 {
		t.Fatalf("waits %v", wait)
	}
	for range 10 {
		if wait := b.Take(noon, wide, narrow); wait != time.Hour {
			t.Fatalf("waits %v", wait)
		}
	}
	if wait := b.Take(noon, wide); wait != 0 {
		t.Error("what was refused was charged")
	}
	b.Give(noon, wide, wide, narrow)
	if len(b.debts) != 0 {
		t.Errorf("%d debts are left", len(b.debts))
	}
}

// A heavy charge counts for more, and passes in the end with any weight.
func TestWeight(t *testing.T) {
	b := New()
	charge := func(weight int) Charge { return Charge{b.Key("kept", "", every), some, weight} }
	for _, step := range []struct {
		weight int
		wait   time.Duration
	}{{2, 0}, {2, time.Minute}, {1, 0}, {0, time.Minute}, {9, 3 * time.Minute}} {
		if wait := b.Take(noon, charge(step.weight)); wait != step.wait {
			t.Errorf("weight %d waits %v, want %v", step.weight, wait, step.wait)
		}
	}
	b.Give(noon, charge(2), charge(1))
	if len(b.debts) != 0 {
		t.Errorf("%d debts are left", len(b.debts))
	}
	if wait := b.Take(noon, charge(9)); wait != 0 {
		t.Errorf("more than the burst waits %v", wait)
	}
}

// The owner of a whole IPv6 site does not get thousands of times as much as others.
func TestFrom(t *testing.T) {
	b := New()
	take := func(addr string) bool {
		return b.Take(noon, b.From("guess", netip.MustParseAddr(addr), some, 1)...) == 0
	}
	passed := 0
	for i := range 100 {
		if take(fmt.Sprintf("2001:db8:1:%x::1", i)) {
			passed++
		}
	}
	if passed != siteShare*some.Burst {
		t.Errorf("%d from one site", passed)
	}
	for _, other := range []string{"2001:db8:2::1", "192.0.2.1", "192.0.2.2"} {
		if !take(other) {
			t.Errorf("%s is somebody else", other)
		}
	}
	for range some.Burst - 1 {
		take("192.0.2.1")
	}
	if take("::ffff:192.0.2.1") || len(b.From("guess", netip.Addr{}, some, 1)) != 1 {
		t.Error("one address in two spellings, or none, is told apart")
	}
}

func TestParallel(t *testing.T) {
	b := New()
	var all sync.WaitGroup
	var passed atomic.Int32
	for range 64 {
		all.Go(func() {
			if b.Take(noon, Charge{Key: b.Key("guess", "alice", every), Limit: some}) == 0 {
				passed.Add(1)
			}
		})
	}
	all.Wait()
	if passed.Load() != 3 {
		t.Errorf("%d passed", passed.Load())
	}
}

// A flood does not take more memory, and does not remove important entries.
func TestFlood(t *testing.T) {
	b := New()
	alice := Charge{Key: b.Key("guess", "alice", every), Limit: some}
	for b.Take(noon, alice) == 0 {
	}
	for i := range 2 * maxTracked {
		b.Take(noon, Charge{Key: b.Key("guess", fmt.Sprint(i), every), Limit: some})
	}
	if len(b.debts) > maxTracked {
		t.Errorf("%d debts", len(b.debts))
	}
	if b.Take(noon, alice) == 0 {
		t.Error("alice's guesses are forgotten")
	}
}

func TestNetworkOf(t *testing.T) {
	same := [][2]string{
		{"192.0.2.1", "::ffff:192.0.2.1"},
		{"2001:db8::1", "2001:db8::ffff:0:0:1"},
		{"fe80::1%eth0", "fe80::2%eth1"},
	}
	for _, pair := range same {
		if NetworkOf(netip.MustParseAddr(pair[0])) != NetworkOf(netip.MustParseAddr(pair[1])) {
			t.Errorf("%v are two networks", pair)
		}
	}
	different := [][2]string{
		{"192.0.2.1", "192.0.2.2"},
		{"2001:db8::1", "2001:db8:0:1::1"},
		{"::1", "127.0.0.1"},
	}
	for _, pair := range different {
		if NetworkOf(netip.MustParseAddr(pair[0])) == NetworkOf(netip.MustParseAddr(pair[1])) {
			t.Errorf("%v are one network", pair)
		}
	}
	if NetworkOf(netip.Addr{}) != (netip.Prefix{}) {
		t.Error("no address is a network")
	}
}
