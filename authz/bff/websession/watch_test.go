package websession_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/authzd/authzd/authz/bff/provider"
	"github.com/authzd/authzd/authz/bff/websession"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

// noting records the causes of ends by marks of the store, so that they are seen only if they were committed with the end.
func noting(c websession.Config) websession.Config {
	c.RecordBegin = func(_ context.Context, s *websession.Session) []storage.Write {
		return []storage.Write{storage.Marks.Put("began/"+s.ID, &storage.Mark{}, storage.Absent, time.Time{})}
	}
	c.RecordEnd = func(_ context.Context, s *websession.Session, why websession.Cause) []storage.Write {
		return []storage.Write{storage.Marks.Put("ended/"+s.ID+"/"+string(why), &storage.Mark{}, storage.Absent, time.Time{})}
	}
	return c
}

// noted reports whether exactly this is noted about a session, once.
func noted(t *testing.T, store storage.Store, id string, want websession.Cause) bool {
	t.Helper()
	if _, _, err := storage.Marks.Get(t.Context(), store, "began/"+id); err != nil {
		t.Errorf("the beginning of %s: %v", id, err)
	}
	marks, err := storage.Marks.Scan(t.Context(), store, "ended/"+id+"/", "", 10)
	if err != nil {
		t.Fatal(err)
	}
	if len(marks) > 1 {
		t.Errorf("%s has ended %d times", id, len(marks))
	}
	return len(marks) == 1 && marks[0].Key == "ended/"+id+"/"+string(want)
}

// TestWatch: a session that reaches a limit is ended within seconds, once for all replicas, with its cause; its tokens are
// revoked. One that is used goes on, and a process that was down for a while catches up.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, err := bolt.Open(filepath.Join(t.TempDir(), "bff.db"), bolt.Options{SweepEvery: 1000 * time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		p := &tokenEndpoint{rotate: true}
		s := websession.New(noting(testConfig(t, p, store)))
		of := func(frontend string) *websession.Sessions {
			if frontend != "orders" {
				return nil
			}
			return s
		}
		watch := func() (stop func()) {
			ctx, cancel := context.WithCancel(t.Context())
			for range 2 { // replicas
				go websession.Watch(ctx, store, of, slog.New(slog.DiscardHandler))
			}
			return cancel
		}
		stop := watch()

		idle, _ := start(t, s, p.signIn("alice"))
		used, r := start(t, s, p.signIn("bob"))
		ended, leave := s.Ended(idle)
		defer leave()
		time.Sleep(15 * time.Minute)
		if _, _, err := s.Touch(t.Context(), used); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5*time.Minute - time.Second)
		synctest.Wait()
		if noted(t, store, idle.ID, websession.Idle) {
			t.Error("it was ended before its time")
		}
		time.Sleep(15 * time.Second)
		synctest.Wait()
		if !noted(t, store, idle.ID, websession.Idle) || len(p.revoked) != 1 {
			t.Errorf("idle: not recorded, or not revoked: %v", p.revoked)
		}
		select {
		case <-ended:
		default:
			t.Error("nobody who waits was told")
		}
		if found, err := s.Find(r); err != nil || found.ID != used.ID {
			t.Errorf("the session that is used: %v", err)
		}
		for range 100 {
			time.Sleep(10 * time.Minute)
			if _, _, err := s.Touch(t.Context(), used); errors.Is(err, websession.ErrEnded) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(15 * time.Second)
		synctest.Wait()
		if !noted(t, store, used.ID, websession.MaxReached) {
			t.Error("max: not recorded")
		}

		stop()
		synctest.Wait()
		late, _ := start(t, s, p.signIn("carol"))
		out, _ := start(t, s, p.signIn("dave"))
		if err := s.End(t.Context(), out.ID, websession.SignedOut); err != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Minute)
		defer watch()()
		time.Sleep(time.Second)
		synctest.Wait()
		if !noted(t, store, late.ID, websession.Idle) || !noted(t, store, out.ID, websession.SignedOut) {
			t.Error("what ended while nothing ran is not recorded")
		}
		for _, table := range []storage.Table{storage.SessionEnds.Table, storage.BFFSessions.Table, storage.BFFRefs.Table} {
			if left, err := store.Scan(t.Context(), table, "", "", 10); err != nil || len(left) != 0 {
				t.Errorf("%s: %d records are left, %v", table, len(left), err)
			}
		}
	})
}

// TestCauses: each end has its cause, in the Apply of the end; what the provider says of a dead token is one.
func TestCauses(t *testing.T) {
	store, p := testStore(t), &tokenEndpoint{lifetime: time.Second}
	verdict := websession.Valid
	c := noting(testConfig(t, p, store))
	c.Judge = func(*websession.Session) (websession.Verdict, error) { return verdict, nil }
	s := websession.New(c)
	for _, test := range []struct {
		why websession.Cause
		end func(session *websession.Session) error
	}{
		{websession.SignedOut, func(session *websession.Session) error { return s.SignOut(t.Context(), session, websession.SignedOut) }},
		{websession.BackChannel, func(session *websession.Session) error { return s.EndBySubject(t.Context(), session.Subject) }},
		{websession.TokensDead, func(session *websession.Session) error {
			p.fail = &provider.Refusal{Status: 400, Code: "invalid_grant"}
			defer func() { p.fail = nil }()
			if _, err := s.AccessToken(t.Context(), session, "another", ""); !errors.Is(err, websession.ErrEnded) {
				return err
			}
			return nil
		}},
	} {
		session, _ := start(t, s, p.signIn("alice"))
		if err := test.end(session); err != nil || !noted(t, store, session.ID, test.why) {
			t.Errorf("%s: %v", test.why, err)
		}
	}
	session, r := start(t, s, p.signIn("alice"))
	verdict = websession.Over
	if _, err := s.Find(r); !errors.Is(err, websession.ErrNone) || !noted(t, store, session.ID, websession.FeedEnd) {
		t.Errorf("by the feed: %v", err)
	}
	// A session that has ended is not ended a second time, and leaves nothing of the second order.
	mark := storage.Marks.Put("also", &storage.Mark{}, storage.Absent, time.Time{})
	if err := s.End(t.Context(), session.ID, websession.OperatorSaid, mark); err != nil || noted(t, store, session.ID, websession.OperatorSaid) {
		t.Errorf("again: %v", err)
	}
	if _, _, err := storage.Marks.Get(t.Context(), store, "also"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("what belongs to an end that was none: %v", err)
	}
}
