package storage_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/authzd/authzd/storage"
)

// steps are three migrations of the kinds that there can be: one changes values, one moves records to
// another table, one has nothing to convert.
var steps = storage.Migrations{
	{{storage.Users.Table, rename("username", "name")}, {storage.Codes.Table, rename("gid", "grant")}},
	{{storage.Usernames.Table, moveTo(storage.Emails.Table)}, {storage.Users.Table, rename("name", "login")}},
	{},
}

// formatOne are the migrations of an authzd that knows one format.
var formatOne = storage.Migrations{}

// storeOfFormatOne is an empty store that says nothing of its format.
func storeOfFormatOne(t *testing.T) storage.Store {
	t.Helper()
	s := newStore(t)
	if err := s.Apply(t.Context(), storage.Formats.Delete(storage.FormatKey, storage.Any)); err != nil {
		t.Fatal(err)
	}
	return s
}

// rename renames a member of each value that has it.
func rename(from, to string) func(storage.Record) ([]storage.Write, error) {
	return func(rec storage.Record) ([]storage.Write, error) {
		var members map[string]any
		if err := json.Unmarshal(rec.Value, &members); err != nil {
			return nil, err
		}
		if _, ok := members[to]; ok {
			return nil, fmt.Errorf("was converted twice")
		}
		members[to] = members[from]
		delete(members, from)
		value, err := json.Marshal(members)
		return []storage.Write{{Value: value, Key: rec.Key, If: storage.At(rec.Version), Expires: rec.Expires, Table: tableOf(from)}}, err
	}
}

func tableOf(member string) storage.Table {
	if member == "gid" {
		return storage.Codes.Table
	}
	return storage.Users.Table
}

func moveTo(table storage.Table) func(storage.Record) ([]storage.Write, error) {
	return func(rec storage.Record) ([]storage.Write, error) {
		return []storage.Write{
			{Table: storage.Usernames.Table, Key: rec.Key, If: storage.At(rec.Version)},
			{Table: table, Key: "was " + rec.Key, Value: rec.Value, If: storage.Absent, Expires: rec.Expires},
		}, nil
	}
}

var later = time.Now().Add(time.Hour).UTC().Truncate(time.Millisecond)

// oldStore has records of format 1: more than a page of some, and keys of any bytes.
func oldStore(t *testing.T) storage.Store {
	t.Helper()
	s := storeOfFormatOne(t)
	var writes []storage.Write
	for i := range 250 {
		key := fmt.Sprintf("%03d\xff\x00%d", i, i)
		writes = append(writes,
			storage.Write{Table: storage.Users.Table, Key: key, Value: fmt.Appendf(nil, `{"username":"u%d"}`, i)},
			storage.Write{Table: storage.Usernames.Table, Key: key, Value: fmt.Appendf(nil, `{"user_id":"%d"}`, i)})
	}
	for i := range 100 { // a whole page and no more
		writes = append(writes, storage.Write{Table: storage.Codes.Table, Key: fmt.Sprint(i), Value: fmt.Appendf(nil, `{"gid":"%d"}`, i), Expires: later})
	}
	if err := s.Apply(t.Context(), writes...); err != nil {
		t.Fatal(err)
	}
	return s
}

// contents are all records of a store, without their versions.
func contents(t *testing.T, s storage.Store) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for _, table := range storage.Tables {
		recs, err := s.Scan(t.Context(), table, "", "", 10_000)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range recs {
			all[string(table)+"/"+r.Key] = fmt.Sprint(string(r.Value), r.Expires)
		}
	}
	return all
}

func TestMigrate(t *testing.T) {
	s := oldStore(t)
	if due, err := steps.Check(t.Context(), s); err != nil || !due {
		t.Fatalf("check of an old store: due %v, %v", due, err)
	}
	var heard []storage.Progress
	if err := steps.Run(t.Context(), s, func(p storage.Progress) { heard = append(heard, p) }); err != nil {
		t.Fatal(err)
	}
	if due, err := steps.Check(t.Context(), s); err != nil || due {
		t.Errorf("check afterwards: due %v, %v", due, err)
	}
	got := contents(t, s)
	for key, want := range map[string]string{
		"users/003\xff\x003":        `{"login":"u3"}0001-01-01 00:00:00 +0000 UTC`,
		"emails/was 249\xff\x00249": `{"user_id":"249"}0001-01-01 00:00:00 +0000 UTC`,
		"codes/99":                  fmt.Sprint(`{"grant":"99"}`, later),
		"formats/records":           `{"format":4}0001-01-01 00:00:00 +0000 UTC`,
	} {
		if got[key] != want {
			t.Errorf("%q is %s, want %s", key, got[key], want)
		}
	}
	if want := 250 + 250 + 100 + 1; len(got) != want {
		t.Errorf("%d records, want %d", len(got), want)
	}
	if want := (storage.Progress{Format: 3, Table: storage.Users.Table, Records: 850}); len(heard) == 0 || heard[len(heard)-1] != want {
		t.Errorf("progress: %+v, want %+v at the end", heard, want)
	}
	if err := steps.Run(t.Context(), s, nil); err != nil || !maps.Equal(contents(t, s), got) {
		t.Errorf("a second run changed something, %v", err)
	}
}

var errKilled = errors.New("killed")

// mortal is a store whose process dies at the n-th Apply: before it, or after it.
type mortal struct {
	storage.Store
	left  int
	after bool
}

func (m *mortal) Apply(ctx context.Context, writes ...storage.Write) error {
	m.left--
	if m.left >= 0 {
		return m.Store.Apply(ctx, writes...)
	}
	if m.left == -1 && m.after {
		_ = m.Store.Apply(ctx, writes...)
	}
	return errKilled
}

// TestMigrateKilled kills a migration at each point, and has it run again: to the end, and to each
// point after the first.
func TestMigrateKilled(t *testing.T) {
	whole := oldStore(t)
	if err := steps.Run(t.Context(), whole, nil); err != nil {
		t.Fatal(err)
	}
	want := contents(t, whole)
	for _, after := range []bool{false, true} {
		for n := 0; ; n++ {
			s := oldStore(t)
			err := steps.Run(t.Context(), &mortal{s, n, after}, nil)
			if err == nil {
				if n < 10 {
					t.Errorf("a migration of %d writes", n)
				}
				break
			}
			if !errors.Is(err, errKilled) {
				t.Fatal(err)
			}
			if _, err := formatOne.Check(t.Context(), s); after && !newer(err) {
				t.Fatalf("killed at write %d; an older authzd says %v, want that the store is newer", n, err)
			}
			for runs := 0; errors.Is(err, errKilled); runs++ { // one write each
				if err = steps.Run(t.Context(), &mortal{s, 1, after}, nil); runs > 100 {
					t.Fatal("never comes to an end")
				}
			}
			if got := contents(t, s); err != nil || !maps.Equal(got, want) {
				t.Errorf("killed at write %d (after it: %v): %v, %d records, want %d", n, after, err, len(got), len(want))
			}
		}
	}
}

func newer(err error) bool {
	format := new(storage.FormatError)
	return errors.As(err, &format) && format.Found > format.Known
}

// TestMigrateTogether: replicas that start at once share the work.
func TestMigrateTogether(t *testing.T) {
	whole := oldStore(t)
	if err := steps.Run(t.Context(), whole, nil); err != nil {
		t.Fatal(err)
	}
	s := oldStore(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := steps.Run(t.Context(), s, nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := contents(t, s); !maps.Equal(got, contents(t, whole)) {
		t.Error("four at once leave something else than one alone")
	}
}

// TestMigrateFails: a record that cannot be converted, the last one of the step, leaves the store as it
// was, and an authzd of its time serves it.
func TestMigrateFails(t *testing.T) {
	s := oldStore(t)
	spoilt := storage.Write{Table: storage.Codes.Table, Key: "\xffspoilt", Value: []byte("no JSON: 4242")}
	if err := s.Apply(t.Context(), spoilt); err != nil {
		t.Fatal(err)
	}
	before := contents(t, s)
	err := steps.Run(t.Context(), s, nil)
	if err == nil || !strings.Contains(err.Error(), "convert codes record") || !strings.Contains(err.Error(), "are as they were") {
		t.Errorf("error is %v", err)
	}
	if strings.Contains(err.Error(), "4242") || strings.Contains(err.Error(), "spoilt") {
		t.Errorf("the error says what is in the record: %v", err)
	}
	if !maps.Equal(contents(t, s), before) {
		t.Error("records were changed")
	}
	if due, err := formatOne.Check(t.Context(), s); due || err != nil {
		t.Errorf("the authzd of its time: due %v, %v", due, err)
	}
}

func TestFormatOfNewStore(t *testing.T) {
	s := storeOfFormatOne(t)
	if due, err := steps.Check(t.Context(), s); due || err != nil {
		t.Fatalf("new store: due %v, %v", due, err)
	}
	if _, err := formatOne.Check(t.Context(), s); !newer(err) {
		t.Errorf("an older authzd opens it: %v", err)
	}
	if due, err := steps.Check(t.Context(), s); due || err != nil {
		t.Errorf("again: due %v, %v", due, err)
	}
	if due, err := formatOne.Check(t.Context(), storeOfFormatOne(t)); due || err != nil {
		t.Errorf("new store of format 1: due %v, %v", due, err)
	}
}

func TestJudge(t *testing.T) {
	for _, test := range []struct {
		value string
		due   bool
		err   string
	}{
		{`{"format":4}`, false, ""},
		{`{"format":4,"table":"users"}`, true, ""},
		{`{"format":3}`, true, ""},
		{`{"format":5}`, false, "has format 5, written by a newer authzd; this one knows formats up to 4"},
		{`{"format":5,"table":"users"}`, false, "written by a newer authzd"},
		{`{"format":1,"table":"users"}`, false, "is impossible"},
		{`{"format":0}`, false, "is impossible"},
		{`{"format":-1}`, false, "is impossible"},
		{`{"format":"4"}`, false, "decode the format"},
		{`{}`, false, "is impossible"},
		{``, false, "decode the format"},
	} {
		due, err := steps.Judge([]byte(test.value))
		if due != test.due || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: due %v, %v; want %v, %q", test.value, due, err, test.due, test.err)
		}
	}
	if due, err := steps.Judge(nil); !due || err != nil {
		t.Errorf("no format: due %v, %v", due, err)
	}
}

// FuzzJudge: no record causes a panic, and only a store of our format is served.
func FuzzJudge(f *testing.F) {
	f.Add([]byte(`{"format":4,"table":"users","after":"AA=="}`))
	f.Add([]byte(`{"format":1e3}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		due, err := steps.Judge(value)
		number, parseErr := storage.FormatOf(value)
		switch {
		case parseErr != nil && err == nil:
			t.Errorf("%q has no number (%v), and is judged", value, parseErr)
		case err != nil || due:
		case number != steps.Format():
			t.Errorf("%q is served", value)
		}
	})
}
