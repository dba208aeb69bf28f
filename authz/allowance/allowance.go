// Package allowance limits what strangers can make this server store and fetch, for each network that requests
// come from and for each client.
//
//	handler -> Ledger.Take(Devices, Pushes, …) -> nil, or 429 with Retry-After
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

// The limits. The records of one row take 50 MB at most, counting the time until they are swept. It takes many
// networks to use up the limit of a client, so one attacker cannot shut out everybody else.
var (
	// Devices limits device authorizations, which are kept for lifetimes.device_code.
	Devices = Allowance{
		kind:      "devices",
		ofNetwork: throttle.Limit{Burst: 60, Interval: 10 * time.Second},
		ofClient:  throttle.Limit{Burst: 1000, Interval: time.Second / 10},
		refusal:   "Too many devices wait for their users. Try again later.",
	}
	// Pushes limits pushed authorization requests, which are kept for lifetimes.par.
	Pushes = Allowance{
		kind:      "pushed requests",
		ofNetwork: throttle.Limit{Burst: 600, Interval: time.Second / 2}, // many people may share a network, and each sign-in needs one
		ofClient:  throttle.Limit{Burst: 4000, Interval: time.Second / 40},
		refusal:   "Too many authorization requests were pushed lately. Try again later.",
	}
	// fetchesForStrangers limits the fetches of keys and request objects for clients that came uninvited.
	fetchesForStrangers = Allowance{
		kind:      "fetches",
		ofNetwork: throttle.Limit{Burst: 30, Interval: 10 * time.Second},
		ofClient:  throttle.Limit{Burst: 50, Interval: time.Second / 10},
		refusal:   "Too much had to be fetched for clients that registered themselves. Try again later.",
	}
	// fetchesForNetwork limits the fetches of request objects of invited clients.
	fetchesForNetwork = throttle.Limit{Burst: 120, Interval: time.Second}
	// AssertionsOfNetwork limits the client assertions of clients that came uninvited: a mark is kept of each.
	AssertionsOfNetwork = throttle.Limit{Burst: 600, Interval: time.Second / 5}
)

// weightBytes is how many bytes of a record count as one event. Few honest requests are longer.
const weightBytes = 512

// Allowance limits one kind of request, for one network and for one client.
type Allowance struct {
	kind                string
	ofNetwork, ofClient throttle.Limit
	refusal             string // the error description of the 429
}

// Ledger keeps the counts, and decides who is limited.
type Ledger struct {
	Networks     *throttle.Buckets // by network
	Clients      *throttle.Buckets // by client; apart from Networks, so that a flood of networks does not evict them
	Keys         *clientkeys.Keys
	TokensInvite bool // registration needs an initial access token, so registered clients are invited
}

// Invited reports whether the operator has let this client in: by its entry in the configuration or the admin
// API, or by an initial access token.
func (l *Ledger) Invited(c *client.Client) bool {
	return c.Source == client.Configured || c.Source == client.Registered && l.TokensInvite
}

// Vouched reports whether the operator, or the issuer of its software statement, vouches for a client. A
// browser is sent to the URIs of other clients only after the person has seen where they lead (RFC 9700
// section 4.11.2).
func (l *Ledger) Vouched(c *client.Client) bool { return l.Invited(c) || c.Vouched }

// Stranger reports whether anybody can send requests as this client: it is public, or it came uninvited.
func (l *Ledger) Stranger(c *client.Client) bool { return c.Public() || !l.Invited(c) }

// Take counts one request of a client, and what it makes the server store, in bytes. All uninvited clients
// count as one, since anybody can make any number of them. The error of a request that is too many is an
// *oauth.Error with status 429 and RetryAfter.
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

// TakeNetwork counts an event of this kind and weight for the network that the request comes from. refusal is
// the error description of the 429.
func (l *Ledger) TakeNetwork(ctx context.Context, kind, refusal string, limit throttle.Limit, weight int) error {
	return Charge(l.Networks, storage.Now(), refusal, l.Networks.From(kind, observe.Event(ctx).Remote(), limit, weight)...)
}

// Charge takes all charges from the buckets, or none, and returns TooMany if they do not fit.
func Charge(from *throttle.Buckets, now time.Time, refusal string, charges ...throttle.Charge) error {
	wait := from.Take(now, charges...)
	if wait == 0 {
		return nil
	}
	return TooMany(refusal, wait)
}

// TooMany returns the answer to a request that may be tried again after wait: status 429 with Retry-After.
func TooMany(refusal string, wait time.Duration) error {
	return &oauth.Error{Status: http.StatusTooManyRequests, Code: oauth.TemporarilyUnavailable, Description: refusal, RetryAfter: wait}
}

// TakeRequestFetch counts the fetch of a request object by its request_uri. The sender is not authenticated
// yet, so every client is limited.
func (l *Ledger) TakeRequestFetch(ctx context.Context, c *client.Client) error {
	if l.Invited(c) {
		return l.TakeNetwork(ctx, "request objects", "Too many request objects were asked for from this address lately.", fetchesForNetwork, 1)
	}
	return l.Take(ctx, fetchesForStrangers, c, 0)
}

// TakeKeyFetch counts the fetch of a client's keys, if they must be fetched to verify a signature of the
// client. Invited clients are not limited; c may be nil.
func (l *Ledger) TakeKeyFetch(ctx context.Context, c *client.Client) error {
	if c == nil || l.Invited(c) || l.Keys.Ready(c) {
		return nil
	}
	return l.Take(ctx, fetchesForStrangers, c, 0)
}
