package authz_test

import (
	"net/url"
	"testing"

	"github.com/authzd/authzd/authz/authztest"
)

// TestUnprovenLogin: an upstream that does not say when its user signed in proves no time. The session is
// good for an app that does not ask, and too old for one that does.
func TestUnprovenLogin(t *testing.T) {
	f := federate(t, true)
	b := f.NewBrowser(t)
	f.signIn(t, b)
	code, verifier := b.Code(t, authztest.SPA, url.Values{"prompt": {"none"}})
	tokens := f.Token(t, authztest.SPA, "", authztest.CodeForm(code, verifier))
	if got := payload(t, tokens.AccessToken); got["auth_time"] != nil {
		t.Errorf("auth_time %v of the access token is proved by nothing", got["auth_time"])
	}
	for _, age := range []string{"0", "60", "3600"} {
		asked := url.Values{"prompt": {"none"}, "max_age": {age}}
		if got := redirect(t, ask(t, b, authztest.SPA, asked)); got.Get("error") != "login_required" {
			t.Errorf("max_age=%s: %v", age, got)
		}
	}
	// Asked for, it proves it.
	back := f.back(t, b, f.arrive(t, f.leaveFrom(t, b, ask(t, b, authztest.SPA, url.Values{"max_age": {"3600"}})), false))
	if got := redirect(t, get(t, b, back.Header.Get("Location"))); got.Get("code") == "" {
		t.Fatalf("proved: %v", got)
	}
	if got := redirect(t, ask(t, b, authztest.SPA, url.Values{"prompt": {"none"}, "max_age": {"3600"}})); got.Get("code") == "" {
		t.Errorf("once proved: %v", got)
	}
}
