package keys

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/storage"
)

func TestWrongSecret(t *testing.T) {
	store := newStore(t)
	openRing(t, store, testPolicy(), time.Now)
	_, err := Open(t.Context(), store, newSecret(t, counting(9)), testPolicy())
	if !errors.Is(err, ErrUnknownSecret) {
		t.Fatalf("%v, want ErrUnknownSecret", err)
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
