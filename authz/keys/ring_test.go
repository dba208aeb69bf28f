package keys

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

// clock is the time that rings are told. It starts at the real time, because the store has its own
// clock, and only goes forward.
type clock struct{ ns atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.ns.Store(time.Now().UnixNano())
	return c
}

func (c *clock) now() time.Time      { return time.Unix(0, c.ns.Load()) }
func (c *clock) add(d time.Duration) { c.ns.Add(int64(d)) }

func openStore(t testing.TB, path string) storage.Store {
	t.Helper()
	s, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func newStore(t testing.TB) storage.Store {
	return openStore(t, filepath.Join(t.TempDir(), "authzd.db"))
}

// testPolicy uses the algorithms whose keys are quick to generate.
func testPolicy() Policy {
	return Policy{
		Algs:        []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA},
		RotateEvery: 10 * time.Minute,
		Announce:    2 * time.Minute,
		Retain:      6 * time.Minute,
	}
}

func openRing(t testing.TB, s storage.Store, p Policy, now func() time.Time) *Ring {
	t.Helper()
	r, err := open(t.Context(), s, newSecret(t, counting(0)), p, now)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func step(t testing.TB, rings ...*Ring) {
	t.Helper()
	for _, r := range rings {
		if err := r.step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func sign(t testing.TB, r *Ring, alg jose.SignatureAlgorithm) string {
	t.Helper()
	token, err := r.Sign(alg, TypeAccessToken, map[string]string{"sub": "alice"})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// signingKID returns the id of the key that signs now.
func signingKID(t testing.TB, r *Ring, alg jose.SignatureAlgorithm) string {
	t.Helper()
	v, err := r.Verify(sign(t, r, alg))
	if err != nil {
		t.Fatal(err)
	}
	return v.KeyID
}

// published returns the ids in the JWKS of one algorithm.
func published(t testing.TB, r *Ring, alg jose.SignatureAlgorithm) []string {
	t.Helper()
	body, _ := r.JWKS()
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(body, &set); err != nil {
		t.Fatal(err)
	}
	var kids []string
	for _, k := range set.Keys {
		if k.Algorithm == string(alg) {
			kids = append(kids, k.KeyID)
		}
	}
	slices.Sort(kids)
	return kids
}

func TestPolicyErrorsAllAtOnce(t *testing.T) {
	p := Policy{Algs: []jose.SignatureAlgorithm{jose.HS256, jose.ES256, jose.ES256}, RotateEvery: -1, Announce: 0, Retain: 0}
	_, err := Open(t.Context(), newStore(t), newSecret(t, counting(0)), p)
	for _, part := range []string{"HS256", "twice", "announce", "rotate", "retain"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error does not tell of %s: %v", part, err)
		}
	}
	if _, err := Open(t.Context(), newStore(t), newSecret(t, counting(0)), Policy{}); err == nil {
		t.Error("the zero policy was accepted")
	}
}

func TestJWKS(t *testing.T) {
	p := testPolicy()
	p.Algs = supported
	r := openRing(t, newStore(t), p, newClock().now)
	body, maxAge := r.JWKS()
	if maxAge <= 0 || maxAge+p.reloadEvery() >= p.Announce {
		t.Errorf("maxAge %v does not let caches see a key that is announced for %v", maxAge, p.Announce)
	}
	var set struct {
		Keys []map[string]string `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		t.Fatal(err)
	}
	members := map[string][]string{ // exactly
		"RS256": {"alg", "e", "kid", "kty", "n", "use"},
		"PS256": {"alg", "e", "kid", "kty", "n", "use"},
		"ES256": {"alg", "crv", "kid", "kty", "use", "x", "y"},
		"EdDSA": {"alg", "crv", "kid", "kty", "use", "x"},
	}
	kids := map[string]bool{}
	for _, k := range set.Keys {
		var names []string
		for name := range k {
			names = append(names, name)
		}
		slices.Sort(names)
		if !slices.Equal(names, members[k["alg"]]) {
			t.Errorf("%s key has members %v, want %v", k["alg"], names, members[k["alg"]])
		}
		if k["use"] != "sig" || k["kty"] == "oct" || kids[k["kid"]] {
			t.Errorf("bad key: %v", k)
		}
		kids[k["kid"]] = true
		if want := thumbprintOf(t, k); k["kid"] != want {
			t.Errorf("%s kid %s is not the thumbprint %s", k["alg"], k["kid"], want)
		}
	}
	if len(kids) != len(supported) {
		t.Errorf("%d keys, want %d", len(kids), len(supported))
	}
}

func thumbprintOf(t *testing.T, members map[string]string) string {
	t.Helper()
	b, _ := json.Marshal(members)
	var jwk jose.JSONWebKey
	if err := json.Unmarshal(b, &jwk); err != nil {
		t.Fatal(err)
	}
	kid, err := thumbprint(&jwk)
	if err != nil {
		t.Fatal(err)
	}
	return kid
}

func TestRestartKeepsKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "authzd.db")
	p := testPolicy()
	p.Algs = supported
	secret := newSecret(t, counting(0))

	store := openStore(t, path)
	before, err := Open(t.Context(), store, secret, p)
	if err != nil {
		t.Fatal(err)
	}
	var tokens []string
	for _, alg := range p.Algs {
		tokens = append(tokens, sign(t, before, alg))
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}

	reopened, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer reopened.Close()
	after, err := Open(t.Context(), reopened, secret, p)
	if err != nil {
		t.Fatal(err)
	}
	if commits := reopened.Stats().Commits; commits != 0 {
		t.Errorf("a restart wrote %d times", commits)
	}
	a, _ := before.JWKS()
	b, _ := after.JWKS()
	if !bytes.Equal(a, b) {
		t.Error("a restart changed the keys")
	}
	for _, token := range tokens {
		if _, err := after.Verify(token); err != nil {
			t.Errorf("a token from before the restart: %v", err)
		}
	}
}

func TestReplicasThatStartAtOnceAgree(t *testing.T) {
	store, c := newStore(t), newClock()
	rings := make([]*Ring, 6)
	var wg sync.WaitGroup
	for i := range rings {
		skewed := func() time.Time { return c.now().Add(time.Duration(i-3) * time.Second) }
		wg.Go(func() {
			var err error
			if rings[i], err = open(t.Context(), store, newSecret(t, counting(0)), testPolicy(), skewed); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	for _, alg := range testPolicy().Algs {
		kid := signingKID(t, rings[0], alg)
		for i, r := range rings {
			if got := published(t, r, alg); !slices.Equal(got, []string{kid}) {
				t.Errorf("replica %d publishes %v, want %s", i, got, kid)
			}
			if got := signingKID(t, r, alg); got != kid {
				t.Errorf("replica %d signs with %s, want %s", i, got, kid)
			}
		}
	}

	// A rotation that all of them find due at once makes one key.
	c.add(testPolicy().RotateEvery)
	for _, r := range rings {
		wg.Go(func() {
			if err := r.step(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	step(t, rings...)
	for _, alg := range testPolicy().Algs {
		for i, r := range rings {
			if got := published(t, r, alg); len(got) != 2 {
				t.Errorf("replica %d publishes %d keys of %s, want 2", i, len(got), alg)
			}
		}
	}
}

func TestWrongSecret(t *testing.T) {
	store := newStore(t)
	openRing(t, store, testPolicy(), time.Now)
	_, err := Open(t.Context(), store, newSecret(t, counting(9)), testPolicy())
	if !errors.Is(err, ErrUnknownSecret) {
		t.Fatalf("%v, want ErrUnknownSecret", err)
	}
	if !strings.Contains(err.Error(), "\nhint: ") || !strings.Contains(err.Error(), "secret_file") {
		t.Errorf("no hint in: %v", err)
	}
}

func TestSecretRotation(t *testing.T) {
	store, c, p := newStore(t), newClock(), testPolicy()
	older, newer := counting(1), counting(2)
	must := func(raw ...[]byte) *Ring {
		r, err := open(t.Context(), store, newSecret(t, raw...), p, c.now)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	kid := signingKID(t, must(older), jose.ES256)
	r := must(newer, older)
	if got := signingKID(t, r, jose.ES256); got != kid {
		t.Error("a new secret changed the key")
	}

	// Once the keys that the older secret sealed are gone, it may go too.
	for _, d := range []time.Duration{p.RotateEvery - p.Announce, p.Announce + p.Retain} {
		if _, err := open(t.Context(), store, newSecret(t, newer), p, c.now); !errors.Is(err, ErrUnknownSecret) {
			t.Fatalf("%v, want ErrUnknownSecret", err)
		}
		c.add(d)
		step(t, r)
	}
	must(newer)
}

func TestStoreFailureKeepsTheRing(t *testing.T) {
	store, c := newStore(t), newClock()
	r := openRing(t, store, testPolicy(), c.now)
	token := sign(t, r, jose.ES256)
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	c.add(testPolicy().RotateEvery)
	if err := r.step(t.Context()); !errors.Is(err, storage.ErrClosed) {
		t.Errorf("step: %v, want ErrClosed", err)
	}
	if _, err := r.Verify(token); err != nil {
		t.Errorf("verify: %v", err)
	}
	sign(t, r, jose.ES256)
	if len(published(t, r, jose.ES256)) != 1 {
		t.Error("the JWKS has changed")
	}
	c.add(minReload)
	unknown := sign(t, openRing(t, newStore(t), testPolicy(), c.now), jose.ES256)
	if _, err := r.Verify(unknown); err == nil || errors.Is(err, ErrInvalidToken) {
		t.Errorf("%v: calls a token invalid that it can't judge", err)
	}
}

func TestTamperedRecords(t *testing.T) {
	table := storage.SigningKeys
	for name, tamper := range map[string]func(t *testing.T, s storage.Store, es, ed *storage.SigningKey) storage.Write{
		"private half altered": func(t *testing.T, s storage.Store, es, ed *storage.SigningKey) storage.Write {
			es.Sealed[len(es.Sealed)-1] ^= 1
			return table.Put("ES256/1", es, storage.Any, time.Time{})
		},
		"private half gone": func(t *testing.T, s storage.Store, es, ed *storage.SigningKey) storage.Write {
			es.Sealed = nil
			return table.Put("ES256/1", es, storage.Any, time.Time{})
		},
		"key of another algorithm": func(t *testing.T, s storage.Store, es, ed *storage.SigningKey) storage.Write {
			return table.Put("ES256/1", ed, storage.Any, time.Time{})
		},
		"old key as the newest": func(t *testing.T, s storage.Store, es, ed *storage.SigningKey) storage.Write {
			return table.Put("ES256/2", es, storage.Any, time.Time{})
		},
		"sealed for another purpose": func(t *testing.T, s storage.Store, es, ed *storage.SigningKey) storage.Write {
			es.Sealed = newSecret(t, counting(0)).Sealer("upstream token").Seal([]byte("{}"), []byte("ES256/1"))
			return table.Put("ES256/1", es, storage.Any, time.Time{})
		},
		"name without number": func(t *testing.T, s storage.Store, es, ed *storage.SigningKey) storage.Write {
			return table.Put("ES256", es, storage.Any, time.Time{})
		},
		"name with another spelling": func(t *testing.T, s storage.Store, es, ed *storage.SigningKey) storage.Write {
			return table.Put("ES256/01", es, storage.Any, time.Time{})
		},
		"no record at all": func(t *testing.T, s storage.Store, es, ed *storage.SigningKey) storage.Write {
			return storage.Write{Table: table.Table, Key: "ES256/1", Value: []byte("{"), If: storage.Any}
		},
	} {
		t.Run(name, func(t *testing.T) {
			store, c := newStore(t), newClock()
			r := openRing(t, store, testPolicy(), c.now)
			token := sign(t, r, jose.ES256)
			if err := store.Apply(t.Context(), tamper(t, store, readRecord(t, store, "ES256/1"), readRecord(t, store, "EdDSA/1"))); err != nil {
				t.Fatal(err)
			}
			if err := r.step(t.Context()); err == nil {
				t.Error("a running ring took the record")
			}
			if _, err := r.Verify(token); err != nil {
				t.Errorf("a running ring lost its key: %v", err)
			}
			if _, err := open(t.Context(), store, newSecret(t, counting(0)), testPolicy(), c.now); err == nil {
				t.Error("a starting ring took the record")
			}
		})
	}
}

// The public half lies open in the store, so it must not be what tokens are verified with.
func TestForeignPublicKeyInTheStoreIsIgnored(t *testing.T) {
	store, c := newStore(t), newClock()
	r := openRing(t, store, testPolicy(), c.now)
	foreign := openRing(t, newStore(t), testPolicy(), c.now)
	token := sign(t, foreign, jose.ES256)

	rec := readRecord(t, store, "ES256/1")
	rec.Public, _ = json.Marshal(foreign.current.Load().newest(jose.ES256).pair.public)
	if err := store.Apply(t.Context(), storage.SigningKeys.Put("ES256/1", rec, storage.Any, time.Time{})); err != nil {
		t.Fatal(err)
	}
	again := openRing(t, store, testPolicy(), c.now)
	if _, err := again.Verify(token); !errors.Is(err, ErrInvalidToken) {
		t.Errorf("foreign token: %v", err)
	}
	if !slices.Equal(published(t, again, jose.ES256), published(t, r, jose.ES256)) {
		t.Error("the foreign key is published")
	}
}

func readRecord(t testing.TB, s storage.Store, name string) *storage.SigningKey {
	t.Helper()
	rec, _, err := storage.SigningKeys.Get(t.Context(), s, name)
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

func TestRunEndsWithItsContext(t *testing.T) {
	r := openRing(t, newStore(t), testPolicy(), time.Now)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want Canceled", err)
	}
}
