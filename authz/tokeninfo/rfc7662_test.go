package tokeninfo_test

import (
	"net/url"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
)

// RFC 7662: only the owner of a token, and the API that it is for, learn about it.
func TestRFC7662Section2_2_OwnerAndAudienceOnly(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, func(m *client.Metadata) {
		if m.ID == authztest.Worker {
			m.ID = authztest.API // an API that introspects is a client by the name of its resource
		}
	})
	tokens := s.SignIn(t, authztest.Web, authztest.Secret, nil)
	form := url.Values{"token": {tokens.AccessToken}}
	for _, client := range []string{authztest.Web, url.QueryEscape(authztest.API)} {
		_, got := blackbox.PostAs(t, s, "/introspect", client, form)
		if got["active"] != true || got["client_id"] != authztest.Web || got["iss"] != s.URL || got["token_type"] != "Bearer" || got["username"] != "alice" {
			t.Errorf("by %s: %v", client, got)
		}
	}
	if _, got := blackbox.PostAs(t, s, "/introspect", authztest.Web, url.Values{"token": {tokens.RefreshToken}}); got["active"] != true || got["token_type"] != "refresh_token" {
		t.Errorf("refresh token: %v", got)
	}
	if _, got := blackbox.PostAs(t, s, "/introspect", url.QueryEscape(authztest.API), url.Values{"token": {tokens.RefreshToken}}); got["active"] != false {
		t.Errorf("refresh token by the API: %v", got)
	}
	spa := s.SignIn(t, authztest.SPA, "", url.Values{"scope": {"openid"}})
	if _, got := blackbox.PostAs(t, s, "/introspect", authztest.Web, url.Values{"token": {spa.AccessToken}}); got["active"] != false || len(got) != 1 {
		t.Errorf("another client's token: %v", got)
	}
}
