package archive_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/authzd/authzd/storage/archive"
)

func content(s string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

// names returns all that is in a folder.
func names(t *testing.T, folder string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func wantFile(t *testing.T, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want {
		t.Errorf("file is %q, %v; want %q", got, err, want)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode is %v, %v", info.Mode(), err)
	}
}

func TestCreate(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "b")
	mine := errors.New("mine")
	fail := func(w io.Writer) error {
		if err := content("half")(w); err != nil {
			return err
		}
		return mine
	}
	if err := archive.Create(path, false, fail); !errors.Is(err, mine) || len(names(t, folder)) != 0 {
		t.Errorf("a failure: %v, left %q", err, names(t, folder))
	}
	if err := archive.Create(path, false, content("one")); err != nil {
		t.Fatal(err)
	}
	wantFile(t, path, "one")
	if err := archive.Create(path, false, content("two")); !errors.Is(err, archive.ErrExists) {
		t.Errorf("over another: %v", err)
	}
	wantFile(t, path, "one")
	if err := archive.Create(path, true, fail); !errors.Is(err, mine) {
		t.Errorf("a failure: %v", err)
	}
	wantFile(t, path, "one")
	if err := archive.Create(path, true, content("three")); err != nil {
		t.Fatal(err)
	}
	wantFile(t, path, "three")
	if got := names(t, folder); len(got) != 1 {
		t.Errorf("left %q", got)
	}
}

// TestCreateTogether: of many who make the same file one wins; all are told which.
func TestCreateTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), "b")
	var won atomic.Int32
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			switch err := archive.Create(path, false, content("whole")); {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, archive.ErrExists):
				t.Error(err)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 {
		t.Errorf("%d won", won.Load())
	}
	wantFile(t, path, "whole")
	if got := names(t, filepath.Dir(path)); len(got) != 1 {
		t.Errorf("left %q", got)
	}
}

// TestCreateLeftover: what a process left that died is removed, what one still works on is not.
func TestCreateLeftover(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "b")
	if err := os.WriteFile(filepath.Join(folder, ".b.part-123"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := archive.Create(path, false, func(w io.Writer) error {
		if err := content("slow")(w); err != nil {
			return err
		}
		return archive.Create(path, true, content("fast"))
	})
	if !errors.Is(err, archive.ErrExists) {
		t.Errorf("error is %v", err)
	}
	wantFile(t, path, "fast")
	if got := names(t, folder); len(got) != 1 {
		t.Errorf("left %q", got)
	}
}
