package bff_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/bearer"
	"github.com/authzd/authzd/authz/bff"
	"github.com/authzd/authzd/authz/bff/guard"
	"github.com/authzd/authzd/authz/bff/relay"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/resource"
)

func sealed(c *bff.Config) { c.Store, c.Sealed = nil, true }

// replica is the same cookie mode in another process, which shares nothing but the secret.
func (s *site) replica(t testing.TB) *bff.BFF {
	t.Helper()
	other, err := bff.New(s.cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { other.Run(ctx) })
	t.Cleanup(func() { other.Close(); stop(); running.Wait() })
	blackbox.Until(t.(*testing.T), "the feed is followed", func() bool { return other.Follower().State() == bearer.FeedFresh })
	return other
}

func activeAt(handler http.Handler, url string, cookie *http.Cookie) bool {
	r := httptest.NewRequest(http.MethodGet, url+"/bff/session", nil)
	r.RequestURI = r.URL.RequestURI()
	r.Header.Set(guard.Header, guard.Value)
	r.AddCookie(&http.Cookie{Name: cookie.Name, Value: cookie.Value})
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return strings.Contains(w.Body.String(), `"active":true`)
}

// TestSealedMode: without a store, sign-in, calls, new tokens and logout work, and a copied cookie is dead at every
// replica two seconds after the logout.
func TestSealedMode(t *testing.T) {
	t.Parallel()
	lifetimes := authz.DefaultLifetimes
	lifetimes.AccessToken = 2 * time.Second
	s := start(t, options{server: authz.Config{Lifetimes: lifetimes}, bff: sealed})
	other := s.replica(t)
	b := s.browser(t)
	b.signIn("/deep")
	first := *b.sessionCookie()
	if len(first.Value) > 3800 || strings.Contains(first.String(), "eyJ") {
		t.Errorf("%d bytes: %s", len(first.Value), first.String())
	}
	if !activeAt(other, s.url, &first) {
		t.Error("the other replica does not know the session")
	}
	blackbox.Until(t, "the tokens are new, and the cookie with them", func() bool {
		if got := b.call(http.MethodGet, "/api/orders"); got.StatusCode != http.StatusOK {
			t.Fatalf("api: %d %s", got.StatusCode, got.body)
		}
		return b.sessionCookie().Value != first.Value
	})
	copied := *b.sessionCookie()
	if !activeAt(other, s.url, &copied) || !activeAt(other, s.url, &first) {
		t.Error("the other replica does not know the session")
	}
	if got := b.call(http.MethodPost, "/bff/logout"); got.StatusCode != http.StatusOK || b.sessionCookie() != nil {
		t.Errorf("logout: %d", got.StatusCode)
	}
	began := time.Now()
	if activeAt(s.BFF, s.url, &copied) {
		t.Error("alive here after the logout")
	}
	blackbox.Until(t, "a copied cookie is dead", func() bool { return !activeAt(other, s.url, &copied) && !activeAt(other, s.url, &first) })
	if took := time.Since(began); took > time.Duration(many(20, 2))*time.Second {
		t.Errorf("it took %s", took)
	} else {
		t.Logf("it took %s", took)
	}
}

// TestSealedTabs: tabs that sign in at once come back to their deep links, and a new sign-in ends the older session.
func TestSealedTabs(t *testing.T) {
	t.Parallel()
	s := start(t, options{bff: sealed})
	b := s.browser(t)
	targets := []string{b.begin("/a", ""), b.begin("/b", "")}
	for i, want := range []string{"/a", "/b"} {
		if got := b.follow(b.consent(targets[i])); got.Header.Get("Location") != want {
			t.Errorf("%d %s", got.StatusCode, got.body)
		}
	}
	callback := b.consent(b.begin("/c", ""))
	old := *b.sessionCookie()
	b.follow(callback)
	if got := b.follow(callback); got.Header.Get("Location") != "/c" {
		t.Errorf("again: %d %s", got.StatusCode, got.body)
	}
	if activeAt(s.BFF, s.url, &old) || !b.active() {
		t.Error("the older session lives, or the new one does not")
	}
}

// TestSealedLinkFromElsewhere: a sign-in that begins with a link of another site, which brings no Strict cookie, ends the
// older session too: here at once, at other replicas because its tokens are revoked.
func TestSealedLinkFromElsewhere(t *testing.T) {
	t.Parallel()
	s := start(t, options{bff: sealed})
	other := s.replica(t)
	b := s.browser(t)
	b.signIn("/a")
	old := *b.sessionCookie()
	if !activeAt(other, s.url, &old) {
		t.Fatal("the other replica does not know the session")
	}
	got := b.follow("/bff/login?return_to=/b")
	if got = b.follow(b.consent(got.Header.Get("Location"))); got.Header.Get("Location") != "/b" {
		t.Fatalf("%d %s", got.StatusCode, got.body)
	}
	if activeAt(s.BFF, s.url, &old) {
		t.Error("the older session lives")
	}
	if !b.active() {
		t.Error("the new session does not live")
	}
	blackbox.Until(t, "the older session is dead at the other replica", func() bool { return !activeAt(other, s.url, &old) })
	if !activeAt(other, s.url, b.sessionCookie()) {
		t.Error("the new session does not live at the other replica")
	}
	for name, c := range b.cookies {
		if strings.Contains(c.Value, "eyJ") || name != c.Name || len(c.String()) > 4096 {
			t.Errorf("%s", c)
		}
	}
}

// TestSealedNeeds: what needs a store is refused in the configuration, with the member.
func TestSealedNeeds(t *testing.T) {
	t.Parallel()
	cfg := bff.Config{
		Issuer: "https://id.example.com", ClientID: "a", Sealed: true, Revocations: bff.Revocations{Lost: "off"},
		Frontends: []bff.Frontend{{Name: "a", URL: "https://a.example.com", Routes: []relay.Route{{Path: "/ws/", URL: "http://127.0.0.1:1/", WebSocket: true}}}},
	}
	for _, path := range []string{"revocations.lost", "frontends[0].routes[0].websocket"} {
		if !cfg.Problems().Have(path) {
			t.Errorf("%s: %v", path, cfg.Problems())
		}
	}
	if cfg.Sealed = false; len(cfg.Problems()) > 0 {
		t.Errorf("%v", cfg.Problems())
	}
}

// The feed ends a sealed session by the gid of its access tokens. An opaque token shows none, so that nothing would end
// a copied cookie.
func TestSealedNeedsGrantID(t *testing.T) {
	t.Parallel()
	opaque := resource.Resource{URI: authztest.API, Scopes: []string{"orders.read"}, TokenType: resource.TokenTypeOpaque}
	s := start(t, options{server: authz.Config{Resources: []resource.Resource{opaque}}, bff: sealed})
	s.replica(t) // it waits until the feed is there
	blackbox.Until(t, "the feed is followed", func() bool { return s.BFF.Follower().State() == bearer.FeedFresh })
	b := s.browser(t)
	got := b.follow(b.consent(b.begin("/", "")))
	if got.StatusCode != http.StatusInternalServerError || !strings.Contains(got.body, "session_not_revocable") || b.sessionCookie() != nil || b.active() {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
}
