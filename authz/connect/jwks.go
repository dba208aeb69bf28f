package connect

import (
	"context"
	"fmt"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz/fetch"
	"github.com/authzd/authzd/authz/jwks"
)

// keyRules have no Stale, because a withdrawn key must not live on.
var (
	keyRules     = fetch.Rules{Pace: pace, Timeout: timeLimit}
	keyFreshness = usually(10 * time.Minute)
)

func (o *openID) fetchKeys(ctx context.Context) ([]jose.JSONWebKey, time.Duration, error) {
	m, err := o.metadata.Get(ctx)
	if err != nil {
		return nil, 0, err
	}
	body, header, err := get(ctx, o.client, m.JWKSURI, "")
	if err != nil {
		return nil, 0, fmt.Errorf("keys: %w", err)
	}
	keys, err := jwks.ParseIssuer(body)
	if err != nil {
		return nil, 0, fmt.Errorf("keys: %w", err)
	}
	return keys, keyFreshness.Of(header), nil
}

// keySet is the upstream's key set, as one verification sees it.
type keySet struct {
	keys *fetch.Document[[]jose.JSONWebKey]
	// unavailable is why there are no keys. The verifier flattens our errors, and "no keys" must not look
	// like "bad signature".
	unavailable error
}

var _ oidc.KeySet = (*keySet)(nil)

// VerifySignature returns the payload of a compact JWS. If no key fits, the upstream may have rotated its
// keys, and they are fetched once more (OpenID Connect Core section 10.1.1).
func (s *keySet) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	jws, err := jose.ParseSignedCompact(jwt, jwks.Algorithms)
	if err != nil {
		return nil, err
	}
	for _, load := range []func(context.Context) ([]jose.JSONWebKey, error){s.keys.Get, s.keys.Renew} {
		keys, err := load(ctx)
		if err != nil {
			s.unavailable = err
			return nil, err
		}
		if payload, ok := verifySignature(jws, keys); ok {
			return payload, nil
		}
	}
	return nil, fmt.Errorf("no key of the upstream fits (kid %q)", clip(jws.Signatures[0].Header.KeyID))
}

func verifySignature(jws *jose.JSONWebSignature, keys []jose.JSONWebKey) ([]byte, bool) {
	header := jws.Signatures[0].Header
	for i := range keys {
		key := &keys[i]
		if !jwks.Suits(key, header.KeyID, header.Algorithm) {
			continue
		}
		if payload, err := jws.Verify(key.Key); err == nil {
			return payload, true
		}
	}
	return nil, false
}
