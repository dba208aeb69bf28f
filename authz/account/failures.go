package account

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/authzd/authzd/authz/throttle"
	"github.com/authzd/authzd/storage"
)

// The limits of failed logins.
//
// A login from one address is slowed down early. A whole address, which may be an office, is slowed down
// later. The limit of a login over all addresses stops a botnet. A botnet could abuse it to keep its victim
// out, so it does not apply to an address from which the user has signed in lately.
//
// The first two are in the memory of one process. The third is also counted in the store, for all replicas
// together, so that more replicas do not allow more guesses. The store also counts the failures of each user
// over all their names.
var (
	perLoginAndAddress = throttle.Limit{Burst: 10, Interval: 30 * time.Second}
	perAddress         = throttle.Limit{Burst: 50, Interval: 2 * time.Second}
	perLogin           = throttle.Limit{Burst: 100, Interval: 36 * time.Second}
)

// failures counts failed logins, of existing and unknown users alike. It counts logins as they are typed, not
// users; otherwise it would reveal which names belong together.
type failures struct {
	buckets *throttle.Buckets

	mu sync.Mutex
	// unlocked has the time at which an operator forgave the failures of a login.
	unlocked throttle.Times
	// users has, for a login from an address, the user whose failures it counts. It is only for the operator.
	users map[throttle.Key]string
}

// maxUsers bounds the memory of failures.users.
const maxUsers = 1 << 14

func newFailures() *failures {
	return &failures{buckets: throttle.New(), unlocked: throttle.Times{}, users: map[throttle.Key]string{}}
}

// attempt is one login that is under way.
type attempt struct {
	pair  throttle.Key      // of login and address
	here  *throttle.Attempt // of the pair, the address and the site around it
	login *throttle.Attempt // of the login from all addresses; nil: not counted
}

// begin reserves places for an attempt from an address. The error is *ThrottledError if failures fill a
// limit, ErrBusy if attempts under way fill it for too long, or that of ctx.
func (f *failures) begin(ctx context.Context, login string, from netip.Addr) (*attempt, error) {
	a := &attempt{pair: f.buckets.Key("pair", f.current(login), throttle.NetworkOf(from))}
	charges := append(f.buckets.From("address", from, perAddress, 1), throttle.Charge{Key: a.pair, Limit: perLoginAndAddress})
	here, err := f.reserve(ctx, charges...)
	a.here = here
	if full := (*ThrottledError)(nil); errors.As(err, &full) {
		f.mu.Lock()
		defer f.mu.Unlock()
		full.UserID = f.users[a.pair]
	}
	return a, err
}

// everywhere reserves a place among all attempts with a login. The errors are those of begin.
func (f *failures) everywhere(ctx context.Context, a *attempt, login string) error {
	var err error
	a.login, err = f.reserve(ctx, throttle.Charge{Key: f.buckets.Key("login", f.current(login), netip.Prefix{}), Limit: perLogin})
	return err
}

func (f *failures) reserve(ctx context.Context, charges ...throttle.Charge) (*throttle.Attempt, error) {
	a, wait, err := f.buckets.Begin(ctx, charges...)
	switch {
	case errors.Is(err, throttle.ErrCrowded):
		return nil, ErrBusy
	case err != nil:
		return nil, err
	case wait > 0:
		return nil, throttled(wait)
	}
	return a, nil
}

func throttled(wait time.Duration) error {
	return &ThrottledError{RetryAfter: max(wait, time.Second)}
}

// over ends an attempt whose password was not wrong.
func (a *attempt) over() {
	a.here.Over()
	a.login.Over()
}

// fail ends an attempt with a wrong password. user is nil if the login is nobody's.
func (f *failures) fail(a *attempt, user *storage.User) {
	a.here.Failed()
	a.login.Failed()
	if user == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.users) >= maxUsers {
		clear(f.users)
	}
	f.users[a.pair] = user.ID
}

// succeed ends an attempt with the right password, and forgives the earlier failures of this login from this
// address.
func (f *failures) succeed(a *attempt) {
	a.over()
	f.buckets.Forget(a.pair)
}

// unlock forgives all failures of a login before a time. It reports whether that is new.
func (f *failures) unlock(login string, at time.Time) bool {
	key := f.buckets.Key("unlocked", login, netip.Prefix{})
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.unlocked[key].Before(at) {
		return false
	}
	f.unlocked.Set(key, at)
	return true
}

// current is the name under which the failures of a login are counted. It changes when the login is unlocked.
func (f *failures) current(login string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if at, ok := f.unlocked[f.buckets.Key("unlocked", login, netip.Prefix{})]; ok {
		return login + "\x00" + at.UTC().Format(time.RFC3339Nano)
	}
	return login
}
