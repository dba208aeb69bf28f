package authorize_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
)

// OAuth 2.0 Multiple Response Types section 2.1 and Form Post Response Mode.
func TestMultipleResponseTypesSection2_1_Modes(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.SignedIn(t, nil)
	fragment := b.Ask(t, authztest.SPA, url.Values{"response_mode": {"fragment"}}).Header.Get("Location")
	if u, err := url.Parse(fragment); err != nil || u.RawQuery != "" || !strings.Contains(u.Fragment, "code=azc_") {
		t.Errorf("fragment: %s", fragment)
	}
	page := b.Ask(t, authztest.SPA, url.Values{"response_mode": {"form_post"}})
	if page.Status != 200 || !strings.Contains(page.Body, `action="`+authztest.RedirectURI+`"`) || !strings.Contains(page.Body, "azc_") {
		t.Errorf("form_post: %d %.500s", page.Status, page.Body)
	}
	if csp := page.Header.Get("Content-Security-Policy"); strings.Contains(csp, "form-action") || strings.Contains(csp, "unsafe-inline") {
		t.Errorf("form_post has the policy %q", csp)
	}
	page = b.Ask(t, authztest.SPA, url.Values{"response_mode": {"form_post"}, "scope": {"nope"}})
	if !strings.Contains(page.Body, "invalid_scope") || !strings.Contains(page.Body, s.URL) {
		t.Errorf("form_post error: %.500s", page.Body)
	}
}
