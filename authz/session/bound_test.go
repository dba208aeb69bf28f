package session_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/storage"
)

// A user has 100 sessions: when another begins, that which was unused longest ends, and its clients are told.
func TestBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, crowded := openStore(t), 0
		config := limits
		config.Ended = told
		config.Crowded = func(context.Context, *session.Session) []storage.Write { crowded++; return nil }
		m := session.New(store, config)
		var sids []string
		for range session.MaxOfUser {
			time.Sleep(time.Second)
			s := signIn(t, m, newBrowser(), alice, true)
			if err := join(t.Context(), store, m, s.ID, "app"); err != nil {
				t.Fatal(err)
			}
			sids = append(sids, s.ID)
		}
		time.Sleep(2 * time.Minute)
		first, err := m.LoadByID(t.Context(), sids[0])
		if err != nil || first == nil {
			t.Fatal(first, err)
		}
		if err := m.Touch(t.Context(), first); err != nil { // the oldest is in use
			t.Fatal(err)
		}
		b := newBrowser()
		again := signIn(t, m, b, alice, true)
		if signIn(t, m, b, alice, true).ID != again.ID { // goes on: nothing more ends
			t.Error("another session")
		}
		sessions, err := m.OfUser(t.Context(), alice.ID)
		if err != nil || len(sessions) != session.MaxOfUser {
			t.Fatalf("%d sessions, %v", len(sessions), err)
		}
		lives := func(sid string) bool {
			return slices.ContainsFunc(sessions, func(s *session.Session) bool { return s.ID == sid })
		}
		if !lives(again.ID) || !lives(sids[0]) || lives(sids[1]) || !lives(sids[2]) {
			t.Error("another session ended than that which was unused longest")
		}
		if got := tellings(t, store); !slices.Equal(got, []string{"app"}) || crowded != 1 {
			t.Errorf("told %v, %d ends noted", got, crowded)
		}
		if signIn(t, m, newBrowser(), &storage.User{ID: "bob"}, false); crowded != 1 {
			t.Error("another user's session has ended one")
		}
	})
}

// Many that begin at once leave no more than there may be.
func TestBoundRace(t *testing.T) {
	store := openStore(t)
	m := session.New(store, limits)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 20 {
				signIn(t, m, newBrowser(), alice, false)
			}
		})
	}
	all.Wait()
	if sessions, err := m.OfUser(t.Context(), alice.ID); err != nil || len(sessions) != session.MaxOfUser {
		t.Errorf("%d sessions, %v", len(sessions), err)
	}
}
