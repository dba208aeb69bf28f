package bff_test

import (
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/bff"
	"github.com/authzd/authzd/authz/internal/blackbox"
)

// detour leads requests for the provider to a listener that accepts connections and never answers.
type detour struct {
	silent string // its address
	on     atomic.Bool
}

func newDetour(t testing.TB) *detour {
	t.Helper()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	return &detour{silent: silent.Addr().String()}
}

func (d *detour) RoundTrip(r *http.Request) (*http.Response, error) {
	if d.on.Load() {
		r = r.Clone(r.Context())
		r.URL.Host = d.silent
	}
	return http.DefaultTransport.RoundTrip(r)
}

// A provider that hangs ends no session: a call that needs a token gets 503 and Retry-After at the limit of a request,
// and the session goes on when the provider does. Here the limit is that of the client; without one it is 15 s, as
// TestHangs of package provider shows.
func TestProviderHangs(t *testing.T) {
	t.Parallel()
	const limit = 2 * time.Second
	way := newDetour(t)
	lifetimes := authz.DefaultLifetimes
	lifetimes.AccessToken = 3 * time.Second // whole seconds count, so that one second may be none
	s := start(t, options{server: authz.Config{Lifetimes: lifetimes}, bff: func(c *bff.Config) {
		c.HTTPClient, c.Revocations.Lost = &http.Client{Transport: way, Timeout: limit}, "off"
	}})
	b := s.browser(t)
	b.signIn("/")
	old := *b.sessionCookie()
	callback := b.consent(b.begin("/deep", ""))
	way.on.Store(true)
	var got *reply
	var took time.Duration
	blackbox.Until(t, "the token is due", func() bool {
		began := time.Now()
		got = b.call(http.MethodGet, "/api/orders")
		took = time.Since(began)
		return got.StatusCode != http.StatusOK
	})
	if got.StatusCode != http.StatusServiceUnavailable || got.Header.Get("Retry-After") == "" || strings.Contains(got.body, way.silent) {
		t.Errorf("%d %v %s", got.StatusCode, got.Header, got.body)
	}
	if took < limit/2 || took > limit*time.Duration(many(15, 2)) {
		t.Errorf("it took %s", took)
	}
	if !b.active() {
		t.Error("the session has ended")
	}
	if got := b.follow(callback); got.StatusCode != http.StatusServiceUnavailable || got.Header.Get("Retry-After") == "" ||
		!strings.Contains(got.body, `href="/bff/login?return_to=%2Fdeep"`) {
		t.Errorf("callback: %d %s", got.StatusCode, got.body)
	}
	way.on.Store(false)
	blackbox.Until(t, "the API answers again", func() bool { return b.call(http.MethodGet, "/api/orders").StatusCode == http.StatusOK })
	if b.sessionCookie().Value != old.Value {
		t.Error("it is another session")
	}
}
