package session_test

import (
	"errors"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/storage"
)

func TestTouchWritesSeldom(t *testing.T) {
	for _, tt := range []struct{ idle, interval time.Duration }{
		{10 * time.Minute, 30 * time.Second}, // a twentieth
		{12 * time.Hour, time.Minute},        // at most a minute
	} {
		synctest.Test(t, func(t *testing.T) {
			store, config := openStore(t), limits
			config.Idle = tt.idle
			m, b := session.New(store, config), newBrowser()
			s := signIn(t, m, b, alice, false)
			version := func() uint64 {
				record, err := store.Get(t.Context(), storage.Sessions.Table, s.ID)
				if err != nil {
					t.Fatal(err)
				}
				return record.Version
			}
			first := version()
			time.Sleep(tt.interval - time.Millisecond)
			if err := m.Touch(t.Context(), load(t, m, b)); err != nil || version() != first {
				t.Errorf("idle %v: written before %v (%v)", tt.idle, tt.interval, err)
			}
			time.Sleep(time.Millisecond)
			s = load(t, m, b)
			for range 3 { // once is enough
				if err := m.Touch(t.Context(), s); err != nil {
					t.Fatal(err)
				}
			}
			if version() != first+1 || !s.LastActive.Equal(time.Now()) {
				t.Errorf("idle %v: version %d after %d, last active %v", tt.idle, version(), first, s.LastActive)
			}
		})
	}
}

func TestWhatCountsAsActivity(t *testing.T) {
	for _, tt := range []struct {
		beacon, byUser, want bool
	}{
		{beacon: false, byUser: false, want: true},
		{beacon: false, byUser: true, want: true},
		{beacon: true, byUser: false, want: false},
		{beacon: true, byUser: true, want: true},
	} {
		synctest.Test(t, func(t *testing.T) {
			config := limits
			config.ActivityBeacon = tt.beacon
			store := openStore(t)
			m, b := session.New(store, config), newBrowser()
			signIn(t, m, b, alice, false)
			for range 3 { // polls every 15 minutes; the limit is 20
				time.Sleep(15 * time.Minute)
				s := load(t, m, b)
				if s == nil {
					break
				}
				if write, ok := m.TouchWrite(s, time.Now(), tt.byUser); ok {
					if err := store.Apply(t.Context(), write); err != nil {
						t.Fatal(err)
					}
				}
			}
			if alive := load(t, m, b) != nil; alive != tt.want {
				t.Errorf("beacon=%v byUser=%v: alive=%v", tt.beacon, tt.byUser, alive)
			}
		})
	}
}

// However many requests touch a session while it ends, it stays ended.
func TestTouchNeverResurrects(t *testing.T) {
	store := openStore(t)
	config := limits
	config.Idle = time.Nanosecond * 40 // every touch is due
	config.RememberMe = time.Hour      // and yet the session lives
	m, b := session.New(store, config), newBrowser()
	fresh := signIn(t, m, b, alice, true)
	s := load(t, m, b)

	var racers sync.WaitGroup
	start := make(chan struct{})
	for i := range 100 {
		racers.Go(func() {
			<-start
			if i == 50 {
				if _, err := m.End(t.Context(), s.ID); err != nil {
					t.Error(err)
				}
				return
			}
			current, err := m.LoadByID(t.Context(), s.ID)
			if err == nil && current != nil {
				err = m.Touch(t.Context(), current)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	close(start)
	racers.Wait()
	if got, err := m.LoadByID(t.Context(), s.ID); got != nil || err != nil {
		t.Errorf("the session is back: %v, %v", got, err)
	}
	for _, late := range []*session.Session{s, fresh} {
		if err := m.Touch(t.Context(), late); err != nil {
			t.Errorf("touching an ended session: %v", err)
		}
		if got, _ := m.LoadByID(t.Context(), s.ID); got != nil {
			t.Error("a late touch brought the session back")
		}
	}
}

// In the caller's own Apply a touch that lost takes the rest with it, and says that it was the touch.
func TestTouchWriteConflict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := openStore(t)
		m, b := session.New(store, limits), newBrowser()
		signIn(t, m, b, alice, false)
		s := load(t, m, b)
		time.Sleep(5 * time.Minute)
		write, ok := m.TouchWrite(s, time.Now(), true)
		if !ok {
			t.Fatal("no touch is due")
		}
		if _, err := m.End(t.Context(), s.ID); err != nil {
			t.Fatal(err)
		}
		err := store.Apply(t.Context(), write)
		conflict := (*storage.ConflictError)(nil)
		if !errors.As(err, &conflict) || conflict.Table != storage.Sessions.Table {
			t.Errorf("got %v", err)
		}
	})
}

// Logins and touches of one session at once: every login gets through, and one cookie is left.
func TestLoginsRaceWithTouches(t *testing.T) {
	store, config := openStore(t), limits
	config.Idle = time.Nanosecond * 40
	config.RememberMe = time.Hour
	m, b := session.New(store, config), newBrowser()
	signIn(t, m, b, alice, true)
	copies := make([]*session.Session, 12)
	for i := range copies {
		copies[i] = load(t, m, b)
	}
	browsers := []*browser{newBrowser(), newBrowser(), newBrowser()}
	var racers sync.WaitGroup
	for i, s := range copies {
		racers.Go(func() {
			if i >= len(browsers) {
				if err := m.Touch(t.Context(), s); err != nil {
					t.Error(err)
				}
				return
			}
			w := httptest.NewRecorder()
			if _, err := m.Start(t.Context(), w, b.request(), alice, session.Login{}, true); err != nil {
				t.Error(err)
			}
			browsers[i].take(w)
		})
	}
	racers.Wait()
	open := 0
	for _, b := range append(browsers, b) {
		if load(t, m, b) != nil {
			open++
		}
	}
	if open != 1 {
		t.Errorf("%d cookies open the session, want 1", open)
	}
}
