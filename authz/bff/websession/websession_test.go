package websession_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/authzd/authzd/authz/bff/provider"
	"github.com/authzd/authzd/authz/bff/websession"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

// tokenEndpoint plays the token endpoint. Its refresh tokens rotate if rotate is set; a used one is then invalid_grant.
type tokenEndpoint struct {
	rotate   bool
	takes    time.Duration // of one request
	lifetime time.Duration // of an access token; 0: an hour
	fail     error

	mu       sync.Mutex
	valid    map[string]bool
	revoked  []string
	requests atomic.Int64
	at       atomic.Int64 // requests under way
	most     atomic.Int64
}

func (p *tokenEndpoint) signIn(subject string) *provider.Grant {
	return p.grant("first", subject)
}

func (p *tokenEndpoint) grant(resource, subject string) *provider.Grant {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.valid == nil {
		p.valid = map[string]bool{}
	}
	n := p.requests.Load()
	refresh := "the refresh token"
	if p.rotate {
		refresh = fmt.Sprintf("refresh token %d", n)
	}
	p.valid[refresh] = true
	lifetime := p.lifetime
	if lifetime == 0 {
		lifetime = time.Hour
	}
	g := &provider.Grant{
		RefreshToken: refresh, Resource: resource, AccessToken: fmt.Sprintf("access token %d for %s", n, resource),
		ExpiresAt: time.Now().Add(lifetime), IssuedAt: time.Now(),
	}
	if subject != "" {
		g.User = &provider.User{Subject: subject, SID: "sid of " + subject, Roles: []string{"editor"}}
		g.IDToken = "the ID token"
	}
	return g
}

func (p *tokenEndpoint) refresh(ctx context.Context, refreshToken, resource string) (*provider.Grant, error) {
	p.requests.Add(1)
	for now := p.at.Add(1); ; {
		most := p.most.Load()
		if now <= most || p.most.CompareAndSwap(most, now) {
			break
		}
	}
	defer p.at.Add(-1)
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(p.takes):
	}
	if p.fail != nil {
		return nil, p.fail
	}
	p.mu.Lock()
	valid := p.valid[refreshToken]
	if p.rotate {
		delete(p.valid, refreshToken)
	}
	p.mu.Unlock()
	if !valid {
		return nil, &provider.Refusal{Status: http.StatusBadRequest, Code: "invalid_grant"}
	}
	return p.grant(resource, ""), nil
}

func (p *tokenEndpoint) revoke(_ context.Context, refreshToken string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.revoked = append(p.revoked, refreshToken)
	return nil
}

func testSecret(t testing.TB) *keys.Secret {
	t.Helper()
	secret, err := keys.NewSecret([]byte(strings.Repeat("s", 32)))
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

func testStore(t testing.TB) storage.Store {
	t.Helper()
	store, err := bolt.Open(filepath.Join(t.TempDir(), "bff.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

func testConfig(t testing.TB, p *tokenEndpoint, store storage.Store) websession.Config {
	return websession.Config{
		Frontend: "orders", ClientID: "orders-bff", Idle: 20 * time.Minute, Max: 12 * time.Hour,
		Store: store, Secret: testSecret(t), Refresh: p.refresh, Revoke: p.revoke,
	}
}

// start makes a session and returns it with a request that has its cookie.
func start(t testing.TB, s *websession.Sessions, g *provider.Grant) (*websession.Session, *http.Request) {
	t.Helper()
	w := httptest.NewRecorder()
	session, err := s.Start(context.Background(), w, g)
	if err != nil {
		t.Fatal(err)
	}
	return session, with(w.Result().Cookies()...)
}

func with(cookies ...*http.Cookie) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "https://orders.example.com/", nil)
	for _, c := range cookies {
		r.AddCookie(c)
	}
	return r
}

func wantNone(t testing.TB, s *websession.Sessions, r *http.Request, why string) {
	t.Helper()
	if session, err := s.Find(r); !errors.Is(err, websession.ErrNone) {
		t.Errorf("%s: %v, %v", why, session, err)
	}
}

func TestCookie(t *testing.T) {
	p, store := &tokenEndpoint{}, testStore(t)
	s := websession.New(testConfig(t, p, store))
	w := httptest.NewRecorder()
	if _, err := s.Start(t.Context(), w, p.signIn("alice")); err != nil {
		t.Fatal(err)
	}
	line := w.Header().Get("Set-Cookie")
	name, rest, _ := strings.Cut(line, "=")
	value, rest, _ := strings.Cut(rest, "; ")
	if name != "__Host-Http-orders" || rest != "Path=/; HttpOnly; Secure; SameSite=Strict" || len(value) != 43 {
		t.Errorf("%s", line)
	}
	// The store has the hash of the value, and no token in clear.
	err := store.Export(t.Context(), func(table storage.Table, rec storage.Record) error {
		all := string(rec.Key) + string(rec.Value)
		for _, secret := range []string{value, "access token", "refresh token", "ID token"} {
			if strings.Contains(all, secret) {
				t.Errorf("%s has %q", table, secret)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Cookies that are no session's are none, and no crowd of them costs many look-ups.
func TestForeignCookies(t *testing.T) {
	p, store := &tokenEndpoint{}, &counted{Store: testStore(t)}
	s := websession.New(testConfig(t, p, store))
	_, r := start(t, s, p.signIn("alice"))
	own := r.Cookies()[0]
	other := websession.New(func() websession.Config { c := testConfig(t, p, store); c.Frontend = "parts"; return c }())
	cookie := func(name, value string) *http.Cookie { return &http.Cookie{Name: name, Value: value} }
	wantNone(t, s, with(), "no cookie")
	for why, value := range map[string]string{
		"empty": "", "truncated": own.Value[:42], "longer": own.Value + "A", "another": strings.Repeat("A", 43),
		"standard alphabet": strings.Repeat("+", 43), "its hash": websession.Hash(own.Value), "spaces": " " + own.Value,
		"trailing bits": own.Value[:42] + "_",
	} {
		if value != own.Value {
			wantNone(t, s, with(cookie(own.Name, value)), why)
		}
	}
	wantNone(t, s, with(cookie("orders", own.Value)), "a name without the prefix")
	wantNone(t, other, with(cookie(other.CookieName(), own.Value)), "the cookie of another frontend")

	var many []*http.Cookie
	for i := range 100 {
		many = append(many, cookie(own.Name, fmt.Sprintf("%043d", i)))
	}
	store.gets.Store(0)
	wantNone(t, s, with(append(many, own)...), "after a hundred others")
	if n := store.gets.Load(); n > 4 {
		t.Errorf("%d look-ups", n)
	}
	if _, err := s.Find(with(append([]*http.Cookie{own}, many...)...)); err != nil {
		t.Errorf("before a hundred others: %v", err)
	}
	if _, err := s.Find(with(own, cookie("big", strings.Repeat("x", 40<<10)))); !errors.Is(err, websession.ErrCookies) {
		t.Errorf("40 KiB: %v", err)
	}
}

// counted counts reads of sessions.
type counted struct {
	storage.Store
	gets atomic.Int64
}

func (c *counted) Get(ctx context.Context, table storage.Table, key string) (storage.Record, error) {
	if table == storage.BFFSessions.Table {
		c.gets.Add(1)
	}
	return c.Store.Get(ctx, table, key)
}

func TestEnd(t *testing.T) {
	p, store := &tokenEndpoint{rotate: true}, testStore(t)
	s := websession.New(testConfig(t, p, store))
	other := websession.New(testConfig(t, p, store)) // a replica
	alice, aliceBrowser := start(t, s, p.signIn("alice"))
	_, alicePhone := start(t, s, p.signIn("alice"))
	_, bob := start(t, s, p.signIn("bob"))
	if err := other.End(t.Context(), alice.ID, websession.SignedOut); err != nil {
		t.Fatal(err)
	}
	wantNone(t, s, aliceBrowser, "ended at another replica")
	if len(p.revoked) != 1 {
		t.Errorf("revoked: %q", p.revoked)
	}
	if _, err := s.AccessToken(t.Context(), alice, "second", ""); !errors.Is(err, websession.ErrEnded) {
		t.Errorf("a refresh after the end: %v", err)
	}
	if _, _, err := s.Touch(t.Context(), alice); !errors.Is(err, websession.ErrEnded) {
		t.Errorf("activity after the end: %v", err)
	}
	if err := other.EndBySubject(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	wantNone(t, s, alicePhone, "all of alice ended")
	if _, err := s.Find(bob); err != nil {
		t.Errorf("bob: %v", err)
	}
	if err := other.EndBySID(t.Context(), "sid of bob"); err != nil {
		t.Fatal(err)
	}
	wantNone(t, s, bob, "the sid of bob ended")
	left := 0
	if err := store.Export(t.Context(), func(table storage.Table, rec storage.Record) error {
		if strings.HasPrefix(string(table), "bff_") {
			left++
		}
		return nil
	}); err != nil || left > 0 {
		t.Errorf("%d records are left, %v", left, err)
	}
}

// A session that was lent to another host is the same session, at that host only.
func TestLend(t *testing.T) {
	p, store := &tokenEndpoint{}, testStore(t)
	s := websession.New(testConfig(t, p, store))
	session, own := start(t, s, p.signIn("alice"))
	w := httptest.NewRecorder()
	if err := s.Lend(t.Context(), w, session, "b.example.com"); err != nil {
		t.Fatal(err)
	}
	r := with(w.Result().Cookies()...)
	if lent, err := s.FindAt(r, "b.example.com"); err != nil || lent.ID != session.ID || lent.Subject != "alice" {
		t.Errorf("%v, %v", lent, err)
	}
	wantNone(t, s, r, "at the host where it began")
	for host, r := range map[string]*http.Request{"c.example.com": r, "b.example.com": own} {
		if _, err := s.FindAt(r, host); !errors.Is(err, websession.ErrNone) {
			t.Errorf("the cookie of another host at %s: %v", host, err)
		}
	}
	if err := s.End(t.Context(), session.ID, websession.SignedOut); err != nil {
		t.Fatal(err)
	}
	if _, err := s.FindAt(r, "b.example.com"); !errors.Is(err, websession.ErrNone) {
		t.Errorf("after the end: %v", err)
	}
}
