package authz_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
)

// Every page of ours shows the id under which the log has its request.
func TestPagesShowRequestID(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.NewBrowser(t)
	shows := func(name, id string, page *authztest.Page) {
		t.Helper()
		if want := page.Header.Get("X-Request-Id"); want == "" || page.Text("request-id") != want || (id != "" && !page.Has(id)) {
			t.Errorf("%s: %d, the page shows %q, its request is %q", name, page.Status, page.Text("request-id"), want)
		}
	}
	login := b.Get(t, b.Ask(t, authztest.ThirdParty, nil).Header.Get("Location"))
	shows("sign-in", "login-submit", login)
	submitted := b.Do(t, login.Submit(t, "login-submit", url.Values{"username": {b.Username}, "password": {b.Password}}))
	consent := b.Get(t, b.Get(t, submitted.Header.Get("Location")).Header.Get("Location"))
	shows("consent", "consent-allow", consent)
	shows("account chooser", "account-continue", b.Get(t, b.Ask(t, authztest.SPA, url.Values{"prompt": {"select_account"}}).Header.Get("Location")))
	shows("form_post", "continue", b.Ask(t, authztest.SPA, url.Values{"response_mode": {"form_post"}}))
	shows("device", "device-submit", b.Get(t, s.URL+"/device"))
	d := s.NewDevice(t, nil)
	confirm := b.Get(t, d.VerificationURIComplete)
	shows("device confirmation", "consent-allow", confirm)
	shows("device allowed", "", b.Follow(t, confirm.Submit(t, "consent-allow", nil)))
	shows("account", "logout", b.Get(t, s.URL+"/account"))
	shows("home", "home-sign-in", s.NewBrowser(t).Get(t, s.URL+"/"))
	if page := b.Get(t, s.URL+"/"); page.Status != http.StatusSeeOther || page.Header.Get("Location") != s.URL+"/account" {
		t.Errorf("the home page of somebody who is signed in: %d %s", page.Status, page.Header.Get("Location"))
	}
	question := b.Get(t, s.URL+"/logout")
	shows("logout", "logout-confirm", question)
	shows("signed out", "", b.Do(t, question.Submit(t, "logout-confirm", nil)))
	shows("error", "error-code", b.Get(t, s.URL+"/nothing"))
}

// OpenID Connect Core section 3.1.2.1: the redirect_uri is required, and the page says that it is missing.
func TestPageOfMissingRedirectURI(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	page := s.NewBrowser(t).Ask(t, authztest.SPA, url.Values{"redirect_uri": {}})
	if page.Text("error-code") != "400 invalid_request" || !strings.Contains(page.Body, "the redirect_uri is missing") {
		t.Errorf("%d %s", page.Status, page.Body)
	}
	german := s.NewBrowser(t).Ask(t, authztest.SPA, url.Values{"redirect_uri": {}, "ui_locales": {"de"}})
	if !strings.Contains(german.Body, "Die redirect_uri fehlt") {
		t.Errorf("%s", german.Body)
	}
}
