package keys

import (
	"bytes"
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

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
