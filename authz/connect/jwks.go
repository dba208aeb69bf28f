package connect

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz/fetch"
)

const minRSABits = 2048

// keyRules have no Stale: a key that was withdrawn must not live on.
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
	keys, err := decodeKeys(body)
	if err != nil {
		return nil, 0, fmt.Errorf("keys: %w", err)
	}
	return keys, keyFreshness.Of(header), nil
}

// decodeKeys returns the signing keys of a JWK Set. Keys that we can't read or won't use are left
// out, since RFC 7517 section 5 lets a set hold others' kinds.
func decodeKeys(body []byte) ([]jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, err
	}
	var keys []jose.JSONWebKey
	for _, raw := range set.Keys {
		if key, ok := decodeKey(raw); ok && usable(&key) {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("no usable signing key in the set")
	}
	return keys, nil
}

// decodeKey reads a key without its certificates, which are not used: a broken certificate does no harm.
func decodeKey(raw json.RawMessage) (key jose.JSONWebKey, ok bool) {
	if json.Unmarshal(raw, &key) == nil {
		return key, true
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		return key, false
	}
	for _, name := range []string{"x5c", "x5t", "x5t#S256", "x5u"} {
		delete(members, name)
	}
	plain, err := json.Marshal(members)
	key = jose.JSONWebKey{}
	return key, err == nil && json.Unmarshal(plain, &key) == nil
}

func usable(key *jose.JSONWebKey) bool {
	if !key.Valid() || !key.IsPublic() || key.Use != "" && key.Use != "sig" {
		return false
	}
	public, isRSA := key.Key.(*rsa.PublicKey)
	return !isRSA || public.N.BitLen() >= minRSABits
}

// keySet is the upstream's key set, as one verification sees it.
type keySet struct {
	keys *fetch.Document[[]jose.JSONWebKey]
	// unavailable is why the keys could not be had. The verifier flattens our errors, and "no keys"
	// must not look like "bad signature".
	unavailable error
}

var _ oidc.KeySet = (*keySet)(nil)

// VerifySignature returns the payload of a compact JWS. If no key fits, the upstream may have
// rotated its keys, and they are fetched once more (OpenID Connect Core section 10.1.1).
func (s *keySet) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	jws, err := jose.ParseSignedCompact(jwt, algorithms)
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
		if header.KeyID != "" && key.KeyID != header.KeyID || key.Algorithm != "" && key.Algorithm != header.Algorithm {
			continue
		}
		if payload, err := jws.Verify(key.Key); err == nil {
			return payload, true
		}
	}
	return nil, false
}
