package interaction_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/connect"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/storage"
)

func TestUpstreamSignIn(t *testing.T) {
	t.Parallel()
	f := blackbox.Federate(t, true)
	b := f.NewBrowser(t)
	callback := f.Arrive(t, f.Leave(t, b), false)
	back := f.Back(t, b, callback)
	if got := b.Get(t, back.Header.Get("Location")).Redirect(t); got.Get("code") == "" || got.Get("state") == "" {
		t.Fatalf("%v", got)
	}
	// The upstream is authoritative for the verified address that local Alice has: it is her.
	local := f.SignIn(t, authztest.SPA, "", nil)
	first := f.Subject(t, b)
	if first != blackbox.Claims(t, local.IDToken)["sub"] {
		t.Error("the upstream login is not linked to the local account")
	}
	again := f.NewBrowser(t)
	f.SignInUpstream(t, again)
	if second := f.Subject(t, again); second != first {
		t.Errorf("another login is another user: %s, %s", first, second)
	}
}

// An address alone is no proof: the user signs in to the account that has it, once.
func TestUpstreamLinkRequired(t *testing.T) {
	t.Parallel()
	f := blackbox.Federate(t, false)
	b := f.NewBrowser(t)
	page := f.SignInUpstream(t, b)
	login := b.Get(t, page.Header.Get("Location"))
	if !login.Has("problem") || !login.Has("password") {
		t.Fatalf("no request to sign in to the existing account: %.500s", login.Body)
	}
	if got := b.Ask(t, authztest.SPA, url.Values{"prompt": {"none"}}).Redirect(t); got.Get("error") != "login_required" {
		t.Fatalf("signed in before the link: %v", got)
	}
	on := b.Do(t, login.Submit(t, "login-submit", url.Values{"username": {authztest.Username}, "password": {authztest.Password}}))
	on = b.Do(t, b.Get(t, on.Header.Get("Location")).Submit(t, "link-confirm", nil))
	if got := b.Get(t, on.Header.Get("Location")).Redirect(t); got.Get("code") == "" {
		t.Fatalf("%v", got)
	}
	again := f.NewBrowser(t)
	f.SignInUpstream(t, again)
	if f.Subject(t, again) != f.Subject(t, b) {
		t.Error("the identity was not linked")
	}
}

func TestUpstreamRefusal(t *testing.T) {
	t.Parallel()
	f := blackbox.Federate(t, true)
	b := f.NewBrowser(t)
	got := f.Back(t, b, f.Arrive(t, f.Leave(t, b), true)).Redirect(t)
	if got.Get("error") != "access_denied" || got.Get("state") == "" || got.Get("iss") != f.URL {
		t.Errorf("%v", got)
	}
	if users := blackbox.Count(t, f.Store, storage.Identities.Table); users != 0 {
		t.Errorf("%d identities were stored", users)
	}
}

// An upstream that is down is said to the person, with the other ways to sign in; the cancel button tells the
// client. A client that takes no other way hears of it at once.
func TestUpstreamDown(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{Connectors: []connect.Config{{
		ID: "corp", Type: connect.TypeOIDC, Issuer: "http://127.0.0.1:1", ClientID: "x", ClientSecret: "y",
	}}}, nil)
	f := blackbox.Federation{Server: s}
	b := s.NewBrowser(t)
	begin := func(more url.Values) *authztest.Page {
		login := b.Get(t, b.Ask(t, authztest.SPA, more).Header.Get("Location"))
		return b.Get(t, f.URL+"/login/corp?flow="+url.QueryEscape(login.URL.Query().Get("flow")))
	}
	page := b.Get(t, begin(nil).Header.Get("Location"))
	if !page.Has("problem") || !page.Has("login-submit") {
		t.Fatalf("%d %.300s", page.Status, page.Body)
	}
	if got := b.Do(t, page.Submit(t, "login-cancel", nil)).Redirect(t); got.Get("error") != "temporarily_unavailable" || got.Get("state") == "" {
		t.Errorf("cancelled: %v", got)
	}
	if got := begin(url.Values{"acr_values": {blackbox.FederatedACR}}).Redirect(t); got.Get("error") != "temporarily_unavailable" || got.Get("state") == "" {
		t.Errorf("no other way: %v", got)
	}
	on := b.Do(t, page.Submit(t, "login-submit", url.Values{"username": {authztest.Username}, "password": {authztest.Password}}))
	if got := b.Get(t, on.Header.Get("Location")).Redirect(t); got.Get("code") == "" {
		t.Errorf("by the password: %v", got)
	}
	b = s.NewBrowser(t)
	if page := b.Get(t, b.Get(t, s.URL+"/login/corp").Header.Get("Location")); !page.Has("problem") || !page.Has("username") {
		t.Errorf("without a client: %d %.300s", page.Status, page.Body)
	}
	b.Code(t, authztest.SPA, nil) // a password still does
}

// A callback counts only in the browser that began, for the attempt that it began.
func TestUpstreamCallbackForgery(t *testing.T) {
	t.Parallel()
	f := blackbox.Federate(t, true)
	b, victim := f.NewBrowser(t), f.NewBrowser(t)
	callback := f.Arrive(t, f.Leave(t, b), false)
	f.Leave(t, victim)
	for name, attack := range map[string]struct {
		browser *authztest.Browser
		url     string
	}{
		"another browser":           {victim, callback},
		"a browser without cookies": {f.NewBrowser(t), callback},
		"another state":             {b, strings.Replace(callback, "state=", "state=x", 1)},
		"no state":                  {b, f.URL + "/callback/corp?code=x"},
	} {
		page := attack.browser.Get(t, attack.url)
		if page.Status != 400 || page.Header.Get("Location") != "" {
			t.Errorf("%s: %d %s", name, page.Status, page.Header.Get("Location"))
		}
	}
	// None of it has used up the honest attempt.
	back := f.Back(t, b, callback)
	if got := b.Get(t, back.Header.Get("Location")).Redirect(t); got.Get("code") == "" {
		t.Errorf("the honest callback: %v", got)
	}
}

// Logins that are begun and never ended don't pile up in the browser.
func TestUpstreamAttemptsAreBounded(t *testing.T) {
	t.Parallel()
	f := blackbox.Federate(t, true)
	b := f.NewBrowser(t)
	for range 12 {
		f.Leave(t, b)
	}
	u, err := url.Parse(f.URL)
	if err != nil {
		t.Fatal(err)
	}
	size := 0
	for _, c := range b.HTTP.Jar.Cookies(u) {
		size += len(c.Name) + len(c.Value)
	}
	if size > 8<<10 {
		t.Errorf("%d bytes of cookies", size)
	}
	// A request that is too big for one cookie still works.
	long := b.Get(t, b.Ask(t, authztest.SPA, url.Values{"state": {blackbox.Noise(5000)}}).Header.Get("Location"))
	target := f.URL + "/login/corp?flow=" + url.QueryEscape(long.URL.Query().Get("flow"))
	back := f.Back(t, b, f.Arrive(t, b.Get(t, target).Header.Get("Location"), false))
	if got := b.Get(t, back.Header.Get("Location")).Redirect(t); got.Get("state") != blackbox.Noise(5000) {
		t.Errorf("state of 5000 characters: %d came back", len(got.Get("state")))
	}
}

// A plain sign-in, without an app, ends at the account page.
func TestUpstreamWithoutClient(t *testing.T) {
	t.Parallel()
	f := blackbox.Federate(t, true)
	b := f.NewBrowser(t)
	back := f.Back(t, b, f.Arrive(t, b.Get(t, f.URL+"/login/corp").Header.Get("Location"), false))
	if got := back.LedTo(t); got != "/account" {
		t.Fatalf("led to %s", got)
	}
	if page := b.Get(t, f.URL+"/account"); page.Status != http.StatusOK || !strings.Contains(page.Body, "Corp") {
		t.Errorf("account page: %d", page.Status)
	}
}

// An upstream identity is linked to the account that has its address, and to no other that happens
// to sign in on the page that asks for it.
func TestUpstreamLinkOfAnotherAccount(t *testing.T) {
	t.Parallel()
	f := blackbox.Federate(t, false)
	dinah := users.User{Username: "dinah", Password: authztest.Password}
	authztest.Start(t, authz.Config{Issuer: f.URL, Store: f.Store, Secret: f.Secret, Users: []users.User{dinah}}, nil)
	b := f.NewBrowser(t)
	login := b.Get(t, f.SignInUpstream(t, b).Header.Get("Location"))
	on := b.Do(t, login.Submit(t, "login-submit", url.Values{"username": {"dinah"}, "password": {authztest.Password}}))
	if got := b.Get(t, on.Header.Get("Location")).Redirect(t); got.Get("code") == "" {
		t.Errorf("the login itself: %v", got)
	}
	if n := blackbox.Count(t, f.Store, storage.Identities.Table); n != 0 {
		t.Errorf("%d identities were linked", n)
	}
}

// An error that an upstream answers in place of a code becomes an error of ours, with any text beside it.
func TestUpstreamErrors(t *testing.T) {
	t.Parallel()
	f := blackbox.Federate(t, true)
	for code, want := range map[string]string{
		"access_denied": "access_denied", "user_cancelled_login": "access_denied", "user_cancelled_authorize": "access_denied",
		"user_canceled": "access_denied", "USER_CANCELLED": "access_denied", "authorization_declined": "access_denied", "cancelled": "access_denied",
		"login_required": "login_required", "interaction_required": "interaction_required", "consent_required": "consent_required",
		"account_selection_required": "account_selection_required",
	} {
		for _, description := range []string{"a line\r\nand another\tone", "\x00\x1b\u202e", "%zz", "&x=%", "AADSTS65004: User declined; \"consent\""} {
			b := f.NewBrowser(t)
			u, err := url.Parse(f.Leave(t, b))
			if err != nil {
				t.Fatal(err)
			}
			text := url.QueryEscape(description)
			if strings.Contains(description, "%") {
				text = description
			}
			answer := f.URL + "/callback/corp?error=" + code + "&state=" + u.Query().Get("state") + "&session_state=%00&error_description=" + text
			got := b.Get(t, answer).Redirect(t)
			if got.Get("error") != want || got.Get("state") == "" || strings.Contains(got.Get("error_description"), "AADSTS") {
				t.Errorf("%s, %q: %v", code, description, got)
			}
		}
	}
}
