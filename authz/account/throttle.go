package account

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// The limits of failed logins: so many at once, and one more each interval.
//
// A login from one address is slowed down early; a whole address, which may be an office, later. The
// limit of a login over all addresses is what stops a botnet, and what a botnet could abuse to keep
// its victim out: it does not apply to an address from which this login has succeeded lately.
var (
	perLoginAndAddress = limit{burst: 10, interval: 30 * time.Second}
	perAddress         = limit{burst: 50, interval: 2 * time.Second}
	perLogin           = limit{burst: 100, interval: 36 * time.Second}
)

const (
	// maxTracked bounds the memory of each map: some 2 MB.
	maxTracked = 1 << 16
	// trustFor is how long a successful login vouches for its address.
	trustFor = 30 * 24 * time.Hour
	// evictionSample is how many entries compete for not being forgotten when a map is full.
	evictionSample = 8
)

type limit struct {
	burst    int
	interval time.Duration
}

// throttle counts failed logins, of existing and unknown users alike. It knows logins as they are
// typed, not users: otherwise it would tell which names belong together.
type throttle struct {
	seed maphash.Seed

	mu sync.Mutex
	// debts has a leaky bucket for each key: when it will have drained. A drained bucket is
	// forgotten, as good as one that never was.
	debts map[uint64]time.Time
	// trusted has, for a login and an address, when they last succeeded.
	trusted map[uint64]time.Time
}

func newThrottle() *throttle {
	return &throttle{seed: maphash.MakeSeed(), debts: map[uint64]time.Time{}, trusted: map[uint64]time.Time{}}
}

// attempt is one login that is under way.
type attempt struct {
	pair, address, login uint64
	trusted              bool
}

// begin charges an attempt as if it had failed, so that many at once can't slip through, or says how
// long to wait.
func (t *throttle) begin(now time.Time, login string, from netip.Addr) (attempt, time.Duration) {
	network := networkOf(from)
	a := attempt{
		pair:    t.key("pair", login, network),
		address: t.key("address", "", network),
		login:   t.key("login", login, netip.Prefix{}),
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	seen, ok := t.trusted[a.pair]
	a.trusted = ok && now.Sub(seen) < trustFor
	wait := max(t.wait(now, a.pair, perLoginAndAddress), t.wait(now, a.address, perAddress))
	if !a.trusted {
		wait = max(wait, t.wait(now, a.login, perLogin))
	}
	if wait == 0 {
		t.charge(now, a, +1)
	}
	return a, wait
}

// undo takes the charge back: the password was never checked.
func (t *throttle) undo(now time.Time, a attempt) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.charge(now, a, -1)
}

// succeed takes the charge back, forgives the earlier failures of this login from this address, and
// trusts them.
func (t *throttle) succeed(now time.Time, a attempt) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.charge(now, a, -1)
	delete(t.debts, a.pair)
	remember(t.trusted, a.pair, now)
}

// wait returns how long a bucket takes until it has room for one more.
func (t *throttle) wait(now time.Time, key uint64, l limit) time.Duration {
	drained, owing := t.debts[key]
	if !owing {
		return 0
	}
	return max(0, drained.Sub(now)-time.Duration(l.burst-1)*l.interval)
}

func (t *throttle) charge(now time.Time, a attempt, n time.Duration) {
	t.add(now, a.pair, n*perLoginAndAddress.interval)
	t.add(now, a.address, n*perAddress.interval)
	if !a.trusted {
		t.add(now, a.login, n*perLogin.interval)
	}
}

func (t *throttle) add(now time.Time, key uint64, debt time.Duration) {
	drained := t.debts[key]
	if drained.Before(now) {
		drained = now
	}
	if drained = drained.Add(debt); drained.After(now) {
		remember(t.debts, key, drained)
	} else {
		delete(t.debts, key)
	}
}

// remember sets an entry and, when the map is full, forgets the earliest of a few random ones: a
// flood of single failures doesn't wash out a long series.
func remember(m map[uint64]time.Time, key uint64, at time.Time) {
	if _, known := m[key]; !known && len(m) >= maxTracked {
		var victim uint64
		var earliest time.Time
		sampled := 0
		for k, t := range m { // begins at a random entry
			if sampled == 0 || t.Before(earliest) {
				victim, earliest = k, t
			}
			if sampled++; sampled == evictionSample {
				break
			}
		}
		delete(m, victim)
	}
	m[key] = at
}

func (t *throttle) key(kind, login string, network netip.Prefix) uint64 {
	return maphash.Comparable(t.seed, struct {
		kind, login string
		network     netip.Prefix
	}{kind, login, network})
}

// networkOf returns what one person can be assumed to have: an IPv4 address, an IPv6 /64. The zero
// Addr is a network like any other.
func networkOf(from netip.Addr) netip.Prefix {
	from = from.Unmap().WithZone("")
	bits := from.BitLen()
	if from.Is6() {
		bits = 64
	}
	network, err := from.Prefix(bits)
	if err != nil { // the zero Addr
		return netip.Prefix{}
	}
	return network
}
