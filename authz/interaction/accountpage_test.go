package interaction_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
)

// TestAccountPagesOfSessions: the account page shows twenty sessions, this one first, and leads to the others.
func TestAccountPagesOfSessions(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	const others = 23
	for range others {
		s.NewBrowser(t).Code(t, authztest.SPA, nil)
	}
	b := s.NewBrowser(t)
	b.Code(t, authztest.SPA, nil)
	first := b.Get(t, s.URL+"/account")
	if n := strings.Count(first.Body, `name="end"`); n != 19 || !first.Has("more-sessions") || !strings.Contains(first.Body, "This device") {
		t.Errorf("first page: %d others\n%s", n, first.Body)
	}
	if want := `href="` + s.URL + `/account?sessions=20#sessions-heading"`; !strings.Contains(first.Body, want) {
		t.Errorf("no link %s", want)
	}
	last := b.Get(t, s.URL+"/account?sessions=20")
	if n := strings.Count(last.Body, `name="end"`); n != others-19 || last.Has("more-sessions") || strings.Contains(last.Body, "This device") {
		t.Errorf("last page: %d others", n)
	}
	for _, from := range []string{"-1", "x", "99999999999999999999", "24", "1000"} {
		if page := b.Get(t, s.URL+"/account?sessions="+from); page.Status != 200 || strings.Count(page.Body, `name="end"`) != 19 {
			t.Errorf("from %s: %d", from, page.Status)
		}
	}
}

// OpenID Connect Core section 4: an app is opened at its initiate_login_uri, which learns the issuer and
// nothing about the user.
func TestOpenIDCoreSection4_ThirdPartyInitiatedLogin(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, func(m *client.Metadata) {
		m.InitiateLoginURI = "https://app.example.com/start?app=" + m.ID
		m.Name = "App " + m.ID
	})
	b := s.NewBrowser(t)
	b.SignIn(t, authztest.ThirdParty, nil)
	page := b.Get(t, s.URL+"/account")
	for id, listed := range map[string]bool{authztest.ThirdParty: true, authztest.SPA: true, authztest.Web: true, authztest.Worker: false} {
		want := `href="https://app.example.com/start?app=` + id + `&amp;iss=` + url.QueryEscape(s.URL) + `"`
		if page.Has("open-"+id) != listed || strings.Contains(page.Body, want) != listed {
			t.Errorf("%s: listed %v, want %v\n%.3000s", id, page.Has("open-"+id), listed, page.Body)
		}
		if page.Has("revoke-"+id) != (id == authztest.ThirdParty) {
			t.Errorf("%s: revoke %v", id, page.Has("revoke-"+id))
		}
	}
}
