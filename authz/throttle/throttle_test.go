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
	alice := Charge{b.Key("guess", "alice", every), some}
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
	if wait := b.Take(noon, Charge{b.Key("guess", "bob", every), some}); wait != 0 {
		t.Errorf("another name waits %v", wait)
	}
	if wait := b.Take(noon, Charge{b.Key("login", "alice", every), some}); wait != 0 {
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
	narrow := Charge{b.Key("narrow", "", every), Limit{1, time.Hour}}
	wide := Charge{b.Key("wide", "", every), Limit{2, time.Minute}}
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

func TestParallel(t *testing.T) {
	b := New()
	var all sync.WaitGroup
	var passed atomic.Int32
	for range 64 {
		all.Go(func() {
			if b.Take(noon, Charge{b.Key("guess", "alice", every), some}) == 0 {
				passed.Add(1)
			}
		})
	}
	all.Wait()
	if passed.Load() != 3 {
		t.Errorf("%d passed", passed.Load())
	}
}

// A flood does not take more memory, nor does it wash out what counts.
func TestFlood(t *testing.T) {
	b := New()
	alice := Charge{b.Key("guess", "alice", every), some}
	for b.Take(noon, alice) == 0 {
	}
	for i := range 2 * maxTracked {
		b.Take(noon, Charge{b.Key("guess", fmt.Sprint(i), every), some})
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
