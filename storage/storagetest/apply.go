package storagetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/storage"
)

func values(t *testing.T, s storage.Store) {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	for _, value := range [][]byte{{}, []byte(`{"a":1}`), []byte(`{ "b" : 2, "a":1}`), every, make([]byte, 100_000)} {
		apply(t, s, storage.Write{Table: red, Key: "k", Value: value, If: storage.Any})
		rec := get(t, s, red, "k")
		if rec.Key != "k" || !bytes.Equal(rec.Value, value) || rec.Version == 0 || !rec.Expires.IsZero() {
			t.Errorf("stored %.40q, got %.40q (key %q, version %d, expires %v)", value, rec.Value, rec.Key, rec.Version, rec.Expires)
		}
	}
}

func keys(t *testing.T, s storage.Store) {
	keys := []string{"\x00", "\x00\x00", "\xff", "a\x00b", "a/b c", "é", "\xc3\x28", strings.Repeat("k", storage.MaxKey)}
	for _, k := range keys {
		apply(t, s, put(red, k, "of "+k))
	}
	for _, k := range keys {
		if rec := get(t, s, red, k); rec.Key != k || string(rec.Value) != "of "+k {
			t.Errorf("key %q: got key %q, value %q", k, rec.Key, rec.Value)
		}
	}
	for _, k := range []string{"a", "", "A/B C", "a/b c ", "\x00\x00\x00", strings.Repeat("k", storage.MaxKey+1)} {
		wantAbsent(t, s, red, k)
	}
}

func tables(t *testing.T, s storage.Store) {
	apply(t, s, put(red, "k", "red"))
	wantAbsent(t, s, blue, "k")
	apply(t, s, storage.Write{Table: blue, Key: "k", Value: []byte("blue"), If: storage.Absent})
	apply(t, s, storage.Write{Table: blue, Key: "k", If: storage.Any})
	if rec := get(t, s, red, "k"); string(rec.Value) != "red" {
		t.Errorf("red record is %q", rec.Value)
	}
}

// conditions tries each condition against each state of a record, for both kinds of write.
func conditions(t *testing.T, s storage.Store) {
	const absent, live, deleted, expired = "absent", "live", "deleted", "expired"
	holds := map[string]map[string]bool{
		"absent":  {absent: true, live: false, deleted: true, expired: true},
		"any":     {absent: true, live: true, deleted: true, expired: true},
		"current": {live: true, deleted: false, expired: false},
		"stale":   {live: false, deleted: false, expired: false},
		"unknown": {absent: false, live: false, deleted: false, expired: false},
	}
	n := 0
	for _, remove := range []bool{false, true} {
		for cond, states := range holds {
			for state, want := range states {
				n++
				key := fmt.Sprint("k", n)
				w := storage.Write{Table: red, Key: key, Value: []byte("new")}
				if remove {
					w.Value = nil
				}
				var stale, current uint64
				if state != absent {
					apply(t, s, put(red, key, "older"))
					stale = get(t, s, red, key).Version
					apply(t, s, put(red, key, "old"))
					current = get(t, s, red, key).Version
				}
				switch state {
				case deleted:
					apply(t, s, storage.Write{Table: red, Key: key, If: storage.Any})
				case expired:
					// The version with which it expired can't be read, but the one before can.
					apply(t, s, storage.Write{Table: red, Key: key, Value: []byte("gone"), If: storage.Any, Expires: time.Now().Add(-time.Minute)})
				}
				switch cond {
				case "absent":
					w.If = storage.Absent
				case "any":
					w.If = storage.Any
				case "current":
					w.If = storage.At(current)
				case "stale":
					w.If = storage.At(stale)
				case "unknown":
					w.If = storage.At(1 << 62)
				}

				err := s.Apply(t.Context(), w)
				if want != (err == nil) || err != nil && !storage.IsConflict(err) {
					t.Errorf("%s record, condition %s, delete %t: %v", state, cond, remove, err)
					continue
				}
				switch {
				case want && !remove:
					if rec := get(t, s, red, key); string(rec.Value) != "new" {
						t.Errorf("%s record, condition %s: value is %q after the write", state, cond, rec.Value)
					}
				case !want && state == live:
					if rec := get(t, s, red, key); string(rec.Value) != "old" || rec.Version != current {
						t.Errorf("%s record, condition %s, delete %t: changed by a write that lost", state, cond, remove)
					}
				default:
					wantAbsent(t, s, red, key)
				}
			}
		}
	}
}

func conflicts(t *testing.T, s storage.Store) {
	apply(t, s, put(red, "held", "1"), put(blue, "held", "1"))
	was := get(t, s, red, "held")
	for _, loser := range []storage.Write{
		{Table: blue, Key: "held", Value: []byte("2"), If: storage.Absent},
		{Table: blue, Key: "held", If: storage.Absent},
		{Table: blue, Key: "held", Value: []byte("2")}, // the zero condition is Absent
		{Table: blue, Key: "none", Value: []byte("2"), If: storage.At(was.Version)},
	} {
		others := []storage.Write{
			{Table: red, Key: "held", Value: []byte("2"), If: storage.At(was.Version)},
			{Table: red, Key: "new", Value: []byte("2"), If: storage.Absent},
		}
		for at := range len(others) + 1 {
			writes := append(append(append([]storage.Write{}, others[:at]...), loser), others[at:]...)
			err := s.Apply(t.Context(), writes...)
			var conflict *storage.ConflictError
			if !errors.As(err, &conflict) {
				t.Fatalf("loser %q at place %d: %v; want a conflict", loser.Key, at, err)
			}
			if conflict.Table != loser.Table || conflict.Key != loser.Key {
				t.Errorf("conflict names %s %q, want %s %q", conflict.Table, conflict.Key, loser.Table, loser.Key)
			}
			if rec := get(t, s, red, "held"); rec.Version != was.Version || string(rec.Value) != "1" {
				t.Errorf("loser %q at place %d: another write of the same call happened", loser.Key, at)
			}
			wantAbsent(t, s, red, "new")
		}
	}
}

func versions(t *testing.T, s storage.Store) {
	seen := make(map[uint64]bool)
	note := func(key string) {
		t.Helper()
		v := get(t, s, red, key).Version
		if v == 0 || storage.At(v) == storage.Any || seen[v] {
			t.Fatalf("version %d is reserved, or was used before", v)
		}
		seen[v] = true
	}
	for range 20 {
		apply(t, s, put(red, "a", "same"), put(red, "b", "same"))
		note("a")
		note("b")
		apply(t, s, put(red, "a", "same"))
		note("a")
		apply(t, s, storage.Write{Table: red, Key: "b", If: storage.Any})
	}
	rec := get(t, s, red, "a")
	if again := get(t, s, red, "a"); again.Version != rec.Version {
		t.Errorf("version changed from %d to %d without a write", rec.Version, again.Version)
	}
}

func aba(t *testing.T, s storage.Store) {
	apply(t, s, put(red, "k", "A"))
	old := get(t, s, red, "k").Version
	for range 10 {
		apply(t, s, storage.Write{Table: red, Key: "k", If: storage.Any})
		apply(t, s, put(red, "k", "A"))
		err := s.Apply(t.Context(), storage.Write{Table: red, Key: "k", Value: []byte("B"), If: storage.At(old)})
		if !storage.IsConflict(err) {
			t.Fatalf("write at version %d of an earlier life of the record: %v; want a conflict", old, err)
		}
	}
}

func duplicates(t *testing.T, s storage.Store) {
	remove := storage.Write{Table: red, Key: "k", If: storage.Any}
	for _, second := range []storage.Write{put(red, "k", "1"), put(red, "k", "2"), remove} {
		wantRefused(t, s.Apply(t.Context(), put(red, "other", "1"), put(red, "k", "1"), second))
		wantAbsent(t, s, red, "k")
		wantAbsent(t, s, red, "other")
	}
	apply(t, s, put(red, "k", "1"), put(blue, "k", "1"))
}

func limits(t *testing.T, s storage.Store) {
	long, big := strings.Repeat("k", storage.MaxKey), strings.Repeat("v", storage.MaxValue)
	apply(t, s, put(red, long, big))
	if rec := get(t, s, red, long); string(rec.Value) != big {
		t.Errorf("largest record came back with %d bytes", len(rec.Value))
	}
	for _, w := range []storage.Write{
		put(red, "", "v"), put(red, long+"k", "v"), put(red, "k", big+"v"),
		{Table: red, Key: "", If: storage.Any}, {Table: red, Key: long + "k", If: storage.Any},
	} {
		wantRefused(t, s.Apply(t.Context(), put(red, "neighbour", "v"), w))
		wantAbsent(t, s, red, "neighbour")
	}
}

func unknownTable(t *testing.T, s storage.Store) {
	for _, table := range []storage.Table{"", "nonesuch", "USERS", "users;--"} {
		_, err := s.Get(t.Context(), table, "k")
		wantRefused(t, err)
		_, err = s.Scan(t.Context(), table, "", "", 10)
		wantRefused(t, err)
		wantRefused(t, s.Apply(t.Context(), put(red, "neighbour", "v"), put(table, "k", "v")))
		wantAbsent(t, s, red, "neighbour")
	}
}

func noWrites(t *testing.T, s storage.Store) { apply(t, s) }

func slicesAreOwned(t *testing.T, s storage.Store) {
	value := []byte("value")
	apply(t, s, storage.Write{Table: red, Key: "k", Value: value, If: storage.Any})
	value[0] = 'X'
	rec := get(t, s, red, "k")
	if string(rec.Value) != "value" {
		t.Errorf("the store kept the caller's slice: %q", rec.Value)
	}
	_ = append(rec.Value[:0], "scribble"...)
	recs := scan(t, s, "", "", 10)
	if string(recs[0].Value) != "value" {
		t.Errorf("get gave away the store's slice: %q", recs[0].Value)
	}
	_ = append(recs[0].Value[:0], "scribble"...)
	if rec := get(t, s, red, "k"); string(rec.Value) != "value" {
		t.Errorf("scan gave away the store's slice: %q", rec.Value)
	}
}

func cancelled(t *testing.T, s storage.Store) {
	apply(t, s, put(red, "k", "1"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 { // an engine that queues calls may be quick
		if _, err := s.Get(ctx, red, "k"); !errors.Is(err, context.Canceled) {
			t.Errorf("get: %v", err)
		}
		if _, err := s.Scan(ctx, red, "", "", 1); !errors.Is(err, context.Canceled) {
			t.Errorf("scan: %v", err)
		}
		if err := s.Apply(ctx, put(red, "k", "2")); !errors.Is(err, context.Canceled) {
			t.Errorf("apply: %v", err)
		}
	}
	if rec := get(t, s, red, "k"); string(rec.Value) != "1" {
		t.Errorf("a write with a cancelled context happened")
	}
}
