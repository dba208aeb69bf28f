package keys

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// cachingVerifier is a backend service: go-jose and a JWKS that it fetches when its cache has
// expired, and at no other time.
type cachingVerifier struct {
	ring  *Ring
	set   jose.JSONWebKeySet
	until time.Time
}

func (v *cachingVerifier) verify(token string, now time.Time) error {
	if !now.Before(v.until) {
		body, maxAge := v.ring.JWKS()
		v.set = jose.JSONWebKeySet{}
		if err := json.Unmarshal(body, &v.set); err != nil {
			return err
		}
		v.until = now.Add(maxAge)
	}
	jws, err := jose.ParseSignedCompact(token, supported)
	if err != nil {
		return err
	}
	_, err = jws.Verify(v.set)
	return err
}

// Two replicas rotate through several keys, while backends with caches of every phase verify each
// token when it is new and again at the end of its life.
func TestRotationIsInvisibleToCachingVerifiers(t *testing.T) {
	const tick = 10 * time.Second
	store, c, p := newStore(t), newClock(), testPolicy()
	a, b := openRing(t, store, p, c.now), openRing(t, store, p, c.now)
	life := p.Retain - time.Minute
	reloadTicks := int(p.reloadEvery() / tick)

	type issued struct {
		token string
		at    time.Time
	}
	var alive []issued
	var verifiers []*cachingVerifier
	kids := map[string]bool{}
	for i := range int(45 * time.Minute / tick) {
		switch i % reloadTicks { // each replica as late as its loop allows, and out of step
		case 0:
			step(t, a)
		case reloadTicks / 2:
			step(t, b)
		}
		if i < 8 { // caches that expire at different ticks
			verifiers = append(verifiers, &cachingVerifier{ring: []*Ring{a, b}[i%2]})
		}
		now := c.now()
		var check []string
		for _, alg := range p.Algs {
			for _, r := range []*Ring{a, b} {
				token := sign(t, r, alg)
				check = append(check, token)
				alive = append(alive, issued{token, now})
			}
		}
		for len(alive) > 0 && now.Sub(alive[0].at) >= life {
			check = append(check, alive[0].token)
			alive = alive[1:]
		}
		for n, token := range check {
			v := verifiers[(i+n)%len(verifiers)]
			if err := v.verify(token, now); err != nil {
				t.Fatalf("after %v: %v", time.Duration(i)*tick, err)
			}
			verified, err := a.Verify(token)
			if err != nil {
				t.Fatalf("after %v: ring: %v", time.Duration(i)*tick, err)
			}
			kids[verified.KeyID] = true
		}
		c.add(tick)
	}
	if len(kids) < 4*len(p.Algs) {
		t.Errorf("only %d keys signed in four periods of %d algorithms", len(kids), len(p.Algs))
	}
	if n := len(published(t, a, jose.ES256)); n > 3 {
		t.Errorf("%d keys are published: retired ones stay", n)
	}
}

// recorder is a slog.Handler that passes on messages.
type recorder struct {
	slog.Handler
	messages chan string
}

func (r recorder) Enabled(context.Context, slog.Level) bool { return true }
func (r recorder) Handle(ctx context.Context, rec slog.Record) error {
	select {
	case r.messages <- rec.Message:
	case <-ctx.Done():
	}
	return nil
}

// Run rotates by itself, and Sign, Verify and JWKS are safe while it does.
func TestRunUnderLoad(t *testing.T) {
	p := testPolicy()
	p.RotateEvery, p.Announce = 40*time.Millisecond, 20*time.Millisecond
	messages := make(chan string, 16)
	p.Logger = slog.New(recorder{slog.DiscardHandler, messages})
	r := openRing(t, newStore(t), p, time.Now)

	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { r.Run(ctx) })
	for _, alg := range p.Algs {
		wg.Go(func() {
			for ctx.Err() == nil {
				token, err := r.Sign(alg, TypeJWT, struct{}{})
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := r.Verify(token); err != nil {
					t.Error(err)
					return
				}
				r.JWKS()
			}
		})
	}
	seen := []string{}
	for len(seen) < 2*3 { // the first keys of two algorithms, and two more of each
		seen = append(seen, <-messages)
	}
	cancel()
	wg.Wait()
	if slices.Contains(seen, "key rotation failed") {
		t.Error("rotation failed")
	}
	if n := len(published(t, r, jose.ES256)); n < 2 {
		t.Errorf("%d keys published, want more", n)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	r := openRing(t, newStore(t), testPolicy(), time.Now)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want Canceled", err)
	}
}
