package authz_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
)

// RFC 8707.
func TestRFC8707Section2_Resources(t *testing.T) {
	const second = "https://files.example.com"
	s := authztest.Start(t, authz.Config{Resources: []authz.Resource{
		{URI: authztest.API, Scopes: []string{"orders.read", "orders.write"}},
		{URI: second, Scopes: []string{"files.read"}, TokenType: authz.TokenTypeOpaque},
	}}, func(m *client.Metadata) {
		if m.ID != authztest.Worker {
			m.Resources = append(m.Resources, second)
			m.Scopes = append(m.Scopes, "files.read")
		}
	})
	b := signedInFor(t, s, "openid")
	if got := redirect(t, ask(t, b, authztest.SPA, nil)); got.Get("error") != "invalid_target" {
		t.Errorf("several resources and none asked for: %v", got)
	}
	tokens := s.SignIn(t, authztest.SPA, "", url.Values{"scope": {"openid"}})
	if aud := fmt.Sprint(payload(t, tokens.AccessToken)["aud"]); aud != "["+s.URL+"/userinfo]" {
		t.Errorf("a token for userinfo only has the audience %s", aud)
	}
	if status := userinfo(t, s, tokens.AccessToken); status != 200 {
		t.Errorf("userinfo: %d", status)
	}
	both := s.SignIn(t, authztest.SPA, "", url.Values{
		"scope": {"openid offline_access orders.read files.read"}, "resource": {authztest.API, second},
	})
	if !strings.HasPrefix(both.AccessToken, "azt_") {
		t.Errorf("one of the resources wants opaque tokens: %s", both.AccessToken)
	}
	if status := userinfo(t, s, both.AccessToken); status != 200 {
		t.Errorf("userinfo with an opaque token: %d", status)
	}
	form := authztest.RefreshForm(both.RefreshToken)
	form.Set("resource", authztest.API)
	one := s.Token(t, authztest.SPA, "", form)
	if claims := payload(t, one.AccessToken); fmt.Sprint(claims["aud"]) != "["+authztest.API+"]" || claims["scope"] != "openid offline_access orders.read" {
		t.Errorf("one resource of two: %v", claims)
	}
	if got := redirect(t, ask(t, b, authztest.SPA, url.Values{"scope": {"openid files.read"}, "resource": {authztest.API}})); got.Get("error") != "invalid_scope" {
		t.Errorf("a scope of a resource that was not asked for: %v", got)
	}
}
