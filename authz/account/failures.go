package account

import (
	"net/netip"
	"sync"
	"time"

	"github.com/authzd/authzd/authz/throttle"
)

// The limits of failed logins.
//
// A login from one address is slowed down early; a whole address, which may be an office, later. The
// limit of a login over all addresses is what stops a botnet, and what a botnet could abuse to keep
// its victim out: it does not apply to an address from which this login has succeeded lately.
//
// The first two are in the memory of one process. Of the third there is also a count that all replicas
// share, so that no number of them allows more guesses.
var (
	perLoginAndAddress = throttle.Limit{Burst: 10, Interval: 30 * time.Second}
	perAddress         = throttle.Limit{Burst: 50, Interval: 2 * time.Second}
	perLogin           = throttle.Limit{Burst: 100, Interval: 36 * time.Second}
)

// trustFor is how long a successful login vouches for its address.
const trustFor = 30 * 24 * time.Hour

// failures counts failed logins, of existing and unknown users alike. It knows logins as they are
// typed, not users: otherwise it would tell which names belong together.
type failures struct {
	buckets *throttle.Buckets

	mu sync.Mutex
	// trusted has, for a login and an address, when they last succeeded.
	trusted throttle.Times
}

func newFailures() *failures {
	return &failures{buckets: throttle.New(), trusted: throttle.Times{}}
}

// attempt is one login that is under way.
type attempt struct {
	pair    throttle.Key // of login and address
	trusted bool         // pair is
	charges []throttle.Charge
}

// begin charges an attempt as if it had failed, so that many at once can't slip through, or says how
// long to wait.
func (f *failures) begin(now time.Time, login string, from netip.Addr) (attempt, time.Duration) {
	network := throttle.NetworkOf(from)
	pair := f.buckets.Key("pair", login, network)
	a := attempt{pair, f.trusts(now, pair), []throttle.Charge{
		{Key: pair, Limit: perLoginAndAddress},
		{Key: f.buckets.Key("address", "", network), Limit: perAddress},
	}}
	if !a.trusted {
		a.charges = append(a.charges, throttle.Charge{Key: f.buckets.Key("login", login, netip.Prefix{}), Limit: perLogin})
	}
	return a, f.buckets.Take(now, a.charges...)
}

// undo takes the charge back: the password was never checked.
func (f *failures) undo(now time.Time, a attempt) { f.buckets.Give(now, a.charges...) }

// succeed takes the charge back, forgives the earlier failures of this login from this address, and
// trusts them.
func (f *failures) succeed(now time.Time, a attempt) {
	f.undo(now, a)
	f.buckets.Forget(a.pair)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.trusted.Set(a.pair, now)
}

func (f *failures) trusts(now time.Time, pair throttle.Key) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	seen, ok := f.trusted[pair]
	return ok && now.Sub(seen) < trustFor
}
