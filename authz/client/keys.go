package client

import (
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// What a set of keys may hold. Verifying with a larger RSA key takes too long.
const (
	maxKeys    = 100
	minRSABits = 2048 // RFC 7518 section 3.3
	maxRSABits = 8192
)

// ErrPrivateKey says that a set of keys was published with what must never leave the client.
var ErrPrivateKey = errors.New("holds a private key: publish the public half only, and replace this key, since others may have read it")

// ParseKeys reads a JWK Set of public keys (RFC 7517 section 5). Keys of unknown types are left out;
// a private, symmetric, weak or malformed one is an error, and so is a set that has no key.
func ParseKeys(set []byte) ([]jose.JSONWebKey, error) {
	return parseKeys(set, func(err error) bool { return errors.Is(err, jose.ErrUnsupportedKeyType) })
}

// parsePublishedKeys is ParseKeys for a set that is not the server's to mend: whatever can't be used
// is left out (RFC 7517 section 5), except that a private key discredits them all.
func parsePublishedKeys(set []byte) ([]jose.JSONWebKey, error) {
	return parseKeys(set, func(err error) bool { return !errors.Is(err, ErrPrivateKey) })
}

func parseKeys(set []byte, leaveOut func(error) bool) ([]jose.JSONWebKey, error) {
	var members struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(set, &members); err != nil {
		return nil, errors.New("not a JWK Set: a JSON object with the list \"keys\"")
	}
	if len(members.Keys) > maxKeys {
		return nil, fmt.Errorf("more than %d keys", maxKeys)
	}
	var keys []jose.JSONWebKey
	for i, raw := range members.Keys {
		key, err := parseKey(raw)
		switch {
		case err == nil:
			keys = append(keys, key)
		case !leaveOut(err):
			return nil, fmt.Errorf("key %d: %w", i+1, err)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("has no key that can be used")
	}
	return keys, nil
}

// privateMembers are those of RFC 7518 sections 6.2.2, 6.3.2 and 6.4, and of RFC 9964 section 3.
var privateMembers = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"}

func parseKey(raw json.RawMessage) (key jose.JSONWebKey, err error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return key, errors.New("not a JSON object")
	}
	for _, name := range privateMembers {
		if _, found := members[name]; found {
			return key, ErrPrivateKey
		}
	}
	if err := key.UnmarshalJSON(raw); err != nil {
		if errors.Is(err, jose.ErrUnsupportedKeyType) {
			return key, err
		}
		return key, errors.New("malformed") // the cause would quote what was read
	}
	if public, ok := key.Key.(*rsa.PublicKey); ok {
		if bits := public.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return key, fmt.Errorf("an RSA key of %d bits, where %d to %d are allowed", bits, minRSABits, maxRSABits)
		}
	}
	if !key.Valid() {
		return key, errors.New("malformed")
	}
	return key, nil
}
