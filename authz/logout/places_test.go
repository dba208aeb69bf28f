package logout_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
)

// A logout leads to a place only if the client has registered that very string, and an ID token
// names the client.
func TestPlacesAfterLogout(t *testing.T) {
	t.Parallel()
	const registered = "https://evil.example/" // one of the list
	s := authztest.Start(t, authz.Config{}, func(m *client.Metadata) {
		if m.ID == authztest.SPA {
			m.PostLogoutRedirectURIs = []string{back, registered}
		}
	})
	b, _ := blackbox.SignInOnline(t, s)
	_, other := blackbox.SignInOnline(t, s)
	stranger := s.NewBrowser(t)
	for _, place := range blackbox.ReturnPlaces(t, "../weburl/testdata/return.txt") {
		for name, row := range map[string]struct {
			browser *authztest.Browser
			params  url.Values
			leads   bool // to the place, if it is registered
		}{
			"signed in":            {b, url.Values{"id_token_hint": {other.IDToken}, "post_logout_redirect_uri": {place}}, false},
			"signed out":           {stranger, url.Values{"id_token_hint": {other.IDToken}, "post_logout_redirect_uri": {place}}, true},
			"without an ID token":  {stranger, url.Values{"post_logout_redirect_uri": {place}}, false},
			"the client's id only": {stranger, url.Values{"client_id": {authztest.Web}, "post_logout_redirect_uri": {place}}, false},
			"under other names":    {stranger, blackbox.Naming(place), false},
		} {
			page := logOut(t, row.browser, row.params)
			if row.leads && place == registered {
				if page.Status != http.StatusSeeOther || page.Header.Get("Location") != registered {
					t.Errorf("the place that is registered: %d %s", page.Status, page.Header.Get("Location"))
				}
				continue
			}
			if away := blackbox.LeadsAway(t, page); page.Status >= http.StatusInternalServerError || len(away) > 0 {
				t.Errorf("%q, %s: %d, leads to %q", place, name, page.Status, away)
			}
		}
	}
	if !isSignedIn(t, b) {
		t.Error("a session was ended without a question")
	}
}
