package gate_test

import (
	"context"
	"errors"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/authz/bff/gate"
	"github.com/authzd/authzd/authz/bff/provider"
	"github.com/authzd/authzd/authz/bff/websession"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

// fixture is a gate with sites, whose people sign in without a provider.
type fixture struct {
	*gate.Gate
	store    storage.Store
	sessions *websession.Sessions
	verdict  func(*websession.Session) websession.Verdict
}

const (
	gateURL  = "https://gate.example.com"
	appURL   = "https://app.example.com"
	otherURL = "https://other.example.com:8443"
)

// rules of the site appURL.
func rules() []gate.Rule {
	return []gate.Rule{
		{Path: "/admin", Roles: []string{"admin"}},
		{Path: "/staff", Groups: []string{"staff"}, Roles: []string{"boss"}},
		{Path: "/public", Allow: gate.Anonymous},
		{Path: "/closed", Allow: gate.Nobody},
		{Path: "/form", Methods: []string{"GET"}, Allow: gate.Anonymous},
		{Path: "/robots.txt", Exact: true, Allow: gate.Anonymous},
		{Path: "/users", Allow: gate.SignedIn},
		{Path: "/form", Allow: gate.SignedIn},
	}
}

func config(t testing.TB) gate.Config {
	t.Helper()
	secret, err := keys.NewSecret([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	store, err := bolt.Open(filepath.Join(t.TempDir(), "bff.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return gate.Config{Settings: gate.Settings{
		URL:            gateURL,
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("::1/128")},
		Hosts:          []gate.Host{{URL: appURL, Rules: rules()}, {URL: otherURL, Rules: []gate.Rule{{Path: "/", Allow: gate.SignedIn}}}},
		Headers: map[string]string{
			"X-Auth-User": "sub", "X-Auth-Roles": "roles", "X-Auth-Groups": "groups", "X-Auth-Email": "email", "X-Auth-Token": "assertion",
		}},
		Login:  func(returnTo string) string { return "/bff/login?" + url.Values{"return_to": {returnTo}}.Encode() },
		Store:  store,
		Secret: secret,
	}
}

func newFixture(t testing.TB, change ...func(*gate.Config)) *fixture {
	t.Helper()
	cfg := config(t)
	for _, c := range change {
		c(&cfg)
	}
	f := &fixture{store: cfg.Store, verdict: func(*websession.Session) websession.Verdict { return websession.Valid }}
	f.sessions = websession.New(websession.Config{
		Frontend: "gate", ClientID: "gate", SameSite: http.SameSiteLaxMode, Insecure: strings.HasPrefix(cfg.URL, "http:"),
		Idle: time.Hour, Max: 10 * time.Hour, Store: cfg.Store, Secret: cfg.Secret,
		Refresh: func(context.Context, string, string) (*provider.Grant, error) {
			return nil, errors.New("no provider")
		},
		Revoke: func(context.Context, string) error { return nil },
		Judge:  func(s *websession.Session) (websession.Verdict, error) { return f.verdict(s), nil },
	})
	if cfg.Sessions == nil {
		cfg.Sessions = f.sessions
	}
	g, err := gate.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	f.Gate = g
	return f
}

func alice() *provider.User {
	return &provider.User{
		Subject: "alice", SID: "sid-1", Roles: []string{"admin", "dev, ops"}, Groups: []string{"staff"},
		Claims: []byte(`{"email":"alice@example.com","name":"Alice Lidd\u00e9ll"}`),
	}
}

func bob() *provider.User { return &provider.User{Subject: "bob", SID: "sid-2"} }

// signIn returns the cookie of a user at a site, and the session.
func (f *fixture) signIn(t testing.TB, u *provider.User, host string) (*http.Cookie, *websession.Session) {
	t.Helper()
	w := httptest.NewRecorder()
	session, err := f.sessions.Start(t.Context(), w, &provider.Grant{User: u, RefreshToken: "refresh", IssuedAt: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	w = httptest.NewRecorder()
	if err := f.sessions.Lend(t.Context(), w, session, host); err != nil {
		t.Fatal(err)
	}
	return w.Result().Cookies()[0], session
}

// browser are the headers of a navigation.
func browser() http.Header {
	return http.Header{"Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}, "Accept": {"text/html"}}
}

// contracts ask about a request as the proxies do.
var contracts = map[string]func(method, rawURL string, h http.Header) *http.Request{
	"nginx": func(method, rawURL string, h http.Header) *http.Request {
		r := question("GET", "/gate/nginx", h)
		r.Header.Set("X-Original-Method", method)
		r.Header.Set("X-Original-Url", rawURL)
		return r
	},
	"traefik": func(method, rawURL string, h http.Header) *http.Request {
		return forwarded("/gate/traefik", method, rawURL, h)
	},
	"caddy": func(method, rawURL string, h http.Header) *http.Request {
		return forwarded("/gate/caddy", method, rawURL, h)
	},
	"envoy": func(method, rawURL string, h http.Header) *http.Request {
		return below("/gate/envoy", method, rawURL, h)
	},
	"gateway-api": func(method, rawURL string, h http.Header) *http.Request {
		return below("/gate/gateway-api", method, rawURL, h)
	},
}

// question is a request from a trusted proxy. The target may be one that net/url refuses.
func question(method, target string, h http.Header) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	r.Method, r.RequestURI, r.RemoteAddr = method, target, "127.0.0.1:40000"
	r.Header = h.Clone()
	if r.Header == nil {
		r.Header = http.Header{}
	}
	return r
}

func split(rawURL string) (scheme, host, target string) {
	scheme, rest, _ := strings.Cut(rawURL, "://")
	host, target, _ = strings.Cut(rest, "/")
	return scheme, host, "/" + target
}

func forwarded(path, method, rawURL string, h http.Header) *http.Request {
	scheme, host, target := split(rawURL)
	r := question("GET", path, h)
	r.Header["X-Forwarded-Method"] = []string{method}
	r.Header["X-Forwarded-Proto"] = []string{scheme}
	r.Header["X-Forwarded-Host"] = []string{host}
	r.Header["X-Forwarded-Uri"] = []string{target}
	return r
}

func below(prefix, method, rawURL string, h http.Header) *http.Request {
	scheme, host, target := split(rawURL)
	r := question(method, prefix+target, h)
	r.Host = host
	r.Header["X-Forwarded-Proto"] = []string{scheme}
	return r
}

// ask sends a question with cookies.
func (f *fixture) ask(r *http.Request, cookies ...*http.Cookie) *http.Response {
	for _, c := range cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	return w.Result()
}

func unixListener(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "gate.sock"))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func unixTransport(path string) *http.Transport {
	return &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}}
}

// ownCookie signs a user in at the gate's own host.
func (f *fixture) ownCookie(t testing.TB, u *provider.User) (*http.Cookie, *websession.Session) {
	t.Helper()
	w := httptest.NewRecorder()
	session, err := f.sessions.Start(t.Context(), w, &provider.Grant{User: u, RefreshToken: "refresh", IssuedAt: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	return w.Result().Cookies()[0], session
}

// changeRoles is what a refresh does after a role was taken away.
func changeRoles(t *testing.T, f *fixture, id string, roles []string) {
	t.Helper()
	record, version, err := storage.BFFSessions.Get(t.Context(), f.store, id)
	if err != nil {
		t.Fatal(err)
	}
	record.Roles = roles
	if err := f.store.Apply(t.Context(), storage.BFFSessions.Put(id, record, storage.At(version), time.Now().Add(time.Hour))); err != nil {
		t.Fatal(err)
	}
}

func newRandom(seed uint64) *mathrand.Rand { return mathrand.New(mathrand.NewPCG(seed, seed)) }

// mutate changes some bytes of a path, and leaves out what ends a line.
func mutate(random *mathrand.Rand, path string) string {
	text := []byte(path)
	for range random.IntN(4) {
		i := random.IntN(len(text) + 1)
		piece := []string{"%", "/", "..", "%2e", "%2f", ";", "?", "#", ",", "\\", "%00", "\xff", "A", " ", "//", ":", "@", "%25"}[random.IntN(18)]
		text = append(text[:i:i], append([]byte(piece), text[i:]...)...)
	}
	return string(text)
}
