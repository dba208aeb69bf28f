package tally_test

import (
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/authzd/authzd/authz/tally"
	"github.com/authzd/authzd/authz/throttle"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

func open(t *testing.T) storage.Store {
	t.Helper()
	store, err := bolt.Open(filepath.Join(t.TempDir(), "authzd.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

func records(t *testing.T, store storage.Store) (keys []string) {
	t.Helper()
	found, err := store.Scan(t.Context(), storage.LoginFailures.Table, "", "", 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, record := range found {
		keys = append(keys, record.Key)
	}
	return keys
}

var few = throttle.Limit{Burst: 3, Interval: time.Minute}

// A full count lets nothing happen until it has drained, and is not charged for what did not happen.
func TestTake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := open(t)
		mails := tally.Charge{Key: tally.Key("mails", "alice@example.com"), Limit: few}
		take := func(charges ...tally.Charge) time.Duration {
			wait, err := tally.Take(t.Context(), store, charges...)
			if err != nil {
				t.Fatal(err)
			}
			return wait
		}
		for i := range few.Burst {
			if wait := take(mails); wait != 0 {
				t.Fatalf("event %d: %v", i, wait)
			}
		}
		for range 100 {
			if wait := take(mails); wait <= 0 || wait > few.Interval {
				t.Fatalf("a full count: %v", wait)
			}
		}
		other := tally.Charge{Key: tally.Key("mails", "bob@example.com"), Limit: few}
		if wait := take(other, mails); wait == 0 {
			t.Error("beside a full count, another has room")
		}
		if got := records(t, store); len(got) != 1 || strings.Contains(got[0], "alice") {
			t.Errorf("records: %q", got)
		}
		time.Sleep(few.Interval)
		if wait := take(other, mails); wait != 0 {
			t.Errorf("after an interval: %v", wait)
		}
		if err := store.Apply(t.Context(), tally.Forget(mails.Key)); err != nil {
			t.Fatal(err)
		}
		if wait := take(mails); wait != 0 {
			t.Errorf("a forgotten count: %v", wait)
		}
		time.Sleep(time.Hour)
		if got := records(t, store); len(got) > 0 {
			t.Errorf("left when nothing happens: %q", got)
		}
	})
}

// Of many at once, over the store that replicas share, exactly as many as the limit says get through.
func TestTakeRaces(t *testing.T) {
	store := open(t)
	charge := tally.Charge{Key: tally.Key("code", "x"), Limit: throttle.Limit{Burst: 5, Interval: time.Hour}}
	var through atomic.Int32
	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() {
			if wait, err := tally.Take(t.Context(), store, charge); err != nil {
				t.Error(err)
			} else if wait == 0 {
				through.Add(1)
			}
		})
	}
	wg.Wait()
	if n := through.Load(); n != 5 {
		t.Errorf("%d got through", n)
	}
}

// What counts only if it fails is read before and added afterwards; adding at the same time loses nothing.
func TestAddRaces(t *testing.T) {
	store := open(t)
	charge := tally.Charge{Key: tally.LoginKey("alice"), Limit: throttle.Limit{Burst: 8, Interval: time.Hour}}
	read := func() tally.Count {
		c, err := tally.Read(t.Context(), store, charge)
		if err != nil {
			t.Error(err)
		}
		return c
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			c := tally.Unread(charge)
			if i%2 == 0 {
				c = read()
			}
			if err := tally.Add(t.Context(), store, c); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if wait := read().Wait(); wait == 0 || wait > time.Hour {
		t.Errorf("wait %v", wait)
	}
	now := storage.Now()
	if err := store.Apply(t.Context(), tally.Unlock(charge.Key, now)); err != nil {
		t.Fatal(err)
	}
	if c := read(); c.Wait() != 0 || !c.UnlockedAt.Equal(now) {
		t.Errorf("unlocked: %v, %v", c.Wait(), c.UnlockedAt)
	}
}

// A store that is away counts nothing and admits nothing.
func TestTakeWithoutStore(t *testing.T) {
	store := open(t)
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := tally.Take(t.Context(), store, tally.Charge{Key: "k", Limit: few}); err == nil {
		t.Error("no error")
	}
	if err := tally.Add(t.Context(), store, tally.Unread(tally.Charge{Key: "k", Limit: few})); err == nil || errors.Is(err, storage.ErrNotFound) {
		t.Errorf("add: %v", err)
	}
}
