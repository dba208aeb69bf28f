// Package throttle limits how often something may happen: failed logins, guesses of codes, records that
// strangers make us keep.
//
//	Key (what, by whom, from where) + Limit = Charge     Take all charges, or wait
//	                                                      |
//	                                   it was no failure: Give them back, or Forget a key
//	Charges -> Begin an Attempt, which has a place until it is Over, or has Failed and is charged
//
// The counts are in the memory of one process, bounded, and don't reveal who was counted.
package throttle

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

const (
	// maxTracked bounds the memory of Buckets to about 2 MB.
	maxTracked = 1 << 16
	// evictionSample is how many entries are compared to choose the one that a full map forgets.
	evictionSample = 8
)

// Limit is a number at once, and then one more each interval.
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
	Weight int // how many events it counts for; 0: one; at most the burst counts
}

// debt is how long a bucket takes to drain the charge.
func (c Charge) debt() time.Duration {
	return time.Duration(max(1, min(c.Weight, c.Limit.Burst))) * c.Limit.Interval
}

// Buckets are leaky buckets. They are safe for concurrent use.
type Buckets struct {
	seed maphash.Seed

	mu sync.Mutex
	// debts has for each key the time when its bucket will have drained. A drained bucket is forgotten, as it
	// equals an unused one.
	debts Times
	// reserved has the debts of attempts under way, if they fail.
	reserved map[Key]time.Duration
	waiting  []*waiter
}

// New returns empty buckets.
func New() *Buckets {
	return &Buckets{seed: maphash.MakeSeed(), debts: Times{}, reserved: map[Key]time.Duration{}}
}

// Key returns the key of one kind of event, by or to a name, from one network. An empty name or the zero
// Prefix stands for all of them.
func (b *Buckets) Key(kind, name string, network netip.Prefix) Key {
	return Key(maphash.Comparable(b.seed, struct {
		kind, name string
		network    netip.Prefix
	}{kind, name, network}))
}

// siteShare is how much higher the limits of an IPv6 /48 are than those of one /64 in it.
const siteShare = 4

// From returns the charges for an event from an address: to the network of one person and, because the owner
// of one IPv6 /64 may have thousands, to the /48 around it.
func (b *Buckets) From(kind string, from netip.Addr, l Limit, weight int) []Charge {
	charges := []Charge{{b.Key(kind, "", NetworkOf(from)), l, weight}}
	if !from.Unmap().Is6() {
		return charges
	}
	return append(charges, Charge{b.Key(kind, "", SiteOf(from)), l.OfSite(), weight})
}

// OfSite returns the limit of an IPv6 /48 whose networks have the limit l.
func (l Limit) OfSite() Limit { return Limit{siteShare * l.Burst, l.Interval / siteShare} }

// Take makes all charges and returns 0, or makes none and returns how long it takes until there is room for
// them. Many at once can't slip through: a charge counts until it is given back.
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

// Wait returns how long it takes until there is room for a charge, or 0 if there is.
func (b *Buckets) Wait(now time.Time, c Charge) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.wait(now, c)
}

// Give takes charges back: the charged event did not happen.
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

// Set sets an entry. If the map is full, it forgets the earliest of a few random entries, so that a flood of
// single events doesn't remove a long series.
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

// SiteOf returns the network that one customer of a provider may have: an IPv4 address or an IPv6 /48. The
// zero Addr is a site like any other.
func SiteOf(from netip.Addr) netip.Prefix { return prefixOf(from, 48) }

// NetworkOf returns the network that one person may have: an IPv4 address or an IPv6 /64. The zero Addr is a
// network like any other.
func NetworkOf(from netip.Addr) netip.Prefix { return prefixOf(from, 64) }

// prefixOf returns an IPv4 address, or the first bits of an IPv6 address.
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
