package authz

import (
	"context"
	"net/http"
	"net/netip"
	"time"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/throttle"
	"github.com/authzd/authzd/storage"
)

// What strangers may have this server keep and fetch. Whatever they do, the records of one row in this
// table are 50 MB at most, counting the time until they are swept; and to use up what a client may
// have takes many networks, so that one attacker does not shut out everybody else.
var (
	keptDevices = allowance{ // for lifetimes.device_code
		kind:      "devices",
		ofNetwork: throttle.Limit{Burst: 60, Interval: 10 * time.Second},
		ofClient:  throttle.Limit{Burst: 1000, Interval: time.Second / 10},
		refusal:   "Too many devices wait for their users. Try again later.",
	}
	keptPushes = allowance{ // for lifetimes.par
		kind:      "pushed requests",
		ofNetwork: throttle.Limit{Burst: 600, Interval: time.Second / 2}, // many people may share it, and each sign-in needs one
		ofClient:  throttle.Limit{Burst: 4000, Interval: time.Second / 40},
		refusal:   "Too many authorization requests were pushed lately. Try again later.",
	}
	fetchesForStrangers = allowance{ // of keys and request objects; documents have their own client
		kind:      "fetches",
		ofNetwork: throttle.Limit{Burst: 30, Interval: 10 * time.Second},
		ofClient:  throttle.Limit{Burst: 50, Interval: time.Second / 10},
		refusal:   "Too much had to be fetched for clients that registered themselves. Try again later.",
	}
	// fetchesForNetwork is for request objects of other clients.
	fetchesForNetwork = throttle.Limit{Burst: 120, Interval: time.Second}
	// assertionsOfNetwork is for clients that came uninvited: a mark is kept of each assertion.
	assertionsOfNetwork = throttle.Limit{Burst: 600, Interval: time.Second / 5}
)

// weightBytes is how much of what is kept counts as one event. Few honest requests are longer.
const weightBytes = 512

// allowance is so much of a kind for one network, and for one client.
type allowance struct {
	kind                string
	ofNetwork, ofClient throttle.Limit
	refusal             string
}

// invited tells whether a client is here because the operator wants it: by name, or by one of the initial
// access tokens.
func (s *Server) invited(c *client.Client) bool {
	return c.Source == client.Configured || c.Source == client.Registered && s.config.Registration.Mode == RegistrationToken
}

// vouched reports whether somebody whom the operator trusts speaks for a client: the operator, or the issuer
// of its software statement. A browser is not sent to the URIs of other clients unless the person has seen
// where they lead (RFC 9700 section 4.11.2).
func (s *Server) vouched(c *client.Client) bool { return s.invited(c) || c.Vouched }

// stranger tells whether anybody may act as a client, or be it.
func (s *Server) stranger(c *client.Client) bool { return c.Public() || !s.invited(c) }

// limit charges an allowance with what a client asks for. Clients that came uninvited count as one: there
// is no end of them.
func (s *Server) limit(ctx context.Context, a allowance, c *client.Client, bytes int) error {
	name, weight := c.ID, 1+bytes/weightBytes
	if !s.invited(c) {
		name = ""
	}
	charges := s.limits.From(a.kind, observe.Event(ctx).Remote(), a.ofNetwork, weight)
	if err := take(s.limits, storage.Now(), a.refusal, charges...); err != nil {
		return err
	}
	err := take(s.allowances, storage.Now(), a.refusal, throttle.Charge{Key: s.allowances.Key(a.kind, name, netip.Prefix{}), Limit: a.ofClient, Weight: weight})
	if err != nil {
		s.limits.Give(storage.Now(), charges...)
	}
	return err
}

// limitNetwork charges the network that a request comes from.
func (s *Server) limitNetwork(ctx context.Context, kind, refusal string, l throttle.Limit, weight int) error {
	return take(s.limits, storage.Now(), refusal, s.limits.From(kind, observe.Event(ctx).Remote(), l, weight)...)
}

func take(from *throttle.Buckets, now time.Time, refusal string, charges ...throttle.Charge) error {
	wait := from.Take(now, charges...)
	if wait == 0 {
		return nil
	}
	return tooMany(refusal, wait)
}

// tooMany is the answer to what may be tried again after a wait.
func tooMany(refusal string, wait time.Duration) error {
	return &oauth.Error{Status: http.StatusTooManyRequests, Code: oauth.TemporarilyUnavailable, Description: refusal, RetryAfter: wait}
}

// limitRequestFetches is for a request object that is somewhere else: nobody has proved anything yet.
func (s *Server) limitRequestFetches(ctx context.Context, c *client.Client) error {
	if s.invited(c) {
		return s.limitNetwork(ctx, "request objects", "Too many request objects were asked for from this address lately.", fetchesForNetwork, 1)
	}
	return s.limit(ctx, fetchesForStrangers, c, 0)
}

// limitKeyFetches is for a client whose keys may have to be fetched to verify what it has signed.
func (s *Server) limitKeyFetches(ctx context.Context, c *client.Client) error {
	if c == nil || s.invited(c) || s.clientKeys.Ready(c) {
		return nil
	}
	return s.limit(ctx, fetchesForStrangers, c, 0)
}
