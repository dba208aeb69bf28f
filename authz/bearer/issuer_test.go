package bearer

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
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	testIssuer   = "https://id.example.com"
	testAudience = "https://api.example.com"
)

var (
	rsaKey   = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	ecKey    = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	otherKey = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	smallKey = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 1024)) }) // too short today
	edKey    = sync.OnceValue(func() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32)) })
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// issuer is an authorization server's metadata and key endpoints, reached without a network.
type issuer struct {
	name string

	mu       sync.Mutex
	keys     []any // what /jwks.json publishes
	cache    string
	down     bool
	requests []string
	answer   func(url string) (status int, body string, handled bool) // overrides
	gate     chan struct{}                                            // nil, or closed to let answers out
}

func newIssuer() *issuer {
	return &issuer{name: testIssuer, keys: []any{
		jose.JSONWebKey{Key: rsaKey().Public(), KeyID: "rsa", Use: "sig"},
		jose.JSONWebKey{Key: ecKey().Public(), KeyID: "ec", Use: "sig", Algorithm: "ES256"},
		jose.JSONWebKey{Key: edKey().Public(), KeyID: "ed"},
	}}
}

func (is *issuer) RoundTrip(r *http.Request) (*http.Response, error) {
	is.mu.Lock()
	is.requests = append(is.requests, r.URL.String())
	gate, down, answer := is.gate, is.down, is.answer
	is.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	if down {
		return nil, errors.New("connection refused")
	}
	status, body := is.serve(r.URL.String())
	if answer != nil {
		if s, b, ok := answer(r.URL.String()); ok {
			status, body = s, b
		}
	}
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Request: r,
		Header: http.Header{"Cache-Control": {is.cache}},
		Body:   io.NopCloser(strings.NewReader(body)),
	}, nil
}

func (is *issuer) serve(url string) (int, string) {
	is.mu.Lock()
	defer is.mu.Unlock()
	switch url {
	case is.name + "/.well-known/oauth-authorization-server":
		return 200, asJSON(map[string]string{"issuer": is.name, "jwks_uri": is.name + "/jwks.json"})
	case is.name + "/jwks.json":
		return 200, asJSON(map[string]any{"keys": is.keys})
	}
	return 404, "not found"
}

// set changes the issuer while a verifier may be talking to it.
func (is *issuer) set(change func(*issuer)) {
	is.mu.Lock()
	defer is.mu.Unlock()
	change(is)
}

// fetches returns how often the keys were asked for.
func (is *issuer) fetches() int {
	is.mu.Lock()
	defer is.mu.Unlock()
	n := 0
	for _, u := range is.requests {
		if strings.HasSuffix(u, "/jwks.json") {
			n++
		}
	}
	return n
}

func (is *issuer) verifier(t testing.TB, change ...func(*Config)) *Verifier {
	t.Helper()
	cfg := Config{
		Issuer: testIssuer, Audience: testAudience,
		Client: &http.Client{Transport: is}, Logger: slog.New(slog.DiscardHandler),
	}
	for _, c := range change {
		c(&cfg)
	}
	v, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func asJSON(v any) string { return string(must(json.Marshal(v))) }

// object is a JOSE header or a claims set in the making.
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

func header() object { return object{"alg": "ES256", "typ": "at+jwt", "kid": "ec"} }

func goodClaims() object {
	now := time.Now().Unix()
	return object{
		"iss": testIssuer, "aud": testAudience, "sub": "alice", "client_id": "spa", "jti": "1",
		"iat": now, "exp": now + 900, "scope": "orders.read orders.write", "roles": []string{"admin"},
		"groups": []string{"staff"}, "gid": "g1", "sid": "s1", "acr": "urn:x:pwd", "auth_time": now - 60,
	}
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

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

// token signs with the issuer's EC key.
func token(header, claims object) string { return es256(ecKey(), asJSON(header), asJSON(claims)) }

func goodToken() string { return token(header(), goodClaims()) }
