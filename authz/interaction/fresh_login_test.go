package interaction_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
)

// TestUnprovenLogin: an upstream that does not say when its user signed in proves no time. The session is
// good for an app that does not ask, and too old for one that does.
func TestUnprovenLogin(t *testing.T) {
	t.Parallel()
	f := blackbox.Federate(t, true)
	b := f.NewBrowser(t)
	f.SignInUpstream(t, b)
	code, verifier := b.Code(t, authztest.SPA, url.Values{"prompt": {"none"}})
	tokens := f.Token(t, authztest.SPA, "", authztest.CodeForm(code, verifier))
	if got := blackbox.Claims(t, tokens.AccessToken); got["auth_time"] != nil {
		t.Errorf("auth_time %v of the access token is proved by nothing", got["auth_time"])
	}
	for _, age := range []string{"0", "60", "3600"} {
		asked := url.Values{"prompt": {"none"}, "max_age": {age}}
		if got := b.Ask(t, authztest.SPA, asked).Redirect(t); got.Get("error") != "login_required" {
			t.Errorf("max_age=%s: %v", age, got)
		}
	}
	// Asked for, it proves it.
	back := f.Back(t, b, f.Arrive(t, f.LeaveFrom(t, b, b.Ask(t, authztest.SPA, url.Values{"max_age": {"3600"}})), false))
	if got := b.Get(t, back.Header.Get("Location")).Redirect(t); got.Get("code") == "" {
		t.Fatalf("proved: %v", got)
	}
	if got := b.Ask(t, authztest.SPA, url.Values{"prompt": {"none"}, "max_age": {"3600"}}).Redirect(t); got.Get("code") == "" {
		t.Errorf("once proved: %v", got)
	}
}

// TestAuthTimeIsRequired: where the ID token must have auth_time, the upstream is asked to prove it, and a
// session whose time nothing proves is not enough. GET /session does not make one up.
func TestAuthTimeIsRequired(t *testing.T) {
	t.Parallel()
	f := blackbox.Federate(t, true)
	b := f.NewBrowser(t)
	f.SignInUpstream(t, b)
	session := b.Get(t, f.URL+"/session")
	if strings.Contains(session.Body, "auth_time") || !strings.Contains(session.Body, `"active":true`) {
		t.Errorf("the session says %s", session.Body)
	}
	essential := url.Values{"prompt": {"none"}, "claims": {`{"id_token":{"auth_time":{"essential":true}}}`}}
	if got := b.Ask(t, authztest.SPA, essential).Redirect(t); got.Get("error") != "login_required" {
		t.Errorf("essential: %v", got)
	}
	voluntary := url.Values{"prompt": {"none"}, "claims": {`{"id_token":{"auth_time":null}}`}}
	if got := b.Ask(t, authztest.SPA, voluntary).Redirect(t); got.Get("code") == "" {
		t.Errorf("voluntary: %v", got)
	}
	back := f.Back(t, b, f.Arrive(t, f.LeaveFrom(t, b, b.Ask(t, authztest.SPA, url.Values{"claims": essential["claims"]})), false))
	if got := b.Get(t, back.Header.Get("Location")).Redirect(t); got.Get("code") == "" {
		t.Fatalf("proved: %v", got)
	}
	code, verifier := b.Code(t, authztest.SPA, essential)
	tokens := f.Token(t, authztest.SPA, "", authztest.CodeForm(code, verifier))
	if blackbox.Claims(t, tokens.IDToken)["auth_time"] == nil || !strings.Contains(b.Get(t, f.URL+"/session").Body, `"auth_time":`) {
		t.Error("once proved, there is no auth_time")
	}
}

// TestRequireAuthTime is the same for a client that is registered so.
func TestRequireAuthTime(t *testing.T) {
	t.Parallel()
	f := blackbox.Federate(t, true)
	f.Server = authztest.Start(t, authz.Config{Connectors: f.Connectors}, func(m *client.Metadata) { m.RequireAuthTime = m.ID == authztest.SPA })
	b := f.NewBrowser(t)
	f.Back(t, b, f.Arrive(t, b.Get(t, f.URL+"/login/corp").Header.Get("Location"), false))
	if got := b.Ask(t, authztest.SPA, url.Values{"prompt": {"none"}}).Redirect(t); got.Get("error") != "login_required" {
		t.Errorf("nothing proves the time: %v", got)
	}
	f.SignInUpstream(t, b)
	code, verifier := b.Code(t, authztest.SPA, url.Values{"prompt": {"none"}})
	if tokens := f.Token(t, authztest.SPA, "", authztest.CodeForm(code, verifier)); blackbox.Claims(t, tokens.IDToken)["auth_time"] == nil {
		t.Error("no auth_time")
	}
}
