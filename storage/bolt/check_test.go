package bolt_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

// people makes a database of some users, whose values tell where in the file they are.
func people(t *testing.T, n int) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "authzd.db")
	s, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		id := fmt.Sprintf("user-%03d", i)
		if err := s.Apply(t.Context(), storage.Users.Put(id, &storage.User{ID: id, Username: "name-" + id}, storage.Absent, time.Time{}),
			storage.Usernames.Put("name-"+id, &storage.UserRef{UserID: id}, storage.Absent, time.Time{})); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// checked are the problems that Check finds.
func checked(t *testing.T, path string) (problems []error, records int) {
	t.Helper()
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c := storage.NewChecker()
	if err := bolt.Check(t.Context(), path, func(err error) { problems = append(problems, err) }, func(table storage.Table, rec storage.Record) error {
		records++
		return c.Check(table, rec)
	}); err != nil {
		problems = append(problems, err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the check has changed the file, %v", err)
	}
	return problems, records
}

func TestCheckSound(t *testing.T) {
	if problems, records := checked(t, people(t, 300)); len(problems) > 0 || records < 600 {
		t.Errorf("%d records, %v", records, problems)
	}
}

// TestCheckEachBit: a bit that is not what it was, in the text of a record, is found by a check and by an export,
// and a read of that record is unavailable; the others are as they were.
func TestCheckEachBit(t *testing.T) {
	path := people(t, 300)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const username = `"username":"name-user-123"`
	places := 0 // with copies in free pages, perhaps
	for from := 0; ; from++ {
		i := bytes.Index(good[from:], []byte(username))
		if i < 0 {
			break
		}
		at := from + i
		from = at
		b := bytes.Clone(good)
		b[at+len(username)-2] ^= 1 // 123 becomes 122: a text as good as before
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		problems, _ := checked(t, path)
		s, err := bolt.Open(path, bolt.Options{})
		if err != nil {
			t.Fatal(err)
		}
		_, getErr := s.Get(t.Context(), storage.Users.Table, "user-123")
		exportErr := s.Export(t.Context(), func(storage.Table, storage.Record) error { return nil })
		if _, err := s.Get(t.Context(), storage.Users.Table, "user-124"); err != nil {
			t.Errorf("its neighbour: %v", err)
		}
		if err := errors.Join(s.Ready(t.Context()), s.Close()); err != nil {
			t.Error(err)
		}
		if getErr == nil && exportErr == nil && len(problems) == 0 {
			continue // a copy in a free page
		}
		places++
		wrong := new(storage.RecordError)
		if len(problems) == 0 || !errors.As(problems[0], &wrong) || wrong.Key != "user-123" || wrong.Table != storage.Users.Table {
			t.Errorf("check: %v", problems)
		}
		if !errors.Is(getErr, storage.ErrUnavailable) || !errors.Is(exportErr, storage.ErrUnavailable) {
			t.Errorf("get: %v; export: %v", getErr, exportErr)
		}
	}
	if places != 1 {
		t.Errorf("%d places: the record was to be met once", places)
	}
}

const page = 4096

// damages are what can happen to the page at an offset. The last ones keep bbolt busy for ever, where it goes
// there.
var damages = map[string]func(file []byte, at int){
	"zeros":      func(b []byte, at int) { clear(b[at : at+page]) },
	"no body":    func(b []byte, at int) { clear(b[at+page/4 : at+page]) },
	"wild":       func(b []byte, at int) { copy(b[at+16:], bytes.Repeat([]byte{0xff, 0x7f}, 40)) },
	"overflow":   func(b []byte, at int) { copy(b[at+12:], []byte{0xff, 0xff, 0xff, 0x7f}) },
	"many items": func(b []byte, at int) { copy(b[at+10:], []byte{0xff, 0x7f}) },
	"no items":   func(b []byte, at int) { clear(b[at+10 : at+12]) },
	"a branch without items": func(b []byte, at int) {
		copy(b[at+8:], []byte{1, 0, 0, 0})
	},
	"leads to itself": func(b []byte, at int) { leadTo(b[at:at+page], at/page) },
	"is a branch that leads to itself": func(b []byte, at int) {
		copy(b[at+8:], []byte{1, 0})
		leadTo(b[at:at+page], at/page)
	},
}

// leadTo makes each item of a branch page lead to one page.
func leadTo(p []byte, id int) {
	if p[8] != 1 {
		return
	}
	for i := range int(binary.NativeEndian.Uint16(p[10:])) {
		if at := 16 + 16*i; at+16 <= len(p) {
			binary.NativeEndian.PutUint64(p[at+8:], uint64(id))
		}
	}
}

// TestCheckEachPage: whichever page is damaged, the check says so, and nothing crashes.
func TestCheckEachPage(t *testing.T) {
	path := people(t, 300)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	used := len(bytes.TrimRight(good, "\x00"))
	found := 0
	for at := 2 * page; at < used; at += page {
		for name, damage := range damages {
			b := bytes.Clone(good)
			damage(b, at)
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			problems, records := checked(t, path)
			if len(problems) > 0 {
				found++
			} else if records < 600 {
				t.Errorf("page %d, %s: %d records, and sound", at/page, name, records)
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d damages were found", found)
	}
}

func TestCheckRefuses(t *testing.T) {
	path := people(t, 1)
	s, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if problems, _ := checked(t, path); len(problems) != 1 {
		t.Errorf("in use: %v", problems)
	}
	// The user of the name is deleted, and the name stays.
	if err := errors.Join(s.Apply(t.Context(), storage.Users.Delete("user-000", storage.Any)), s.Close()); err != nil {
		t.Fatal(err)
	}
	if problems, _ := checked(t, path); len(problems) != 1 || !errors.As(problems[0], new(*storage.RecordError)) {
		t.Errorf("a name of nobody: %v", problems)
	}
	for name, content := range map[string]string{"empty": "", "text": "not a database", "half": string(bytes.Repeat([]byte{1}, 10_000))} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if problems, _ := checked(t, path); len(problems) == 0 {
			t.Errorf("%s is sound", name)
		}
	}
}

// TestOpenEachPage: with any page damaged, a start comes to its end. It opens the database, or says that it
// is damaged and which command tells more.
func TestOpenEachPage(t *testing.T) {
	path := people(t, 300)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	used := len(bytes.TrimRight(good, "\x00"))
	refused := map[string]int{}
	for at := 2 * page; at < used; at += page {
		for name, damage := range damages {
			b := bytes.Clone(good)
			damage(b, at)
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := bolt.Open(path, bolt.Options{})
			if err == nil {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
				continue
			}
			refused[name]++
			if name == "no items" && strings.Contains(err.Error(), "another program") {
				continue // without tables it may be anybody's
			}
			hint := (interface{ Hint() string })(nil)
			if !errors.As(err, &hint) || !strings.Contains(hint.Hint(), "authzd check") {
				t.Errorf("page %d, %s: %v, without a hint", at/page, name, err)
			}
		}
	}
	for name := range damages {
		if refused[name] == 0 {
			t.Errorf("%s: no page of it was met", name)
		}
	}
}
