package interaction_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
)

func TestSelectAccount(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.SignedIn(t, nil)
	page := b.Get(t, b.Ask(t, authztest.SPA, url.Values{"prompt": {"select_account"}}).Header.Get("Location"))
	on := b.Do(t, page.Submit(t, "account-continue", nil))
	if got := b.Get(t, on.Header.Get("Location")).Redirect(t); got.Get("code") == "" {
		t.Errorf("continue: %v", got)
	}
	other := b.Do(t, page.Submit(t, "account-other", nil))
	login := b.Get(t, other.Header.Get("Location"))
	if !login.Has("username") {
		t.Fatalf("another account: %.300s", login.Body)
	}
}

// A sign-in belongs to the browser that began it. Elsewhere its request begins again, without what
// was answered on the way; a browser that keeps no cookies is told so.
func TestFlowIsBoundToTheBrowser(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	attacker, victim := s.SignedIn(t, nil), s.SignedIn(t, nil)
	login := attacker.Get(t, attacker.Ask(t, authztest.SPA, url.Values{"prompt": {"login"}}).Header.Get("Location"))
	answered := attacker.Do(t, login.Submit(t, "login-submit", url.Values{"username": {authztest.Username}, "password": {authztest.Password}}))
	flow := answered.Header.Get("Location")

	again := victim.Get(t, flow).Header.Get("Location")
	if !strings.HasPrefix(again, s.URL+"/authorize?") || strings.Contains(again, "flow=") {
		t.Fatalf("another browser: %s", again)
	}
	if got := victim.Get(t, again).LedTo(t); got != "/login" {
		t.Errorf("the login of another browser counts: %s", got)
	}
	if page := s.NewBrowser(t).Get(t, flow); page.Status != 400 || !strings.Contains(page.Body, "sign_in_expired") {
		t.Errorf("a browser without cookies: %d %.300s", page.Status, page.Body)
	}
	if got := attacker.Get(t, flow).Redirect(t); got.Get("code") == "" {
		t.Errorf("the browser itself: %v", got)
	}
}

// Wrong passwords tell nothing, and lead nowhere.
func TestWrongPassword(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	bodies := map[string]string{}
	for name, username := range map[string]string{"known": authztest.Username, "unknown": "nobody"} {
		b := s.NewBrowser(t)
		b.Username, b.Password = username, "wrong"
		login := b.Get(t, b.Ask(t, authztest.SPA, nil).Header.Get("Location"))
		page := b.Do(t, login.Submit(t, "login-submit", url.Values{"username": {username}, "password": {"wrong"}}))
		if got := page.LedTo(t); page.Status != 303 || got != "/login" { // history has no form to send again
			t.Errorf("%s user: %d to %s", name, page.Status, got)
		}
		for _, c := range page.Header.Values("Set-Cookie") {
			if strings.HasPrefix(c, "authzd=") && !strings.Contains(c, "Max-Age=0") {
				t.Errorf("%s user got a session cookie: %s", name, c)
			}
		}
		again := b.Get(t, page.Header.Get("Location"))
		if !again.Has("problem") {
			t.Errorf("%s user: %.300s", name, again.Body)
		}
		flow := again.URL.Query().Get("flow")
		bodies[name] = strings.NewReplacer(flow, "FLOW", username, "USERNAME", again.Text("request-id"), "ID").Replace(again.Body)
	}
	if bodies["known"] != bodies["unknown"] {
		t.Errorf("the pages differ:\n%s\n%s", bodies["known"], bodies["unknown"])
	}
}
