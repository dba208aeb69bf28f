package bff_test

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/bff"
	"github.com/authzd/authzd/authz/bff/gate"
	"github.com/authzd/authzd/authz/bff/websession"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/operator"
)

const wiki = "https://wiki.example.com"

// wire is the way to the provider, which can be cut.
type wire struct{ cut atomic.Bool }

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if w.cut.Load() {
		return nil, errors.New("the provider is away")
	}
	return http.DefaultTransport.RoundTrip(r)
}

// startGate runs a gate whose own host is the site's.
func startGate(t *testing.T) (*site, *wire) {
	t.Helper()
	w := &wire{}
	return start(t, options{server: authz.Config{Operator: &operator.Config{}}, bff: func(c *bff.Config) {
		c.HTTPClient = &http.Client{Transport: w}
		c.Gate = gate.Settings{
			URL: c.Frontends[0].URL, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
			Hosts:   []gate.Host{{URL: wiki, Rules: []gate.Rule{{Path: "/open", Allow: gate.Anonymous}, {Path: "/admin", Roles: []string{"admin"}}, {Path: "/", Allow: gate.SignedIn}}}},
			Headers: map[string]string{"X-Auth-User": "sub", "X-Auth-Token": "assertion"},
		}
		c.Frontends = nil
	}}), w
}

// ask is the question of nginx about a page of the wiki.
func (b *browser) ask(path string, cookies map[string]*http.Cookie) *reply {
	b.t.Helper()
	r := b.request(http.MethodGet, "/gate/nginx", "")
	r.Header.Set("X-Original-Method", "GET")
	r.Header.Set("X-Original-URL", wiki+path)
	r.Header.Set("Accept", "text/html")
	return b.at("", r, cookies)
}

// at sends a request to a host with the cookies of that host.
func (b *browser) at(host string, r *http.Request, cookies map[string]*http.Cookie) *reply {
	b.t.Helper()
	r.Host = host
	other := &browser{site: b.site, t: b.t, cookies: cookies}
	return other.send(r, true)
}

// enter signs a person in who comes to a page of the wiki.
func (b *browser) enter(path string, atWiki map[string]*http.Cookie) {
	b.t.Helper()
	denied := b.ask(path, atWiki)
	start, ok := strings.CutPrefix(denied.Header.Get("Location"), b.url)
	if denied.StatusCode != http.StatusUnauthorized || !ok {
		b.t.Fatalf("signed out: %d %v", denied.StatusCode, denied.Header)
	}
	login := b.follow(start)
	provider := b.follow(login.Header.Get("Location"))
	back := b.follow(b.consent(provider.Header.Get("Location")))
	if !strings.HasPrefix(back.Header.Get("Location"), "/gate/start?") {
		b.t.Fatalf("after the sign-in: %d %s %s", back.StatusCode, back.Header.Get("Location"), back.body)
	}
	over := b.follow(back.Header.Get("Location"))
	enter, ok := strings.CutPrefix(over.Header.Get("Location"), wiki)
	if !ok {
		b.t.Fatalf("to the wiki: %d %v %s", over.StatusCode, over.Header, over.body)
	}
	arrived := b.at("wiki.example.com", b.request(http.MethodGet, enter, ""), atWiki)
	if arrived.StatusCode != http.StatusSeeOther || arrived.Header.Get("Location") != wiki+path {
		b.t.Fatalf("at the wiki: %d %v %s", arrived.StatusCode, arrived.Header, arrived.body)
	}
}

// A person comes to a site behind the gate, signs in at the provider, and is back; and is out when the session ends.
func TestGate(t *testing.T) {
	s, toProvider := startGate(t)
	b, atWiki := s.browser(t), map[string]*http.Cookie{}
	if got := b.ask("/open/a", atWiki); got.StatusCode != http.StatusOK || got.Header.Get("X-Auth-User") != "" {
		t.Fatalf("anonymous: %d %v", got.StatusCode, got.Header)
	}
	b.enter("/page?x=1", atWiki)
	in := b.ask("/page", atWiki)
	if in.StatusCode != http.StatusOK || in.Header.Get("X-Auth-User") == "" || in.Header.Get("X-Auth-Token") == "" {
		t.Fatalf("signed in: %d %v", in.StatusCode, in.Header)
	}

	toProvider.cut.Store(true) // people who are in stay in
	if got := b.ask("/page", atWiki); got.StatusCode != http.StatusOK {
		t.Errorf("while the provider is away: %d", got.StatusCode)
	}
	front := func() string { return b.open("/").body }
	if got := front(); !strings.Contains(got, "You’re signed in") {
		t.Errorf("the front page: %s", got)
	}
	session, err := s.SessionsOf("gate").Find(ownRequest(b))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SessionsOf("gate").End(t.Context(), session.ID, websession.SignedOut); err != nil {
		t.Fatal(err)
	}
	if got := b.ask("/page", atWiki); got.StatusCode != http.StatusUnauthorized {
		t.Errorf("after the end: %d", got.StatusCode)
	}
	if got := front(); !strings.Contains(got, "You’re signed out") {
		t.Errorf("the front page: %s", got)
	}
}

// What happens to a user at the provider counts at the gate within two seconds, without any call from the provider.
func TestGateFollowsTheFeed(t *testing.T) {
	for name, c := range map[string]struct {
		change, body string
		page, admin  int
	}{
		"disabled":     {"PATCH", `{"disabled":true}`, http.StatusUnauthorized, http.StatusUnauthorized},
		"deleted":      {"DELETE", "", http.StatusUnauthorized, http.StatusUnauthorized},
		"role removed": {"PATCH", `{"roles":[]}`, http.StatusOK, http.StatusForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			if many(0, 1) == 0 {
				t.Parallel() // the full run measures
			}
			s, _ := startGate(t)
			b, atWiki := s.browser(t), map[string]*http.Cookie{}
			b.enter("/admin", atWiki)
			s.awaitFeed(t)
			if got := b.ask("/admin", atWiki); got.StatusCode != http.StatusOK {
				t.Fatalf("%d", got.StatusCode)
			}
			s.operate(t, c.change, "/v1/users/"+blackbox.AliceID(t, s.issuer), c.body)
			began := time.Now()
			blackbox.Until(t, "the gate knows", func() bool { return b.ask("/admin", atWiki).StatusCode == c.admin })
			if took := time.Since(began); took > time.Duration(many(20, 2))*time.Second {
				t.Errorf("it took %s", took)
			} else {
				t.Logf("it took %s", took)
			}
			if got := b.ask("/page", atWiki); got.StatusCode != c.page {
				t.Errorf("a page: %d", got.StatusCode)
			}
		})
	}
}

// ownRequest is a request to the gate's own host.
func ownRequest(b *browser) *http.Request {
	r := b.request(http.MethodGet, "/", "")
	for _, c := range b.cookies {
		r.AddCookie(c)
	}
	return r
}

// The gate is there before any path is cleaned, and nothing of it is there without its configuration.
func TestGatePaths(t *testing.T) {
	s, _ := startGate(t)
	b := s.browser(t)
	for path, want := range map[string]int{
		"/gate/envoy//open": http.StatusForbidden, "/gate/envoy/open/../x": http.StatusForbidden, "/gate/jwks.json": http.StatusOK, "/gate/x": http.StatusNotFound,
	} {
		r := b.request(http.MethodGet, "/", "")
		r.URL.Opaque = path
		r.Header.Set("X-Forwarded-Proto", "https")
		if got := b.at("wiki.example.com", r, nil); got.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, got.StatusCode, want)
		}
	}
	b = start(t, options{}).browser(t)
	if got := b.open("/gate/jwks.json"); got.StatusCode != http.StatusNotFound {
		t.Errorf("without a gate: %d", got.StatusCode)
	}
}

func TestGateProblems(t *testing.T) {
	c := &bff.Config{
		Issuer: "https://id.example.com", ClientID: "bff",
		Frontends: []bff.Frontend{{Name: "gate", URL: "https://orders.example.com"}, {Name: "b", URL: "https://gate.example.com/b"}},
		Gate: gate.Settings{URL: "https://gate.example.com", TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/32")},
			Hosts: []gate.Host{{URL: wiki, Rules: []gate.Rule{{Path: "/"}}}}},
	}
	var got []string
	for _, p := range c.Problems() {
		got = append(got, p.Path)
	}
	if want := "gate.hosts[0].rules[0].allow frontends[0].name frontends[1].url"; strings.Join(got, " ") != want {
		t.Errorf("%q, want %q", got, want)
	}
}
