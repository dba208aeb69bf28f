package bolt_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

// ways in which a database goes missing while it is in use.
var losses = map[string]func(path string) error{
	"removed":        os.Remove,
	"renamed":        func(path string) error { return os.Rename(path, path+".old") },
	"folder removed": func(path string) error { return os.RemoveAll(filepath.Dir(path)) },
	"folder renamed": func(path string) error { return os.Rename(filepath.Dir(path), filepath.Dir(path)+".old") },
	"folder replaced by a file": func(path string) error {
		return errors.Join(os.RemoveAll(filepath.Dir(path)), os.WriteFile(filepath.Dir(path), nil, 0o600))
	},
	"replaced by a copy": func(path string) error {
		b, err := os.ReadFile(path)
		return errors.Join(err, os.WriteFile(path+".new", b, 0o600), os.Rename(path+".new", path))
	},
	"replaced by another": func(path string) error {
		s, err := bolt.Open(path+".new", bolt.Options{})
		if err == nil {
			err = errors.Join(s.Close(), os.Rename(path+".new", path))
		}
		return err
	},
	"cut":          func(path string) error { return os.Truncate(path, 20_000) },
	"cut to 0":     func(path string) error { return os.Truncate(path, 0) },
	"written anew": func(path string) error { return os.WriteFile(path, []byte("not a database"), 0o600) },
}

func openIn(t *testing.T) (path string, s *bolt.Store) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "data", "authzd.db")
	s, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(t.Context(), storage.Write{Table: storage.Users.Table, Key: "a", Value: []byte("1")}); err != nil {
		t.Fatal(err)
	}
	return path, s
}

// TestLostFile: nothing is acknowledged once the file has gone, and it is known within a second that it has,
// also when nobody writes.
func TestLostFile(t *testing.T) {
	for name, lose := range losses {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, s := openIn(t)
			if err := lose(path); err != nil {
				t.Fatal(err)
			}
			// At once: no write is acknowledged.
			err := s.Apply(t.Context(), storage.Write{Table: storage.Users.Table, Key: "b", Value: []byte("1")})
			if !errors.Is(err, storage.ErrUnavailable) {
				t.Errorf("a write: %v", err)
			}
			wantNotReady(t, s)
			wantLostAtClose(t, s)
		})
		t.Run(name+", idle", func(t *testing.T) {
			t.Parallel()
			path, s := openIn(t)
			if err := lose(path); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			if err := s.Lost(t.Context()); !errors.As(err, new(*bolt.LostError)) {
				t.Errorf("lost: %v", err)
			}
			if took := time.Since(began); took > time.Minute { // a busy machine; alone it is half a second
				t.Errorf("noticed after %v", took)
			}
			wantLostAtClose(t, s)
		})
	}
}

// TestOlderWrittenOver: a backup that is copied over the file in its place is noticed by what it lacks, even if
// nothing was written since the start.
func TestOlderWrittenOver(t *testing.T) {
	for name, restart := range map[string]bool{"after a write": false, "after a start": true} {
		t.Run(name, func(t *testing.T) { testOlderWrittenOver(t, restart) })
	}
}

func testOlderWrittenOver(t *testing.T, restart bool) {
	path, s := openIn(t)
	older, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(t.Context(), storage.Write{Table: storage.Users.Table, Key: "b", Value: []byte("1")}); err != nil {
		t.Fatal(err)
	}
	if restart {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if s, err = bolt.Open(path, bolt.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(older, 0); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	if err := s.Lost(ctx); !errors.As(err, new(*bolt.LostError)) {
		t.Errorf("lost: %v", err)
	}
	wantNotReady(t, s)
	wantLostAtClose(t, s)
}

func wantLostAtClose(t *testing.T, s *bolt.Store) {
	t.Helper()
	err := s.Close()
	if !errors.As(err, new(*bolt.LostError)) {
		t.Errorf("close: %v", err)
	}
	if hint := (interface{ Hint() string })(nil); !errors.As(err, &hint) || hint.Hint() == "" {
		t.Error("no hint")
	}
}

// TestLostBehindALink: a link that leads elsewhere now is noticed, since the next start would follow it.
func TestLostBehindALink(t *testing.T) {
	path, s := openIn(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link.db")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	s, err := bolt.Open(link, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Ready(t.Context()); err != nil {
		t.Errorf("after a compaction: %v", err)
	}
	if err := errors.Join(os.Remove(link), os.Symlink(filepath.Dir(path), link)); err != nil {
		t.Fatal(err)
	}
	wantNotReady(t, s)
	wantLostAtClose(t, s)
}

// TestNotLost: what doesn't touch the file is no loss.
func TestNotLost(t *testing.T) {
	path, s := openIn(t)
	if err := errors.Join(os.Chmod(path, 0o400), os.Chtimes(path, time.Time{}, time.Unix(1, 0)), os.Link(path, path+".link")); err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(t.Context(), storage.Write{Table: storage.Users.Table, Key: "b", Value: []byte("1")}); err != nil {
		t.Error(err)
	}
	if err := errors.Join(s.Ready(t.Context()), s.Close()); err != nil {
		t.Error(err)
	}
}

// TestZeroedWhileInUse: a file that is overwritten in its place makes every call unavailable, none wrong.
func TestZeroedWhileInUse(t *testing.T) {
	path, s := openIn(t)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(make([]byte, info.Size()), 0); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	_, getErr := s.Get(ctx, storage.Users.Table, "a")
	_, missErr := s.Get(ctx, storage.Sessions.Table, "a")
	_, scanErr := s.Scan(ctx, storage.Users.Table, "", "", 10)
	for what, err := range map[string]error{
		"get": getErr, "get of nothing": missErr, "scan": scanErr, "ready": s.Ready(ctx),
		"write":  s.Apply(ctx, storage.Write{Table: storage.Users.Table, Key: "a", Value: []byte("1")}),
		"export": s.Export(ctx, func(storage.Table, storage.Record) error { return nil }),
	} {
		if !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := s.Close(); err == nil {
		t.Error("close says nothing")
	}
}
