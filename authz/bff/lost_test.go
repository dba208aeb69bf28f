package bff_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz/bff/guard"
	"github.com/authzd/authzd/authz/bff/provider"
	"github.com/authzd/authzd/authz/internal/blackbox"
)

// TestFeedLostAndFound: 59 seconds without the feed change nothing. After 61, sessions go on, or the app gets 503 and
// each proxy what its contract has for it. No session ends of it: once the feed is back, all go on.
func TestFeedLostAndFound(t *testing.T) {
	key := blackbox.NewSigningKey(t, jose.ES256)
	for _, lost := range []string{"go_on", "refuse"} {
		t.Run(lost, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { feedLostAndFound(t, lost, &far{key: key}) })
		})
	}
}

func feedLostAndFound(t *testing.T, lost string, p *far) {
	b, log := farMode(t, lost, p)
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { b.Run(ctx) })
	defer func() { b.Close(); stop(); running.Wait() }()
	synctest.Wait()

	grant := &provider.Grant{User: &provider.User{Subject: "alice"}, RefreshToken: "refresh", IssuedAt: time.Now()}
	cookies := map[string]*http.Cookie{}
	for _, frontend := range []string{"orders", "gate"} {
		w := httptest.NewRecorder()
		session, err := b.SessionsOf(frontend).Start(ctx, w, grant)
		if err != nil {
			t.Fatal(err)
		}
		if frontend == "gate" {
			w = httptest.NewRecorder()
			if err := b.SessionsOf("gate").Lend(ctx, w, session, "wiki.example.com"); err != nil {
				t.Fatal(err)
			}
		}
		cookies[frontend] = w.Result().Cookies()[0]
	}
	get := func(url, frontend string, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, url, nil)
		r.RequestURI, r.RemoteAddr = r.URL.RequestURI(), "127.0.0.1:5000"
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		r.AddCookie(cookies[frontend])
		w := httptest.NewRecorder()
		b.ServeHTTP(w, r)
		return w
	}
	questions := map[string]struct {
		ask    func() *httptest.ResponseRecorder
		broken int
	}{
		"app": {func() *httptest.ResponseRecorder {
			return get("https://orders.example.com/bff/session", "orders", guard.Header, guard.Value)
		}, http.StatusServiceUnavailable},
		"nginx": {func() *httptest.ResponseRecorder {
			return get("https://gate.example.com/gate/nginx", "gate", "X-Original-Method", "GET", "X-Original-URL", wiki+"/page")
		}, http.StatusForbidden},
		"traefik": {func() *httptest.ResponseRecorder {
			return get("https://gate.example.com/gate/traefik", "gate",
				"X-Forwarded-Method", "GET", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "wiki.example.com", "X-Forwarded-Uri", "/page")
		}, http.StatusServiceUnavailable},
		"envoy": {func() *httptest.ResponseRecorder {
			return get(wiki+"/gate/envoy/page", "gate", "X-Forwarded-Proto", "https")
		}, http.StatusServiceUnavailable},
	}
	all := func(when string, refused bool) {
		t.Helper()
		for name, q := range questions {
			got, want := q.ask(), http.StatusOK
			if refused {
				want = q.broken
			}
			if got.Code != want || name == "app" && !refused && !strings.Contains(got.Body.String(), `"active":true`) {
				t.Errorf("%s, %s: %d %s, want %d", when, name, got.Code, got.Body, want)
			}
			if refused && (got.Header().Get("Retry-After") == "" || len(got.Header().Values("Set-Cookie")) > 0 || got.Header().Get("X-Auth-User") != "") {
				t.Errorf("%s, %s: %v", when, name, got.Header())
			}
		}
	}
	all("with the feed", false)
	p.cut.Store(true)
	time.Sleep(59 * time.Second)
	all("59 s without", false)
	time.Sleep(2 * time.Second)
	all("61 s without", lost == "refuse")
	if lost == "refuse" { // before the API is called
		got := get("https://orders.example.com/api/orders", "orders", guard.Header, guard.Value)
		if got.Code != http.StatusServiceUnavailable || got.Header().Get("Retry-After") == "" {
			t.Errorf("an API call: %d %v", got.Code, got.Header())
		}
	}
	if n := strings.Count(log.String(), "the revocation feed is lost"); n != 1 {
		t.Errorf("%d alarms", n)
	}
	time.Sleep(10 * time.Minute)
	all("11 minutes without", lost == "refuse")
	p.cut.Store(false)
	time.Sleep(time.Minute)
	all("with the feed again", false)
}
