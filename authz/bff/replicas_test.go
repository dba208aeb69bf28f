package bff_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/bff"
	"github.com/authzd/authzd/authz/bff/websession"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/postgres"
	"github.com/authzd/authzd/storage/postgres/pgtest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	pgtest.Stop()
	os.Exit(code)
}

// beside runs a second process of the site, with cfg, and with connections of its own to that store.
func (s *site) beside(t testing.TB, cfg bff.Config) *site {
	t.Helper()
	b, err := bff.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { b.Run(ctx) })
	web := httptest.NewTLSServer(s.observer.Handler(b))
	t.Cleanup(func() { b.Close(); web.Close(); stop(); running.Wait() })
	other := *s
	other.BFF, other.store, other.cfg = b, cfg.Store, cfg
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, web.Listener.Addr().String())
	}
	other.http = &http.Client{Transport: transport, CheckRedirect: s.http.CheckRedirect}
	t.Cleanup(other.http.CloseIdleConnections)
	return &other
}

// through is the browser as a load balancer leads it to another replica. It has the same cookies.
func (b *browser) through(s *site) *browser {
	return &browser{site: s, t: b.t, idp: b.idp, cookies: b.cookies}
}

// moreKeys shows a key of the test beside the provider's, so that the test can sign logout tokens.
type moreKeys struct{ key *authztest.Key }

func (m *moreKeys) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil || !strings.HasSuffix(r.URL.Path, "jwks.json") {
		return resp, err
	}
	var set jose.JSONWebKeySet
	err = json.NewDecoder(resp.Body).Decode(&set)
	resp.Body.Close()
	if err != nil {
		return nil, err
	}
	set.Keys = append(set.Keys, m.key.Public())
	text, err := json.Marshal(set)
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	return resp, err
}

func (m *moreKeys) logoutToken(t testing.TB, issuer, jti string, who map[string]any) string {
	now := time.Now().Unix()
	claims := map[string]any{
		"iss": issuer, "aud": clientID, "iat": now, "exp": now + 120, "jti": jti,
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
	}
	for name, value := range who {
		claims[name] = value
	}
	return m.key.Sign(t, map[string]any{"typ": "logout+jwt"}, claims)
}

func (b *browser) backchannel(token string) int {
	b.t.Helper()
	r := b.request(http.MethodPost, "/bff/backchannel", url.Values{"logout_token": {token}}.Encode())
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return (&browser{site: b.site, t: b.t}).send(r, true).StatusCode
}

// Two replicas on PostgreSQL are one: a session that ends at one has ended at the other by its next call, and a logout
// token counts once. The feed is off, so that nothing but the store can tell them.
func TestReplicas(t *testing.T) {
	t.Parallel()
	database := pgtest.Database(t)
	open := func() storage.Store {
		store, err := postgres.Open(t.Context(), database, postgres.Options{MaxConnections: 8})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { store.Close() })
		return store
	}
	provided := &moreKeys{blackbox.NewSigningKey(t, jose.ES256)}
	one := start(t, options{bff: func(c *bff.Config) {
		c.Store, c.Revocations.Lost, c.HTTPClient = open(), "off", &http.Client{Transport: provided}
	}})
	cfg := one.cfg
	cfg.Store = open()
	two := one.beside(t, cfg)

	logout := func(b *browser, _ *websession.Session) string {
		if got := b.call(http.MethodPost, "/bff/logout"); got.StatusCode != http.StatusOK {
			t.Errorf("logout: %d %s", got.StatusCode, got.body)
		}
		return ""
	}
	tell := func(jti string, who func(*websession.Session) map[string]any) func(*browser, *websession.Session) string {
		return func(b *browser, session *websession.Session) string {
			token := provided.logoutToken(t, b.issuer.URL, jti, who(session))
			if status := b.backchannel(token); status != http.StatusOK {
				t.Errorf("%s: %d", jti, status)
			}
			return token
		}
	}
	for name, test := range map[string]struct {
		end  func(*browser, *websession.Session) string // returns the logout token, if there is one
		both bool                                       // whether the user's other browser is out too
	}{
		"/bff/logout": {logout, false},
		"sid": {tell("by sid", func(s *websession.Session) map[string]any {
			return map[string]any{"sid": s.SID, "sub": s.Subject}
		}), false},
		"sub alone": {tell("by sub", func(s *websession.Session) map[string]any { return map[string]any{"sub": s.Subject} }), true},
	} {
		first, second := one.browser(t), one.browser(t)
		first.signIn("/")
		second.signIn("/")
		for _, b := range []*browser{first, second} {
			for _, s := range []*site{one, two} {
				if got := b.through(s).call(http.MethodGet, "/api/orders"); got.StatusCode != http.StatusOK {
					t.Fatalf("%s: signed in: %d %s", name, got.StatusCode, got.body)
				}
			}
		}
		session, err := one.SessionsOf("orders").Find(ownRequest(first))
		if err != nil {
			t.Fatal(err)
		}
		cookie := *first.sessionCookie()
		began := time.Now()
		token := test.end(first, session)
		first.cookies[cookie.Name] = &cookie // a browser that did not hear of it
		if got := first.through(two).call(http.MethodGet, "/api/orders"); got.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: the next call at the other replica: %d %s", name, got.StatusCode, got.body)
		}
		if took := time.Since(began); took > time.Duration(many(20, 2))*time.Second {
			t.Errorf("%s: it took %s", name, took)
		} else {
			t.Logf("%s: it took %s", name, took)
		}
		want := map[bool]int{true: http.StatusUnauthorized, false: http.StatusOK}[test.both]
		for i, s := range []*site{two, one} {
			if got := second.through(s).call(http.MethodGet, "/api/orders"); got.StatusCode != want {
				t.Errorf("%s: the user's other browser, replica %d: %d", name, i, got.StatusCode)
			}
			if first.through(s).active() {
				t.Errorf("%s: alive at replica %d", name, i)
			}
			if token == "" {
				continue
			}
			if status := first.through(s).backchannel(token); status != http.StatusBadRequest {
				t.Errorf("%s: the same token again at replica %d: %d", name, i, status)
			}
		}
	}
}
