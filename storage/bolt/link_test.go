package bolt_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/authzd/authzd/storage/bolt"
)

// TestLinkedDatabase: what takes a database's place takes it where a symbolic link leads, and the link
// stays.
func TestLinkedDatabase(t *testing.T) {
	path := newFileBy(t, formatOne)
	link := filepath.Join(t.TempDir(), "store.db")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	s, err := bolt.Open(link, bolt.Stepwise(twoSteps, ""))
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after, err := os.Stat(path); err != nil || os.SameFile(before, after) {
		t.Errorf("the file behind the link was not replaced, %v", err)
	}
	wantValue(t, s, "key007", strings.Repeat("v", 100)+"+2+3")
	if err := s.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if to, err := os.Readlink(link); err != nil || to != path {
		t.Errorf("the link leads to %q, %v", to, err)
	}
	if entries, err := os.ReadDir(filepath.Dir(link)); err != nil || len(entries) != 1 {
		t.Errorf("beside the link: %v, %v", entries, err)
	}
	if kept := snapshots(t, path); len(kept) != 1 {
		t.Errorf("kept %v", kept)
	}
}
