package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/authzd/authzd/storage"
)

// contents is every row of a closed database and its meta bucket, as text.
func contents(t *testing.T, path string) string {
	t.Helper()
	db, err := bbolt.Open(path, fileMode, &bbolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var b strings.Builder
	if err := db.View(func(tx *bbolt.Tx) error {
		for err := range tx.Check() {
			t.Error(err)
		}
		return tx.ForEach(func(name []byte, bucket *bbolt.Bucket) error {
			fmt.Fprintf(&b, "%s %d\n", name, bucket.Sequence())
			return bucket.ForEach(func(k, v []byte) error {
				fmt.Fprintf(&b, "  %s %x\n", k, v)
				return nil
			})
		})
	}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestReplay: a copy that replays what its original has done since is the original, to the byte.
func TestReplay(t *testing.T) {
	folder := t.TempDir()
	path, copied := filepath.Join(folder, "store.db"), filepath.Join(folder, "copy.db")
	s := openAt(t, path, Options{SweepEvery: time.Hour})
	for i := range 3000 {
		if i%500 == 0 {
			if err := s.Apply(t.Context(), write(fmt.Sprint("large", i), strings.Repeat("v", storage.MaxValue), storage.Absent)); err != nil {
				t.Fatal(err)
			}
		}
		if i < 200 {
			if err := s.Apply(t.Context(), write(fmt.Sprint(i), fmt.Sprint("value ", i), storage.Absent), expired1("dead")); err != nil {
				t.Fatal(err)
			}
		}
	}
	r, from := tap(t, s)
	p, at, err := s.CopyTo(t.Context(), copied)
	if err != nil || p != from || time.Since(at) > time.Minute {
		t.Fatalf("copied at %+v, want %+v: %v", p, from, err)
	}
	if err := s.Apply(t.Context(), write("5", "changed", storage.Any), storage.Write{Table: table, Key: "6", If: storage.Any},
		storage.Write{Table: storage.Codes.Table, Key: "code", Value: []byte{}, Expires: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.deleteExpired(table, mustFind(t, s)); err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(t.Context(), write("7", "last", storage.Any)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	f := openAt(t, copied, Options{Follow: true, SweepEvery: time.Millisecond})
	if err := f.Replay(r.groups[:2]...); err != nil {
		t.Fatal(err)
	}
	wantPosition(t, f, r.groups[1].Position.Sequence)
	if err := f.Replay(r.groups[2]); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if a, b := contents(t, path), contents(t, copied); a != b {
		t.Errorf("the copy has %d bytes of rows, the original %d", len(b), len(a))
	}
}

// TestReplayRefuses: what doesn't continue a store, or no store could have committed, changes nothing.
func TestReplayRefuses(t *testing.T) {
	row := encodeRow([]byte("k"), []byte("v"), time.Time{})
	setVersion(row, 3)
	good := func(sequence uint64, changes ...Change) Group {
		return Group{Position{sequence, 7}, time.Now(), changes}
	}
	put := Change{table, []byte("k"), row}
	for name, groups := range map[string][]Group{
		"none":              {},
		"a gap":             {good(2, put)},
		"a gap later":       {good(1, put), good(3, put)},
		"the same again":    {good(1, put), good(1, put)},
		"no change":         {good(1)},
		"unknown table":     {good(1, put, Change{"nonsense", []byte("k"), row})},
		"the meta bucket":   {good(1, Change{storage.Table(metaBucket), []byte("k"), row})},
		"no key":            {good(1, Change{table, nil, row})},
		"a long key":        {good(1, Change{table, bytes.Repeat([]byte("k"), storage.MaxKey+1), row})},
		"a short row":       {good(1, Change{table, []byte("k"), row[:10]})},
		"a row, no version": {good(1, Change{table, []byte("k"), encodeRow([]byte("k"), nil, time.Time{})})},
	} {
		f := newStore(t, Options{Follow: true})
		if err := f.Replay(groups...); err == nil {
			t.Errorf("%s: accepted", name)
		}
		wantPosition(t, f, 0)
		if n := rows(t, f, table); n != 0 {
			t.Errorf("%s: left %d rows", name, n)
		}
		if err := f.Ready(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	s := newStore(t, Options{})
	if err := s.Replay(good(1, put)); err == nil {
		t.Error("a store that follows nobody replayed a group")
	}
}

// TestFollowerIsNotWritten: nothing but Replay moves a follower.
func TestFollowerIsNotWritten(t *testing.T) {
	f := newStore(t, Options{Follow: true, SweepEvery: time.Millisecond})
	wantUnavailable(t, "apply", f.Apply(t.Context(), write("a", "1", storage.Absent)))
	wantPosition(t, f, 0)
}

// TestRefuse: from then on nothing is written, and everybody who asks learns why.
func TestRefuse(t *testing.T) {
	s := newStore(t, Options{})
	if err := s.Apply(t.Context(), write("a", "1", storage.Absent)); err != nil {
		t.Fatal(err)
	}
	reason := errors.New("another one took over")
	s.Refuse(reason, "use the other one")
	for what, err := range map[string]error{"apply": s.Apply(t.Context(), write("a", "2", storage.Any)), "ready": s.Ready(t.Context())} {
		wantUnavailable(t, what, err)
		if !errors.Is(err, reason) {
			t.Errorf("%s: %v", what, err)
		}
	}
	wantValue(t, s, "a", "1")
}
