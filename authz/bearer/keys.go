package bearer

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	refreshTimeout = 10 * time.Second // of one fetch of metadata and keys
	firstRetry     = time.Second      // after a failed fetch, doubled up to the interval
	maxStale       = 24 * time.Hour   // keys are used for so long while the issuer is away
	maxLifetime    = 24 * time.Hour   // whatever the issuer's max-age says
	minRSABits     = 2048
)

// keyFits says which key an algorithm takes. An algorithm that isn't here does not exist for us:
// no "none", and no HMAC that would take a public key for a secret.
var keyFits = map[string]func(key any) bool{
	"RS256": isRSA, "RS384": isRSA, "RS512": isRSA,
	"PS256": isRSA, "PS384": isRSA, "PS512": isRSA,
	"ES256": isEC(elliptic.P256()), "ES384": isEC(elliptic.P384()), "ES512": isEC(elliptic.P521()),
	"EdDSA": isEd25519,
}

func isRSA(key any) bool {
	k, ok := key.(*rsa.PublicKey)
	return ok && k.N.BitLen() >= minRSABits
}

func isEC(curve elliptic.Curve) func(any) bool {
	return func(key any) bool {
		k, ok := key.(*ecdsa.PublicKey)
		return ok && k.Curve == curve
	}
}

func isEd25519(key any) bool {
	_, ok := key.(ed25519.PublicKey)
	return ok
}

// keys is what one fetch brought. It never changes.
type keys struct {
	byID    map[string][]jose.JSONWebKey
	aging   time.Time // fetch again in the background from here on
	expires time.Time // wait for a fetch from here on
	dead    time.Time // don't use it from here on
}

// find returns the key of this id that the algorithm takes, or nil.
func (k *keys) find(kid, alg string) any {
	for _, jwk := range k.byID[kid] {
		if (jwk.Algorithm == "" || jwk.Algorithm == alg) && keyFits[alg](jwk.Key) {
			return jwk.Key
		}
	}
	return nil
}

// keySet keeps the issuer's keys fresh:
//
//	no keys   wait for a fetch
//	fresh     use them
//	aging     use them, fetch in the background
//	expired   wait for a fetch; if the issuer is away, use them meanwhile, but not for ever
//	unknown   wait for a fetch, if the last one is an interval ago
//
// One fetch runs at a time, and everybody waits for the same. It is not tied to the request that
// caused it.
type keySet struct {
	source   *source
	interval time.Duration
	logger   *slog.Logger
	current  atomic.Pointer[keys] // nil: none yet

	mu       sync.Mutex
	running  *refresh  // nil: none
	next     time.Time // no fetch before
	failures int       // fetches that failed since the last good one
}

// refresh is one fetch under way.
type refresh struct {
	done chan struct{}
	err  error // when done
}

func newKeySet(src *source, interval time.Duration, logger *slog.Logger) *keySet {
	return &keySet{source: src, interval: interval, logger: logger}
}

var errTooSoon = errors.New("the keys were asked for a moment ago")

// find returns the key that verifies a token with these headers. The error is a *TokenError if the
// issuer has no such key, and wraps ErrUnavailable if that can't be known now.
func (s *keySet) find(ctx context.Context, kid, alg string) (any, error) {
	now, current := time.Now(), s.current.Load()
	switch {
	case current == nil || !now.Before(current.dead):
		if err := s.refresh(ctx); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	case !now.Before(current.expires) && !s.failing():
		_ = s.refresh(ctx) // it has been logged, and the old keys serve until they are dead
	case !now.Before(current.aging):
		s.start()
	}
	if key := s.current.Load().find(kid, alg); key != nil {
		return key, nil
	}

	err := s.refresh(ctx)
	if key := s.current.Load().find(kid, alg); key != nil {
		return key, nil
	}
	if err != nil && s.failing() {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil, &TokenError{"the token is signed with a key that the issuer does not have"}
}

func (s *keySet) failing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failures > 0
}

// retryAfter returns how long it takes until the next fetch may bring keys, at least a second.
func (s *keySet) retryAfter() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(time.Until(s.next), time.Second)
}

// refresh waits for a fetch, which may already be under way. It returns errTooSoon if none is
// allowed now.
func (s *keySet) refresh(ctx context.Context) error {
	r := s.start()
	if r == nil {
		return errTooSoon
	}
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// start returns the fetch under way, or a new one, or nil if it is too soon for one.
func (s *keySet) start() *refresh {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == nil && !time.Now().Before(s.next) {
		s.running = &refresh{done: make(chan struct{})}
		go s.run(s.running)
	}
	return s.running
}

func (s *keySet) run(r *refresh) {
	ctx, cancel := context.WithTimeout(context.Background(), refreshTimeout)
	defer cancel()
	byID, maxAge, err := s.source.fetch(ctx)

	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if err != nil {
		s.next = now.Add(min(firstRetry<<min(s.failures, 16), s.interval))
		s.failures++
		s.logger.Warn("fetch of signing keys failed", "issuer", s.source.issuer, "failures", s.failures, "cause", err)
	} else {
		lifetime := max(min(maxAge, maxLifetime), s.interval)
		expires := now.Add(lifetime)
		s.current.Store(&keys{byID: byID, aging: now.Add(lifetime * 3 / 4), expires: expires, dead: expires.Add(maxStale)})
		s.next = now.Add(s.interval)
		s.failures = 0
	}
	s.running = nil
	r.err = err
	close(r.done)
}
