package logout_test

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

// TestSignedOutPageNamesApps: the page says who is signed out, and of which apps: those that are told, and those whose
// grants end.
func TestSignedOutPageNamesApps(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, func(m *client.Metadata) {
		switch m.ID {
		case authztest.SPA:
			m.Name = "Orders <b>"
		case authztest.ThirdParty:
			m.Name, m.FrontChannelURI = "Budget Planner", frameURI+m.ID
		case authztest.Web:
			m.Name = "Files"
		}
	})
	offline, _ := url.ParseQuery("scope=openid+offline_access")
	online := url.Values{"scope": {blackbox.OnlineScope}}
	b, elsewhere := s.NewBrowser(t), s.NewBrowser(t)
	b.SignIn(t, authztest.SPA, online)
	b.SignIn(t, authztest.ThirdParty, online)
	b.SignIn(t, authztest.Web, offline)                  // goes on
	tokens := elsewhere.SignIn(t, authztest.Web, online) // another device

	page := logOut(t, b, nil)
	if strings.Contains(page.Body, "signed-out-apps") {
		t.Error("the question names apps as signed out")
	}
	page = b.Do(t, page.Submit(t, "logout-confirm", nil))
	if got := page.Text("signed-out-apps"); got != "Budget Planner Orders <b>" || !strings.Contains(page.Body, "Alice") {
		t.Errorf("apps %q in %.3000s", got, page.Body)
	}
	if !page.Has("sign-in-again") {
		t.Error("no way to sign in again")
	}

	// Nobody is signed in: the page names nobody.
	again := logOut(t, b, nil)
	if again.Has("signed-out-apps") || strings.Contains(again.Body, "Alice") || !blackbox.IsLoggedOut(again) {
		t.Errorf("%.2000s", again.Body)
	}

	// Neither does it for somebody who has an ID token of a session, but not the session.
	stranger, err := http.Get(s.URL + "/logout?id_token_hint=" + tokens.IDToken)
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Body.Close()
	shown := new(strings.Builder)
	if err := stranger.Write(shown); err != nil || strings.Contains(shown.String(), "signed-out-apps") || strings.Contains(shown.String(), "Alice") {
		t.Errorf("%v %.3000s", err, shown)
	}
}

// TestSignedOutEverywhereNamesApps: so does the button that signs out everywhere.
func TestSignedOutEverywhereNamesApps(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, func(m *client.Metadata) {
		if m.ID == authztest.SPA {
			m.Name = "Orders"
		}
	})
	b := s.NewBrowser(t)
	b.SignIn(t, authztest.SPA, url.Values{"scope": {blackbox.OnlineScope}})
	if page := everywhere(t, b); page.Text("signed-out-apps") != "Orders" || !strings.Contains(page.Body, "on all your devices") {
		t.Errorf("%.2000s", page.Body)
	}
}
