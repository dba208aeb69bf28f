// Package clientkeys finds the public keys of clients. With them it verifies signatures of clients, and their
// self-signed certificates:
//
//	jwks of the metadata ──┐
//	                       ├─> Keys -> Verify, HasCertificate
//	jwks_uri ─> outbound ──┘
package clientkeys

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/jwks"
	"github.com/authzd/authzd/authz/outbound"
)

const (
	// keysStale is how long keys are used after they were due for a fetch, while the jwks_uri can't be fetched.
	keysStale = time.Hour
	// maxTries is how many keys are tried for one signature, if its kid doesn't name one.
	maxTries = 8
)

// Errors of Keys, for errors.Is.
var (
	// errSignature says that no key of the client verifies a signature.
	errSignature = errors.New("no key of the client verifies the signature")
	// ErrKeysUnavailable says that the keys at the client's jwks_uri could not be fetched or read.
	ErrKeysUnavailable = errors.New("the keys at the client's jwks_uri could not be had")
)

// Keys finds the public keys of clients: those in their metadata, or at their jwks_uri. Make it by New.
type Keys struct {
	ofConfigured, ofOthers *outbound.Cache[[]jose.JSONWebKey]
	decoys                 []jose.JSONWebKey
}

// New returns Keys. It fetches the keys of configured clients by one outbound client and those of all others by
// another, so that the slow jwks_uri of a client that registered itself cannot delay configured clients.
func New(configured, others *outbound.Client) *Keys {
	cache := func(c *outbound.Client) *outbound.Cache[[]jose.JSONWebKey] {
		return outbound.NewCache(c, outbound.Want{}, keysStale, func(doc *outbound.Document) ([]jose.JSONWebKey, error) {
			return jwks.ParsePublished(doc.Body)
		})
	}
	return &Keys{ofConfigured: cache(configured), ofOthers: cache(others), decoys: decoys()}
}

// Ready reports whether the keys of a client are known without a fetch: they are in its metadata or the cache.
func (k *Keys) Ready(c *client.Client) bool { return c.JWKSURI == "" || k.cacheFor(c).Ready(c.JWKSURI) }

func (k *Keys) cacheFor(c *client.Client) *outbound.Cache[[]jose.JSONWebKey] {
	if c.Source == client.Configured {
		return k.ofConfigured
	}
	return k.ofOthers
}

// Verify returns the payload of a JWS that was signed with a key of the client. If no key fits, the client may
// have changed its keys: they are fetched again (OpenID Connect Core section 10.1.1), as often as the cache
// allows. c may be nil for an unknown client; the error then takes as long as that of a known one. If the keys
// can't be fetched, the error is ErrKeysUnavailable.
func (k *Keys) Verify(ctx context.Context, c *client.Client, jws *jose.JSONWebSignature) ([]byte, error) {
	if c == nil {
		k.verifyInVain(jws)
		return nil, errSignature
	}
	var payload []byte
	found, err := k.find(ctx, c, func(keys []jose.JSONWebKey) (found, again bool) {
		kid, alg, tries := jws.Signatures[0].Header.KeyID, jws.Signatures[0].Header.Algorithm, 0
		for i := range keys {
			if tries == maxTries || !jwks.Suits(&keys[i], kid, alg) {
				continue
			}
			tries++
			if p, err := jws.Verify(keys[i].Key); err == nil {
				payload = p
				return true, false
			}
		}
		return false, tries == 0 || kid == ""
	})
	if err == nil && !found {
		err = errSignature
	}
	return payload, err
}

// HasCertificate reports whether a self-signed certificate is one of the client's keys (RFC 8705 section 2.2).
// It compares the certificate with the x5c of a key or, if that has none, the public keys. The error is
// ErrKeysUnavailable.
func (k *Keys) HasCertificate(ctx context.Context, c *client.Client, certificate *x509.Certificate) (bool, error) {
	return k.find(ctx, c, func(keys []jose.JSONWebKey) (found, again bool) {
		for _, key := range keys {
			if len(key.Certificates) > 0 {
				found = found || key.Certificates[0].Equal(certificate)
			} else if public, ok := key.Key.(interface{ Equal(crypto.PublicKey) bool }); ok {
				found = found || public.Equal(certificate.PublicKey)
			}
		}
		return found, !found
	})
}

// find calls look with the keys of a client. If look returns again, find fetches the keys once more and calls
// look with these.
func (k *Keys) find(ctx context.Context, c *client.Client, look func([]jose.JSONWebKey) (found, again bool)) (bool, error) {
	if c.JWKSURI == "" {
		found, _ := look(c.Keys())
		return found, nil
	}
	fetched := k.cacheFor(c)
	for _, load := range []func(context.Context, string) ([]jose.JSONWebKey, error){fetched.Get, fetched.Renew} {
		keys, err := load(ctx, c.JWKSURI)
		if err != nil {
			return false, fmt.Errorf("%w: %w", ErrKeysUnavailable, err)
		}
		if found, again := look(keys); found || !again {
			return found, nil
		}
	}
	return false, nil
}

// verifyInVain takes as long as the verification of one signature.
func (k *Keys) verifyInVain(jws *jose.JSONWebSignature) {
	for _, decoy := range k.decoys {
		if jwks.Fits(decoy.Key, jose.SignatureAlgorithm(jws.Signatures[0].Header.Algorithm)) {
			_, _ = jws.Verify(decoy.Key) // it can't succeed
		}
	}
}

// decoys returns a public key for each algorithm, whose private key nobody has. They are the same as long as the process
// lives. The RSA modulus is a random number, which takes as long to verify with.
var decoys = sync.OnceValue(func() []jose.JSONWebKey {
	modulus := make([]byte, jwks.MinRSABits/8)
	rand.Read(modulus) // never fails
	modulus[0] |= 0x80
	modulus[len(modulus)-1] |= 1
	keys := []jose.JSONWebKey{{Key: &rsa.PublicKey{N: new(big.Int).SetBytes(modulus), E: 65537}}}
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		if private, err := ecdsa.GenerateKey(curve, rand.Reader); err == nil {
			keys = append(keys, jose.JSONWebKey{Key: &private.PublicKey})
		}
	}
	if public, _, err := ed25519.GenerateKey(rand.Reader); err == nil {
		keys = append(keys, jose.JSONWebKey{Key: public})
	}
	return slices.Clip(keys)
})
