package blackbox

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/authzd/authzd/authz/deflate"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

// OpenBolt opens a fresh store, which is closed with its test.
func OpenBolt(t *testing.T) storage.Store {
	t.Helper()
	store, err := bolt.Open(filepath.Join(t.TempDir(), "authzd.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

// Dump returns every record of the store by key and version, but for those that the server writes by itself: the
// leases of its work, the kinds of hashes, and the audit log.
func Dump(t testing.TB, store storage.Store) string {
	t.Helper()
	var b strings.Builder
	for _, table := range storage.Tables {
		if table == storage.Leases.Table || table == storage.HashKinds.Table || strings.HasPrefix(string(table), "audit_") {
			continue
		}
		records, err := store.Scan(context.Background(), table, "", "", 10_000)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			if r.Key == storage.KeptHeadKey { // of the audit log
				continue
			}
			fmt.Fprintf(&b, "%s/%s@%d ", table, r.Key, r.Version)
		}
	}
	return b.String()
}

// AuditLines returns all lines of the audit log, sealed or not.
func AuditLines(t testing.TB, store storage.Store) (lines []string) {
	t.Helper()
	waiting, err := storage.AuditEvents.Scan(context.Background(), store, "", "", 10_000)
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := storage.AuditBlocks.Scan(context.Background(), store, "", "", 10_000)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range blocks {
		text, err := deflate.Expand(b.Value.Events, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")...)
	}
	for _, e := range waiting {
		lines = append(lines, e.Value.Line)
	}
	return lines
}

// Distance is how long a request waits for a Distant store: not so long that anybody takes it to be away.
const Distance = 100 * time.Millisecond

// Distant is a store that is at a Distance from requests whose context has FromAfar. They are in a bubble, and
// the store is not, so their writes go through channels from outside.
type Distant struct {
	storage.Store
	writes chan []storage.Write
	fates  chan error
}

// NewDistant opens a distant store, which is closed with its test.
func NewDistant(t *testing.T) Distant {
	engine, err := bolt.Open(filepath.Join(t.TempDir(), "authzd.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	d := Distant{engine, make(chan []storage.Write), make(chan error)}
	go func() {
		for writes := range d.writes {
			d.fates <- engine.Apply(context.Background(), writes...)
		}
	}()
	t.Cleanup(func() {
		close(d.writes)
		engine.Close()
	})
	return d
}

// FromAfar is the key of a context: the store is at a Distance.
type FromAfar struct{}

// Nearby is the key of a context: the request is in a bubble, and the store is at once there.
type Nearby struct{}

func travel(ctx context.Context) (bubble bool) {
	far := ctx.Value(FromAfar{}) != nil
	if far {
		time.Sleep(Distance)
	}
	return far || ctx.Value(Nearby{}) != nil
}

func (d Distant) Get(ctx context.Context, table storage.Table, key string) (storage.Record, error) {
	travel(ctx)
	return d.Store.Get(ctx, table, key)
}

func (d Distant) Scan(ctx context.Context, table storage.Table, prefix, after string, limit int) ([]storage.Record, error) {
	travel(ctx)
	return d.Store.Scan(ctx, table, prefix, after, limit)
}

func (d Distant) Apply(ctx context.Context, writes ...storage.Write) error {
	if travel(ctx) {
		d.writes <- writes
		return <-d.fates
	}
	return d.Store.Apply(ctx, writes...)
}

// FailingStore is a store whose writes fail while it is broken.
type FailingStore struct {
	storage.Store
	Broken atomic.Bool
}

func (s *FailingStore) Apply(ctx context.Context, writes ...storage.Write) error {
	if s.Broken.Load() {
		return fmt.Errorf("%w: disk on fire", storage.ErrUnavailable)
	}
	return s.Store.Apply(ctx, writes...)
}

// Count returns how many records a table has, up to 1000.
func Count(t *testing.T, store storage.Store, table storage.Table) int {
	t.Helper()
	records, err := store.Scan(t.Context(), table, "", "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	return len(records)
}
