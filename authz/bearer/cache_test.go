package bearer

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz/revocation"
)

func caching(c *Config) { c.CacheTokens = 1000 }

// A token that was verified once is refused as soon as a whole verification would refuse it.
func TestCacheForgets(t *testing.T) {
	for want, change := range map[string]func(*feed){
		"the token has expired":      func(*feed) { time.Sleep(930 * time.Second) },
		"the token has been revoked": func(f *feed) { f.end(revocation.Grant, "g1", 0); time.Sleep(promised) },
		"the token is signed with a key that the issuer does not have": func(f *feed) {
			f.issuer.set(func(is *issuer) { is.keys = is.keys[:1] })
			time.Sleep(600 * time.Second) // max-age
		},
		"the token's signature is wrong": func(f *feed) { // another key by the same kid
			f.issuer.set(func(is *issuer) { is.keys = []any{jose.JSONWebKey{Key: otherKey().Public(), KeyID: "ec"}} })
			time.Sleep(600 * time.Second)
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFeed()
			f.cache = "max-age=600"
			v := f.verifier(t, f.follow(t), caching)
			good := goodToken()
			for range 3 {
				if err := verifies(v, good); err != nil {
					t.Fatal(err)
				}
			}
			change(f)
			err := verifies(v, good)
			if invalid := (*TokenError)(nil); !errors.As(err, &invalid) || invalid.Reason != want {
				t.Errorf("%v, want %s", err, want)
			}
		})
	}
}

// The cache knows a token byte by byte: nothing that resembles one gets in.
func TestCacheKnowsNoOtherToken(t *testing.T) {
	v := newIssuer().verifier(t, caching)
	good := goodToken()
	if err := verifies(v, good); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(good); i += 7 {
		for _, c := range []byte("A-.") {
			if changed := good[:i] + string(c) + good[i+1:]; changed != good && verifies(v, changed) == nil {
				t.Fatalf("accepted with %q at %d", c, i)
			}
		}
	}
	for reason, tokens := range hostile() {
		for name, token := range tokens {
			for range 2 {
				_, err := v.Verify(t.Context(), token)
				if invalid := (*TokenError)(nil); !errors.As(err, &invalid) || invalid.Reason != reason {
					t.Errorf("%s: %v, want %q", name, err, reason)
				}
			}
		}
	}
}

// A proof is demanded with each request, and callers can't change what others get.
func TestCacheIsNoWayAroundTheSender(t *testing.T) {
	v := newIssuer().verifier(t, caching)
	bound := token(header(), goodClaims().with("cnf", object{"jkt": thumbprint(clientKey())}))
	h := v.Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, _ := FromContext(r.Context())
		fmt.Fprint(w, p.Subject)
		p.Subject = "mallory"
	}))
	for range 2 {
		if w := serve(h, proved("/", "DPoP", bound, proof(clientKey(), proofClaims(bound)))); w.Code != 200 || w.Body.String() != "alice" {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		if w := serve(h, get("/", "Bearer "+bound)); w.Code != 401 {
			t.Errorf("without a proof: %d", w.Code)
		}
		if w := serve(h, get("/", "DPoP "+bound)); w.Code != 401 {
			t.Errorf("without a proof: %d", w.Code)
		}
	}
}

func TestCacheInParallel(t *testing.T) {
	v := newIssuer().verifier(t, func(c *Config) { c.CacheTokens = 32 })
	var tokens []string
	for i := range 64 {
		tokens = append(tokens, joseToken(t, jose.EdDSA, edKey(), "ed", goodClaims().with("sub", fmt.Sprint(i))))
	}
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 128 {
				n := (i*7 + worker) % len(tokens)
				if p, err := v.Verify(t.Context(), tokens[n]); err != nil || p.Subject != fmt.Sprint(n) {
					t.Errorf("%+v, %v", p, err)
				}
			}
		})
	}
	wg.Wait()
}
