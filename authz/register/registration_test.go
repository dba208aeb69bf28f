package register_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/internal/blackbox"
)

// A desktop application whose scheme has no dot registers if the operator has named the scheme, signs in with
// it, and is told which URI it is otherwise.
func TestNativeSchemeSignsIn(t *testing.T) {
	t.Parallel()
	const uri = "cursor://anysphere.cursor-mcp/oauth/callback"
	metadata := blackbox.WebClient(map[string]any{"application_type": "web", "redirect_uris": []string{uri, "https://www.cursor.com/agents/mcp/oauth/callback", "http://localhost:8787/callback"}})
	c := blackbox.OpenRegistration()
	s := authztest.Start(t, c, nil)
	if got := blackbox.CallJSON(t, http.MethodPost, s.URL+"/register", "", metadata); got.Text("error") != "invalid_redirect_uri" || !strings.Contains(got.Text("error_description"), uri) {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	c = blackbox.OpenRegistration()
	c.Registration.NativeSchemes = []string{"cursor"}
	s = authztest.Start(t, c, nil)
	got := blackbox.Register(t, s, metadata)
	if got.Text("application_type") != "native" {
		t.Errorf("%s", got.Body)
	}
	b := s.NewBrowser(t)
	_, challenge := authztest.PKCE()
	for _, redirectURI := range []string{uri, "http://localhost:5000/callback"} {
		params := authztest.AuthorizationParams(got.Text("client_id"), challenge)
		params.Set("redirect_uri", redirectURI)
		if answer := b.Authorize(t, params); answer.Params.Get("code") == "" {
			t.Errorf("%s: %s", redirectURI, answer)
		}
	}
}
