package transfer_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
	"github.com/authzd/authzd/storage/transfer"
)

func open(t *testing.T) *bolt.Store {
	t.Helper()
	s, err := bolt.Open(filepath.Join(t.TempDir(), "store.db"), bolt.Options{SweepEvery: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func put(t *testing.T, s storage.Store, writes ...storage.Write) {
	t.Helper()
	if err := s.Apply(t.Context(), writes...); err != nil {
		t.Fatal(err)
	}
}

// filled returns a store that needs several batches.
func filled(t *testing.T) *bolt.Store {
	t.Helper()
	s := open(t)
	end := time.Now().Add(time.Hour)
	for _, table := range []storage.Table{storage.Users.Table, storage.Grants.Table, storage.Marks.Table} {
		var writes []storage.Write
		for i := range 700 {
			w := storage.Write{Table: table, Key: fmt.Sprintf("%05d\xff", i), Value: fmt.Appendf(nil, "%s %d", table, i)}
			if i%2 == 0 {
				w.Expires = end.Add(time.Duration(i) * time.Millisecond)
			}
			writes = append(writes, w)
		}
		put(t, s, writes...)
	}
	put(t, s,
		storage.KeptHeads.Put(storage.KeptHeadKey, &storage.AuditHead{First: 1, Last: 9}, storage.Absent, time.Time{}),
		storage.Write{Table: storage.Codes.Table, Key: "dead", Value: []byte("v"), Expires: time.Now().Add(-time.Second)},
		storage.Write{Table: storage.Codes.Table, Key: "large", Value: make([]byte, storage.MaxValue)},
		storage.Write{Table: storage.Codes.Table, Key: "larger", Value: make([]byte, storage.MaxValue)},
		storage.Write{Table: storage.Codes.Table, Key: "none", Value: []byte{}})
	return s
}

const records = 3*700 + 3 + 2 // with the format, and the copy of the head of the audit log

func run(t *testing.T, to storage.Store, from transfer.Source, at time.Time, progress transfer.Progress) (transfer.Counts, error) {
	return transfer.Job{Target: to, Source: from, At: at, Progress: progress, Recheck: true}.Run(t.Context())
}

func quiet(string, int64, int64) {}

// content returns what lives in a store, but for the versions, which are each store's own.
func content(t *testing.T, s storage.Store) map[string]string {
	t.Helper()
	now, all := time.Now(), map[string]string{}
	if err := s.Export(t.Context(), func(table storage.Table, rec storage.Record) error {
		if rec.Expires.IsZero() || rec.Expires.After(now) {
			all[fmt.Sprintf("%s %q", table, rec.Key)] = fmt.Sprintf("%x until %v", sha256.Sum256(rec.Value), rec.Expires)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestRun(t *testing.T) {
	from, to := filled(t), open(t)
	var steps []string
	counts, err := run(t, to, from.Export, time.Now(), func(step string, done, total int64) {
		if len(steps) == 0 || steps[len(steps)-1] != step {
			steps = append(steps, step)
		}
		if done > records || total != 0 && total != records {
			t.Errorf("%s: %d of %d", step, done, total)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if counts.Records() != records || !reflect.DeepEqual(steps, []string{"read", "copy", "verify", "read again"}) {
		t.Errorf("%d records in steps %q", counts.Records(), steps)
	}
	if !reflect.DeepEqual(content(t, to), content(t, from)) {
		t.Error("the stores differ")
	}
	if err := transfer.Unfinished(t.Context(), to); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if _, err := run(t, to, from.Export, time.Now(), quiet); !errors.Is(err, transfer.ErrNotEmpty) {
		t.Errorf("again: %v", err)
	}
}

// dying is a store whose server is cut off after some Applies: in the middle, before or after the last.
type dying struct {
	storage.Store
	left int
	kept bool // whether the last one still happens
}

var errCut = errors.New("cut off")

func (d *dying) Apply(ctx context.Context, writes ...storage.Write) error {
	if d.left--; d.left > 0 || d.left == 0 && d.kept {
		if err := d.Store.Apply(ctx, writes...); err != nil {
			return err
		}
	}
	if d.left <= 0 {
		return errCut
	}
	return nil
}

// TestResume cuts the work off at each of its Applies, and goes on.
func TestResume(t *testing.T) {
	from := filled(t)
	for _, kept := range []bool{false, true} {
		for n := 1; ; n++ {
			to := open(t)
			_, err := run(t, &dying{to, n, kept}, from.Export, time.Now(), quiet)
			if err == nil {
				if n < 6 {
					t.Errorf("the whole took %d Applies: the test shows little", n)
				}
				break
			}
			if !errors.Is(err, errCut) {
				t.Fatal(err)
			}
			half := transfer.Unfinished(t.Context(), to)
			if begun := transfer.CheckEmpty(t.Context(), to) != nil; begun && !errors.Is(half, transfer.ErrUnfinished) && len(content(t, to)) != records {
				t.Errorf("cut off at %d (%v): the store says %v of itself", n, kept, half)
			}
			if half == nil && len(content(t, to)) == records {
				continue // it was the very last one
			}
			copied := int64(0)
			_, err = run(t, to, from.Export, time.Now().Add(time.Minute), func(step string, done, _ int64) {
				if step == "copy" && copied == 0 {
					copied = done
				}
			})
			if err != nil || !reflect.DeepEqual(content(t, to), content(t, from)) {
				t.Fatalf("cut off at %d (%v), gone on: %v", n, kept, err)
			}
			if n > 3 && copied > 0 && copied <= 1000 {
				t.Errorf("cut off at %d: it began anew", n)
			}
		}
	}
}

// TestResumeOldFormat: what an older authzd has written arrives as it is, with a restart after each Apply,
// and is migrated once it is there.
func TestResumeOldFormat(t *testing.T) {
	from := filled(t)
	id := storage.Identity{UserID: "u", Connector: "corp"}
	put(t, from, storage.Formats.Delete(storage.FormatKey, storage.Any), storage.Identities.Put("https://idp.example.com 1", &id, storage.Absent, time.Time{}))
	path := filepath.Join(t.TempDir(), "store.db")
	reopen := func() *bolt.Store {
		s, err := bolt.Open(path, bolt.Options{SweepEvery: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for n := 0; ; n++ {
		to := reopen()
		_, err := run(t, &dying{to, 1, true}, from.Export, time.Now(), quiet)
		done := transfer.Unfinished(t.Context(), to) == nil
		if done && !reflect.DeepEqual(content(t, to), content(t, from)) {
			t.Error("the stores differ")
		}
		if err := to.Close(); err != nil {
			t.Fatal(err)
		}
		if done {
			if n < 3 {
				t.Errorf("done after %d restarts", n)
			}
			break
		}
		if !errors.Is(err, errCut) || n > 10 {
			t.Fatal(n, err)
		}
	}
	to := reopen()
	defer to.Close()
	if found, err := storage.UserIdentities.Scan(t.Context(), to, "u/", "", 2); err != nil || len(found) != 1 {
		t.Errorf("%d identities of the user, %v", len(found), err)
	}
}

// TestRefusals: a target that has anything, or is half filled with something else, is left as it is.
func TestRefusals(t *testing.T) {
	from := filled(t)
	for name, c := range map[string]struct {
		prepare func(to storage.Store)
		want    error
	}{
		"one record": {func(to storage.Store) {
			put(t, to, storage.Write{Table: storage.ServerSecrets.Table, Key: "k", Value: []byte("v")})
		}, transfer.ErrNotEmpty},
		"the head of an audit log": {func(to storage.Store) {
			put(t, to, storage.KeptHeads.Put(storage.KeptHeadKey, &storage.AuditHead{First: 1, Last: 1}, storage.Absent, time.Time{}))
		}, transfer.ErrNotEmpty},
		"half filled from another": {func(to storage.Store) {
			other := open(t)
			put(t, other, storage.Write{Table: storage.Users.Table, Key: "k", Value: []byte("v")})
			_, err := run(t, &dying{to, 2, true}, other.Export, time.Now(), quiet)
			if !errors.Is(err, errCut) {
				t.Fatal(err)
			}
		}, transfer.ErrOther},
		"half filled from it before it changed": {func(to storage.Store) {
			_, err := run(t, &dying{to, 3, true}, from.Export, time.Now(), quiet)
			if !errors.Is(err, errCut) {
				t.Fatal(err)
			}
			put(t, from, storage.Write{Table: storage.Users.Table, Key: "new", Value: []byte("v")})
		}, transfer.ErrOther},
		"somebody else fills it": {func(to storage.Store) {
			put(t, to, storage.Transfers.Put("into", &storage.Transfer{Source: "x"}, storage.Absent, time.Time{}))
		}, transfer.ErrOther},
	} {
		to := open(t)
		c.prepare(to)
		before := content(t, to)
		if _, err := run(t, to, from.Export, time.Now(), quiet); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if !reflect.DeepEqual(content(t, to), before) {
			t.Errorf("%s: the target has changed", name)
		}
	}
	// Expired records don't count.
	to := open(t)
	put(t, to, storage.Write{Table: storage.Codes.Table, Key: "dead", Value: []byte("v"), Expires: time.Now().Add(-time.Second)})
	if _, err := run(t, to, from.Export, time.Now(), quiet); err != nil {
		t.Error(err)
	}
}

// TestWatched: a source that changes while it is copied, and a target that loses something, are
// noticed, and the target stays marked.
func TestWatched(t *testing.T) {
	for name, c := range map[string]struct {
		at   string // the step at whose end it happens
		do   func(from, to storage.Store)
		want string
	}{
		"source": {"read", func(from, _ storage.Store) {
			put(t, from, storage.Write{Table: storage.Grants.Table, Key: "00000\xff", Value: []byte("changed"), If: storage.Any})
		}, "grants"},
		"source, in the end": {"verify", func(from, _ storage.Store) {
			put(t, from, storage.Write{Table: storage.Users.Table, Key: "new", Value: []byte("v")})
		}, "users (700 records against 701)"},
		"target": {"copy", func(_, to storage.Store) {
			put(t, to, storage.Write{Table: storage.Grants.Table, Key: "00001\xff", If: storage.Any})
		}, "grants (700 records against 699)"},
	} {
		from, to := filled(t), open(t)
		_, err := run(t, to, from.Export, time.Now(), func(step string, done, _ int64) {
			if step == c.at && done == records {
				c.do(from, to)
			}
		})
		if !errors.Is(err, transfer.ErrDiffers) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if err := transfer.Unfinished(t.Context(), to); !errors.Is(err, transfer.ErrUnfinished) {
			t.Errorf("%s: the store says %v of itself", name, err)
		}
	}
}

// TestTogether: of two that fill one store at once, at most one gets through, and if it does then
// with everything.
func TestTogether(t *testing.T) {
	from, to := filled(t), open(t)
	errs := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := run(t, to, from.Export, time.Now(), quiet)
			errs <- err
		}()
	}
	for range 2 {
		err := <-errs
		if err != nil && !errors.Is(err, transfer.ErrNotEmpty) && !errors.Is(err, transfer.ErrOther) {
			t.Error(err)
		}
	}
	if transfer.Unfinished(t.Context(), to) == nil && !reflect.DeepEqual(content(t, to), content(t, from)) {
		t.Error("the stores differ")
	}
}
