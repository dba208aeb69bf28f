package authorize_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
)

// The browser is sent to a registered redirect URI only, also if something else in the request is wrong.
func TestRFC6749Section3_1_2_4_InvalidRedirectURI(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.SignedIn(t, nil)
	for _, uri := range []string{
		"https://evil.example/callback", "https://app.example.com/callback/", "https://app.example.com/callback?x=y", "https://app.example.com:444/callback",
		"https://app.example.com.evil.example/callback", "https://app.example.com@evil.example/callback", "http://app.example.com/callback",
		"HTTPS://app.example.com/callback", "https://app.example.com/callback#", "//app.example.com/callback", "/callback", "javascript:alert(1)",
	} {
		for name, values := range map[string]url.Values{
			"alone":                {"redirect_uri": {uri}},
			"prompt=none":          {"redirect_uri": {uri}, "prompt": {"none"}},
			"an error of its own":  {"redirect_uri": {uri}, "response_type": {"nonsense"}},
			"by form_post":         {"redirect_uri": {uri}, "response_mode": {"form_post"}},
			"twice, one that fits": {"redirect_uri": {authztest.RedirectURI, uri}},
		} {
			page := b.Ask(t, authztest.SPA, values)
			if page.Status != http.StatusBadRequest || page.Header.Get("Location") != "" || strings.Contains(page.Body, "action=") {
				t.Errorf("%s, %s: %d to %q", uri, name, page.Status, page.Header.Get("Location"))
			}
		}
	}
}

// A user who does not want to sign in can go back, and the app is told only once: plainly, or by a signed response to
// the request that it had pushed.
func TestRFC6749Section4_1_2_1_TheUserTurnsBack(t *testing.T) {
	t.Parallel()
	app, _ := blackbox.StartFAPI(t, client.ProfileFAPI2MessageSigning, authz.Config{}, nil)
	turnBack := func(b *authztest.Browser, login string) url.Values {
		return b.Do(t, b.Get(t, login).Submit(t, "login-cancel", nil)).Redirect(t)
	}
	b, state := app.Server.NewBrowser(t), strings.Repeat("s", 128)
	login := b.Ask(t, authztest.SPA, url.Values{"state": {state}}).Header.Get("Location")
	if got := turnBack(b, login); got.Get("error") != "access_denied" || got.Get("state") != state || got.Get("iss") != app.Server.URL || len(got) != 4 {
		t.Errorf("%v", got)
	}
	object := app.Key.Sign(t, blackbox.RequestObjectType, blackbox.SignedRequest(app, map[string]any{"state": state}))
	brought := url.Values{"client_id": {app.ClientID}, "request_uri": {blackbox.RequestURI(t, blackbox.PushSigned(t, app, object))}}
	login = b.Open(t, brought).Header.Get("Location")
	if got, _ := blackbox.OpenResponse(t, app.Server, blackbox.SignedResponse(t, turnBack(b, login))); got["error"] != "access_denied" || got["state"] != state || got["code"] != nil {
		t.Errorf("signed: %v", got)
	}
	blackbox.WantErrorPage(t, "again", b.Open(t, brought), "invalid_request_uri")
	if page := b.Get(t, app.Server.URL+"/login"); page.Has("login-cancel") || !page.Has("login-submit") {
		t.Errorf("a sign-in for no app: %.500s", page.Body)
	}
	forged := b.Get(t, b.Ask(t, authztest.SPA, nil).Header.Get("Location")).Submit(t, "login-cancel", nil)
	forged.Header.Set("Origin", "https://evil.example")
	if page := b.Do(t, forged); page.Status != http.StatusForbidden || page.Header.Get("Location") != "" {
		t.Errorf("from another site: %d %s", page.Status, page.Header.Get("Location"))
	}
}
