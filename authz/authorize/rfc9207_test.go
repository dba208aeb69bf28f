package authorize_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
)

// RFC 6749 section 4.1.2, RFC 9207 section 2.
func TestRFC9207Section2_IssOnEveryResponse(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.SignedIn(t, nil)
	state := strings.Repeat(`s+/"=& ü`, 16)
	got := b.Ask(t, authztest.SPA, url.Values{"state": {state}}).Redirect(t)
	if got.Get("state") != state || got.Get("iss") != s.URL || !strings.HasPrefix(got.Get("code"), "azc_") || len(got) != 3 {
		t.Errorf("got %v", got)
	}
	for _, short := range []url.Values{{"state": {"x"}, "nonce": {"y"}}, {"state": {}, "nonce": {}}} { // fosite wants eight characters
		if got := b.Ask(t, authztest.SPA, short).Redirect(t); got.Get("code") == "" || got.Get("state") != short.Get("state") {
			t.Errorf("with %v: %v", short, got)
		}
	}
	got = b.Ask(t, authztest.SPA, url.Values{"state": {}, "scope": {"nope"}}).Redirect(t)
	if got.Has("state") || got.Get("iss") != s.URL || got.Get("error") != "invalid_scope" || len(got) != 3 {
		t.Errorf("error response %v", got)
	}
	if d := got.Get("error_description"); d == "" || strings.ContainsAny(d, "\"\\\n\r") {
		t.Errorf("error_description %q", d)
	}
}
