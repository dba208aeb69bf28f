package keys

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/storage"
)

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
	if err := r.Rotate(t.Context(), jose.ES256, nil); err != nil {
		t.Fatal(err)
	}
	want := r.policy().retireAt(c.now().Truncate(time.Millisecond).Add(p.Announce))
	if got := expiry(t, store, "ES256/1"); !got.Equal(want) {
		t.Errorf("the old key expires at %v, want %v", got, want)
	}
	for _, name := range []string{"ES256/2", "EdDSA/1"} {
		if got := expiry(t, store, name); !got.IsZero() {
			t.Errorf("%s expires at %v, want never", name, got)
		}
	}
}

func TestOperatorRotates(t *testing.T) {
	store, c, p := newStore(t), newClock(), testPolicy()
	a, b := openRing(t, store, p, c.now), openRing(t, store, p, c.now)
	if err := a.Rotate(t.Context(), jose.RS256, nil); err == nil {
		t.Error("rotated an algorithm that is not in use")
	}
	first := signingKID(t, a, jose.ES256)
	if err := a.Rotate(t.Context(), jose.ES256, nil); err != nil {
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
		// The work of Rotate after both have loaded.
		wg.Go(func() {
			if err := unlessConflict(r.announce(t.Context(), jose.ES256, nil)); err != nil {
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

// touching writes a record again, as sealing under a newer secret does, before each of the next writes of keys.
type touching struct {
	storage.Store
	left int
}

func (s *touching) Apply(ctx context.Context, writes ...storage.Write) error {
	if s.left > 0 && slices.ContainsFunc(writes, func(w storage.Write) bool { return w.Key == "ES256/2" }) {
		s.left--
		rec, err := s.Get(ctx, storage.SigningKeys.Table, "ES256/1")
		if err != nil {
			return err
		}
		if err := s.Store.Apply(ctx, storage.Write{Table: storage.SigningKeys.Table, Key: rec.Key, Value: rec.Value, If: storage.At(rec.Version)}); err != nil {
			return err
		}
	}
	return s.Store.Apply(ctx, writes...)
}

// An operator is told that keys were rotated only if there is a new one, even if another write to the present
// one comes at that moment.
func TestOperatorRotatesWhileKeysAreSealedAnew(t *testing.T) {
	store, c := &touching{Store: newStore(t)}, newClock()
	r := openRing(t, store, testPolicy(), c.now)
	store.left = 2
	asked := 0
	also := func(string) []storage.Write { asked++; return nil }
	if err := r.Rotate(t.Context(), jose.ES256, also); err != nil {
		t.Fatal(err)
	}
	if n := len(published(t, r, jose.ES256)); n != 2 || asked != 3 {
		t.Errorf("%d keys after %d attempts, want 2 after 3", n, asked)
	}

	store = &touching{Store: newStore(t)}
	r = openRing(t, store, testPolicy(), c.now)
	store.left = math.MaxInt // touched in every attempt
	if err := r.Rotate(t.Context(), jose.ES256, nil); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("no key was made: %v", err)
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
	if at := expiry(t, store, "EdDSA/1"); !at.IsZero() {
		t.Errorf("it expires at %v, though replicas with the old policy may sign with it", at)
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
	both.RotateEvery *= 10 // not due by its age
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
	if err := openRing(t, store, p, c.now).Rotate(t.Context(), jose.ES256, nil); err != nil {
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

// A replica that has not seen another's change must not undo it.
func TestStaleReplicaChangesNothing(t *testing.T) {
	store, c := newStore(t), newClock()
	stale, fresh := openRing(t, store, testPolicy(), c.now), openRing(t, store, testPolicy(), c.now)
	if err := fresh.Rotate(t.Context(), jose.ES256, nil); err != nil {
		t.Fatal(err)
	}
	before := expiry(t, store, "ES256/1")
	k := stale.current.Load().newest(jose.ES256)
	if err := stale.retire(t.Context(), k, c.now().Add(time.Hour)); err != nil {
		t.Errorf("a lost race is no failure: %v", err)
	}
	if got := expiry(t, store, "ES256/1"); !got.Equal(before) {
		t.Errorf("expires at %v, want %v", got, before)
	}
}

// Many keys of one algorithm, all of them published.
func TestManyRotations(t *testing.T) {
	const rotations = 21
	store, c := newStore(t), newClock()
	r := openRing(t, store, testPolicy(), c.now)
	for range rotations {
		if err := r.Rotate(t.Context(), jose.EdDSA, nil); err != nil {
			t.Fatal(err)
		}
	}
	again := openRing(t, store, testPolicy(), c.now)
	if got, want := len(published(t, again, jose.EdDSA)), rotations+1; got != want {
		t.Errorf("%d keys, want %d", got, want)
	}
	c.add(testPolicy().Announce)
	newest := again.current.Load().newest(jose.EdDSA)
	if newest.name.generation != rotations+1 || signingKID(t, again, jose.EdDSA) != newest.pair.public.KeyID {
		t.Errorf("key %s is the newest and does not sign", newest.name)
	}
}
