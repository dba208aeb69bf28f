package bearer

import (
	"fmt"
	"testing"
	"time"

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
