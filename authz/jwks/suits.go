package jwks

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

// Algorithms are the signature algorithms that a public key can verify: no "none", and no HMAC that would take a
// public key for a secret.
var Algorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
}

var rsaAlgorithms = Algorithms[:6]

// curves are those of ECDSA signatures (RFC 7518 section 3.4).
var curves = map[jose.SignatureAlgorithm]elliptic.Curve{
	jose.ES256: elliptic.P256(), jose.ES384: elliptic.P384(), jose.ES512: elliptic.P521(),
}

// Suits reports whether a signature of this algorithm may have been made with a key, by what the key says of itself
// (RFC 7517 sections 4.2, 4.4 and 4.5) and by its type. An empty kid is of a signature that does not name its key.
func Suits(key *jose.JSONWebKey, kid, alg string) bool {
	return (kid == "" || key.KeyID == kid) &&
		(key.Algorithm == "" || key.Algorithm == alg) &&
		(key.Use == "" || key.Use == "sig") &&
		Fits(key.Key, jose.SignatureAlgorithm(alg))
}

// Fits reports whether a public key is of the type that an algorithm takes (RFC 7518 section 3.1, RFC 8037).
func Fits(key any, alg jose.SignatureAlgorithm) bool {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return slices.Contains(rsaAlgorithms, alg)
	case *ecdsa.PublicKey:
		return key.Curve == curves[alg]
	case ed25519.PublicKey:
		return alg == jose.EdDSA
	}
	return false
}
