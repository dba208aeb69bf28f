package keys

import (
	"encoding/json"
	"path/filepath"
	"slices"
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

func readRecord(t testing.TB, s storage.Store, name string) *storage.SigningKey {
	t.Helper()
	rec, _, err := storage.SigningKeys.Get(t.Context(), s, name)
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

func expiry(t *testing.T, s storage.Store, name string) time.Time {
	t.Helper()
	rec, err := s.Get(t.Context(), storage.SigningKeys.Table, name)
	if err != nil {
		t.Fatal(err)
	}
	return rec.Expires
}

// privateKey takes the first private key of an algorithm from the store, as only a test may.
func privateKey(t testing.TB, s storage.Store, alg jose.SignatureAlgorithm) *jose.JSONWebKey {
	t.Helper()
	name := keyName{alg, 1}.String()
	plain, err := newSecret(t, counting(0)).Sealer("signing key").Open(readRecord(t, s, name).Sealed, []byte(name))
	if err != nil {
		t.Fatal(err)
	}
	jwk := new(jose.JSONWebKey)
	if err := json.Unmarshal(plain, jwk); err != nil {
		t.Fatal(err)
	}
	return jwk
}
