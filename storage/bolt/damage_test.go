package bolt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

func wantNotReady(t *testing.T, s *bolt.Store) {
	t.Helper()
	if err := s.Ready(context.Background()); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("ready: %v; want ErrUnavailable", err)
	}
}

// TestAnyPageDamaged damages each page in turn, in several ways. The result is always an answer
// or an error: no crash, no hang, and the file can be closed.
func TestAnyPageDamaged(t *testing.T) {
	path := newFile(t)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const page = 4096
	used := len(bytes.TrimRight(good, "\x00"))
	random := rand.NewChaCha8([32]byte{1})
	ways := map[string]func(p []byte){
		"zeros":        func(p []byte) { clear(p) },
		"noise":        func(p []byte) { random.Read(p) },
		"noisy header": func(p []byte) { random.Read(p[8:16]) },
		"noisy items":  func(p []byte) { noise16(random, p[16:200]) },
		"torn":         func(p []byte) { clear(p[:512]) },
		"torn later":   func(p []byte) { clear(p[2048:]) },
		"other page":   func(p []byte) { copy(p, good[3*page:4*page]) },
	}
	refused, failed := 0, 0
	for at := 0; at < used; at += page {
		for name, damage := range ways {
			content := bytes.Clone(good)
			damage(content[at : at+page])
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := bolt.Open(path, bolt.Options{})
			if err != nil {
				refused++
				continue
			}
			if err := useAll(s); err != nil {
				failed++
			}
			if err := s.Close(); err != nil {
				t.Errorf("page %d, %s: close: %v", at/page, name, err)
			}
		}
	}
	t.Logf("%d pages: refused %d times at open, met %d times later", used/page, refused, failed)
	if refused == 0 || failed == 0 {
		t.Error("the damage did not show")
	}
}

// noise16 puts noise into the lower half of each 32-bit number: the wrong numbers are then of a size
// that numbers in a page have.
func noise16(random *rand.ChaCha8, b []byte) {
	for i := 0; i+4 <= len(b); i += 4 {
		random.Read(b[i : i+2])
	}
}

// useAll reads all records, changes some all over the place, and returns the first error.
func useAll(s *bolt.Store) error {
	var first error
	note := func(err error) {
		if first == nil {
			first = err
		}
	}
	var writes, deletes []storage.Write
	for _, table := range storage.Tables {
		_, err := s.Scan(context.Background(), table, "", "", 10_000)
		note(err)
		for _, key := range []string{"key000", "key060", "key119", "new"} {
			_, err := s.Get(context.Background(), table, key)
			if !errors.Is(err, storage.ErrNotFound) {
				note(err)
			}
			writes = append(writes, storage.Write{Table: table, Key: key, Value: []byte("v"), If: storage.Any})
			deletes = append(deletes, storage.Write{Table: table, Key: key, If: storage.Any})
		}
	}
	note(s.Apply(context.Background(), writes...))
	note(s.Apply(context.Background(), deletes...))
	return first
}

// TestDamagedWhileOpen is what a careless hand can do to a database in use.
func TestDamagedWhileOpen(t *testing.T) {
	for name, damage := range map[string]func(f *os.File, size int64) error{
		"cut to nothing":          func(f *os.File, size int64) error { return f.Truncate(0) },
		"cut after meta pages":    func(f *os.File, size int64) error { return f.Truncate(8192) },
		"zeros for meta pages":    func(f *os.File, size int64) error { return zeros(f, 0, 8192) },
		"zeros for all but those": func(f *os.File, size int64) error { return zeros(f, 8192, size) },
	} {
		t.Run(name, func(t *testing.T) {
			path := newFile(t)
			s := openDamaged(t, path)
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			info, err := f.Stat()
			if err != nil {
				t.Fatal(err)
			}
			if err := damage(f, info.Size()); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if _, err := s.Get(t.Context(), storage.Users.Table, "key060"); err == nil || errors.Is(err, storage.ErrNotFound) {
					t.Errorf("get: %v; want an error about the damage", err)
				}
				if _, err := s.Scan(t.Context(), storage.Users.Table, "", "", 1000); err == nil {
					t.Error("scan: no error")
				}
				if err := s.Apply(t.Context(), put("key060", "v")); !errors.Is(err, storage.ErrUnavailable) {
					t.Errorf("apply: %v; want ErrUnavailable", err)
				}
				wantNotReady(t, s)
			}
		})
	}
}

// openDamaged opens a store whose file is about to be damaged: its Close may say so.
func openDamaged(t *testing.T, path string) *bolt.Store {
	t.Helper()
	s, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil && !errors.As(err, new(*bolt.LostError)) {
			t.Error(err)
		}
	})
	return s
}

// TestWriterMeetsDamageFirst: nothing may hang after a panic in the middle of a write.
func TestWriterMeetsDamageFirst(t *testing.T) {
	path := newFile(t)
	s := openDamaged(t, path)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := zeros(f, 0, 8192); err != nil { // a cut file is noticed before anything is written
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Apply(t.Context(), put("key060", "v")); !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("apply: %v; want ErrUnavailable", err)
		}
	}
	if _, err := s.Get(t.Context(), storage.Users.Table, "key060"); err == nil {
		t.Error("get: no error")
	}
}

// TestCutUnderTraffic: a reader whose panic leaves bbolt locked must not make writers wait for ever.
func TestCutUnderTraffic(t *testing.T) {
	path := newFile(t)
	s, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var busy, writers sync.WaitGroup
	busy.Add(8)
	for w := range 8 {
		writers.Go(func() {
			for n := 0; ; n++ {
				err := s.Apply(context.Background(), put(fmt.Sprint(w), "v"))
				if n == 0 {
					busy.Done()
				}
				if err != nil {
					if !errors.Is(err, storage.ErrUnavailable) {
						t.Errorf("apply: %v; want ErrUnavailable", err)
					}
					return
				}
			}
		})
	}
	busy.Wait()
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), storage.Users.Table, "key060"); err == nil {
		t.Error("get: no error")
	}
	writers.Wait()
	if err := s.Close(); err != nil && !errors.As(err, new(*bolt.LostError)) && !strings.Contains(err.Error(), "stays locked until the process ends") {
		t.Errorf("close: %v", err)
	}
}

func zeros(f *os.File, from, to int64) error {
	_, err := f.WriteAt(make([]byte, to-from), from)
	return err
}
