package authz_test

import (
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
)

// "How to fix it" corrects the app first, by what is registered and nearest, and proposes no list that would
// drop what is registered.
func TestHowToFixIt(t *testing.T) {
	t.Parallel()
	const second, third = "https://app.example.com/second", "https://other.example.com/cb"
	s := authztest.Start(t, authz.Config{Dev: true}, func(m *client.Metadata) {
		if m.ID == authztest.SPA {
			m.RedirectURIs = []string{authztest.RedirectURI, second, third}
			m.PostLogoutRedirectURIs = []string{"https://app.example.com/bye", "https://other.example.com/bye"}
		}
	})
	b := s.NewBrowser(t)
	fixOf := func(page *authztest.Page) string {
		t.Helper()
		_, after, found := strings.Cut(page.Body, "How to fix it")
		if !found {
			t.Fatalf("no advice: %d %.500s", page.Status, page.Body)
		}
		text, _, _ := strings.Cut(after, "</pre>")
		return html.UnescapeString(text)
	}
	inOrder := func(what, fix string, parts ...string) {
		t.Helper()
		at := 0
		for _, part := range parts {
			i := strings.Index(fix[at:], part)
			if i < 0 {
				t.Errorf("%s: no %q after %q in\n%s", what, part, fix[:at], fix)
				return
			}
			at += i + len(part)
		}
	}
	inOrder("redirect_uri", fixOf(b.Ask(t, authztest.SPA, url.Values{"redirect_uri": {second + "/"}})),
		"# in the app\nredirect_uri="+second+"\n", "# or", "client_id: \"spa\"", authztest.RedirectURI, second, third, second+"/")
	if fix := fixOf(b.Ask(t, authztest.SPA, url.Values{"redirect_uri": {"http://evil.example/"}})); strings.Contains(fix, "evil.example") {
		t.Errorf("what can't be registered is proposed:\n%s", fix)
	}
	inOrder("no redirect_uri", fixOf(b.Ask(t, authztest.SPA, url.Values{"redirect_uri": {""}})), "# in the app\nredirect_uri=")
	inOrder("client_id", fixOf(b.Ask(t, authztest.SPA, url.Values{"client_id": {"spaa"}})),
		"# in the app\nclient_id=spa\n", "# or in authzd.yaml, below the clients that are there\n", "- client_id: \"spaa\"")
	signedInTo := s.SignIn(t, authztest.SPA, "", nil)
	b.Code(t, authztest.SPA, nil)
	page := b.Get(t, s.URL+"/logout?"+url.Values{"id_token_hint": {signedInTo.IDToken}, "post_logout_redirect_uri": {"https://app.example.com/by"}}.Encode())
	if page.Status != http.StatusOK {
		t.Fatalf("%d", page.Status)
	}
	inOrder("logout", fixOf(page), "# in the app\npost_logout_redirect_uri=https://app.example.com/bye\n", "# or",
		"post_logout_redirect_uris: [", "https://app.example.com/bye", "https://other.example.com/bye", "https://app.example.com/by\"")
}
