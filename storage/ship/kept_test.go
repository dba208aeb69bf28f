package ship

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/authzd/authzd/storage/bolt"
)

// leftOver is a store with a segment that was offered to the destination when the process ended. It did
// not get there.
func leftOver(t *testing.T) (to *faulty, path string) {
	t.Helper()
	to = &faulty{Destination: directory(t.TempDir())}
	path = filepath.Join(t.TempDir(), "store.db")
	p := startPrimary(t, path, config(to, path))
	p.put("a", "1")
	p.waitShipped()
	to.onPut(func(string) error { return errDown })
	p.put("a", "2")
	waitFor(t, "the segment to be kept", func() bool { return len(kept(t, path)) == 1 })
	p.stop()
	to.onPut(nil)
	return to, path
}

func kept(t *testing.T, path string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(path+".ship", spools+"*", "*.segment"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestKeptSegmentSpoiled: what was kept of a segment and is not whole any more is not shipped, and begins a
// new generation.
func TestKeptSegmentSpoiled(t *testing.T) {
	for name, spoil := range map[string]func(name string) error{
		"empty": func(name string) error { return os.Truncate(name, 0) },
		"half":  func(name string) error { return os.Truncate(name, 50) },
		"bits":  flip,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			to, path := leftOver(t)
			if err := spoil(kept(t, path)[0]); err != nil {
				t.Fatal(err)
			}
			wantGeneration(t, to, path, 2)
		})
	}
}

// wantGeneration starts the primary, and demands that it ships in a generation, and all of it.
func wantGeneration(t *testing.T, to Destination, path string, want uint64) {
	t.Helper()
	p := startPrimary(t, path, config(to, path))
	waitFor(t, "shipping to go on", func() bool {
		st := p.shipper.Status()
		return st.Generation == want && st.LagBytes == 0 || st.Fenced != nil
	})
	if err := p.shipper.Status().Fenced; err != nil {
		t.Fatalf("fenced: %v", err)
	}
	p.put("a", "after")
	p.waitShipped()
	if n := p.shipper.Status().Generation; n != want {
		t.Errorf("generation %d, want %d", n, want)
	}
	p.stop()
	wantShipped(t, to, path)
}

// TestLostSegment: the destination has a segment that this machine has forgotten, as with a disk that loses
// what was synced. That is no second primary; but if there is one after all, it is stopped.
func TestLostSegment(t *testing.T) {
	t.Parallel()
	to, path := leftOver(t)
	twin := filepath.Join(t.TempDir(), "store.db")
	if err := os.CopyFS(filepath.Dir(twin), os.DirFS(filepath.Dir(path))); err != nil {
		t.Fatal(err)
	}
	p := startPrimary(t, twin, config(to, twin)) // ships what was left over
	p.waitShipped()
	if err := os.Remove(kept(t, path)[0]); err != nil {
		t.Fatal(err)
	}
	wantGeneration(t, to, path, 2)
	waitFor(t, "the other one to be fenced", func() bool {
		_ = p.store.Apply(t.Context(), put("a", "of the other one"))
		return p.shipper.Status().Fenced != nil
	})
}

// TestTapOfAFailedGeneration: a generation that can't be noted leaves nothing behind: neither files nor
// ears in the store.
func TestTapOfAFailedGeneration(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	store, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	c := config(directory(t.TempDir()), path)
	c.Store = store
	s, err := New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	next, m, err := s.prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(next.folder, progressFile), 0o700); err != nil { // in its way
		t.Fatal(err)
	}
	if err := s.complete(t.Context(), next, m); err == nil {
		t.Fatal("completed")
	}
	if _, err := os.Stat(next.folder); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its folder is still there: %v", err)
	}
	if err := store.Apply(t.Context(), put("a", "v")); err != nil {
		t.Fatal(err)
	}
	if at, err := store.Position(); err != nil || next.spool.last == at {
		t.Errorf("it still hears what is committed, %v", err)
	}
}
