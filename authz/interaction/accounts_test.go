package interaction_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/storage"
)

// shared is a browser in which Alice and Bob are signed in, Bob last. Alice has used the SPA, Bob the third party's app.
func shared(t *testing.T) (b *authztest.Browser, alice, bob authztest.Tokens) {
	t.Helper()
	s := authztest.Start(t, authz.Config{Users: []users.User{
		{Username: authztest.Username, Password: authztest.Password, Email: "alice@example.com", EmailVerified: true},
		{Username: "bob", Password: authztest.Password, Name: "Bob"},
	}}, nil)
	b = s.NewBrowser(t)
	alice = b.SignIn(t, authztest.SPA, nil)
	login := b.Get(t, s.URL+"/login?other=1")
	b.Do(t, login.Submit(t, "login-submit", url.Values{"username": {"bob"}, "password": {authztest.Password}}))
	bob = b.SignIn(t, authztest.ThirdParty, url.Values{"login_hint": {"BOB"}})
	if sub(t, alice) == sub(t, bob) {
		t.Fatal("one account")
	}
	return b, alice, bob
}

func sub(t *testing.T, tokens authztest.Tokens) string {
	t.Helper()
	return blackbox.Claims(t, tokens.IDToken)["sub"].(string)
}

// silent is whose tokens an app gets without a question, or the error.
func silent(t *testing.T, b *authztest.Browser, clientID string, extra url.Values) string {
	t.Helper()
	params := url.Values{"prompt": {"none"}}
	for name, values := range extra {
		params[name] = values
	}
	answer := b.Ask(t, clientID, params).Redirect(t)
	if e := answer.Get("error"); e != "" {
		return e
	}
	return codeOwner(t, b, answer.Get("code"))
}

// codeOwner is the user of an authorization code.
func codeOwner(t *testing.T, b *authztest.Browser, code string) string {
	t.Helper()
	for entry, err := range storage.Codes.All(t.Context(), b.Server.Store, "") {
		if err != nil {
			t.Fatal(err)
		}
		if entry.Key == oauth.HashToken(code) {
			return entry.Value.UserID
		}
	}
	t.Fatal("no such code")
	return ""
}

// Without a question, an app gets the account that it names, or that it last got a code for in this browser.
func TestSeveralAccountsSilently(t *testing.T) {
	t.Parallel()
	b, alice, bob := shared(t)
	for _, test := range []struct {
		name, client string
		extra        url.Values
		want         string
	}{
		{"the app's last account", authztest.SPA, nil, sub(t, alice)},
		{"another app's last account", authztest.ThirdParty, nil, sub(t, bob)},
		{"an app that has had none", authztest.Web, nil, "account_selection_required"},
		{"the ID token names one", authztest.SPA, url.Values{"id_token_hint": {alice.IDToken}}, sub(t, alice)},
		{"the ID token names the other", authztest.ThirdParty, url.Values{"id_token_hint": {bob.IDToken}}, sub(t, bob)},
		{"the username", authztest.Web, url.Values{"login_hint": {"Alice"}}, sub(t, alice)},
		{"the address", authztest.Web, url.Values{"login_hint": {"ALICE@example.com"}}, sub(t, alice)},
	} {
		if got := silent(t, b, test.client, test.extra); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
	// Alice signs out: nobody gets Bob's account in her place without being asked.
	out := b.Get(t, b.Server.URL+"/logout?"+url.Values{"id_token_hint": {alice.IDToken}}.Encode())
	if !strings.Contains(out.Body, "You’re signed out") {
		t.Fatalf("%.300s", out.Body)
	}
	if got := silent(t, b, authztest.SPA, nil); got != "account_selection_required" {
		t.Errorf("after Alice has signed out, her app gets %s", got)
	}
	if got := silent(t, b, authztest.ThirdParty, nil); got != sub(t, bob) {
		t.Errorf("after Alice has signed out, Bob's app gets %s", got)
	}
}

// A person is asked which account they mean. The choice holds for this request, also if another tab chooses otherwise.
func TestSeveralAccountsByChoice(t *testing.T) {
	t.Parallel()
	b, alice, bob := shared(t)
	ask := func() *authztest.Page { return b.Get(t, b.Ask(t, authztest.SPA, nil).Header.Get("Location")) }
	one, two := ask(), ask()
	if !one.Has("account-continue") || !one.Has("account-1") || one.Has("account-2") || !one.Has("account-other") {
		t.Fatalf("%.900s", one.Body)
	}
	first := b.Do(t, one.Submit(t, "account-1", nil)) // Alice
	second := b.Do(t, two.Submit(t, "account-continue", nil))
	if got := codeOwner(t, b, b.Get(t, first.Header.Get("Location")).Redirect(t).Get("code")); got != sub(t, alice) {
		t.Errorf("the first tab chose Alice, and got %s", got)
	}
	if got := codeOwner(t, b, b.Get(t, second.Header.Get("Location")).Redirect(t).Get("code")); got != sub(t, bob) {
		t.Errorf("the second tab chose Bob, and got %s", got)
	}
	foreign := ask()
	answer := b.Do(t, foreign.Submit(t, "account-continue", url.Values{"account": {"somebody"}}))
	if again := b.Get(t, b.Get(t, answer.Header.Get("Location")).Header.Get("Location")); !again.Has("account-other") {
		t.Errorf("an account that is not signed in: %.300s", again.Body)
	}
}

// On the pages of the account, the person changes the account in use.
func TestSeveralAccountsOnAccountPage(t *testing.T) {
	t.Parallel()
	b, _, _ := shared(t)
	if page := b.Get(t, b.Server.URL+"/account"); !strings.Contains(page.Body, "Bob") {
		t.Fatalf("%.300s", page.Body)
	}
	chooser := b.Get(t, b.Server.URL+"/select-account")
	on := b.Do(t, chooser.Submit(t, "account-1", nil))
	if on.Header.Get("Location") != b.Server.URL+"/account" {
		t.Errorf("leads to %s", on.Header.Get("Location"))
	}
	if page := b.Get(t, b.Server.URL+"/account"); !strings.Contains(page.Body, "alice@example.com") {
		t.Errorf("%.300s", page.Body)
	}
}

// A page of the account of one person does nothing to the account of another, who has signed in in another tab.
func TestAccountFormsNameTheirUser(t *testing.T) {
	t.Parallel()
	b, alice, bob := shared(t)
	s := b.Server
	other := s.NewBrowser(t)
	login := other.Get(t, s.URL+"/login")
	other.Do(t, login.Submit(t, "login-submit", url.Values{"username": {"bob"}, "password": {authztest.Password}}))
	bobs, told := b.Get(t, s.URL+"/account"), b.Get(t, s.URL+"/login")
	for _, button := range []string{"revoke-" + authztest.ThirdParty, "sign-out-others", "sign-out-everywhere", "logout"} {
		if !bobs.Has(button) {
			t.Fatalf("no %s", button)
		}
	}
	choose := b.Get(t, s.URL+"/select-account")
	b.Do(t, choose.Submit(t, "account-continue", url.Values{"account": {sub(t, alice)}}))
	hers := b.Get(t, s.URL+"/account")
	if !strings.Contains(hers.Body, "Alice Liddell") && !strings.Contains(hers.Body, "alice@example.com") {
		t.Fatalf("not hers: %.500s", hers.Body)
	}
	living := func() (n map[string]int) {
		n = map[string]int{}
		for entry, err := range storage.Sessions.All(t.Context(), s.Store, "") {
			if err != nil {
				t.Fatal(err)
			}
			n[entry.Value.UserID]++
		}
		return n
	}
	before := living()
	for _, button := range []string{"sign-out-others", "sign-out-everywhere", "revoke-" + authztest.ThirdParty} {
		if page := b.Do(t, bobs.Submit(t, button, nil)); page.Header.Get("Location") != s.URL+"/account" {
			t.Errorf("%s: %d %q", button, page.Status, page.Header.Get("Location"))
		}
	}
	if after := living(); after[sub(t, alice)] != before[sub(t, alice)] || after[sub(t, bob)] != before[sub(t, bob)] {
		t.Errorf("sessions: %v, then %v", before, after)
	}
	for _, page := range []*authztest.Page{told, bobs} { // both say whom they sign out
		b.Do(t, page.Submit(t, "logout", nil))
		if after := living(); after[sub(t, alice)] != 1 || after[sub(t, bob)] != 1 {
			t.Errorf("after Bob's page signs out: %v", after)
		}
	}
}
