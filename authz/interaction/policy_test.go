package interaction_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/connect"
	"github.com/authzd/authzd/authz/factor"
	"github.com/authzd/authzd/authz/internal/blackbox"
)

// wantClaims compares acr and amr of an ID token.
func wantClaims(t *testing.T, what, idToken, acr, amr string) map[string]any {
	t.Helper()
	claims := blackbox.Claims(t, idToken)
	if claims["acr"] != acr || fmt.Sprint(claims["amr"]) != amr {
		t.Errorf("%s: acr %v, amr %v; want %s, %s", what, claims["acr"], claims["amr"], acr, amr)
	}
	return claims
}

// TestAppDemandsPasskey: one app of a server needs a passkey. A session with a password is enough for others, and gets
// there by a passkey of its own; to add one, the user signs in first, unless they have done it just now.
func TestAppDemandsPasskey(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{Issuer: authztest.Localhost, Users: people}, func(m *client.Metadata) {
		if m.ID == authztest.Web {
			m.Factors = "passkey"
		}
	})
	p := &passkeys{s, &authztest.Authenticator{Origin: s.URL}}
	verifier, challenge := authztest.PKCE()
	tokens := func(b *authztest.Browser, target string) authztest.Tokens {
		t.Helper()
		answer := b.Walk(t, target)
		if answer.Params.Get("code") == "" {
			t.Fatalf("no code: %s", answer)
		}
		return s.Token(t, authztest.Web, authztest.Secret, authztest.CodeForm(answer.Params.Get("code"), verifier))
	}
	open := func(b *authztest.Browser, change url.Values) *authztest.Page {
		t.Helper()
		params := authztest.AuthorizationParams(authztest.Web, challenge)
		for name, values := range change {
			params[name] = values
		}
		return b.Open(t, params)
	}

	b := s.NewBrowser(t)
	wantClaims(t, "an app that demands nothing", b.SignIn(t, authztest.SPA, nil).IDToken, "urn:authzd:acr:password", "[pwd]")
	if got := open(b, url.Values{"prompt": {"none"}}).Redirect(t); got.Get("error") != "login_required" || got.Has("code") {
		t.Errorf("prompt=none: %v", got)
	}
	blackbox.AgeLogins(t, s, time.Hour)
	page := b.Get(t, open(b, nil).Header.Get("Location"))
	if page.LedTo(t) != "/login" {
		t.Fatalf("an old session adds a passkey: %s %d %.200s", page.URL.Path, page.Status, page.Body)
	}
	login := b.Get(t, page.Header.Get("Location"))
	page = b.Follow(t, login.Submit(t, "login-submit", url.Values{"username": {b.Username}, "password": {b.Password}}))
	if !page.Has("passkey-add") || page.Has("passkey-skip") || page.Has("totp-secret") {
		t.Fatalf("after the sign-in: %s %.300s", page.URL.Path, page.Body)
	}
	added := b.Do(t, page.Passkey(t, "passkey-add", p.device.Create(t, page.Asked(t, "passkey-add"))))
	wantClaims(t, "with a new passkey", tokens(b, added.Header.Get("Location")).IDToken, "phrh", "[pwd hwk user mfa]")

	// Another browser, with a living session of before: the passkey alone takes it further, and is no new sign-in.
	b = s.NewBrowser(t)
	b.Code(t, authztest.SPA, nil)
	blackbox.AgeLogins(t, s, time.Hour)
	before := blackbox.SessionCookie(t, b)
	page = b.Get(t, open(b, url.Values{"max_age": {"7200"}}).Header.Get("Location")) // so the ID token has auth_time
	if !page.Has("passkey-login") || page.Has("password") || page.Has("otp") || page.Has("use-another-way") {
		t.Fatalf("the step-up asks for something else: %s %.300s", page.URL.Path, page.Body)
	}
	for _, form := range []url.Values{{"otp": {"123456"}}, {"recovery-code": {"0000-00000-0000"}}, {"passkey-answer": {"{}"}}} {
		if got := p.follows(t, b, page.Submit(t, "passkey-login", form)); strings.Contains(got.Header.Get("Location"), "code=") {
			t.Fatalf("%v: %s", form, got.Header.Get("Location"))
		}
	}
	page = b.Get(t, page.URL.String())
	done := b.Do(t, page.Passkey(t, "passkey-login", p.device.Get(t, page.Asked(t, "passkey-login"))))
	claims := wantClaims(t, "stepped up", tokens(b, done.Header.Get("Location")).IDToken, "phrh", "[pwd hwk user mfa]")
	if after := blackbox.SessionCookie(t, b); after == before || after[:22] != before[:22] {
		t.Error("the session has another sid, or the same secret")
	}
	if signedInAt := int64(claims["auth_time"].(float64)); time.Since(time.Unix(signedInAt, 0)) < 59*time.Minute {
		t.Errorf("auth_time %d: the passkey alone counts as a new sign-in", signedInAt)
	}
	b.Code(t, authztest.SPA, url.Values{"prompt": {"none"}})

	// The app also wants a fresh sign-in: that of an hour ago does not do, and one by the passkey does.
	young := url.Values{"max_age": {"60"}}
	if got := open(b, url.Values{"prompt": {"none"}, "max_age": {"60"}}).Redirect(t); got.Get("error") != "login_required" {
		t.Errorf("prompt=none, max_age: %v", got)
	}
	page = b.Get(t, open(b, young).Header.Get("Location"))
	if page.URL.Path != "/login" || !page.Has("passkey-login") {
		t.Fatalf("max_age leads to %s: %.300s", page.URL.Path, page.Body)
	}
	done = b.Do(t, page.Passkey(t, "passkey-login", p.device.Get(t, page.Asked(t, "passkey-login"))))
	claims = wantClaims(t, "signed in again", tokens(b, done.Header.Get("Location")).IDToken, "phrh", "[hwk user mfa]")
	if signedInAt := int64(claims["auth_time"].(float64)); time.Since(time.Unix(signedInAt, 0)) > time.Minute {
		t.Errorf("auth_time %d is old", signedInAt)
	}
}

// TestEverybodyNeedsPasskey: who has none adds one after the password, and there is no session before.
func TestEverybodyNeedsPasskey(t *testing.T) {
	t.Parallel()
	p := startPasskeys(t, authz.Config{Users: people, Factors: factor.Policy{Everybody: factor.PhishingResistant}})
	b := p.NewBrowser(t)
	b.Username = "bob" // he has no role
	page := blackbox.Password(t, b, p.URL+"/login")
	if !page.Has("passkey-add") || page.Has("passkey-skip") || page.Has("otp") {
		t.Fatalf("no enrolment: %s %.300s", page.URL, page.Body)
	}
	noSession(t, p.Server, "before the passkey")
	done := p.follows(t, b, page.Passkey(t, "passkey-add", p.device.Create(t, page.Asked(t, "passkey-add"))))
	if done.URL.Path != "/account" || done.Status != http.StatusOK {
		t.Fatalf("%s: %s", done.URL, done.Text("problem"))
	}
	wantClaims(t, "with the new passkey", b.SignIn(t, authztest.SPA, url.Values{"prompt": {"none"}}).IDToken, "phrh", "[pwd hwk user mfa]")
}

// TestConnectorDemandsFactor: all who come from an upstream need two factors. What the upstream says that it has seen
// counts if it is trusted, and nowhere else.
func TestConnectorDemandsFactor(t *testing.T) {
	t.Parallel()
	trusted, other := newSilentUpstream(t), newSilentUpstream(t)
	other.connector = "shop"
	s := authztest.Start(t, authz.Config{
		Connectors: []connect.Config{trusted.config(), other.config()},
		Factors: factor.Policy{
			Connectors: map[string]factor.Level{"corp": factor.Two, "shop": factor.Two}, Trusted: map[string]bool{"corp": true},
		},
	}, nil)
	for _, tt := range []struct {
		what  string
		from  *silentUpstream
		amr   []string
		asked bool
	}{
		{"it says nothing", trusted, nil, true},
		{"one factor there", trusted, []string{"pwd"}, true},
		{"another method there", trusted, []string{"otp", "sms"}, true},
		{"not trusted", other, []string{"pwd", "mfa"}, true},
		{"two factors there", trusted, []string{"pwd", "mfa"}, false},
	} {
		tt.from.amr = tt.amr
		b := s.NewBrowser(t)
		page := tt.from.arrive(t, b, nil)
		if tt.asked != (page.LedTo(t) == "/login/factor") || tt.asked != (blackbox.SessionCookie(t, b) == "") {
			t.Errorf("%s: led to %s", tt.what, page.LedTo(t))
		}
		if tt.asked {
			if page = b.Get(t, page.Header.Get("Location")); !page.Has("totp-secret") {
				t.Errorf("%s: no enrolment: %.300s", tt.what, page.Body)
			}
			if got := b.Ask(t, authztest.SPA, url.Values{"prompt": {"none"}}).Redirect(t); got.Get("error") != "login_required" {
				t.Errorf("%s: prompt=none: %v", tt.what, got)
			}
			continue
		}
		tokens := b.SignIn(t, authztest.SPA, url.Values{"prompt": {"none"}, "acr_values": {twoFactors}})
		wantClaims(t, tt.what, tokens.IDToken, twoFactors, "[pwd mfa]")
	}

	// A factor here is enough for the other one. Tokens say what the upstream has said, and what was proved here.
	b := s.NewBrowser(t)
	other.amr = []string{"pwd"}
	page := b.Get(t, other.arrive(t, b, nil).Header.Get("Location"))
	shown := b.Do(t, page.Submit(t, "otp-submit", otp(factor.Code(typedSecret(t, page), time.Now()))))
	if got := b.Get(t, shown.Link("recovery-done")).Redirect(t); got.Get("code") == "" {
		t.Fatalf("after the set-up: %v", got)
	}
	wantClaims(t, "with a factor here", b.SignIn(t, authztest.SPA, url.Values{"prompt": {"none"}}).IDToken, twoFactors, "[pwd otp mfa]")

	// Nothing is demanded of those who have a password here.
	wantClaims(t, "by password", s.NewBrowser(t).SignIn(t, authztest.SPA, nil).IDToken, "urn:authzd:acr:password", "[pwd]")
}
