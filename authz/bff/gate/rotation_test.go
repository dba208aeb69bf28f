package gate_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz/bff/assertion"
	"github.com/authzd/authzd/authz/bff/gate"
	"github.com/authzd/authzd/storage/bolt"
)

// signer returns the kid of the key that signed an assertion.
func signer(t testing.TB, token string) string {
	t.Helper()
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{assertion.Alg})
	if err != nil {
		t.Fatal(err)
	}
	return jws.Signatures[0].Protected.KeyID
}

// published returns the kids at /gate/jwks.json.
func (f *fixture) published(t testing.TB) []string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, gateURL+"/gate/jwks.json", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := f.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var set jose.JSONWebKeySet
	if err := json.NewDecoder(res.Body).Decode(&set); err != nil {
		t.Fatal(err)
	}
	var kids []string
	for _, key := range set.Keys {
		kids = append(kids, key.KeyID)
	}
	return kids
}

// severed is the way to the gate until it is cut.
type severed struct {
	*fixture
	cut bool
}

func (s *severed) RoundTrip(r *http.Request) (*http.Response, error) {
	if s.cut {
		return nil, errors.New("the gate is away")
	}
	return s.fixture.RoundTrip(r)
}

// A new key is published a day before it signs, so that a site that has not asked since knows it. What the old key signed
// last counts for its 60 seconds. Then the old key goes.
func TestRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const day = 24 * time.Hour
		began := time.Now()
		until := func(age time.Duration) { time.Sleep(time.Until(began.Add(age))) }
		f := newFixture(t, func(c *gate.Config) {
			store, err := bolt.Open(filepath.Join(t.TempDir(), "bff.db"), bolt.Options{SweepEvery: day}) // no 130,000 sweeps
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { store.Close() })
			c.Store.Close()
			c.Store = store
		})
		sign := func() string { return f.assertion(t, bob(), appURL) }
		old := signer(t, sign())

		until(89*day - time.Minute)
		go func() { _ = f.Run(t.Context()) }() // not for all 90 days, since it looks every minute
		synctest.Wait()
		if got := f.published(t); !slices.Equal(got, []string{old}) {
			t.Fatalf("before the announcement: %v", got)
		}
		until(89*day + 2*time.Minute)
		both := f.published(t)
		if len(both) != 2 || !slices.Contains(both, old) {
			t.Fatalf("after the announcement: %v", both)
		}
		for range 23 {
			time.Sleep(time.Hour)
			if got := signer(t, sign()); got != old {
				t.Fatalf("a key signs %s after the start, before sites can know it", time.Since(began))
			}
		}

		until(90*day - 10*time.Minute)
		way := &severed{fixture: f}
		site := assertion.New(assertion.Config{Gate: gateURL, Host: "app.example.com", Client: &http.Client{Transport: way}})
		if _, err := site.Verify(t.Context(), sign()); err != nil {
			t.Fatal(err)
		}
		way.cut = true // the site has the keys of before the change, and gets no others

		until(90*day - time.Second)
		last := sign()
		if signer(t, last) != old {
			t.Fatal("the new key signs too early")
		}
		until(90*day + time.Second)
		first := sign()
		if kid := signer(t, first); kid == old || !slices.Contains(both, kid) {
			t.Fatalf("%s signs; %v were announced", kid, both)
		}
		if a, err := site.Verify(t.Context(), first); err != nil || a.Subject != "bob" {
			t.Errorf("the first of the new key, at a site that asked before: %+v, %v", a, err)
		}

		until(90*day + 58*time.Second)
		if _, err := site.Verify(t.Context(), last); err != nil {
			t.Errorf("the last of the old key after 59 s: %v", err)
		}
		if _, err := f.check(last, "app.example.com"); err != nil {
			t.Errorf("the last of the old key after 59 s, at a site that asks now: %v", err)
		}
		until(90*day + 59*time.Second)
		if _, err := f.check(last, "app.example.com"); !errors.Is(err, assertion.ErrInvalid) {
			t.Errorf("the last of the old key after 60 s: %v", err)
		}
		until(90*day + 8*time.Minute)
		if got := f.published(t); len(got) != 1 || got[0] == old {
			t.Errorf("at the end: %v, and the old key is %s", got, old)
		}
	})
}
