package bearer

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz/jwks"
)

// BenchmarkVerify compares a whole verification with the bare signature check of the standard
// library that it cannot do without.
func BenchmarkVerify(b *testing.B) {
	claims := goodClaims().with("exp", time.Now().Unix()+86400)
	tokens := map[string]string{
		"RS256": joseToken(b, jose.RS256, rsaKey(), "rsa", claims),
		"ES256": joseToken(b, jose.ES256, ecKey(), "ec", claims),
		"EdDSA": joseToken(b, jose.EdDSA, edKey(), "ed", claims),
	}
	bare := map[string]func(input, signature []byte) bool{
		"RS256": func(input, signature []byte) bool {
			digest := sha256.Sum256(input)
			return rsa.VerifyPKCS1v15(&rsaKey().PublicKey, crypto.SHA256, digest[:], signature) == nil
		},
		"ES256": func(input, signature []byte) bool {
			digest := sha256.Sum256(input)
			r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
			return ecdsa.Verify(&ecKey().PublicKey, digest[:], r, s)
		},
		"EdDSA": func(input, signature []byte) bool {
			return ed25519.Verify(edKey().Public().(ed25519.PublicKey), input, signature)
		},
	}
	v := newIssuer().verifier(b)
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		b.Run(alg+"/verify", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(b.Context(), tokens[alg]); err != nil {
					b.Fatal(err)
				}
			}
		})
		dot := strings.LastIndexByte(tokens[alg], '.')
		input, signature := []byte(tokens[alg][:dot]), must(base64.RawURLEncoding.DecodeString(tokens[alg][dot+1:]))
		b.Run(alg+"/bare", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !bare[alg](input, signature) {
					b.Fatal("wrong signature")
				}
			}
		})
	}
}

// BenchmarkProtect is a request from its header to the handler, without and with a proof.
func BenchmarkProtect(b *testing.B) {
	claims := goodClaims().with("exp", time.Now().Unix()+86400)
	h := newIssuer().verifier(b, func(c *Config) { c.DPoP.Replay = everFirst{} }).Protect(hello)
	bound := token(header(), claims.with("cnf", object{"jkt": thumbprint(clientKey())}))
	for name, r := range map[string]*http.Request{
		"Bearer": get("/", "Bearer "+token(header(), claims)),
		"DPoP":   proved("/", "DPoP", bound, proof(clientKey(), proofClaims(bound))),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				w := httptest.NewRecorder()
				if h.ServeHTTP(w, r); w.Code != http.StatusOK {
					b.Fatal(w.Code, w.Body)
				}
			}
		})
	}
}

type everFirst struct{}

func (everFirst) Use(context.Context, string, time.Time) (bool, error) { return true, nil }

// BenchmarkMemoryReplay fills it: the bytes are what a remembered proof takes, growth included.
func BenchmarkMemoryReplay(b *testing.B) {
	m, i := NewMemoryReplay(1<<30), 0
	until := time.Now().Add(5 * time.Minute)
	b.ReportAllocs()
	for b.Loop() {
		i++
		if first, err := m.Use(b.Context(), strconv.Itoa(i), until); !first || err != nil {
			b.Fatal(first, err)
		}
	}
}

// BenchmarkRefuse is what a flood of bad tokens costs.
func BenchmarkRefuse(b *testing.B) {
	is := newIssuer()
	v := is.verifier(b)
	h := v.Protect(hello)
	for name, token := range map[string]string{
		"garbage":     strings.Repeat("A", 600),
		"unknown kid": token(rotated("x"), goodClaims()),
		"forged":      es256(otherKey(), asJSON(header()), asJSON(goodClaims())),
	} {
		b.Run(name, func(b *testing.B) {
			r := get("/", "Bearer "+token)
			b.ReportAllocs()
			for b.Loop() {
				w := httptest.NewRecorder()
				if h.ServeHTTP(w, r); w.Code != http.StatusUnauthorized {
					b.Fatal(w.Code)
				}
			}
		})
	}
	if n := is.fetches(); n > 4 {
		b.Errorf("%d fetches", n)
	}
}

// Nothing that we did not sign is ever accepted.
func FuzzVerify(f *testing.F) {
	good := goodToken()
	for _, tokens := range hostile() {
		for _, token := range tokens {
			if len(token) <= maxToken {
				f.Add(token)
			}
		}
	}
	f.Add(good)
	v := newIssuer().verifier(f)
	f.Fuzz(func(t *testing.T, token string) {
		p, err := v.Verify(t.Context(), token)
		if token == good {
			return
		}
		if invalid := (*TokenError)(nil); p != nil || !errors.As(err, &invalid) {
			t.Errorf("%q: principal %v, error %v", token, p, err)
		}
	})
}

func FuzzParseKeys(f *testing.F) {
	f.Add([]byte(asJSON(object{"keys": append(oddKeys(), newIssuer().keys...)})))
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA","kid":"1"},null,1]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		byID, err := parseKeys(body)
		if err != nil {
			return
		}
		for kid, list := range byID {
			if kid == "" || len(list) == 0 {
				t.Errorf("kid %q has %d keys", kid, len(list))
			}
			for _, alg := range jwks.Algorithms {
				byID.find(kid, string(alg)) // must not panic
			}
		}
	})
}
