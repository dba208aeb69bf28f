package storage_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/storage"
)

// pageOfAll is how many records All reads at once.
const pageOfAll = 200

// scans counts and, from the n-th on, fails.
type scans struct {
	storage.Store
	made, failFrom int
	err            error
}

func (s *scans) Scan(ctx context.Context, table storage.Table, prefix, after string, limit int) ([]storage.Record, error) {
	if s.made++; s.failFrom > 0 && s.made >= s.failFrom {
		return nil, s.err
	}
	return s.Store.Scan(ctx, table, prefix, after, limit)
}

// userKey is such that the keys of smaller numbers come first.
func userKey(n int) string { return fmt.Sprintf("u/%05d", n) }

// putUsers stores users of these numbers.
func putUsers(t *testing.T, s storage.Store, from, to int) {
	t.Helper()
	var writes []storage.Write
	for n := from; n < to; n++ {
		writes = append(writes, storage.Users.Put(userKey(n), &storage.User{ID: userKey(n)}, storage.Any, time.Time{}))
	}
	if err := s.Apply(t.Context(), writes...); err != nil {
		t.Fatal(err)
	}
}

// readUsers returns the keys that All finds until there is an error.
func readUsers(t *testing.T, s storage.Store, prefix string) (keys []string, err error) {
	t.Helper()
	for entry, err := range storage.Users.All(t.Context(), s, prefix) {
		if err != nil {
			return keys, err
		}
		if entry.Value.ID != entry.Key || entry.Version == 0 {
			t.Errorf("entry of %q is %+v", entry.Key, entry)
		}
		keys = append(keys, entry.Key)
	}
	return keys, nil
}

// Each record comes once and in order, whether the pages are full or not.
func TestAll(t *testing.T) {
	for _, n := range []int{0, 1, pageOfAll - 1, pageOfAll, pageOfAll + 1, 2*pageOfAll + 7} {
		s := &scans{Store: newStore(t)}
		var want []string
		if n > 0 {
			putUsers(t, s, 0, n)
		}
		for i := range n {
			want = append(want, userKey(i))
		}
		for _, key := range []string{"a", "u", "u0", "v/1"} { // around the prefix
			if err := s.Apply(t.Context(), storage.Users.Put(key, &storage.User{ID: key}, storage.Absent, time.Time{})); err != nil {
				t.Fatal(err)
			}
		}
		got, err := readUsers(t, s, "u/")
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("of %d records, %d came: %v", n, len(got), err)
		}
		if s.made != n/pageOfAll+1 {
			t.Errorf("%d scans for %d records", s.made, n)
		}
		if got, err := readUsers(t, s, ""); err != nil || len(got) != n+4 {
			t.Errorf("of the whole table, %d of %d records came: %v", len(got), n+4, err)
		}
	}
}

// A loop may write to the table that it reads. Records that stay come once.
func TestAllOfATableThatChanges(t *testing.T) {
	s := newStore(t)
	const n = 2*pageOfAll + 10
	putUsers(t, s, 0, n)
	var seen []string
	for entry, err := range storage.Users.All(t.Context(), s, "u/") {
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, entry.Key)
		switch len(seen) {
		case 10: // one that was read, the last of this page, one of a later page; and new ones at both ends
			if err := s.Apply(t.Context(), storage.Users.Delete(userKey(3), storage.Any), storage.Users.Delete(userKey(pageOfAll-1), storage.Any),
				storage.Users.Delete(userKey(2*pageOfAll), storage.Any)); err != nil {
				t.Fatal(err)
			}
			putUsers(t, s, n, n+pageOfAll)
			if err := s.Apply(t.Context(), storage.Users.Put("u/", &storage.User{ID: "u/"}, storage.Absent, time.Time{})); err != nil {
				t.Fatal(err)
			}
		case pageOfAll: // the present record itself
			if err := s.Apply(t.Context(), storage.Users.Delete(entry.Key, storage.Any)); err != nil {
				t.Fatal(err)
			}
		}
	}
	var want []string
	for i := range n + pageOfAll {
		if i != 2*pageOfAll { // was deleted before its page was read
			want = append(want, userKey(i))
		}
	}
	if !slices.Equal(seen, want) {
		t.Errorf("%d records came, want %d", len(seen), len(want))
	}
}

// A loop that deletes all it sees ends with an empty table.
func TestAllDeleting(t *testing.T) {
	s := newStore(t)
	putUsers(t, s, 0, 2*pageOfAll+1)
	for entry, err := range storage.Users.All(t.Context(), s, "") {
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Apply(t.Context(), storage.Users.Delete(entry.Key, storage.At(entry.Version))); err != nil {
			t.Fatal(err)
		}
	}
	if left, err := readUsers(t, s, ""); err != nil || len(left) > 0 {
		t.Errorf("%d are left, %v", len(left), err)
	}
}

// An error comes last, after the records that were read before it.
func TestAllFails(t *testing.T) {
	broken := errors.New("broken")
	s := &scans{Store: newStore(t), failFrom: 2, err: broken}
	putUsers(t, s, 0, 2*pageOfAll)
	turns, records := 0, 0
	for rec, err := range storage.All(t.Context(), s, storage.Users.Table, "") {
		turns++
		switch {
		case err == nil:
			records++
		case !errors.Is(err, broken) || rec.Key != "" || rec.Value != nil:
			t.Errorf("%+v, %v", rec, err)
		}
	}
	if records != pageOfAll || turns != pageOfAll+1 || s.made != 2 {
		t.Errorf("%d records in %d turns and %d scans", records, turns, s.made)
	}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	records = 0
	var last error
	for _, err := range storage.Users.All(ctx, s.Store, "") {
		if last = err; err == nil {
			records++
		}
		cancel()
	}
	if records != pageOfAll || !errors.Is(last, context.Canceled) {
		t.Errorf("%d records, then %v", records, last)
	}
}

// A record that cannot be decoded ends Kind.All, and does not end All.
func TestAllOfASpoiltRecord(t *testing.T) {
	s := newStore(t)
	putUsers(t, s, 0, 5)
	if err := s.Apply(t.Context(), storage.Write{Table: storage.Users.Table, Key: userKey(2), Value: []byte("{"), If: storage.Any}); err != nil {
		t.Fatal(err)
	}
	got, err := readUsers(t, s, "")
	if len(got) != 2 || err == nil || !strings.Contains(err.Error(), "decode users record") {
		t.Errorf("%d records, then %v", len(got), err)
	}
	n := 0
	for _, err := range storage.All(t.Context(), s, storage.Users.Table, "") {
		if err != nil {
			t.Error(err)
		}
		n++
	}
	if n != 5 {
		t.Errorf("%d of 5 records came", n)
	}
}

// A loop that stops reads no further page.
func TestAllStops(t *testing.T) {
	s := &scans{Store: newStore(t)}
	putUsers(t, s, 0, 2*pageOfAll)
	all := storage.Users.All(t.Context(), s, "")
	for range 2 { // it can be used again, from the beginning
		n := 0
		for range all {
			if n++; n == pageOfAll {
				break
			}
		}
	}
	if s.made != 2 {
		t.Errorf("%d scans, want one for each loop", s.made)
	}
}
