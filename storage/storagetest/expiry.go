package storagetest

import (
	"testing"
	"time"

	"github.com/authzd/authzd/storage"
)

// soon leaves time to read a record before it expires, even on a slow machine.
const soon = 300 * time.Millisecond

func expiring(key, value string, expires time.Time) storage.Write {
	return storage.Write{Table: red, Key: key, Value: []byte(value), If: storage.Any, Expires: expires}
}

func expiry(t *testing.T, s storage.Store) {
	expires := time.Now().Add(soon)
	apply(t, s, expiring("k", "v", expires), put(red, "stays", "v"))
	old, err := s.Get(t.Context(), red, "k")
	if err != nil && time.Now().Before(expires) {
		t.Fatalf("get before the end: %v", err)
	}
	waitUntilAbsent(t, s, red, "k")
	if now := time.Now(); now.Before(expires.Truncate(time.Millisecond)) {
		t.Errorf("record was gone %v early", expires.Sub(now))
	}
	if keys := keysOf(scan(t, s, "", "", 10)); len(keys) != 1 || keys[0] != "stays" {
		t.Errorf("scan sees %q", keys)
	}
	if old.Version != 0 {
		if err := s.Apply(t.Context(), storage.Write{Table: red, Key: "k", If: storage.At(old.Version)}); !storage.IsConflict(err) {
			t.Errorf("write at the version of an expired record: %v; want a conflict", err)
		}
	}
	apply(t, s, storage.Write{Table: red, Key: "k", Value: []byte("again"), If: storage.Absent})
	if rec := get(t, s, red, "k"); rec.Version == old.Version || string(rec.Value) != "again" || !rec.Expires.IsZero() {
		t.Errorf("record after its second life began: %+v", rec)
	}
}

func expiredOnArrival(t *testing.T, s storage.Store) {
	for _, expires := range []time.Time{time.Now().Add(-time.Second), time.Unix(1, 0), time.Unix(0, 0), time.Unix(-1e6, 0)} {
		apply(t, s, put(red, "k", "v"))
		apply(t, s, expiring("k", "v", expires))
		wantAbsent(t, s, red, "k")
		if recs := scan(t, s, "", "", 10); len(recs) != 0 {
			t.Errorf("scan sees %q", keysOf(recs))
		}
	}
}

func expiryPrecision(t *testing.T, s storage.Store) {
	zone := time.FixedZone("somewhere", 5*3600+1800)
	for _, expires := range []time.Time{
		time.Now().Add(time.Hour),
		time.Date(2099, 12, 31, 23, 59, 59, 999_999_999, zone),
		time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
	} {
		apply(t, s, expiring("k", "v", expires))
		want := expires.Truncate(time.Millisecond)
		if rec := get(t, s, red, "k"); !rec.Expires.Equal(want) {
			t.Errorf("expires %v, want %v", rec.Expires, want)
		}
		if recs := scan(t, s, "k", "", 1); !recs[0].Expires.Equal(want) {
			t.Errorf("scan: expires %v, want %v", recs[0].Expires, want)
		}
	}
}

func expiryExtended(t *testing.T, s storage.Store) {
	end := time.Now().Add(soon)
	apply(t, s, expiring("reference", "v", end), expiring("longer", "v", end), expiring("for ever", "v", end))
	apply(t, s, expiring("longer", "v", end.Add(time.Hour)), put(red, "for ever", "v"))
	waitUntilAbsent(t, s, red, "reference")
	get(t, s, red, "longer")
	if rec := get(t, s, red, "for ever"); !rec.Expires.IsZero() {
		t.Errorf("expires %v", rec.Expires)
	}
}
