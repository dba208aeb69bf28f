package keys

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

func TestMemoForgetsTheOldest(t *testing.T) {
	var m memo
	number := func(n int) digest { return sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(n))) }
	if m.has(number(0)) {
		t.Error("an empty memo knows something")
	}
	for n := range 3 * memoSize {
		m.add(number(n))
		if !m.has(number(0)) {
			t.Fatalf("forgotten after %d others, although it was asked for each time", n)
		}
		if known := len(m.young) + len(m.old); known > 2*memoSize {
			t.Fatalf("%d are remembered, at most %d may be", known, 2*memoSize)
		}
	}
	if m.has(number(1)) {
		t.Error("one that nobody asked for is still remembered")
	}
}

// A token that has verified once is as good as its key, and no longer.
func TestVerifiedTokenDiesWithItsKey(t *testing.T) {
	store, c, p := newStore(t), newClock(), testPolicy()
	p.Algs = []jose.SignatureAlgorithm{jose.ES256}
	r := openRing(t, store, p, c.now)
	token := sign(t, r, jose.ES256)
	for range 2 {
		if _, err := r.Verify(token); err != nil {
			t.Fatal(err)
		}
	}
	for i := range len(token) {
		changed := token[:i] + "~" + token[i+1:]
		if _, err := r.Verify(changed); !errors.Is(err, ErrInvalidToken) {
			t.Fatalf("%q passes for the verified token: %v", changed, err)
		}
	}
	c.add(p.RotateEvery - p.Announce)
	step(t, r)
	if _, err := r.Verify(token); err != nil {
		t.Errorf("the key has a successor but lives: %v", err)
	}
	c.add(p.Announce + p.Retain)
	step(t, r)
	if _, err := r.Verify(token); !errors.Is(err, ErrInvalidToken) {
		t.Errorf("the key is gone, and its token verifies: %v", err)
	}
}
