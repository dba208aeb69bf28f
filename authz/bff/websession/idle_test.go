package websession_test

import (
	"errors"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/authzd/authzd/authz/bff/websession"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

// TestNothingSlides: polls, calls, refreshes and open sockets keep no session alive; activity does, until the longest
// time.
func TestNothingSlides(t *testing.T) {
	for name, sealed := range map[string]bool{"store": false, "sealed": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var store storage.Store
				if !sealed {
					file, err := bolt.Open(filepath.Join(t.TempDir(), "bff.db"), bolt.Options{SweepEvery: 1000 * time.Hour})
					if err != nil {
						t.Fatal(err)
					}
					defer file.Close()
					store = file
				}
				nothingSlides(t, store)
			})
		})
	}
}

func nothingSlides(t *testing.T, store storage.Store) {
	p := &tokenEndpoint{lifetime: 5 * time.Minute}
	s := websession.New(testConfig(t, p, store))
	session, r := start(t, s, p.signIn("alice"))
	_, stop := s.Ended(session)
	defer stop()
	const every = 5 * time.Second
	began := time.Now()
	poll := func() bool {
		found, err := s.Find(r)
		if errors.Is(err, websession.ErrNone) {
			return false
		} else if err != nil {
			t.Fatal(err)
		}
		if _, err := s.AccessToken(t.Context(), found, "first", ""); err != nil {
			t.Fatal(err)
		}
		if renewed := kept(s, found); renewed != nil {
			r = renewed
		}
		return true
	}
	for poll() {
		time.Sleep(every)
	}
	if lived := time.Since(began); lived != 20*time.Minute {
		t.Errorf("with polls and calls every 5 s, it lived for %s", lived)
	}
	if p.requests.Load() < 3 {
		t.Errorf("%d refreshes", p.requests.Load())
	}
	_, r = start(t, s, p.signIn("alice"))
	for began = time.Now(); poll(); time.Sleep(5 * time.Minute) {
		found, err := s.Find(r)
		if err != nil {
			t.Fatal(err)
		}
		now, _, err := s.Touch(t.Context(), found)
		if err != nil {
			t.Fatal(err)
		}
		if renewed := kept(s, now); renewed != nil {
			r = renewed
		}
	}
	if lived := time.Since(began); lived != 12*time.Hour {
		t.Errorf("with activity, it lived for %s", lived)
	}
}
