package dpop

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	testURL   = "https://id.example.com/token"
	testToken = "an.access.token"
)

var (
	ecKey    = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	otherKey = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	p384Key  = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)) })
	rsaKey   = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	smallKey = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 1024)) })
	edKey    = sync.OnceValue(func() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32)) })
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// object is a JOSE header, a JWK or a claims set in the making.
type object map[string]any

func (o object) with(key string, value any) object {
	o = maps.Clone(o)
	o[key] = value
	return o
}

func (o object) without(key string) object {
	o = maps.Clone(o)
	delete(o, key)
	return o
}

func asJSON(v any) string { return string(must(json.Marshal(v))) }

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// jwk is a key as a JSON object, to be bent.
func jwk(key any) object {
	var o object
	if err := json.Unmarshal(must(jose.JSONWebKey{Key: key}.MarshalJSON()), &o); err != nil {
		panic(err)
	}
	return o
}

// hugeJWK is an RSA key that nobody needs to own to make a server work.
func hugeJWK(bits uint) object {
	n := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), bits), big.NewInt(1))
	return jwk(&rsa.PublicKey{N: n, E: 65537})
}

func goodHeader() object {
	return object{"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk(ecKey().Public())}
}

func goodClaims() object {
	return object{
		"jti": "-BwC3ESc6acc2lTc", "htm": "POST", "htu": testURL, "iat": time.Now().Unix(),
		"ath": tokenHash(testToken),
	}
}

// es256 signs any header and payload, with the standard library alone.
func es256(key *ecdsa.PrivateKey, header, payload string) string {
	input := b64(header) + "." + b64(payload)
	digest := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		panic(err)
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return input + "." + b64(string(signature))
}

func rs256(key *rsa.PrivateKey, header, payload string) string {
	input := b64(header) + "." + b64(payload)
	digest := sha256.Sum256([]byte(input))
	return input + "." + b64(string(must(rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:]))))
}

func hs256(secret []byte, header, payload string) string {
	input := b64(header) + "." + b64(payload)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(input))
	return input + "." + b64(string(mac.Sum(nil)))
}

// proof signs with the EC key.
func proof(header, claims object) string { return es256(ecKey(), asJSON(header), asJSON(claims)) }

// joseProof signs as a client with go-jose does, with any algorithm.
func joseProof(alg jose.SignatureAlgorithm, key any, claims object) string {
	opts := (&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt")
	signer := must(jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, opts))
	return must(must(signer.Sign([]byte(asJSON(claims)))).CompactSerialize())
}

// here is the request that the good claims are for.
func here() Request { return Request{Method: "POST", URL: testURL, AccessToken: testToken} }
