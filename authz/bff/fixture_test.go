package bff_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/bff"
	"github.com/authzd/authzd/authz/bff/guard"
	"github.com/authzd/authzd/authz/bff/provider"
	"github.com/authzd/authzd/authz/bff/relay"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/outbound"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

const clientID = "orders-bff"

// site is an app in cookie mode, on https, with authzd as its provider.
type site struct {
	*bff.BFF
	url      string
	issuer   *authztest.Server
	store    storage.Store
	log      *blackbox.Logbook
	observer *observe.Observer
	audit    *audit.Log
	api      *recorder
	cfg      bff.Config
	logouts  chan string  // bodies of back-channel calls
	http     *http.Client // follows no redirect, keeps no cookie
}

type options struct {
	server authz.Config
	client func(*client.Metadata)
	bff    func(*bff.Config)
}

// start runs a server and a site in front of an API.
func start(t testing.TB, o options) *site {
	t.Helper()
	s := &site{log: &blackbox.Logbook{}, api: &recorder{}}
	web := httptest.NewUnstartedServer(nil)
	s.url = "https://" + web.Listener.Addr().String()
	key, err := provider.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	m := client.Metadata{
		ID: clientID, AuthMethod: client.AuthPrivateKeyJWT, JWKS: key.JWKS(), FirstParty: true,
		GrantTypes: []string{client.GrantAuthorizationCode, client.GrantRefreshToken},
		Scopes:     []string{"openid", "profile", "email", "offline_access", "orders.read"}, Resources: []string{authztest.API},
		RedirectURIs: []string{s.url + "/bff/callback"}, PostLogoutRedirectURIs: []string{s.url + "/"},
	}
	if o.client != nil {
		o.client(&m)
	}
	one, err := client.New(m)
	if err != nil {
		t.Fatal(err)
	}
	o.server.Clients, err = client.NewRegistry(one)
	if err != nil {
		t.Fatal(err)
	}
	s.issuer = authztest.Start(t, o.server, nil)
	api := httptest.NewServer(s.api)
	t.Cleanup(api.Close)
	s.store, err = bolt.Open(filepath.Join(t.TempDir(), "bff.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.store.Close() })
	secret, err := keys.NewSecret([]byte(strings.Repeat("s", 32)))
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.NewTextHandler(io.MultiWriter(s.log, t.Output()), nil))
	s.observer, err = observe.New(observe.Config{Logger: logger, Routes: bff.Routes(), LoginMethods: []string{"bff"}})
	if err != nil {
		t.Fatal(err)
	}
	s.audit = audit.New(audit.Config{Store: s.store, MAC: secret.Deriver("audit log of the tests").MAC, Logger: logger})
	cfg := bff.Config{
		Issuer: s.issuer.URL, ClientID: clientID, Authentication: provider.Authentication{Key: key},
		Frontends: []bff.Frontend{{
			Name: "orders", URL: s.url, Scope: "openid profile orders.read",
			Routes: []relay.Route{{Path: "/api/", URL: api.URL + "/", Methods: []string{"GET", "POST"}, Resource: authztest.API}},
		}},
		Store: s.store, Secret: secret, Logger: logger, Observer: s.observer, Audit: s.audit,
	}
	if o.bff != nil {
		o.bff(&cfg)
	}
	if cfg.Store == nil { // nobody could record anything
		cfg.Audit = nil
	}
	s.cfg, s.logouts = cfg, make(chan string, 10)
	s.BFF, err = bff.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { s.BFF.Run(ctx) })
	running.Go(func() { _ = s.audit.Run(ctx) })
	web.Config.Handler = s.observer.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/bff/backchannel" {
			body, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(body))
			s.logouts <- string(body)
		}
		s.BFF.ServeHTTP(w, r)
	}))
	web.StartTLS()
	t.Cleanup(func() { s.BFF.Close(); web.Close(); stop(); running.Wait() })
	s.http = &http.Client{
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.Cleanup(s.http.CloseIdleConnections)
	return s
}

// loopback lets the server call the site.
func loopback() outbound.Config { return blackbox.Loopback() }

// recorder is an API that remembers its requests.
type recorder struct {
	mu       sync.Mutex
	requests []*http.Request
	answer   http.HandlerFunc // nil: 200
}

func (a *recorder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.requests = append(a.requests, r.Clone(context.Background()))
	answer := a.answer
	a.mu.Unlock()
	if answer != nil {
		answer(w, r)
	}
}

func (a *recorder) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.requests)
}

// browser keeps the cookies of the site, and sends Strict ones only with what comes from the site itself.
type browser struct {
	*site
	t       testing.TB
	idp     *authztest.Browser
	cookies map[string]*http.Cookie
}

func (s *site) browser(t testing.TB) *browser {
	return &browser{site: s, t: t, idp: s.issuer.NewBrowser(t), cookies: map[string]*http.Cookie{}}
}

// reply is an answer, read.
type reply struct {
	*http.Response
	body string
}

func (r *reply) json(t testing.TB) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(r.body), &v); err != nil {
		t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	return v
}

// send sends a request with the browser's cookies. foreign: another site has sent the browser there.
func (b *browser) send(r *http.Request, foreign bool) *reply {
	b.t.Helper()
	for _, c := range b.cookies {
		if !foreign || c.SameSite != http.SameSiteStrictMode {
			r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
		}
	}
	resp, err := b.http.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, c := range resp.Cookies() {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c
		}
	}
	for name := range resp.Header {
		if strings.HasPrefix(name, "Access-Control-") {
			b.t.Errorf("%s %s answers with %s", r.Method, r.URL, name)
		}
	}
	return &reply{resp, string(body)}
}

func (b *browser) request(method, path, body string) *http.Request {
	b.t.Helper()
	r, err := http.NewRequest(method, b.url+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// call is a script of the app's own page.
func (b *browser) call(method, path string) *reply {
	b.t.Helper()
	r := b.request(method, path, "")
	r.Header.Set(guard.Header, guard.Value)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Sec-Fetch-Mode", "cors")
	return b.send(r, false)
}

// open is a navigation of the site's own page, follow one that comes from the provider.
func (b *browser) open(path string) *reply {
	b.t.Helper()
	r := b.request(http.MethodGet, path, "")
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	return b.send(r, false)
}

func (b *browser) follow(target string) *reply {
	b.t.Helper()
	r := b.request(http.MethodGet, strings.TrimPrefix(target, b.url), "")
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	return b.send(r, true)
}

// begin opens a sign-in and returns the URL of the provider.
func (b *browser) begin(returnTo, more string) string {
	b.t.Helper()
	got := b.open("/bff/login?return_to=" + url.QueryEscape(returnTo) + more)
	if got.StatusCode != http.StatusSeeOther || !strings.HasPrefix(got.Header.Get("Location"), b.issuer.URL+"/authorize?") {
		b.t.Fatalf("login: %d %s %s", got.StatusCode, got.Header.Get("Location"), got.body)
	}
	return got.Header.Get("Location")
}

// consent signs in at the provider and returns the path and query of the callback.
func (b *browser) consent(target string) string {
	b.t.Helper()
	answer := b.idp.Walk(b.t, target)
	if answer.Params == nil {
		b.t.Fatalf("the provider sends nobody back: %s", answer)
	}
	return "/bff/callback?" + answer.Params.Encode()
}

// signIn signs in and returns the answer to the callback.
func (b *browser) signIn(returnTo string) *reply {
	b.t.Helper()
	got := b.follow(b.consent(b.begin(returnTo, "")))
	if got.StatusCode != http.StatusSeeOther || got.Header.Get("Location") != returnTo {
		b.t.Fatalf("callback: %d %s %s", got.StatusCode, got.Header.Get("Location"), got.body)
	}
	return got
}

// active reports what /bff/session says.
func (b *browser) active() bool {
	b.t.Helper()
	got := b.call(http.MethodGet, "/bff/session")
	if got.StatusCode != http.StatusOK {
		b.t.Fatalf("session: %d %s", got.StatusCode, got.body)
	}
	active, _ := got.json(b.t)["active"].(bool)
	return active
}

func (b *browser) sessionCookie() *http.Cookie { return b.cookies["__Host-Http-orders"] }
