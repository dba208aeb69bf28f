package interaction_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/internal/blackbox"
)

// TestClasses: a stronger sign-in has the weaker classes too, and gets the one that the app asks for; one with a passkey
// is phr, which codes can't reach.
func TestClasses(t *testing.T) {
	t.Parallel()
	p := startPasskeys(t, authz.Config{Users: people})
	if document := p.NewBrowser(t).Get(t, p.URL+"/.well-known/openid-configuration").Body; !strings.Contains(document, `"acr_values_supported":["urn:authzd:acr:password","urn:authzd:acr:2fa","phr","phrh"]`) {
		t.Errorf("discovery: %s", document)
	}
	app := blackbox.GiveApp(t, p.Server, idOf(t, p.Server, "bob"))
	p.with(t, "alice")
	b := p.NewBrowser(t)
	p.signIn(t, b)
	for asked, want := range map[string]string{"": "phrh", "phr": "phr", "phrh": "phrh", twoFactors: twoFactors, "unknown": "phrh"} {
		claims := blackbox.Claims(t, b.SignIn(t, authztest.SPA, url.Values{"acr_values": {asked}, "prompt": {"none"}}).IDToken)
		if fmt.Sprint(claims["acr"]) != want {
			t.Errorf("asked for %q: acr %v, want %s", asked, claims["acr"], want)
		}
	}

	// Bob has the password and an app. What he may use leads to a passkey of his own, after the code; and a recovery
	// code is no way there.
	bob := p.NewBrowser(t)
	bob.Username = "bob"
	page := blackbox.Password(t, bob, p.URL+"/authorize?"+authztest.Request(authztest.SPA, url.Values{"acr_values": {"phr"}}).Encode())
	if !page.Has("otp") || page.Has("passkey-add") || page.Has("remember-me") {
		t.Fatalf("%s: %.300s", page.URL.Path, page.Body)
	}
	refused := p.follows(t, bob, page.Submit(t, "otp-submit", url.Values{"recovery-code": {app.Recovery[0]}}))
	if refused.Has("passkey-add") || strings.Contains(refused.Header.Get("Location"), "code=") {
		t.Errorf("a recovery code: %s", refused.URL)
	}
	noCode := p.follows(t, bob, page.Submit(t, "otp-submit", otp(app.Code(t, p.Server))))
	if !noCode.Has("passkey-add") {
		t.Errorf("after the code: %s %d %s", noCode.URL.Path, noCode.Status, noCode.Header.Get("Location"))
	}
	if blackbox.SessionCookie(t, bob) != "" {
		t.Error("Bob has a session")
	}
}
