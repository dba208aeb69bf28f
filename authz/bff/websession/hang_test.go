package websession_test

import (
	"context"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/authzd/authzd/authz/bff/websession"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

// hangingStore does not answer to reads of some sessions, and takes a while for those of the others.
type hangingStore struct {
	storage.Store
	hangs sync.Map // by ID
	takes atomic.Int64
}

func (s *hangingStore) Get(ctx context.Context, table storage.Table, key string) (storage.Record, error) {
	wait := time.Duration(s.takes.Load())
	if _, hangs := s.hangs.Load(key); hangs {
		wait = 1000 * time.Hour
	}
	select {
	case <-ctx.Done():
		return storage.Record{}, ctx.Err()
	case <-time.After(wait):
		return s.Store.Get(ctx, table, key)
	}
}

// TestEndsAreSeenBesideAHang: the store hangs for one session and is slow for hundreds. One that ends at another replica
// is known to have ended within two seconds; the one that hangs is not, until the store says so.
func TestEndsAreSeenBesideAHang(t *testing.T) {
	for name, test := range map[string]struct {
		sessions int
		takes    time.Duration
	}{"a hang": {10, 0}, "many sessions": {300, 20 * time.Millisecond}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { endsAreSeen(t, test.sessions, test.takes) })
		})
	}
}

func endsAreSeen(t *testing.T, n int, takes time.Duration) {
	inner, err := bolt.Open(filepath.Join(t.TempDir(), "bff.db"), bolt.Options{SweepEvery: 1000 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	p, store := &tokenEndpoint{}, &hangingStore{Store: inner}
	s := replicas(t, p, [2]storage.Store{store, inner})
	var sessions []*websession.Session
	var channels []<-chan struct{}
	for range n {
		session, _ := start(t, s[0], p.signIn("alice"))
		ended, stop := s[0].Ended(session)
		defer stop()
		sessions, channels = append(sessions, session), append(channels, ended)
	}
	store.hangs.Store(sessions[0].ID, true)
	store.takes.Store(int64(takes))
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { s[0].Run(ctx) })
	defer running.Wait()
	defer cancel()
	time.Sleep(3100 * time.Millisecond)      // of the bubble's clock
	for i, session := range sessions[:n-1] { // the last one lives on
		if i%10 < 2 {
			if err := s[1].End(t.Context(), session.ID, websession.SignedOut); err != nil {
				t.Fatal(err)
			}
		}
	}
	time.Sleep(2 * time.Second)
	synctest.Wait()
	for i, ended := range channels {
		want := i%10 < 2 && i > 0 && i < n-1
		if isClosed(ended) != want {
			t.Errorf("session %d: said to have ended: %t", i, !want)
		}
	}
	store.hangs.Clear()
	time.Sleep(2 * time.Second)
	synctest.Wait()
	if !isClosed(channels[0]) || isClosed(channels[n-1]) {
		t.Error("after the hang: the ended session is not known to have ended, or the living one is")
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
