package authorize_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
)

// Section 7: a claimed https URL, a private-use scheme, and loopback on any port; and the token
// request must repeat the port that was used.
func TestRFC8252Section7_RedirectURIsOfNativeApps(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, func(m *client.Metadata) {
		if m.ID == authztest.SPA {
			m.RedirectURIs = append(m.RedirectURIs, "com.example.app:/callback", "http://127.0.0.1/callback", "http://[::1]/callback")
		}
	})
	b := s.SignedIn(t, nil)
	for uri, fits := range map[string]bool{
		"com.example.app:/callback":        true,
		"http://127.0.0.1:51004/callback":  true,
		"http://[::1]:61023/callback":      true,
		"http://127.0.0.1/callback":        true,
		"com.example.app:/other":           false,
		"com.example.other:/callback":      false,
		"http://127.0.0.2:51004/callback":  false,
		"http://localhost:51004/callback":  false,
		"https://127.0.0.1:51004/callback": false,
		"http://127.0.0.1:51004/other":     false,
	} {
		verifier, challenge := authztest.PKCE()
		page := b.Ask(t, authztest.SPA, url.Values{"redirect_uri": {uri}, "code_challenge": {challenge}})
		target, err := url.Parse(page.Header.Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		code := target.Query().Get("code")
		if (code != "") != fits {
			t.Errorf("%s: %d to %q", uri, page.Status, target)
		}
		if code == "" {
			continue
		}
		form := authztest.CodeForm(code, verifier)
		form.Set("redirect_uri", "http://127.0.0.1:1/callback")
		if got := s.Token(t, authztest.SPA, "", form); got.Error != "invalid_grant" {
			t.Errorf("%s, redeemed for another port: %+v", uri, got)
		}
		form.Set("redirect_uri", uri)
		if got := s.Token(t, authztest.SPA, "", form); got.Status != http.StatusOK {
			t.Errorf("%s: %+v", uri, got)
		}
	}
}

// RFC 8252 section 8.6: an application on the user's device can't be told from another that uses its
// client_id, so the user is asked every time; a web application's consent is remembered.
func TestRFC8252Section8_6_ConsentEveryTime(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, blackbox.OpenRegistration(), nil)
	for uri, wants := range map[string]string{"http://127.0.0.1/cb": "consent_required", "com.example.app:/cb": "consent_required", authztest.RedirectURI: ""} {
		id := blackbox.Register(t, s, blackbox.WebClient(map[string]any{"redirect_uris": []string{uri}})).Text("client_id")
		b := s.NewBrowser(t)
		_, challenge := authztest.PKCE()
		params := authztest.AuthorizationParams(id, challenge)
		params.Set("redirect_uri", uri)
		if got := b.Authorize(t, params); !got.Params.Has("code") {
			t.Fatalf("%s: %s", uri, got)
		}
		params.Set("prompt", "none")
		if got := b.Authorize(t, params); got.Params.Get("error") != wants {
			t.Errorf("%s: %s, want %q", uri, got, wants)
		}
	}
}
