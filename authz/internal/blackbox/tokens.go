package blackbox

import (
	"crypto/ecdsa"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/authzd/authzd/authz/authztest"
)

// SignPayload signs a payload with the key of a client. The payload may be no JSON.
func SignPayload(t testing.TB, key *authztest.Key, payload string) string {
	t.Helper()
	return SignWith(t, jose.SigningKey{Algorithm: key.Alg, Key: key.Private}, map[jose.HeaderKey]any{"kid": key.ID}, payload)
}

// ChangeLast changes the last character to one that base64 may decode to the same bytes.
func ChangeLast(token string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, token[len(token)-1])
	return token[:len(token)-1] + string(alphabet[last^1])
}

// KeyID returns the kid of a token.
func KeyID(t *testing.T, token string) string {
	t.Helper()
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Headers[0].KeyID
}

// SignES256 makes an access token of a payload in base64url.
func SignES256(t *testing.T, key *ecdsa.PrivateKey, kid, payload string) string {
	t.Helper()
	return sign(t, jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, payload)
}

// SignHS256 is SignES256 with the server's public key, as its JWKS shows it, for a secret.
func SignHS256(t *testing.T, s *authztest.Server, payload string) string {
	t.Helper()
	response, err := http.Get(s.URL + "/jwks.json")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var set struct{ Keys []json.RawMessage }
	if err := json.NewDecoder(response.Body).Decode(&set); err != nil {
		t.Fatal(err)
	}
	return sign(t, jose.SigningKey{Algorithm: jose.HS256, Key: []byte(set.Keys[0])}, payload)
}

// sign makes an access token of a payload in base64url.
func sign(t *testing.T, key jose.SigningKey, payload string) string {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		t.Fatal(err)
	}
	return SignWith(t, key, map[jose.HeaderKey]any{"typ": "at+jwt"}, string(raw))
}

// SignWith signs a payload as it stands.
func SignWith(t testing.TB, key jose.SigningKey, header map[jose.HeaderKey]any, payload string) string {
	t.Helper()
	signer, err := jose.NewSigner(key, &jose.SignerOptions{ExtraHeaders: header})
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// IntrospectionType is the media type of a signed introspection response (RFC 9701).
const IntrospectionType = "application/token-introspection+jwt"

// Introspect asks as a client about a token and returns the answer as it stands.
func Introspect(t *testing.T, s *authztest.Server, clientID, token, accept string) authztest.Response {
	t.Helper()
	header := http.Header{"Accept": {accept}}
	if clientID != "" {
		header.Set("Authorization", Basic(clientID))
	}
	return s.PostForm(t, "/introspect", url.Values{"token": {token}}, header)
}

// Claims reads a JWT without verifying it.
func Claims(t *testing.T, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("not a JWT: %q", token)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(raw, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

// RaceOf sends a token request n times at once.
func RaceOf(t *testing.T, s *authztest.Server, clientID string, n int, form url.Values) []authztest.Tokens {
	t.Helper()
	answers := make([]authztest.Tokens, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() {
			<-start
			answers[i] = s.Token(t, clientID, "", form)
		})
	}
	close(start)
	wg.Wait()
	return answers
}
