package bearer

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz/revocation"
)

// busy is a follower that knows n ends of each kind, and is fresh.
func busy(t testing.TB, n int) *Follower {
	t.Helper()
	f := must(NewFollower(FollowerConfig{Issuer: testIssuer, Lost: Refuse, Strict: true}))
	d := &revocation.Document{Issuer: testIssuer, Epoch: "e", Seq: 1, IssuedAt: 1, Expires: 61, Window: time.Hour}
	for _, kind := range revocation.Kinds {
		for i := range n {
			d.Entries = append(d.Entries, revocation.Entry{Kind: kind, ID: revocation.Hash(kind, testIssuer, fmt.Sprint(i, " others"))})
		}
	}
	if err := (&poller{Follower: f}).merge(d); err != nil {
		t.Fatal(err)
	}
	return f
}

// realistic are claims with ids of the length that authzd's have.
func realistic() object {
	return goodClaims().with("exp", time.Now().Unix()+86400).
		with("gid", "0192f0c1-7c1e-7f00-8000-000000000001").with("sid", "0192f0c1-7c1e-7f00-8000-000000000002").
		with("sub", "0192f0c1-7c1e-7f00-8000-000000000003").with("jti", "0192f0c1-7c1e-7f00-8000-000000000004")
}

// The feed costs a verified token no allocation.
func TestLookupAllocatesNothing(t *testing.T) {
	f := busy(t, 1000)
	p, err := newIssuer().verifier(t).Verify(t.Context(), token(header(), realistic()))
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(1000, func() {
		if err := f.honours(p); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkLookup is what the feed costs on top of a verified token.
func BenchmarkLookup(b *testing.B) {
	f := busy(b, 10_000)
	p := must(newIssuer().verifier(b).Verify(b.Context(), token(header(), realistic())))
	b.Run("one", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := f.honours(p); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if err := f.honours(p); err != nil {
					b.Error(err)
				}
			}
		})
	})
}

// BenchmarkRequest is a validated request, from its header to the handler: with and without the feed and a cache of
// verified tokens.
func BenchmarkRequest(b *testing.B) {
	is, f := newIssuer(), busy(b, 10_000)
	r := get("/", "Bearer "+joseToken(b, jose.RS256, rsaKey(), "rsa", realistic()))
	for _, way := range []struct {
		name   string
		feed   *Follower
		tokens int
	}{{"plain", nil, 0}, {"feed", f, 0}, {"cache", nil, 1000}, {"cache and feed", f, 1000}} {
		h := is.verifier(b, func(c *Config) { c.Revocations, c.CacheTokens = way.feed, way.tokens }).Protect(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		b.Run(way.name, func(b *testing.B) {
			w := httptest.NewRecorder()
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(w, r)
			}
			if w.Code != http.StatusOK || w.Body.Len() > 0 {
				b.Fatal(w.Code, w.Body)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
		})
	}
}
