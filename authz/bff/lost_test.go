package bff_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/bff"
	"github.com/authzd/authzd/authz/bff/gate"
	"github.com/authzd/authzd/authz/bff/guard"
	"github.com/authzd/authzd/authz/bff/provider"
	"github.com/authzd/authzd/authz/bff/relay"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/revocation"
	"github.com/authzd/authzd/storage/bolt"
)

// feedOnly is a provider without a network, of which nothing but the revocation feed is there. It can be cut off.
type feedOnly struct {
	key *authztest.Key
	cut atomic.Bool
}

const farIssuer = "https://id.example.com"

func (p *feedOnly) RoundTrip(r *http.Request) (*http.Response, error) {
	if wait, _ := strconv.Atoi(r.URL.Query().Get("wait")); wait > 0 {
		select {
		case <-time.After(time.Duration(wait) * time.Second):
		case <-r.Context().Done():
		}
	}
	if p.cut.Load() || r.Context().Err() != nil {
		return nil, errors.New("no connection")
	}
	body := ""
	switch r.URL.Path {
	case "/.well-known/oauth-authorization-server":
		body = `{"issuer":"` + farIssuer + `","jwks_uri":"` + farIssuer + `/jwks.json","authzd_revocations_endpoint":"` + farIssuer + `/revocations"}`
	case "/jwks.json":
		text, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{p.key.Public()}})
		if err != nil {
			return nil, err
		}
		body = string(text)
	case "/revocations":
		body = p.document(r.URL.Query().Get("after") != "")
	}
	status := http.StatusOK
	if body == "" {
		status = http.StatusNotFound
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func (p *feedOnly) document(delta bool) string {
	now := time.Now().Unix()
	d := revocation.Document{Issuer: farIssuer, IssuedAt: now, Expires: now + 60, Epoch: "one", Window: 990 * time.Second, Delta: delta}
	var claims map[string]any
	if err := json.Unmarshal(d.Claims(), &claims); err != nil {
		panic(err)
	}
	return p.key.Sign(&testing.B{}, map[string]any{"typ": revocation.Type}, claims)
}

// TestFeedLostAndFound: 59 seconds without the feed change nothing. After 61, sessions go on, or the app gets 503 and
// each proxy what its contract has for it. No session ends of it: once the feed is back, all go on.
func TestFeedLostAndFound(t *testing.T) {
	key := blackbox.NewSigningKey(t, jose.ES256)
	for _, lost := range []string{"go_on", "refuse"} {
		t.Run(lost, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { feedLostAndFound(t, lost, &feedOnly{key: key}) })
		})
	}
}

func feedLostAndFound(t *testing.T, lost string, p *feedOnly) {
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

// farMode is an app and a gate whose provider is p.
func farMode(t *testing.T, lost string, p *feedOnly) (*bff.BFF, *blackbox.Logbook) {
	t.Helper()
	store, err := bolt.Open(filepath.Join(t.TempDir(), "bff.db"), bolt.Options{SweepEvery: 1000 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	secret, err := keys.NewSecret([]byte(strings.Repeat("s", 32)))
	if err != nil {
		t.Fatal(err)
	}
	key, err := provider.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	log := &blackbox.Logbook{}
	b, err := bff.New(bff.Config{
		Issuer: farIssuer, ClientID: clientID, Authentication: provider.Authentication{Key: key},
		Revocations: bff.Revocations{Lost: lost},
		Frontends: []bff.Frontend{{
			Name: "orders", URL: "https://orders.example.com",
			Routes: []relay.Route{{Path: "/api/", URL: "http://127.0.0.1:1/", Methods: []string{"GET"}, Resource: authztest.API}},
		}},
		Gate: gate.Settings{
			URL: "https://gate.example.com", TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
			Hosts:   []gate.Host{{URL: wiki, Rules: []gate.Rule{{Path: "/", Allow: gate.SignedIn}}}},
			Headers: map[string]string{"X-Auth-User": "sub"},
		},
		Store: store, Secret: secret, HTTPClient: &http.Client{Transport: p}, Logger: slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return b, log
}
