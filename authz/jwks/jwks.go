// Package jwks reads sets of public keys that verify signatures (JWK Sets, RFC 7517), and knows which key a
// signature may have been made with:
//
//	Parse            a set that its owner has given to us: all of it must be good
//	ParsePublished   a set that a client publishes
//	ParseIssuer      a set of an issuer whose word we take
//	Suits            is it the key of this signature
//
// It imports nothing of this module, so that the middleware may use it.
package jwks

import (
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// The limits of a set of keys. RSA keys of more than 4096 bits are an unknown type to go-jose, which bounds by its
// MaxRSAModulusBits how long a signature takes to verify.
const (
	MaxKeys    = 100
	MinRSABits = 2048 // RFC 7518 section 3.3
)

// ErrPrivate says that a set of keys was published with what must never leave its owner.
var ErrPrivate = errors.New("holds a private key: publish the public half only, and replace this key, since others may have read it")

// Parse reads a set that its owner has given to us (RFC 7517 section 5). Keys of unknown types are left out; a
// private, symmetric, weak or malformed one is an error, and so is a set that has no key. No error quotes the
// set.
func Parse(set []byte) ([]jose.JSONWebKey, error) {
	return parse(set, func(err error) bool { return errors.Is(err, jose.ErrUnsupportedKeyType) })
}

// ParsePublished is Parse for a set that is not the server's to mend: what cannot be used is left out (RFC 7517
// section 5), except that a private key discredits them all.
func ParsePublished(set []byte) ([]jose.JSONWebKey, error) {
	return parse(set, func(err error) bool { return !errors.Is(err, ErrPrivate) })
}

func parse(set []byte, leaveOut func(error) bool) ([]jose.JSONWebKey, error) {
	members, err := split(set)
	if err != nil {
		return nil, errors.New("not a JWK Set: a JSON object with the list \"keys\"") // the cause would quote the set
	}
	if len(members) > MaxKeys {
		return nil, errTooMany
	}
	var keys []jose.JSONWebKey
	for i, raw := range members {
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

// ParseIssuer reads the keys of an issuer that sign: what cannot be used is left out, keys for encryption and
// private ones too. Their certificates are not read, so that a broken one does no harm.
func ParseIssuer(set []byte) ([]jose.JSONWebKey, error) {
	members, err := split(set)
	if err != nil {
		return nil, err
	}
	if len(members) > MaxKeys {
		return nil, errTooMany
	}
	var keys []jose.JSONWebKey
	for _, raw := range members {
		if key, err := parseKey(withoutCertificates(raw)); err == nil && (key.Use == "" || key.Use == "sig") {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("no usable signing key in the set")
	}
	return keys, nil
}

var errTooMany = fmt.Errorf("more than %d keys", MaxKeys)

func split(set []byte) ([]json.RawMessage, error) {
	var members struct {
		Keys []json.RawMessage `json:"keys"`
	}
	err := json.Unmarshal(set, &members)
	return members.Keys, err
}

// PrivateMembers are those members of a JWK that only a private or symmetric key has (RFC 7518 sections 6.2.2, 6.3.2
// and 6.4, RFC 9964 section 3).
var PrivateMembers = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"}

func parseKey(raw json.RawMessage) (key jose.JSONWebKey, err error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return key, errors.New("not a JSON object")
	}
	for _, name := range PrivateMembers {
		if _, found := members[name]; found {
			return key, ErrPrivate
		}
	}
	if err := key.UnmarshalJSON(raw); err != nil {
		if errors.Is(err, jose.ErrUnsupportedKeyType) {
			return key, err
		}
		return key, errors.New("malformed") // the cause would quote what was read
	}
	if public, ok := key.Key.(*rsa.PublicKey); ok {
		if bits := public.N.BitLen(); bits < MinRSABits {
			return key, fmt.Errorf("an RSA key of %d bits, where %d are the least", bits, MinRSABits)
		}
	}
	if !key.Valid() {
		return key, errors.New("malformed")
	}
	return key, nil
}

// withoutCertificates returns a key as it is without its certificates, or as it is if it is no object.
func withoutCertificates(raw json.RawMessage) json.RawMessage {
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		return raw
	}
	for _, name := range []string{"x5c", "x5t", "x5t#S256", "x5u"} {
		delete(members, name)
	}
	if plain, err := json.Marshal(members); err == nil {
		return plain
	}
	return raw
}
