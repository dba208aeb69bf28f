package ship

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

// primary is a store and what ships it.
type primary struct {
	t       *testing.T
	path    string
	store   *bolt.Store
	shipper *Shipper
	stop    func()
}

// config is that of a test: everything happens soon.
func config(to Destination, path string) Config {
	return Config{To: to, Secret: testSecret, Folder: path + ".ship", Every: 5 * time.Millisecond, SnapshotEvery: time.Hour, Keep: time.Hour, SpoolBytes: 64 << 20}
}

var testSecret, otherSecret = secretOf("ours"), secretOf("another's")

// secretOf is a secret of some keys, the current one first.
func secretOf(keys ...string) Secret {
	return Secret{
		ID:    keys[0],
		Knows: func(id string) bool { return slices.Contains(keys, id) },
		MACs: func(digest []byte) (macs [][sha256.Size]byte) {
			for _, key := range keys {
				mac := hmac.New(sha256.New, []byte(key))
				mac.Write(digest)
				macs = append(macs, [sha256.Size]byte(mac.Sum(nil)))
			}
			return macs
		},
	}
}

// in reads what is in a destination.
func in(d Destination) source { return source{from: d, secret: testSecret} }

// startPrimary opens a store and ships it to a destination.
func startPrimary(t *testing.T, path string, c Config) *primary {
	t.Helper()
	p := &primary{t: t, path: path}
	var err error
	if p.store, err = bolt.Open(path, bolt.Options{SweepEvery: time.Hour}); err != nil {
		t.Fatal(err)
	}
	c.Store = p.store
	c.Logger = slog.New(slog.NewTextHandler(testWriter{t}, nil))
	if p.shipper, err = New(t.Context(), c); err != nil {
		p.store.Close()
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := p.shipper.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	p.stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
		if err := p.store.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(p.stop)
	return p
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

func (p *primary) put(key, value string) {
	p.t.Helper()
	if err := p.store.Apply(p.t.Context(), put(key, value)); err != nil {
		p.t.Fatal(err)
	}
}

func put(key, value string) storage.Write {
	return storage.Write{Table: storage.Users.Table, Key: key, Value: []byte(value), If: storage.Any}
}

// waitShipped waits until all that was committed is in the destination.
func (p *primary) waitShipped() {
	p.t.Helper()
	waitFor(p.t, "everything to be shipped", func() bool {
		st := p.shipper.Status()
		return st.Generation > 0 && st.LagBytes == 0
	})
}

func waitFor(t *testing.T, what string, is func() bool) {
	t.Helper()
	deadline, tick := time.After(2*time.Minute), time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited two minutes for %s", what)
		}
	}
}

// contents is every row of a closed database, and where its versions and its position stand.
func contents(t *testing.T, path string) string {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var b strings.Builder
	if err := db.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(name []byte, bucket *bbolt.Bucket) error {
			fmt.Fprintf(&b, "%s %d\n", name, bucket.Sequence())
			return bucket.ForEach(func(k, v []byte) error {
				fmt.Fprintf(&b, "  %s %x\n", k, v)
				return nil
			})
		})
	}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// restore brings a destination back into a new file.
func restore(t *testing.T, from Destination, at time.Time) (path string, r Restored, err error) {
	t.Helper()
	folder := t.TempDir()
	path = filepath.Join(folder, "restored.db")
	r, err = Restore(t.Context(), RestoreConfig{From: from, Secret: testSecret, At: at, Path: path})
	entries, readErr := os.ReadDir(folder)
	if readErr != nil {
		t.Fatal(readErr)
	}
	if want := map[bool]int{true: 1, false: 0}[err == nil]; len(entries) != want {
		t.Errorf("restore left %d files, want %d (%v)", len(entries), want, err)
	}
	return path, r, err
}

func wantSame(t *testing.T, a, b string) {
	t.Helper()
	if a, b := contents(t, a), contents(t, b); a != b {
		t.Errorf("the databases differ:\n%.400s\n---\n%.400s", a, b)
	}
}

// wantShipped wants all of a closed database to come back from a destination.
func wantShipped(t *testing.T, to Destination, path string) {
	t.Helper()
	copied, _, err := restore(t, to, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	wantSame(t, path, copied)
}

// TestRestore: what was shipped comes back to the byte, over restarts and several generations.
func TestRestore(t *testing.T) {
	to := directory(t.TempDir())
	path := filepath.Join(t.TempDir(), "store.db")
	for run := range 3 {
		p := startPrimary(t, path, config(to, path))
		for i := range 50 {
			p.put(fmt.Sprint(i), fmt.Sprint("value ", run, " ", i))
		}
		if run != 1 {
			p.waitShipped()
		}
		p.stop()
		copied, r, err := restore(t, to, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if at, _ := positionOf(t, path); at != r.Position {
			t.Errorf("restored %+v, want %+v", r.Position, at)
		}
		wantSame(t, path, copied)
	}
	if found, err := in(to).generations(t.Context()); err != nil || len(found) != 1 {
		t.Errorf("%d generations, %v; a restart is no reason to begin another", len(found), err)
	}
	if _, err := Restore(t.Context(), RestoreConfig{From: to, Secret: testSecret, Path: path}); !errors.Is(err, os.ErrExist) {
		t.Errorf("restore over a database: %v", err)
	}
}

// A stop ships what was written while an older segment was on its way, too.
func TestStopShipsWhatWaitsBehindAnotherSegment(t *testing.T) {
	to := &faulty{Destination: directory(t.TempDir())}
	path := filepath.Join(t.TempDir(), "store.db")
	p := startPrimary(t, path, config(to, path))
	p.put("a", "1")
	p.waitShipped()
	to.down.Store(true)
	p.put("a", "2")
	waitFor(t, "a segment that can't be shipped", func() bool { return p.shipper.Status().Failing != nil })
	p.put("a", "3")
	to.down.Store(false)
	p.stop()
	wantShipped(t, to, path)
}

func positionOf(t *testing.T, path string) (bolt.Position, error) {
	t.Helper()
	s, err := bolt.Open(path, bolt.Options{Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	return s.Position()
}
