package authorize_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/storage"
)

const (
	passwordACR = "urn:authzd:acr:password"
)

// RFC 9470 section 4: acr_values and max_age make a session that lacks what is asked sign in again, in
// a way that gives it.
func TestRFC9470Section4_StepUp(t *testing.T) {
	t.Parallel()
	f := blackbox.Federate(t, true)
	b := f.Server.SignedIn(t, nil)
	want := url.Values{"acr_values": {blackbox.FederatedACR}, "max_age": {"3600"}} // else nobody asks the upstream for auth_time
	asked := b.Ask(t, authztest.SPA, want)
	if got := asked.LedTo(t); got != "/login" {
		t.Fatalf("led to %s", got)
	}
	login := b.Get(t, asked.Header.Get("Location"))
	if login.Has("password") || !login.Has("connector-corp") || !login.Has("reason") {
		t.Fatalf("the page offers what is of no use: %.1000s", login.Body)
	}
	back := f.Back(t, b, f.Arrive(t, f.LeaveFrom(t, b, asked), false))
	if got := b.Get(t, back.Header.Get("Location")).Redirect(t); got.Get("code") == "" {
		t.Fatalf("after the step-up: %v", got)
	}
	tokens := b.SignIn(t, authztest.SPA, want) // section 6: the access token tells
	for name, token := range map[string]string{"access token": tokens.AccessToken, "ID token": tokens.IDToken} {
		if got := blackbox.Claims(t, token); got["acr"] != blackbox.FederatedACR {
			t.Errorf("%s: acr %v", name, got["acr"])
		}
	}
	if blackbox.Claims(t, tokens.AccessToken)["auth_time"] == nil {
		t.Error("access token without auth_time")
	}
	if login := b.Get(t, b.Ask(t, authztest.SPA, url.Values{"acr_values": {passwordACR}}).Header.Get("Location")); !login.Has("password") || login.Has("connector-corp") {
		t.Errorf("password asked for: %.1000s", login.Body)
	}
}

// RFC 9470 section 4: max_age demands a login that is recent enough.
func TestRFC9470Section4_MaxAge(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.SignedIn(t, nil)
	blackbox.AgeLogins(t, s, time.Minute)
	old := b.SignIn(t, authztest.SPA, url.Values{"max_age": {"120"}})
	if got := b.Ask(t, authztest.SPA, url.Values{"max_age": {"60"}, "acr_values": {passwordACR}}).LedTo(t); got != "/login" {
		t.Errorf("a login of 60 s ago led to %s", got)
	}
	fresh := b.SignIn(t, authztest.SPA, url.Values{"max_age": {"60"}, "acr_values": {passwordACR}})
	before, after := blackbox.Claims(t, old.AccessToken)["auth_time"].(float64), blackbox.Claims(t, fresh.AccessToken)["auth_time"].(float64)
	if after-before < 59 {
		t.Errorf("auth_time %v, before the step-up %v", after, before)
	}
	refreshed := s.Token(t, authztest.SPA, "", authztest.RefreshForm(fresh.RefreshToken)) // section 6.2
	if got := blackbox.Claims(t, refreshed.AccessToken); got["auth_time"] != after || got["acr"] != passwordACR {
		t.Errorf("after a refresh: %v", got)
	}
}

// RFC 9470 section 5: what can't be met fails, instead of giving a token that the API refuses again.
func TestRFC9470Section5_Unmet(t *testing.T) {
	t.Parallel()
	f := blackbox.Federate(t, true)
	b := f.NewBrowser(t)
	login := b.Get(t, b.Ask(t, authztest.SPA, url.Values{"acr_values": {passwordACR}}).Header.Get("Location"))
	// The connector is not offered, but its address is known.
	leave := f.URL + "/login/corp?flow=" + url.QueryEscape(login.URL.Query().Get("flow"))
	back := f.Back(t, b, f.Arrive(t, b.Get(t, leave).Header.Get("Location"), false))
	if got := b.Get(t, back.Header.Get("Location")).Redirect(t); got.Get("error") != "unmet_authentication_requirements" || got.Has("code") {
		t.Errorf("signed in by another method: %v", got)
	}
	if got := b.Ask(t, authztest.SPA, url.Values{"acr_values": {passwordACR}, "prompt": {"none"}}).Redirect(t); got.Get("error") != "login_required" {
		t.Errorf("prompt=none, where a sign-in would meet it: %v", got)
	}
	if n := blackbox.Count(t, f.Store, storage.Codes.Table); n != 0 {
		t.Errorf("%d codes", n)
	}
}

// OpenID Connect Core section 3.1.2.1: values of acr_values that no sign-in here has are wishes.
func TestOpenIDCoreSection3_1_2_1_ACRValuesAreVoluntary(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.SignedIn(t, nil)
	for _, wish := range []string{"1 2", "phr", "0", blackbox.FederatedACR, passwordACR, "phr " + passwordACR} { // nobody can be federated here
		tokens := b.SignIn(t, authztest.SPA, url.Values{"acr_values": {wish}, "prompt": {"none"}})
		if got := blackbox.Claims(t, tokens.IDToken)["acr"]; got != passwordACR {
			t.Errorf("acr_values=%q: acr %v", wish, got)
		}
	}
}

// OpenID Connect Core section 5.5.1.1: acr as an essential claim.
func TestOpenIDCoreSection5_5_1_1_EssentialACR(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	stranger, b := s.NewBrowser(t), s.SignedIn(t, nil)
	unmet := `{"id_token":{"acr":{"essential":true,"values":["phr","phrh"]}}}`
	for name, browser := range map[string]*authztest.Browser{"nobody": stranger, "signed in": b} {
		for _, prompt := range []string{"", "none", "login"} {
			if got := browser.Ask(t, authztest.SPA, url.Values{"claims": {unmet}, "prompt": {prompt}}).Redirect(t); got.Get("error") != "unmet_authentication_requirements" {
				t.Errorf("%s, prompt=%q: %v", name, prompt, got)
			}
		}
	}
	for _, met := range []string{
		`{"id_token":{"acr":{"essential":true,"values":["phr","` + passwordACR + `"]}}}`,
		`{"id_token":{"acr":{"essential":true,"value":"` + passwordACR + `"}}}`,
		`{"id_token":{"acr":{"essential":true}}}`,
		`{"id_token":{"acr":null}}`,
		`{"id_token":{"acr":{"values":["phr"]}}}`,
		`{"userinfo":{"acr":{"essential":true,"values":["phr"]}}}`, // there is no acr there
	} {
		if got := blackbox.Claims(t, b.SignIn(t, authztest.SPA, url.Values{"claims": {met}, "prompt": {"none"}}).IDToken); got["acr"] != passwordACR {
			t.Errorf("%s: acr %v", met, got["acr"])
		}
	}
}

// OpenID Connect Registration section 2: default_acr_values give way to what a request says.
func TestRegistrationSection2_DefaultACRValues(t *testing.T) {
	t.Parallel()
	f := blackbox.Federate(t, true)
	s := authztest.Start(t, authz.Config{Connectors: f.Connectors}, func(m *client.Metadata) { m.DefaultACRValues = []string{blackbox.FederatedACR} })
	b := s.NewBrowser(t)
	if code, _ := b.Code(t, authztest.SPA, url.Values{"acr_values": {passwordACR}}); code == "" {
		t.Error("no code")
	}
	if got := b.Ask(t, authztest.SPA, nil).LedTo(t); got != "/login" {
		t.Errorf("the default led to %s", got)
	}
	for _, change := range []url.Values{{"acr_values": {passwordACR}}, {"claims": {`{"id_token":{"acr":{"value":"` + passwordACR + `"}}}`}}} {
		if got := b.Ask(t, authztest.SPA, change).Redirect(t); got.Get("code") == "" {
			t.Errorf("%v: %v", change, got)
		}
	}
}

// A password that proves a link to an upstream account is no federated sign-in: the user goes there
// again, and then the request ends.
func TestRFC9470Section4_StepUpWithALink(t *testing.T) {
	t.Parallel()
	f := blackbox.Federate(t, false)
	b := f.NewBrowser(t)
	asked := b.Ask(t, authztest.SPA, url.Values{"acr_values": {blackbox.FederatedACR}})
	login := b.Get(t, f.Back(t, b, f.Arrive(t, f.LeaveFrom(t, b, asked), false)).Header.Get("Location"))
	if !login.Has("password") {
		t.Fatalf("no password to confirm the link: %.500s", login.Body)
	}
	on := b.Do(t, login.Submit(t, "login-submit", url.Values{"username": {authztest.Username}, "password": {authztest.Password}}))
	on = b.Do(t, b.Get(t, on.Header.Get("Location")).Submit(t, "link-confirm", nil))
	again := b.Get(t, on.Header.Get("Location"))
	if got := again.LedTo(t); got != "/login" {
		t.Fatalf("led to %s", got)
	}
	back := f.Back(t, b, f.Arrive(t, f.LeaveFrom(t, b, again), false))
	if got := b.Get(t, back.Header.Get("Location")).Redirect(t); got.Get("code") == "" {
		t.Errorf("%v", got)
	}
}
