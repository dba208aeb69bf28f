package feed_test

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/authzd/authzd/authz/feed"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/revocation"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
	"github.com/authzd/authzd/storage/transfer"
)

// TestRestore: a server that was restored from a backup has forgotten what ended since. Its followers have not.
func TestRestore(t *testing.T) {
	t.Parallel()
	store := blackbox.OpenBolt(t)
	f := newFeed(t, store, nil)
	list := revocation.NewList(issuer)
	end(t, f, store, "before the backup")
	restored := copyOf(t, store)
	end(t, f, store, "after the backup")
	hear(t, f, list, "after the backup")
	was := list.Cursor()

	again := newFeed(t, restored, nil)
	d := read(t, again, url.Values{"after": {was.String()}, "wait": {"5"}})
	if d.Delta || d.Epoch == was.Epoch || d.Seq == 0 {
		t.Errorf("the answer to a cursor of before is %+v", d)
	}
	if err := list.Merge(d, time.Now()); err != nil {
		t.Fatal(err)
	}
	end(t, again, restored, "after the restore")
	hear(t, again, list, "after the restore")
	for _, jti := range []string{"before the backup", "after the backup"} {
		if !knows(list, jti) {
			t.Errorf("the follower has forgotten what ended %s", jti)
		}
	}
}

// copyOf restores a backup of a store, as of now.
func copyOf(t *testing.T, store storage.Store) storage.Store {
	t.Helper()
	target, err := bolt.Open(filepath.Join(t.TempDir(), "restored.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { target.Close() })
	_, err = (transfer.Job{Target: target, Source: store.Export, At: time.Now(), Progress: func(string, int64, int64) {}}).Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return target
}

// hear follows until the list knows of an end.
func hear(t *testing.T, f *feed.Feed, list *revocation.List, jti string) {
	t.Helper()
	for began := time.Now(); !knows(list, jti); {
		if time.Since(began) > time.Minute {
			t.Fatalf("nothing is heard of the end of %q", jti)
		}
		listen(t, f, list, "1")
	}
}

// TestEpochs: replicas and restarts share the epoch of a database server. A store that only one process uses may have
// been put back to an earlier state between two starts.
func TestEpochs(t *testing.T) {
	t.Parallel()
	store := blackbox.OpenBolt(t)
	alone := func(c *feed.Config) { c.Alone = true }
	first := read(t, newFeed(t, store, nil), nil).Epoch
	if second := read(t, newFeed(t, store, nil), nil).Epoch; second != first {
		t.Errorf("a restart changes the epoch from %s to %s", first, second)
	}
	if third := read(t, newFeed(t, store, alone), nil).Epoch; third == first {
		t.Error("the start of a server with its own file keeps the epoch")
	}
}

// TestWindow: a lifetime that was shortened does not shorten how long an end is known.
func TestWindow(t *testing.T) {
	t.Parallel()
	store := blackbox.OpenBolt(t)
	lifetime := func(d time.Duration) func(*feed.Config) {
		return func(c *feed.Config) {
			c.Longest = func(context.Context) (time.Duration, error) { return d, nil }
		}
	}
	newFeed(t, store, lifetime(2*time.Hour))
	f := newFeed(t, store, lifetime(time.Minute))
	if got, want := read(t, f, nil).Window, 2*time.Hour+90*time.Second; got != want {
		t.Errorf("the window is %v, want %v", got, want)
	}
	end(t, f, store, "one")
	records, err := store.Scan(t.Context(), storage.Revocations.Table, "", "", 10)
	if err != nil || len(records) != 1 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	if left := time.Until(records[0].Expires); left < 2*time.Hour || left > 2*time.Hour+2*time.Minute {
		t.Errorf("the record stays for %v", left)
	}
	if window := read(t, newFeed(t, copyOf(t, store), lifetime(time.Minute)), nil).Window; window != 2*time.Hour+90*time.Second {
		t.Errorf("after a restore the window is %v", window)
	}
}

// TestTooMany: if more ends than a document can list, all older tokens end. Those that are issued from then on count.
func TestTooMany(t *testing.T) {
	t.Parallel()
	store := blackbox.OpenBolt(t)
	before := newFeed(t, store, nil)
	past := time.Now().Add(-time.Minute)
	var writes []storage.Write
	ends := many(2_000, 100_000)
	for i := range ends {
		w := before.Put("test", feed.User(fmt.Sprint(i)))
		w.Key = storage.DueKey(past, fmt.Sprint(i))
		writes = append(writes, w)
		if len(writes) == 1_000 {
			if err := store.Apply(t.Context(), writes...); err != nil {
				t.Fatal(err)
			}
			writes = nil
		}
	}
	began := time.Now().Unix()
	small := func(c *feed.Config) { c.Most = ends * 40 } // 100,000 of them are more than 4 MiB
	f := newFeed(t, store, small)
	end(t, f, store, "another")
	list := revocation.NewList(issuer)
	hear(t, f, list, "another")
	d := read(t, f, nil)
	if d.AllBefore < began-1 || d.AllBefore > time.Now().Unix() || len(d.Entries) > 10 {
		t.Fatalf("all_before is %d at %d, with %d entries", d.AllBefore, began, len(d.Entries))
	}
	if _, ended := list.Ended(&revocation.Claims{Token: "1", IssuedAt: past.Unix()}); !ended {
		t.Error("a token of before counts")
	}
	if _, ended := list.Ended(&revocation.Claims{Token: "new", IssuedAt: time.Now().Unix()}); ended {
		t.Error("a token of now does not count")
	}
	if again := read(t, newFeed(t, store, small), nil); again.AllBefore != d.AllBefore {
		t.Errorf("another replica says %d, and the first %d", again.AllBefore, d.AllBefore)
	}
}

// TestEndIsOneRecord: an end costs one record in the Apply of its change.
func TestEndIsOneRecord(t *testing.T) {
	t.Parallel()
	f := newFeed(t, blackbox.OpenBolt(t), nil)
	w := f.Put("test", feed.User("alice"))
	if err := storage.CheckRecord(w.Table, storage.Record{Key: w.Key, Value: w.Value}); err != nil || w.If != storage.Absent || len(w.Value) > 200 {
		t.Errorf("%s %q, %v", w.Key, w.Value, err)
	}
}
