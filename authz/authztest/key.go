package authztest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/authzd/authzd/authz/client"
)

// Key is a key pair of a client's, with the algorithm that it signs with.
type Key struct {
	ID      string // kid; empty for the keys of proofs, which carry themselves
	Alg     jose.SignatureAlgorithm
	Private crypto.Signer
}

// NewKey makes a key pair: RSA with 2048 bits for RS and PS algorithms, P-256 for ES256, Ed25519
// for EdDSA.
func NewKey(t testing.TB, alg jose.SignatureAlgorithm) *Key {
	t.Helper()
	private, err := newPrivateKey(alg)
	if err != nil {
		t.Fatalf("make %s key: %v", alg, err)
	}
	return &Key{Alg: alg, Private: private}
}

func newPrivateKey(alg jose.SignatureAlgorithm) (crypto.Signer, error) {
	switch alg {
	case jose.ES256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jose.EdDSA:
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	default:
		return rsa.GenerateKey(rand.Reader, 2048)
	}
}

// Public is the public half.
func (k *Key) Public() jose.JSONWebKey {
	return jose.JSONWebKey{Key: k.Private.Public(), KeyID: k.ID, Algorithm: string(k.Alg), Use: "sig"}
}

// JWKS is a set of public keys (RFC 7517 section 5), as metadata holds one.
func JWKS(t testing.TB, keys ...*Key) client.JWKS {
	t.Helper()
	var set jose.JSONWebKeySet
	for _, k := range keys {
		set.Keys = append(set.Keys, k.Public())
	}
	raw, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// Thumbprint of the public half (RFC 7638), as in dpop_jkt and cnf.
func (k *Key) Thumbprint(t testing.TB) string {
	t.Helper()
	public := k.Public()
	sum, err := public.Thumbprint(crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(sum)
}

// Sign returns a compact JWS of the claims. header members stand beside alg and kid, or in their place.
func (k *Key) Sign(t testing.TB, header, claims map[string]any) string {
	t.Helper()
	options := &jose.SignerOptions{ExtraHeaders: map[jose.HeaderKey]any{}}
	if k.ID != "" {
		options.ExtraHeaders["kid"] = k.ID
	}
	for name, value := range header {
		options.ExtraHeaders[jose.HeaderKey(name)] = value
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: k.Alg, Key: k.Private}, options)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// Verify checks the signature of what the server has signed against the keys that it publishes. alg is
// the only algorithm allowed.
func (s *Server) Verify(t testing.TB, token string, alg jose.SignatureAlgorithm) (jose.Header, map[string]any) {
	t.Helper()
	response, err := http.Get(s.URL + "/jwks.json")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var set jose.JSONWebKeySet
	if err := json.NewDecoder(response.Body).Decode(&set); err != nil {
		t.Fatal(err)
	}
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{alg})
	if err != nil {
		t.Fatalf("not a JWT signed with %s: %v: %.300s", alg, err, token)
	}
	var claims map[string]any
	if err := parsed.Claims(set, &claims); err != nil {
		t.Fatal(err)
	}
	return parsed.Headers[0], claims
}

// AssertionType is the client_assertion_type of Assertion (RFC 7523 section 2.2).
const AssertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// AssertionClaims are what private_key_jwt asserts (OpenID Connect Core section 9).
func AssertionClaims(clientID, audience string) map[string]any {
	now := time.Now().Unix()
	return map[string]any{
		"iss": clientID, "sub": clientID, "aud": audience, "jti": rand.Text(), "iat": now, "exp": now + 60,
	}
}

// Assertion is a client_assertion. FAPI 2.0 wants the issuer as its audience.
func (k *Key) Assertion(t testing.TB, clientID, audience string) string {
	t.Helper()
	return k.Sign(t, nil, AssertionClaims(clientID, audience))
}

// ProofClaims are those of a DPoP proof (RFC 9449 section 4.2). accessToken and nonce may be empty.
func ProofClaims(method, url, accessToken, nonce string) map[string]any {
	claims := map[string]any{"jti": rand.Text(), "htm": method, "htu": url, "iat": time.Now().Unix()}
	if accessToken != "" {
		sum := sha256.Sum256([]byte(accessToken))
		claims["ath"] = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	if nonce != "" {
		claims["nonce"] = nonce
	}
	return claims
}

// Proof is a DPoP proof, for the header of that name.
func (k *Key) Proof(t testing.TB, method, url, accessToken, nonce string) string {
	t.Helper()
	return k.SignProof(t, nil, ProofClaims(method, url, accessToken, nonce))
}

// SignProof is Sign with the header of a proof; members of header take precedence.
func (k *Key) SignProof(t testing.TB, header, claims map[string]any) string {
	t.Helper()
	public := jose.JSONWebKey{Key: k.Private.Public()}
	all := map[string]any{"typ": "dpop+jwt", "jwk": public}
	maps.Copy(all, header)
	return k.Sign(t, all, claims)
}
