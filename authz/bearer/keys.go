package bearer

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz/fetch"
	"github.com/authzd/authzd/authz/jwks"
)

const (
	refreshTimeout = 10 * time.Second // of one fetch of metadata and keys
	firstRetry     = time.Second      // after a failed fetch, doubled up to the interval
	maxStale       = 24 * time.Hour   // how long keys are used while the issuer is away
	usualLifetime  = 15 * time.Minute // of keys, if the issuer names none
	maxLifetime    = 24 * time.Hour   // even if the issuer's max-age is longer
)

// keys are those of the issuer by their kid. They never change.
type keys map[string][]jose.JSONWebKey

// find returns the key with this id that suits the algorithm, or nil.
func (k keys) find(kid, alg string) any {
	for i := range k[kid] {
		if key := &k[kid][i]; jwks.Suits(key, kid, alg) {
			return key.Key
		}
	}
	return nil
}

// keySet keeps the issuer's keys fresh. While the issuer is away, they are used for maxStale and no longer.
type keySet struct {
	document *fetch.Document[*keys] // a new pointer after each fetch
}

// newKeySet fetches at most once in an interval.
func newKeySet(src *source, interval time.Duration, logger *slog.Logger) *keySet {
	rules := fetch.Rules{Stale: maxStale, Pace: fetch.Pace{Every: interval, Retry: firstRetry}, Ahead: true, Timeout: refreshTimeout}
	freshness := fetch.Freshness{Usual: usualLifetime, Least: interval, Most: maxLifetime, Unreadable: usualLifetime}
	failures := 0 // since the last good fetch
	return &keySet{fetch.New(rules, func(ctx context.Context) (*keys, time.Duration, error) {
		found, header, err := src.fetch(ctx)
		if err != nil {
			failures++
			logger.Warn("fetch of signing keys failed", "issuer", src.issuer, "failures", failures, "cause", err)
			return nil, 0, err
		}
		failures = 0
		return &found, freshness.Of(header), nil
	})}
}

// find returns the key that verifies a token with these headers. The error is a *TokenError if the issuer has
// no such key, and wraps ErrUnavailable if that is unknown now.
func (s *keySet) find(ctx context.Context, kid, alg string) (any, error) {
	key, _, err := s.findIn(ctx, kid, alg)
	return key, err
}

// findIn is find, and returns the set that the key is of too.
func (s *keySet) findIn(ctx context.Context, kid, alg string) (any, *keys, error) {
	for _, load := range []func(context.Context) (*keys, error){s.document.Get, s.document.Renew} {
		found, err := load(ctx)
		if err != nil {
			return nil, nil, &unavailable{fmt.Errorf("fetch signing keys: %w", err), s.retryAfter()}
		}
		if key := found.find(kid, alg); key != nil {
			return key, found, nil
		}
	}
	return nil, nil, &TokenError{"the token is signed with a key that the issuer does not have"}
}

// retryAfter returns how long it takes until the next fetch may bring keys, at least a second.
func (s *keySet) retryAfter() time.Duration { return max(s.document.Wait(), time.Second) }
