// Package throttle counts what may happen only so often: failed logins, guesses of codes, records
// that strangers have us keep.
//
//	Key (what, by whom, from where) + Limit = Charge     Take all charges, or wait
//	                                                      |
//	                                   it was no failure: Give them back, or Forget a key
//	Charges -> Begin an Attempt, which has a place until it is Over, or has Failed and is charged
//
// The counts are in the memory of one process, bounded, and say nothing about who was counted.
package throttle

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

const (
	// maxTracked bounds the memory of Buckets: some 2 MB.
	maxTracked = 1 << 16
	// evictionSample is how many entries compete for not being forgotten when a map is full.
	evictionSample = 8
)

// Limit is so many at once, and one more each interval.
type Limit struct {
	Burst    int
	Interval time.Duration
}

// Key names a bucket.
type Key uint64

// Charge is one event in one bucket.
type Charge struct {
	Key    Key
	Limit  Limit
	Weight int // as many events as it counts for; 0: one; more than the burst count as the burst
}

// debt is how long a bucket takes to drain what is charged.
func (c Charge) debt() time.Duration {
	return time.Duration(max(1, min(c.Weight, c.Limit.Burst))) * c.Limit.Interval
}

// Buckets are leaky buckets. They are safe for concurrent use.
type Buckets struct {
	seed maphash.Seed

	mu sync.Mutex
	// debts has for each key when its bucket will have drained. A drained bucket is forgotten, as good
	// as one that never was.
	debts Times
	// reserved has the debts that attempts under way may come to.
	reserved map[Key]time.Duration
	waiting  []*waiter
}

// New returns empty buckets.
func New() *Buckets {
	return &Buckets{seed: maphash.MakeSeed(), debts: Times{}, reserved: map[Key]time.Duration{}}
}

// Key returns the key of what happens, of a kind that is told apart from others, to or by a name, from
// one network. An empty name or the zero Prefix stands for all of them.
func (b *Buckets) Key(kind, name string, network netip.Prefix) Key {
	return Key(maphash.Comparable(b.seed, struct {
		kind, name string
		network    netip.Prefix
	}{kind, name, network}))
}

// siteShare is how many times as much may come from an IPv6 /48 as from one /64 in it.
const siteShare = 4

// From returns the charges for what comes from an address: to the network of one person and, since who
// has one IPv6 /64 may have thousands, to the /48 around it.
func (b *Buckets) From(kind string, from netip.Addr, l Limit, weight int) []Charge {
	charges := []Charge{{b.Key(kind, "", NetworkOf(from)), l, weight}}
	if !from.Unmap().Is6() {
		return charges
	}
	l = Limit{siteShare * l.Burst, l.Interval / siteShare}
	return append(charges, Charge{b.Key(kind, "", SiteOf(from)), l, weight})
}

// Take makes all charges and returns 0, or makes none and returns how long it takes until there is
// room for them. Many at once can't slip through: what is under way counts until it is given back.
func (b *Buckets) Take(now time.Time, charges ...Charge) (wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range charges {
		wait = max(wait, b.wait(now, c))
	}
	if wait > 0 {
		return wait
	}
	for _, c := range charges {
		b.add(now, c.Key, c.debt())
	}
	return 0
}

// Wait returns how long it takes until there is room for a charge, and 0 if there is.
func (b *Buckets) Wait(now time.Time, c Charge) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.wait(now, c)
}

// Give takes charges back: what was charged has not happened.
func (b *Buckets) Give(now time.Time, charges ...Charge) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range charges {
		b.add(now, c.Key, -c.debt())
	}
}

// Forget empties a bucket.
func (b *Buckets) Forget(key Key) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.debts, key)
}

// wait returns how long a bucket takes until it has room for a charge.
func (b *Buckets) wait(now time.Time, c Charge) time.Duration {
	drained, owing := b.debts[c.Key]
	if !owing {
		return 0
	}
	return max(0, drained.Sub(now)+c.debt()-time.Duration(c.Limit.Burst)*c.Limit.Interval)
}

func (b *Buckets) add(now time.Time, key Key, debt time.Duration) {
	drained := b.debts[key]
	if drained.Before(now) {
		drained = now
	}
	if drained = drained.Add(debt); drained.After(now) {
		b.debts.Set(key, drained)
	} else {
		delete(b.debts, key)
	}
}

// Times are moments by key, a bounded number of them.
type Times map[Key]time.Time

// Set sets an entry and, when the map is full, forgets the earliest of a few random ones: a flood of
// single events doesn't wash out a long series.
func (m Times) Set(key Key, at time.Time) {
	if _, known := m[key]; !known && len(m) >= maxTracked {
		var victim Key
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

// SiteOf returns what one customer of a provider can be assumed to have: an IPv4 address, an IPv6 /48. The
// zero Addr is a site like any other.
func SiteOf(from netip.Addr) netip.Prefix { return prefixOf(from, 48) }

// NetworkOf returns what one person can be assumed to have: an IPv4 address, an IPv6 /64. The zero
// Addr is a network like any other.
func NetworkOf(from netip.Addr) netip.Prefix { return prefixOf(from, 64) }

// prefixOf returns an IPv4 address, or so many bits of an IPv6 address.
func prefixOf(from netip.Addr, bits int) netip.Prefix {
	from = from.Unmap().WithZone("")
	if !from.Is6() {
		bits = from.BitLen()
	}
	prefix, err := from.Prefix(bits)
	if err != nil { // the zero Addr
		return netip.Prefix{}
	}
	return prefix
}
