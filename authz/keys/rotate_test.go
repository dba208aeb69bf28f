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

	"github.com/authzd/authzd/storage"
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

func TestLifeOfAKey(t *testing.T) {
	store, c, p := newStore(t), newClock(), testPolicy()
	p.Algs = []jose.SignatureAlgorithm{jose.ES256}
	r := openRing(t, store, p, c.now)
	first := signingKID(t, r, jose.ES256)
	token := sign(t, r, jose.ES256)

	expect := func(when string, keys int, firstSigns bool) {
		t.Helper()
		if got := len(published(t, r, jose.ES256)); got != keys {
			t.Errorf("%s: %d keys published, want %d", when, got, keys)
		}
		if got := signingKID(t, r, jose.ES256) == first; got != firstSigns {
			t.Errorf("%s: first key signs is %v, want %v", when, got, firstSigns)
		}
	}
	advance := func(d time.Duration) {
		c.add(d)
		step(t, r)
	}
	const moment = time.Second
	expect("created", 1, true)
	advance(p.RotateEvery - p.Announce - moment)
	expect("before its successor", 1, true)
	advance(moment)
	expect("successor announced", 2, true)
	advance(p.Announce - moment)
	expect("successor about to sign", 2, true)
	c.add(moment) // the change of keys needs no step
	expect("successor signs", 2, false)
	advance(p.Retain - moment)
	if _, err := r.Verify(token); err != nil {
		t.Errorf("retained key does not verify: %v", err)
	}
	expect("about to be forgotten", 2, false)
	advance(moment + time.Millisecond)
	expect("forgotten", 1, false)
	if _, err := r.Verify(token); !errors.Is(err, ErrInvalidToken) {
		t.Errorf("a forgotten key verifies: %v", err)
	}
}

func TestExpiryIsInTheStore(t *testing.T) {
	store, c, p := newStore(t), newClock(), testPolicy()
	r := openRing(t, store, p, c.now)
	if err := r.Rotate(t.Context(), jose.ES256); err != nil {
		t.Fatal(err)
	}
	want := r.policy.retireAt(c.now().Truncate(time.Millisecond).Add(p.Announce))
	if got := expiry(t, store, "ES256/1"); !got.Equal(want) {
		t.Errorf("the old key expires at %v, want %v", got, want)
	}
	for _, name := range []string{"ES256/2", "EdDSA/1"} {
		if got := expiry(t, store, name); !got.IsZero() {
			t.Errorf("%s expires at %v, want never", name, got)
		}
	}
}

func expiry(t *testing.T, s storage.Store, name string) time.Time {
	t.Helper()
	rec, err := s.Get(t.Context(), storage.SigningKeys.Table, name)
	if err != nil {
		t.Fatal(err)
	}
	return rec.Expires
}

func TestOperatorRotates(t *testing.T) {
	store, c, p := newStore(t), newClock(), testPolicy()
	a, b := openRing(t, store, p, c.now), openRing(t, store, p, c.now)
	if err := a.Rotate(t.Context(), jose.RS256); err == nil {
		t.Error("rotated an algorithm that is not in use")
	}
	first := signingKID(t, a, jose.ES256)
	if err := a.Rotate(t.Context(), jose.ES256); err != nil {
		t.Fatal(err)
	}
	if n := len(published(t, a, jose.ES256)); n != 2 {
		t.Errorf("%d keys published at once, want 2", n)
	}
	if n := len(published(t, a, jose.EdDSA)); n != 1 {
		t.Errorf("%d EdDSA keys, want 1: it was not to rotate", n)
	}
	if signingKID(t, a, jose.ES256) != first {
		t.Error("the new key signs before it was announced long enough")
	}
	step(t, a, b) // no second rotation
	c.add(p.Announce)
	if signingKID(t, a, jose.ES256) == first || signingKID(t, a, jose.ES256) != signingKID(t, b, jose.ES256) {
		t.Error("the replicas do not sign with the new key")
	}
	if n := len(published(t, b, jose.ES256)); n != 2 {
		t.Errorf("%d keys published, want 2", n)
	}
}

func TestReplicasThatRotateAtOnceMakeOneKey(t *testing.T) {
	store, c := newStore(t), newClock()
	rings := []*Ring{openRing(t, store, testPolicy(), c.now), openRing(t, store, testPolicy(), c.now)}
	var wg sync.WaitGroup
	for _, r := range rings {
		// What Rotate does after both have loaded.
		wg.Go(func() {
			if err := r.announce(t.Context(), jose.ES256); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	step(t, rings...)
	for i, r := range rings {
		if n := len(published(t, r, jose.ES256)); n != 2 {
			t.Errorf("replica %d: %d keys, want 2", i, n)
		}
	}
}

// A key keeps on verifying when the policy drops its algorithm, signs again when it comes back, and
// is forgotten when its time has come.
func TestAlgorithmOutOfUse(t *testing.T) {
	store, c := newStore(t), newClock()
	both, less := testPolicy(), testPolicy()
	less.Algs = []jose.SignatureAlgorithm{jose.ES256}
	token := sign(t, openRing(t, store, both, c.now), jose.EdDSA)

	r := openRing(t, store, less, c.now)
	if _, err := r.Sign(jose.EdDSA, TypeJWT, struct{}{}); err == nil {
		t.Error("signed with an algorithm that is not in use")
	}
	if _, err := r.Verify(token); err != nil {
		t.Errorf("a token of the dropped algorithm: %v", err)
	}
	back := openRing(t, store, both, c.now)
	if v, err := back.Verify(token); err != nil || v.KeyID != signingKID(t, back, jose.EdDSA) {
		t.Errorf("another key after the algorithm came back, or %v", err)
	}

	c.add(both.RotateEvery)
	step(t, r)
	if n := len(published(t, r, jose.EdDSA)); n != 1 {
		t.Errorf("%d EdDSA keys, want the old one and no successor", n)
	}
	c.add(both.Announce + both.Retain)
	step(t, r)
	if n := len(published(t, r, jose.EdDSA)); n != 0 {
		t.Errorf("%d EdDSA keys, want none", n)
	}
}

func TestAlgorithmBackWhileItsKeyRetires(t *testing.T) {
	store, c := newStore(t), newClock()
	both, less := testPolicy(), testPolicy()
	less.Algs = []jose.SignatureAlgorithm{jose.ES256}
	token := sign(t, openRing(t, store, both, c.now), jose.EdDSA)
	c.add(both.RotateEvery)
	openRing(t, store, less, c.now)

	c.add(time.Minute)
	back := openRing(t, store, both, c.now)
	if v, err := back.Verify(token); err != nil || v.KeyID != signingKID(t, back, jose.EdDSA) {
		t.Errorf("the retiring key does not sign until its successor may, or %v", err)
	}
	want := both.retireAt(c.now().Truncate(time.Millisecond).Add(both.Announce))
	if got := expiry(t, store, "EdDSA/1"); !got.Equal(want) {
		t.Errorf("it expires at %v, want %v", got, want)
	}
}

// An operator who lengthens token lifetimes restarts the server, perhaps while a successor is
// announced: the present key then signs tokens that outlive the expiry that it was given.
func TestLongerRetentionReachesTheSigningKey(t *testing.T) {
	store, c, p := newStore(t), newClock(), testPolicy()
	if err := openRing(t, store, p, c.now).Rotate(t.Context(), jose.ES256); err != nil {
		t.Fatal(err)
	}
	before := expiry(t, store, "ES256/1")
	p.Retain += time.Hour
	openRing(t, store, p, c.now)
	if got := expiry(t, store, "ES256/1"); !got.Equal(before.Add(time.Hour)) {
		t.Errorf("expires at %v, want %v", got, before.Add(time.Hour))
	}
	p.Retain -= time.Hour
	openRing(t, store, p, c.now)
	if got := expiry(t, store, "ES256/1"); !got.Equal(before.Add(time.Hour)) {
		t.Error("a shorter retention cut the life of tokens that are out")
	}
}

func TestServerThatSleptForLong(t *testing.T) {
	store, c, p := newStore(t), newClock(), testPolicy()
	first := signingKID(t, openRing(t, store, p, c.now), jose.ES256)
	c.add(100 * p.RotateEvery)
	r := openRing(t, store, p, c.now)
	if signingKID(t, r, jose.ES256) != first || len(published(t, r, jose.ES256)) != 2 {
		t.Error("want the old key to sign and its successor to be announced")
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
