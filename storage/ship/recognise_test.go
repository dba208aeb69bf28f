package ship

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// unmount leaves an empty folder in the place of a destination, as where nothing is mounted, and returns what
// mounts it again.
func unmount(t *testing.T, to directory) (mount func()) {
	t.Helper()
	if err := errors.Join(os.Rename(string(to), string(to)+".away"), os.Mkdir(string(to), 0o700)); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if err := errors.Join(os.RemoveAll(string(to)), os.Rename(string(to)+".away", string(to))); err != nil {
			t.Fatal(err)
		}
	}
}

func wantGone(t *testing.T, p *primary, to directory) {
	t.Helper()
	waitFor(t, "the loss to be told", func() bool { return errors.As(p.shipper.Status().Failing, new(*GoneError)) })
	failures := p.shipper.Status().Failures
	waitFor(t, "it to be tried again", func() bool { return p.shipper.Status().Failures > failures })
	if !errors.As(p.shipper.Status().Failing, new(*GoneError)) {
		t.Errorf("failing: %v", p.shipper.Status().Failing)
	}
	if entries, err := os.ReadDir(string(to)); err != nil || len(entries) > 0 {
		t.Errorf("below the mount point there is %v, %v", entries, err)
	}
}

// TestUnmounted: nothing is written below a mount point, it is told all the time, and once it is mounted again
// everything arrives.
func TestUnmounted(t *testing.T) {
	for name, restart := range map[string]bool{"while it runs": false, "before a start": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			to := directory(filepath.Join(t.TempDir(), "mounted"))
			if err := os.Mkdir(string(to), 0o700); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "store.db")
			p := startPrimary(t, path, config(to, path))
			p.put("a", "1")
			p.waitShipped()
			var mount func()
			if restart {
				p.stop()
				mount = unmount(t, to)
				p = startPrimary(t, path, config(to, path))
			} else {
				mount = unmount(t, to)
			}
			p.put("a", "2")
			wantGone(t, p, to)
			if err := p.store.Ready(t.Context()); err != nil {
				t.Error(err)
			}
			mount()
			p.put("a", "3")
			p.waitShipped()
			waitFor(t, "the failure to be over", func() bool { return p.shipper.Status().Failing == nil })
			p.stop()
			wantShipped(t, to, path)
			if found, _ := in(to).generations(t.Context()); len(found) != 1 {
				t.Errorf("%d generations; the one could go on", len(found))
			}
		})
	}
}

// TestUnmountedAndFull: a spool that is full begins no generation below a mount point either. If the shipper looks at the
// destination before the spool is full, it starts over without a spool: then the test is made again.
func TestUnmountedAndFull(t *testing.T) {
	for range 20 {
		if unmountedAndFull(t) {
			return
		}
	}
	t.Error("the spool was never full first")
}

// unmountedAndFull reports whether the spool was full before the loss of the destination was noticed.
func unmountedAndFull(t *testing.T) (full bool) {
	to := directory(filepath.Join(t.TempDir(), "mounted"))
	if err := os.Mkdir(string(to), 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "store.db")
	c := config(to, path)
	c.SpoolBytes = 10_000
	p := startPrimary(t, path, c)
	p.put("a", "1")
	p.waitShipped()
	mount := unmount(t, to)
	p.put("a", string(slices.Repeat([]byte("v"), 20_000)))
	waitFor(t, "the spool to be given up, or the destination to be missed", func() bool {
		now := p.shipper.Status()
		full = now.SpoolFull > 0
		return full || now.Failing != nil
	})
	wantGone(t, p, to)
	mount()
	waitFor(t, "a new generation", func() bool { return p.shipper.Status().Generation == 2 })
	p.stop()
	return full
}

// TestEmptied: shipping begins again in a destination that was emptied for good only if the operator says
// so. Other objects there are not taken for ours.
func TestEmptied(t *testing.T) {
	to := directory(t.TempDir())
	path := filepath.Join(t.TempDir(), "store.db")
	p := startPrimary(t, path, config(to, path))
	p.put("a", "1")
	p.waitShipped()
	p.stop()
	empty := func() {
		t.Helper()
		entries, err := os.ReadDir(string(to))
		for _, e := range entries {
			err = errors.Join(err, os.RemoveAll(filepath.Join(string(to), e.Name())))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	empty()
	p = startPrimary(t, path, config(to, path))
	p.put("a", "2")
	wantGone(t, p, to)
	p.stop()

	other := filepath.Join(t.TempDir(), "other.db") // another database's destination is mounted there
	q := startPrimary(t, other, config(to, other))
	q.put("a", "other")
	q.waitShipped()
	q.stop()
	if _, err := New(t.Context(), Config{Store: p.store, To: to, Folder: path + ".ship", Secret: testSecret}); !errors.As(err, new(*FencedError)) {
		t.Errorf("started on another's: %v", err)
	}

	empty()
	c := config(to, path)
	c.AllowEmptyDestination = true
	p = startPrimary(t, path, c)
	waitFor(t, "a snapshot", func() bool { _, err := in(to).choose(t.Context(), time.Time{}); return err == nil })
	p.put("a", "3")
	p.waitShipped()
	p.stop()
	wantShipped(t, to, path)
}

// TestOthersDestinationMounted: another database's destination in the place of ours is no take-over, and
// nothing is written there.
func TestOthersDestinationMounted(t *testing.T) {
	t.Parallel()
	to, other := directory(t.TempDir()), directory(t.TempDir())
	path, otherPath := filepath.Join(t.TempDir(), "store.db"), filepath.Join(t.TempDir(), "other.db")
	q := startPrimary(t, otherPath, config(other, otherPath))
	q.put("a", "other")
	q.waitShipped()
	q.stop()
	p := startPrimary(t, path, config(to, path))
	p.put("a", "1")
	p.waitShipped()
	if err := errors.Join(os.Rename(string(to), string(to)+".away"), os.Rename(string(other), string(to))); err != nil {
		t.Fatal(err)
	}
	p.put("a", "2")
	waitFor(t, "the loss to be told", func() bool { return errors.As(p.shipper.Status().Failing, new(*GoneError)) })
	if err := p.store.Ready(t.Context()); err != nil {
		t.Errorf("fenced: %v", err)
	}
}

// TestNoNoteOfTheDestination: an authzd that kept none has left a spool, by which its destination is known.
func TestNoNoteOfTheDestination(t *testing.T) {
	to := directory(t.TempDir())
	path := filepath.Join(t.TempDir(), "store.db")
	p := startPrimary(t, path, config(to, path))
	p.put("a", "1")
	p.waitShipped()
	p.stop()
	if err := os.Remove(filepath.Join(path+".ship", destinationFile)); err != nil {
		t.Fatal(err)
	}
	p = startPrimary(t, path, config(to, path))
	p.put("a", "2")
	p.waitShipped()
	p.stop()
	if n := p.shipper.Status().Generation; n != 1 {
		t.Errorf("generation %d; it could go on", n)
	}
	mount := unmount(t, to)
	if err := os.Remove(filepath.Join(path+".ship", destinationFile)); err != nil {
		t.Fatal(err)
	}
	p = startPrimary(t, path, config(to, path))
	wantGone(t, p, to)
	p.stop()
	mount()
}

// TestAnotherDestination: what is shipped elsewhere from now on begins there with a snapshot.
func TestAnotherDestination(t *testing.T) {
	to, next := directory(t.TempDir()), directory(t.TempDir())
	path := filepath.Join(t.TempDir(), "store.db")
	p := startPrimary(t, path, config(to, path))
	p.put("a", "1")
	p.waitShipped()
	p.stop()
	p = startPrimary(t, path, config(next, path))
	p.put("a", "2")
	waitFor(t, "a snapshot", func() bool { _, err := in(next).choose(t.Context(), time.Time{}); return err == nil })
	p.waitShipped()
	p.stop()
	wantShipped(t, next, path)
}
