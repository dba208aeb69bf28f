package assertion_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz/bff/assertion"
)

// gate publishes keys, and signs with one of them.
type gate struct {
	key     *jose.JSONWebKey
	fetched atomic.Int32
	away    atomic.Bool
}

func newGate(t testing.TB) *gate {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &gate{key: &jose.JSONWebKey{Key: private, KeyID: "one", Algorithm: "ES256", Use: "sig"}}
}

// RoundTrip answers for /gate/jwks.json.
func (g *gate) RoundTrip(r *http.Request) (*http.Response, error) {
	g.fetched.Add(1)
	if g.away.Load() || r.URL.String() != "https://gate.example.com/gate/jwks.json" {
		return nil, errors.New("nobody is there")
	}
	body, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{g.key.Public()}})
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(string(body)))}, err
}

func (g *gate) verifier() *assertion.Verifier {
	return assertion.New(assertion.Config{Gate: "https://gate.example.com", Host: "app.example.com", Client: &http.Client{Transport: g}})
}

func (g *gate) sign(t testing.TB, typ string, claims any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: g.key}, (&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func claims() *assertion.Assertion {
	now := time.Now().Unix()
	return &assertion.Assertion{Issuer: "https://gate.example.com", Audience: "app.example.com", IssuedAt: now, Expires: now + 60, Subject: "alice"}
}

func TestVerify(t *testing.T) {
	g := newGate(t)
	v := g.verifier()
	if a, err := v.Verify(t.Context(), g.sign(t, assertion.Type, claims())); err != nil || a.Subject != "alice" {
		t.Fatalf("%+v, %v", a, err)
	}
	for what, change := range map[string]func(*assertion.Assertion){
		"another gate":     func(a *assertion.Assertion) { a.Issuer += "/" },
		"another host":     func(a *assertion.Assertion) { a.Audience = "other.example.com" },
		"no subject":       func(a *assertion.Assertion) { a.Subject = "" },
		"expired":          func(a *assertion.Assertion) { a.Expires -= 60 },
		"of the future":    func(a *assertion.Assertion) { a.IssuedAt += 60 },
		"without an end":   func(a *assertion.Assertion) { a.Expires = 0 },
		"with several aud": func(a *assertion.Assertion) { a.Audience = `["app.example.com"]` },
	} {
		a := claims()
		change(a)
		if got, err := v.Verify(t.Context(), g.sign(t, assertion.Type, a)); !errors.Is(err, assertion.ErrInvalid) {
			t.Errorf("%s: %+v, %v", what, got, err)
		}
	}
	for _, typ := range []string{"at+jwt", "JWT", "logout+jwt", ""} {
		if _, err := v.Verify(t.Context(), g.sign(t, typ, claims())); !errors.Is(err, assertion.ErrInvalid) {
			t.Errorf("typ %q: %v", typ, err)
		}
	}
	if _, err := v.Verify(t.Context(), newGate(t).sign(t, assertion.Type, claims())); !errors.Is(err, assertion.ErrInvalid) {
		t.Errorf("another key of the same kid: %v", err)
	}
}

// Unknown keys make the site ask the gate for its keys, but not as often as somebody likes; known ones serve while the
// gate is away.
func TestKeysAreFetchedSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(t)
		v := g.verifier()
		token := g.sign(t, assertion.Type, claims())
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Fatal(err)
		}
		other := newGate(t)
		other.key.KeyID = "unknown"
		strange := other.sign(t, assertion.Type, claims())
		for range 1000 {
			if _, err := v.Verify(t.Context(), strange); err == nil {
				t.Fatal("taken")
			}
		}
		if n := g.fetched.Load(); n > 4 {
			t.Errorf("%d fetches", n)
		}
		g.away.Store(true)
		time.Sleep(20 * time.Minute)
		if _, err := v.Verify(t.Context(), g.sign(t, assertion.Type, claims())); err != nil {
			t.Errorf("while the gate is away: %v", err)
		}
		if _, err := other.verifier().Verify(t.Context(), token); !errors.Is(err, assertion.ErrInvalid) {
			t.Errorf("the key of another gate: %v", err)
		}
		other.away.Store(true)
		if _, err := other.verifier().Verify(t.Context(), token); !errors.Is(err, assertion.ErrUnavailable) {
			t.Errorf("before the first fetch: %v", err)
		}
	})
}

// Each text is an assertion that was signed, or an error.
func FuzzVerify(f *testing.F) {
	g := newGate(f)
	good := g.sign(f, assertion.Type, claims())
	for _, token := range []string{good, good + ".", "a.b.c", "", "eyJhbGciOiJub25lIiwidHlwIjoiZ2F0ZStqd3QifQ.e30.", strings.Replace(good, ".", "..", 1)} {
		f.Add(token)
	}
	v := g.verifier()
	f.Fuzz(func(t *testing.T, token string) {
		a, err := v.Verify(t.Context(), token)
		if err == nil && (token != good || a.Subject != "alice") {
			t.Errorf("%q: %+v", token, a)
		} else if err != nil && !errors.Is(err, assertion.ErrInvalid) {
			t.Errorf("%q: %v", token, err)
		}
	})
}
