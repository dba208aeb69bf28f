package bff_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz/bff"
	"github.com/authzd/authzd/authz/bff/websession"
)

// navigate is a navigation, as a browser describes it.
func (b *browser) navigate(path, site string) *reply {
	b.t.Helper()
	r := b.request(http.MethodGet, path, "")
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Sec-Fetch-Dest", "document")
	r.Header.Set("Accept", "text/html")
	if site != "" {
		r.Header.Set("Sec-Fetch-Site", site)
	}
	return b.send(r, site == "cross-site")
}

// TestAppNeedsSession: a Go program whose own pages are behind the session finds it in the request for the target,
// because the browser comes there from a page of the app. On a redirect of the provider the cookie would be missing.
func TestAppNeedsSession(t *testing.T) {
	t.Parallel()
	s := start(t, options{bff: func(c *bff.Config) { c.Frontends[0].AppNeedsSession = true }})
	b := s.browser(t)
	callback := b.consent(b.begin("/page?x=1", ""))
	for _, when := range []string{"the callback", "the callback again"} {
		got := b.follow(callback)
		if got.StatusCode != http.StatusOK || !strings.Contains(got.body, `<meta http-equiv="refresh" content="0; url=/page?x=1">`) ||
			!strings.Contains(got.body, `href="/page?x=1"`) || strings.Contains(got.body, "<script") || got.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s", when, got.StatusCode, got.body)
		}
	}
	if _, err := s.SessionsOf("orders").Find(ownRequest(b)); err != nil {
		t.Errorf("from there: %v", err)
	}
	foreign := b.request(http.MethodGet, "/page?x=1", "")
	for _, c := range b.cookies {
		if c.SameSite != http.SameSiteStrictMode {
			foreign.AddCookie(c)
		}
	}
	if _, err := s.SessionsOf("orders").Find(foreign); !errors.Is(err, websession.ErrNone) {
		t.Errorf("on a redirect from the provider: %v", err)
	}
	s = start(t, options{bff: func(c *bff.Config) { c.Frontends[0].AppNeedsSession, c.Frontends[0].Lax = true, true }})
	s.browser(t).signIn("/page") // a Lax cookie comes with the redirect
}

// TestNavigationToAnAPI: a navigation has no header X-Authzd-BFF, so it reaches an API only where event_stream lets a
// GET come without, and only from a page of the app. Such a page is the one that goes on after a sign-in.
func TestNavigationToAnAPI(t *testing.T) {
	t.Parallel()
	s := start(t, options{bff: func(c *bff.Config) {
		stream := c.Frontends[0].Routes[0]
		stream.Path, stream.EventStream = "/stream/", true
		c.Frontends[0].Routes = append(c.Frontends[0].Routes, stream)
	}})
	b := s.browser(t)
	for _, target := range []string{"/api/report", "/stream/report"} {
		if got := b.follow(b.consent(b.begin(target, ""))); got.StatusCode != http.StatusOK || !strings.Contains(got.body, `content="0; url=`+target+`"`) {
			t.Errorf("%s: %d %s", target, got.StatusCode, got.body)
		}
	}
	for _, site := range []string{"same-origin", "same-site", "cross-site", "none", ""} {
		for _, target := range []string{"/api/report", "/stream/report"} {
			before, want := s.api.count(), http.StatusForbidden
			if target == "/stream/report" && site == "same-origin" {
				want = http.StatusOK
			}
			got := b.navigate(target, site)
			if got.StatusCode != want || s.api.count()-before != map[bool]int{true: 1}[want == http.StatusOK] {
				t.Errorf("%s, Sec-Fetch-Site %q: %d %s, %d requests at the API", target, site, got.StatusCode, got.body, s.api.count()-before)
			}
			if len(got.Header.Values("Set-Cookie")) > 0 || want == http.StatusForbidden && !strings.Contains(got.body, "foreign_request") {
				t.Errorf("%s, Sec-Fetch-Site %q: %v %s", target, site, got.Header, got.body)
			}
		}
	}
	if s.api.count() != 1 || !strings.HasPrefix(s.api.requests[0].Header.Get("Authorization"), "Bearer ") {
		t.Errorf("the API got %d requests", s.api.count())
	}
}

// TestNothingIsStored: no cache keeps what cookie mode says about a user, and a signed-out page learns nothing more.
func TestNothingIsStored(t *testing.T) {
	t.Parallel()
	s := start(t, options{})
	b := s.browser(t)
	check := func(name string, got *reply, status int) {
		t.Helper()
		if got.StatusCode != status || got.Header.Get("Cache-Control") != "no-store" || len(got.Header.Values("Cache-Control")) != 1 ||
			got.Header.Get("ETag") != "" || got.Header.Get("Last-Modified") != "" || got.Header.Get("Expires") != "" {
			t.Errorf("%s: %d %v %s", name, got.StatusCode, got.Header, got.body)
		}
	}
	out := b.call(http.MethodGet, "/bff/session")
	check("signed out", out, http.StatusOK)
	if out.body != "{\"active\":false}\n" {
		t.Errorf("signed out: %q", out.body)
	}
	check("without the header", b.navigate("/bff/session", "same-origin"), http.StatusForbidden)
	check("activity, signed out", b.call(http.MethodPost, "/bff/activity"), http.StatusUnauthorized)
	check("a call, signed out", b.call(http.MethodGet, "/api/orders"), http.StatusUnauthorized)
	check("the sign-in", b.signIn("/"), http.StatusSeeOther)
	in := b.call(http.MethodGet, "/bff/session")
	check("signed in", in, http.StatusOK)
	if in.json(t)["active"] != true {
		t.Errorf("signed in: %s", in.body)
	}
	check("activity", b.call(http.MethodPost, "/bff/activity"), http.StatusOK)
	check("another method", b.call(http.MethodPost, "/bff/session"), http.StatusMethodNotAllowed)
	check("the logout", b.call(http.MethodPost, "/bff/logout"), http.StatusOK)
}
