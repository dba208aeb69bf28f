package interaction_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/mail"
	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/templates"
)

// choose sends the form at the foot of a page, as a browser does without scripts.
func choose(t *testing.T, b *authztest.Browser, page *authztest.Page, lang string) *authztest.Page {
	t.Helper()
	if !page.Has("language") {
		t.Fatalf("no languages on %s: %.300s", page.URL, page.Body)
	}
	u := *page.URL
	query := u.Query()
	query.Set("_lang", lang)
	u.RawQuery = query.Encode()
	sent := b.Get(t, u.String())
	if to := sent.Header.Get("Location"); sent.Status != http.StatusSeeOther || !strings.HasPrefix(to, "?") || strings.Contains(to, "_lang") {
		t.Fatalf("the choice led to %d %q", sent.Status, to)
	}
	u.RawQuery = sent.Header.Get("Location")[1:]
	return b.Get(t, u.String())
}

func speaks(page *authztest.Page) string { return page.Header.Get("Content-Language") }

// TestLanguageIsChosen: a choice at the foot of the page holds for the rest of the sign-in and after it, against the wish
// of the app.
func TestLanguageIsChosen(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.NewBrowser(t)
	page := b.Get(t, b.Ask(t, authztest.SPA, url.Values{"ui_locales": {"de"}}).Header.Get("Location"))
	if speaks(page) != "de" {
		t.Fatalf("the page speaks %q", speaks(page))
	}
	if page = choose(t, b, page, "fr"); speaks(page) != "fr" || !page.Has("login-submit") {
		t.Fatalf("after the choice: %q %d", speaks(page), page.Status)
	}
	failed := b.Follow(t, page.Submit(t, "login-submit", url.Values{"username": {b.Username}, "password": {"wrong"}}))
	if speaks(failed) != "fr" || !failed.Has("problem") {
		t.Errorf("a wrong password: %q", speaks(failed))
	}
	got := b.Do(t, failed.Submit(t, "login-submit", url.Values{"username": {b.Username}, "password": {b.Password}}))
	for strings.HasPrefix(got.Header.Get("Location"), s.URL) {
		got = b.Get(t, got.Header.Get("Location"))
	}
	if answer := got.Redirect(t); answer.Get("code") == "" {
		t.Errorf("the app gets %v", answer)
	}
	if page := b.Get(t, s.URL+"/account"); speaks(page) != "fr" {
		t.Errorf("the account speaks %q", speaks(page))
	}
	if page := b.Get(t, s.URL+"/authorize?client_id=nobody"); speaks(page) != "fr" || page.Status != http.StatusBadRequest {
		t.Errorf("an error speaks %q: %d", speaks(page), page.Status)
	}
	if page := choose(t, b, b.Get(t, s.URL+"/account"), "xx"); speaks(page) != "fr" {
		t.Errorf("a language that there is not: %q", speaks(page))
	}
}

// TestLanguageOfTheAccount: whose account it is says how pages speak once they have signed in, and not before. What the
// app wants comes first.
func TestLanguageOfTheAccount(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{Users: []users.User{{Username: authztest.Username, Password: authztest.Password, Locale: "pl-PL"}}}, nil)
	b := s.NewBrowser(t)
	if page := b.Get(t, s.URL+"/login"); speaks(page) != "en" {
		t.Errorf("before the sign-in: %q", speaks(page))
	}
	page := blackbox.Password(t, b, s.URL+"/login")
	if speaks(page) != "pl" {
		t.Errorf("the account speaks %q", speaks(page))
	}
	for ui, want := range map[string]string{"": "pl", "ja": "ja", "ko": "pl", "en": "en"} {
		page := b.Get(t, b.Ask(t, authztest.SPA, url.Values{"prompt": {"consent"}, "ui_locales": {ui}}).Header.Get("Location"))
		if speaks(page) != want || !page.Has("consent-allow") {
			t.Errorf("ui_locales %q: the page speaks %q", ui, speaks(page))
		}
	}
}

// TestLanguageIsNoOpenRedirect: the form leads nowhere but to its page, sets nothing for another site, and changes nothing
// but the language.
func TestLanguageIsNoOpenRedirect(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	for _, path := range []string{"/login", "//evil.example/login", "/nowhere", "/%5Cevil.example", "/login/..//evil.example"} {
		page := s.NewBrowser(t).Get(t, s.URL+path+"?_lang=de&next=https://evil.example/")
		if to := page.Header.Get("Location"); page.Status != http.StatusSeeOther || to != "?next=https%3A%2F%2Fevil.example%2F" {
			t.Errorf("%s: %d %q", path, page.Status, to)
		}
	}
	b := s.NewBrowser(t)
	request, err := http.NewRequest(http.MethodGet, s.URL+"/login?_lang=de", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Sec-Fetch-Site", "cross-site")
	b.Do(t, request)
	if page := b.Get(t, s.URL+"/login"); speaks(page) != "en" {
		t.Errorf("another site has chosen %q", speaks(page))
	}
	// An endpoint for programs does not know the parameter.
	answer := b.Get(t, s.URL+"/jwks.json?_lang=de")
	if answer.Status != http.StatusOK || answer.Header.Get("Set-Cookie") != "" {
		t.Errorf("%d %v", answer.Status, answer.Header)
	}
}

// TestOfferedLanguages: what is offered is in discovery, and a mail speaks as the page that has sent it.
func TestOfferedLanguages(t *testing.T) {
	t.Parallel()
	box := &mail.Box{}
	s := authztest.Start(t, authz.Config{
		Branding: templates.Branding{Languages: []string{"nl", "fr"}}, Mail: authz.Mail{From: "id@example.com", Transport: box},
	}, nil)
	if got := fmt.Sprint(blackbox.GetJSON(t, s, "/.well-known/openid-configuration", "")["ui_locales_supported"]); got != "[nl fr]" {
		t.Errorf("discovery: %s", got)
	}
	b := s.NewBrowser(t)
	page := b.Get(t, s.URL+"/reset")
	if speaks(page) != "nl" {
		t.Errorf("the page speaks %q", speaks(page))
	}
	page = choose(t, b, page, "fr")
	b.Do(t, page.Submit(t, "reset-submit", url.Values{"email": {"alice@example.com"}}))
	blackbox.Until(t, "a mail", func() bool { return len(box.Mails()) > 0 })
	if m := box.Mails()[0]; !strings.Contains(m.Text, "mot de passe") {
		t.Errorf("the mail says %q", m.Text)
	}
}

// TestLanguageUpstream: the page of a connector is asked for in the language that the person has chosen.
func TestLanguageUpstream(t *testing.T) {
	t.Parallel()
	f := blackbox.Federate(t, true)
	b := f.NewBrowser(t)
	page := b.Get(t, b.Ask(t, authztest.SPA, url.Values{"ui_locales": {"de"}}).Header.Get("Location"))
	for _, want := range []string{"de", "fr de"} {
		upstream, err := url.Parse(b.Get(t, page.Link("connector-corp")).Header.Get("Location"))
		if err != nil || upstream.Query().Get("ui_locales") != want {
			t.Errorf("%v %v, want %q", upstream, err, want)
		}
		page = choose(t, b, page, "fr")
	}
}
