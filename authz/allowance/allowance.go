// Package allowance bounds what strangers have this server keep and fetch: by the network that they come from,
// and by the client that they act as.
//
//	handler -> Take(Devices, Pushes, …) -> a place in the buckets, or 429 with Retry-After
package allowance

import (
	"context"
	"net/http"
	"net/netip"
	"time"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/client/clientkeys"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/throttle"
	"github.com/authzd/authzd/storage"
)

// What strangers may have this server keep and fetch. Whatever they do, the records of one row in this
// table are 50 MB at most, counting the time until they are swept; and to use up what a client may
// have takes many networks, so that one attacker does not shut out everybody else.
var (
	Devices = Allowance{ // for lifetimes.device_code
		kind:      "devices",
		ofNetwork: throttle.Limit{Burst: 60, Interval: 10 * time.Second},
		ofClient:  throttle.Limit{Burst: 1000, Interval: time.Second / 10},
		refusal:   "Too many devices wait for their users. Try again later.",
	}
	Pushes = Allowance{ // for lifetimes.par
		kind:      "pushed requests",
		ofNetwork: throttle.Limit{Burst: 600, Interval: time.Second / 2}, // many people may share it, and each sign-in needs one
		ofClient:  throttle.Limit{Burst: 4000, Interval: time.Second / 40},
		refusal:   "Too many authorization requests were pushed lately. Try again later.",
	}
	fetchesForStrangers = Allowance{ // of keys and request objects; documents have their own client
		kind:      "fetches",
		ofNetwork: throttle.Limit{Burst: 30, Interval: 10 * time.Second},
		ofClient:  throttle.Limit{Burst: 50, Interval: time.Second / 10},
		refusal:   "Too much had to be fetched for clients that registered themselves. Try again later.",
	}
	// fetchesForNetwork is for request objects of other clients.
	fetchesForNetwork = throttle.Limit{Burst: 120, Interval: time.Second}
	// AssertionsOfNetwork is for clients that came uninvited: a mark is kept of each assertion.
	AssertionsOfNetwork = throttle.Limit{Burst: 600, Interval: time.Second / 5}
)

// weightBytes is how much of what is kept counts as one event. Few honest requests are longer.
const weightBytes = 512

// Allowance is so much of a kind for one network, and for one client.
type Allowance struct {
	kind                string
	ofNetwork, ofClient throttle.Limit
	refusal             string
}

// Ledger knows what has been taken.
type Ledger struct {
	Networks     *throttle.Buckets // what anybody may do, by who it is and from where
	Clients      *throttle.Buckets // what is done in the name of a client; no flood of names washes them out
	Keys         *clientkeys.Keys
	TokensInvite bool // only clients that have got an initial access token can register: they are invited
}

// Invited tells whether a client is here because the operator wants it: by name, or by one of the initial
// access tokens.
func (l *Ledger) Invited(c *client.Client) bool {
	return c.Source == client.Configured || c.Source == client.Registered && l.TokensInvite
}

// Vouched reports whether somebody whom the operator trusts speaks for a client: the operator, or the issuer
// of its software statement. A browser is not sent to the URIs of other clients unless the person has seen
// where they lead (RFC 9700 section 4.11.2).
func (l *Ledger) Vouched(c *client.Client) bool { return l.Invited(c) || c.Vouched }

// Stranger tells whether anybody may act as a client, or be it.
func (l *Ledger) Stranger(c *client.Client) bool { return c.Public() || !l.Invited(c) }

// Take charges an allowance with what a client asks for. Clients that came uninvited count as one: there
// is no end of them.
func (l *Ledger) Take(ctx context.Context, a Allowance, c *client.Client, bytes int) error {
	name, weight := c.ID, 1+bytes/weightBytes
	if !l.Invited(c) {
		name = ""
	}
	charges := l.Networks.From(a.kind, observe.Event(ctx).Remote(), a.ofNetwork, weight)
	if err := Charge(l.Networks, storage.Now(), a.refusal, charges...); err != nil {
		return err
	}
	err := Charge(l.Clients, storage.Now(), a.refusal, throttle.Charge{Key: l.Clients.Key(a.kind, name, netip.Prefix{}), Limit: a.ofClient, Weight: weight})
	if err != nil {
		l.Networks.Give(storage.Now(), charges...)
	}
	return err
}

// TakeNetwork charges the network that a request comes from.
func (l *Ledger) TakeNetwork(ctx context.Context, kind, refusal string, limit throttle.Limit, weight int) error {
	return Charge(l.Networks, storage.Now(), refusal, l.Networks.From(kind, observe.Event(ctx).Remote(), limit, weight)...)
}

func Charge(from *throttle.Buckets, now time.Time, refusal string, charges ...throttle.Charge) error {
	wait := from.Take(now, charges...)
	if wait == 0 {
		return nil
	}
	return TooMany(refusal, wait)
}

// TooMany is the answer to what may be tried again after a wait.
func TooMany(refusal string, wait time.Duration) error {
	return &oauth.Error{Status: http.StatusTooManyRequests, Code: oauth.TemporarilyUnavailable, Description: refusal, RetryAfter: wait}
}

// TakeRequestFetch is for a request object that is somewhere else: nobody has proved anything yet.
func (l *Ledger) TakeRequestFetch(ctx context.Context, c *client.Client) error {
	if l.Invited(c) {
		return l.TakeNetwork(ctx, "request objects", "Too many request objects were asked for from this address lately.", fetchesForNetwork, 1)
	}
	return l.Take(ctx, fetchesForStrangers, c, 0)
}

// TakeKeyFetch is for a client whose keys may have to be fetched to verify what it has signed.
func (l *Ledger) TakeKeyFetch(ctx context.Context, c *client.Client) error {
	if c == nil || l.Invited(c) || l.Keys.Ready(c) {
		return nil
	}
	return l.Take(ctx, fetchesForStrangers, c, 0)
}
