package websession_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/authzd/authzd/authz/bff/websession"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

// kept returns a request with the cookie that Keep gives, or nil.
func kept(s *websession.Sessions, session *websession.Session) *http.Request {
	w := httptest.NewRecorder()
	s.Keep(w.Header(), session)
	if len(w.Result().Cookies()) == 0 {
		return nil
	}
	return with(w.Result().Cookies()...)
}

// TestSealed: the cookie is the session, for every replica, and shows nothing of what is in it.
func TestSealed(t *testing.T) {
	p := &tokenEndpoint{}
	s := replicas(t, p, [2]storage.Store{})
	session, r := start(t, s[0], p.signIn("alice"))
	value := r.Cookies()[0].Value
	if len(value) > 3800 || strings.Contains(value, "token") || strings.Contains(value, "alice") {
		t.Errorf("%d bytes: %s", len(value), value)
	}
	for i := range s {
		found, err := s[i].Find(r)
		if err != nil || found.ID != session.ID || found.Subject != "alice" || !found.HasRole("editor") {
			t.Fatalf("%+v, %v", found, err)
		}
		if token, err := s[i].AccessToken(t.Context(), found, "first", ""); err != nil || token != "access token 0 for first" {
			t.Errorf("%q, %v", token, err)
		}
		if kept(s[i], found) != nil {
			t.Error("a new cookie, and nothing has changed")
		}
	}
	// A refresh gives a new cookie. Requests that still have the old one get the new tokens from this process.
	found, _ := s[0].Find(r)
	if _, err := s[0].AccessToken(t.Context(), found, "second", ""); err != nil {
		t.Fatal(err)
	}
	renewed := kept(s[0], found)
	if renewed == nil {
		t.Fatal("no new cookie")
	}
	for name, r := range map[string]*http.Request{"the old cookie": r, "the new cookie": renewed} {
		found, err := s[0].Find(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s[0].AccessToken(t.Context(), found, "second", ""); err != nil || p.requests.Load() != 1 {
			t.Errorf("%s: %d requests, %v", name, p.requests.Load(), err)
		}
	}
	elsewhere, _ := s[1].Find(renewed)
	if token, err := s[1].AccessToken(t.Context(), elsewhere, "second", ""); err != nil || p.requests.Load() != 1 || token != "access token 1 for second" {
		t.Errorf("elsewhere: %q, %d requests, %v", token, p.requests.Load(), err)
	}
}

// TestSealedRefreshOnce: within a process, one request serves all callers.
func TestSealedRefreshOnce(t *testing.T) {
	p := &tokenEndpoint{rotate: true, takes: 10 * time.Millisecond}
	s := websession.New(testConfig(t, p, nil))
	_, r := start(t, s, p.signIn("alice"))
	for round := range many(5, 500) {
		var all sync.WaitGroup
		var mu sync.Mutex
		tokens := map[string]bool{}
		var refused string
		if found, err := s.Find(r); err != nil {
			t.Fatal(err)
		} else if refused, err = s.AccessToken(t.Context(), found, "first", ""); err != nil {
			t.Fatal(err)
		}
		p.requests.Store(int64(round * 100))
		var next *http.Request
		for range 75 {
			all.Go(func() {
				found, err := s.Find(r)
				if err != nil {
					t.Error(err)
					return
				}
				token, err := s.AccessToken(t.Context(), found, "first", refused)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				tokens[token] = true
				next = kept(s, found)
			})
		}
		all.Wait()
		if n := p.requests.Load() - int64(round*100); n != 1 || len(tokens) != 1 || next == nil {
			t.Fatalf("round %d: %d requests, %d tokens", round, n, len(tokens))
		}
		r = next
	}
}

// TestSealedEnds: a logout ends the session in this process at once, and revokes the tokens, so that the feed ends it
// elsewhere; limits count too.
func TestSealedEnds(t *testing.T) {
	p := &tokenEndpoint{rotate: true}
	s := replicas(t, p, [2]storage.Store{})
	session, r := start(t, s[0], p.signIn("alice"))
	ended, stop := s[0].Ended(session)
	defer stop()
	if err := s[0].SignOut(t.Context(), session, websession.SignedOut); err != nil {
		t.Fatal(err)
	}
	wantNone(t, s[0], r, "after the logout")
	<-ended
	if len(p.revoked) != 1 {
		t.Errorf("revoked: %q", p.revoked)
	}
	if _, err := s[0].AccessToken(t.Context(), session, "second", ""); !errors.Is(err, websession.ErrEnded) {
		t.Errorf("a refresh after the logout: %v", err)
	}
	over := testConfig(t, p, nil)
	over.Judge = func(*websession.Session) (websession.Verdict, error) { return websession.Over, nil }
	wantNone(t, websession.New(over), r, "the feed says that it is over")
	lost := testConfig(t, p, nil)
	lost.Judge = func(*websession.Session) (websession.Verdict, error) {
		return 0, &websession.UnavailableError{Err: errors.New("the feed is lost")}
	}
	if _, err := websession.New(lost).Find(r); !errors.As(err, new(*websession.UnavailableError)) {
		t.Errorf("without the feed: %v", err)
	}
	synctest.Test(t, func(t *testing.T) {
		s := websession.New(testConfig(t, p, nil))
		_, r := start(t, s, p.signIn("alice"))
		for range 3 { // activity every 15 minutes
			time.Sleep(15 * time.Minute)
			found, err := s.Find(r)
			if err != nil {
				t.Fatal(err)
			}
			now, recorded, err := s.Touch(t.Context(), found)
			if err != nil || !recorded {
				t.Fatalf("%t, %v", recorded, err)
			}
			r = kept(s, now)
		}
		time.Sleep(20*time.Minute - time.Second)
		if _, err := s.Find(r); err != nil {
			t.Errorf("before the limit: %v", err)
		}
		time.Sleep(time.Second)
		wantNone(t, s, r, "after the limit")
	})
}

// TestSealedRefuses: a cookie that was not sealed by us, for this frontend, is no session. Each is logged once.
func TestSealedRefuses(t *testing.T) {
	p := &tokenEndpoint{}
	var log bytes.Buffer
	cfg := testConfig(t, p, nil)
	cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	s := websession.New(cfg)
	_, r := start(t, s, p.signIn("alice"))
	value := r.Cookies()[0].Value
	sealed, _ := base64.RawURLEncoding.DecodeString(value)
	otherFrontend := cfg
	otherFrontend.Frontend = "parts"
	_, foreign := start(t, websession.New(otherFrontend), p.signIn("alice"))
	otherKey := cfg
	otherKey.Secret, _ = keys.NewSecret([]byte(strings.Repeat("x", 32)))
	_, strange := start(t, websession.New(otherKey), p.signIn("alice"))
	bad := map[string]string{"another frontend": foreign.Cookies()[0].Value, "another secret": strange.Cookies()[0].Value, "empty": "", "long": strings.Repeat("A", 3801)}
	for i := range many(300, 1000) {
		damaged := bytes.Clone(sealed)
		damaged[i%len(damaged)] ^= 1 << (i / len(damaged) % 8)
		bad[fmt.Sprintf("bit %d", i)] = base64.RawURLEncoding.EncodeToString(damaged)
		bad[fmt.Sprintf("cut %d", i)] = value[:i%len(value)]
	}
	for name, value := range bad {
		log.Reset()
		wantNone(t, s, with(&http.Cookie{Name: s.CookieName(), Value: value}), name)
		if n := strings.Count(log.String(), "a session cookie cannot be read"); n != 1 {
			t.Errorf("%s: %d lines", name, n)
		}
	}
}

// TestSealedSize: what does not fit into a cookie fails with a reason, and what can be had again is left out first.
func TestSealedSize(t *testing.T) {
	p := &tokenEndpoint{}
	s := websession.New(testConfig(t, p, nil))
	noise := func(n int) string {
		var b bytes.Buffer
		for b.Len() < n {
			b.WriteString(websession.Hash(fmt.Sprint(n, b.Len())))
		}
		return b.String()[:n]
	}
	g := p.signIn("alice")
	g.IDToken, g.AccessToken = noise(1500), noise(1800)
	session, r := start(t, s, g)
	if found, err := s.Find(r); err != nil || len(r.Cookies()[0].Value) > 3800 {
		t.Errorf("%d bytes, %v", len(r.Cookies()[0].Value), err)
	} else if token, err := s.AccessToken(t.Context(), found, "first", ""); err != nil || token != g.AccessToken {
		t.Errorf("the access token was left out: %v", err)
	}
	_ = session
	g.AccessToken = noise(4000)
	large := new(websession.TooLargeError)
	w := httptest.NewRecorder()
	if _, err := s.Start(t.Context(), w, g); !errors.As(err, &large) || large.Bytes <= 3800 || len(w.Result().Cookies()) > 0 || strings.Contains(err.Error(), g.AccessToken[:20]) {
		t.Errorf("%v", err)
	}
}

// TestSealedRotation: a cookie under an earlier secret counts, and is sealed under the new one with the next answer.
func TestSealedRotation(t *testing.T) {
	p := &tokenEndpoint{}
	_, r := start(t, websession.New(testConfig(t, p, nil)), p.signIn("alice"))
	newer := bytes.Repeat([]byte("n"), 32)
	cfg := testConfig(t, p, nil)
	cfg.Secret, _ = keys.NewSecret(newer, []byte(strings.Repeat("s", 32)))
	s := websession.New(cfg)
	found, err := s.Find(r)
	if err != nil {
		t.Fatal(err)
	}
	renewed := kept(s, found)
	if renewed == nil {
		t.Fatal("the cookie stays under the earlier secret")
	}
	cfg.Secret, _ = keys.NewSecret(newer)
	if found, err := websession.New(cfg).Find(renewed); err != nil || found.Subject != "alice" {
		t.Errorf("without the earlier secret: %v", err)
	}
	wantNone(t, websession.New(cfg), r, "the old cookie without its secret")
}

// TestStoreRotation: sessions in a store are sealed under the newest secret by keys.Sealing.
func TestStoreRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, err := bolt.Open(filepath.Join(t.TempDir(), "bff.db"), bolt.Options{SweepEvery: 1000 * time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		p := &tokenEndpoint{}
		old := testConfig(t, p, store)
		old.Idle = 12 * time.Hour
		seal := func(cfg websession.Config) {
			sealing, err := keys.OpenSealing(t.Context(), keys.SealingConfig{Store: store, Secret: cfg.Secret, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithTimeout(t.Context(), 3*time.Minute)
			defer stop()
			_ = sealing.Run(ctx)
		}
		seal(old)
		_, r := start(t, websession.New(old), p.signIn("alice"))
		time.Sleep(time.Hour)
		cfg := old
		newer := bytes.Repeat([]byte("n"), 32)
		cfg.Secret, _ = keys.NewSecret(newer, []byte(strings.Repeat("s", 32)))
		seal(cfg)
		cfg.Secret, _ = keys.NewSecret(newer)
		s := websession.New(cfg)
		found, err := s.Find(r)
		if err != nil {
			t.Fatal(err)
		}
		if token, err := s.AccessToken(t.Context(), found, "second", ""); err != nil || token == "" {
			t.Errorf("without the earlier secret: %q, %v", token, err)
		}
	})
}
