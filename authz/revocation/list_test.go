package revocation_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/authzd/authzd/authz/revocation"
)

const issuer = "https://id.example.com"

func document(seq uint64, entries ...revocation.Entry) *revocation.Document {
	return &revocation.Document{
		Issuer: issuer, IssuedAt: 1_800_000_000, Expires: 1_800_000_060, Epoch: "e", Seq: seq,
		Window: 1000 * time.Second, Entries: entries,
	}
}

func entry(kind revocation.Kind, id string) revocation.Entry {
	return revocation.Entry{Kind: kind, ID: revocation.Hash(kind, issuer, id)}
}

// A follower's memory is bounded by what ends within a window.
func TestListForgets(t *testing.T) {
	list, now := revocation.NewList(issuer), time.Now()
	for hour := range 10 {
		at := now.Add(time.Duration(hour) * time.Hour)
		d := document(uint64(hour+1), entry(revocation.Grant, fmt.Sprint(hour)))
		if err := list.Merge(d, at); err != nil {
			t.Fatal(err)
		}
		if list.Len() != 1 {
			t.Fatalf("%d entries after %d hours", list.Len(), hour)
		}
	}
}

// A lookup is part of every request to an API.
func TestEndedAllocatesNothing(t *testing.T) {
	list, token := full(t)
	var ended bool
	if n := testing.AllocsPerRun(100, func() { _, ended = list.Ended(token) }); n != 0 || ended {
		t.Errorf("%v allocations, ended is %t", n, ended)
	}
}

func BenchmarkEnded(b *testing.B) {
	list, token := full(b)
	b.ReportAllocs()
	for b.Loop() {
		list.Ended(token)
	}
}

// full returns a list with many entries of each kind, and a token that none of them concerns.
func full(tb testing.TB) (*revocation.List, *revocation.Claims) {
	tb.Helper()
	d := document(1)
	for i := range 10_000 {
		d.Entries = append(d.Entries, entry(revocation.Kinds[i%len(revocation.Kinds)], fmt.Sprint(i)))
	}
	list := revocation.NewList(issuer)
	if err := list.Merge(d, time.Now()); err != nil {
		tb.Fatal(err)
	}
	const id = "0192f0c1-7c1e-7f00-8000-000000000001"
	return list, &revocation.Claims{Grant: id, Session: id, Subject: id, Token: id, Client: "spa", IssuedAt: 1_800_000_000}
}

// The largest list that an issuer publishes fits.
func TestLargestDocument(t *testing.T) {
	d := document(1)
	for i := range 100_000 {
		d.Entries = append(d.Entries, entry(revocation.Grant, fmt.Sprint(i)))
	}
	if compact := 4 * len(d.Claims()) / 3; compact > revocation.MaxDocument {
		t.Errorf("100,000 grants are %d bytes", compact)
	}
}
