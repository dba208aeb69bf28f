package resource_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/resource"
)

// RFC 8707.
func TestRFC8707Section2_Resources(t *testing.T) {
	t.Parallel()
	const second = "https://files.example.com"
	s := authztest.Start(t, authz.Config{Resources: []resource.Resource{
		{URI: authztest.API, Scopes: []string{"orders.read", "orders.write"}},
		{URI: second, Scopes: []string{"files.read"}, TokenType: resource.TokenTypeOpaque},
	}}, func(m *client.Metadata) {
		if m.ID != authztest.Worker {
			m.Resources = append(m.Resources, second)
			m.Scopes = append(m.Scopes, "files.read")
		}
	})
	b := s.SignedIn(t, url.Values{"scope": {"openid"}})
	if got := b.Ask(t, authztest.SPA, nil).Redirect(t); got.Get("error") != "invalid_target" {
		t.Errorf("several resources and none asked for: %v", got)
	}
	tokens := s.SignIn(t, authztest.SPA, "", url.Values{"scope": {"openid"}})
	if aud := fmt.Sprint(blackbox.Claims(t, tokens.AccessToken)["aud"]); aud != "["+s.URL+"/userinfo]" {
		t.Errorf("a token for userinfo only has the audience %s", aud)
	}
	if status := blackbox.UserinfoStatus(t, s, tokens.AccessToken); status != 200 {
		t.Errorf("userinfo: %d", status)
	}
	both := s.SignIn(t, authztest.SPA, "", url.Values{
		"scope": {"openid offline_access orders.read files.read"}, "resource": {authztest.API, second},
	})
	if !strings.HasPrefix(both.AccessToken, "azt_") {
		t.Errorf("one of the resources wants opaque tokens: %s", both.AccessToken)
	}
	if status := blackbox.UserinfoStatus(t, s, both.AccessToken); status != 200 {
		t.Errorf("userinfo with an opaque token: %d", status)
	}
	form := authztest.RefreshForm(both.RefreshToken)
	form.Set("resource", authztest.API)
	one := s.Token(t, authztest.SPA, "", form)
	if claims := blackbox.Claims(t, one.AccessToken); fmt.Sprint(claims["aud"]) != "["+authztest.API+"]" || claims["scope"] != "openid offline_access orders.read" {
		t.Errorf("one resource of two: %v", claims)
	}
	if got := b.Ask(t, authztest.SPA, url.Values{"scope": {"openid files.read"}, "resource": {authztest.API}}).Redirect(t); got.Get("error") != "invalid_scope" {
		t.Errorf("a scope of a resource that was not asked for: %v", got)
	}
}

// RFC 3986 section 6.2.3: an empty path and a slash are the same. Some libraries add it, others drop it,
// and the token has the form that is registered.
func TestRFC8707_SlashOfAnEmptyPath(t *testing.T) {
	t.Parallel()
	const slashed, queried, deep, detailed = "https://files.example.com/", "https://q.example.com?x=1", "https://deep.example.com/a", "https://pay.example.com/"
	s := authztest.Start(t, authz.Config{Resources: []resource.Resource{
		{URI: authztest.API, Scopes: []string{"orders.read", "orders.write"}}, {URI: slashed, Scopes: []string{"files.read"}},
		{URI: queried}, {URI: deep}, {URI: detailed, DetailTypes: []resource.DetailType{{Type: "payment"}}},
	}}, func(m *client.Metadata) {
		m.Resources = []string{authztest.API, slashed, queried, deep, detailed}
		m.Scopes = append(m.Scopes, "files.read")
		m.DetailTypes = []string{"payment"}
		if m.ID == authztest.Web {
			m.GrantTypes = append(m.GrantTypes, client.GrantTokenExchange)
			m.ExchangeResources = []string{slashed}
		}
	})
	for asked, want := range map[string]string{
		authztest.API: authztest.API, authztest.API + "/": authztest.API, "https://files.example.com": slashed, slashed: slashed,
		"https://q.example.com/?x=1": queried, deep: deep,
		authztest.API + "//": "", deep + "/": "", authztest.API + "/.": "", authztest.API + "/?": "", "https://files.example.com//": "", "https:///": "",
	} {
		params := url.Values{"scope": {"openid offline_access"}, "resource": {asked}}
		worker := s.Token(t, authztest.Worker, authztest.Secret, url.Values{"grant_type": {"client_credentials"}, "resource": {asked}})
		if want == "" {
			if got := s.SignedIn(t, url.Values{"scope": {"openid"}}).Ask(t, authztest.SPA, params).Redirect(t); got.Get("error") != "invalid_target" {
				t.Errorf("%s: %v", asked, got)
			}
			if worker.Error != "invalid_target" {
				t.Errorf("%s, as an app: %+v", asked, worker)
			}
			continue
		}
		audience := func(what, token string) {
			t.Helper()
			if aud := fmt.Sprint(blackbox.Claims(t, token)["aud"]); aud != "["+want+"]" {
				t.Errorf("%s, %s: the audience is %s", asked, what, aud)
			}
		}
		audience("app", worker.AccessToken)
		tokens := s.SignIn(t, authztest.SPA, "", params)
		audience("code", tokens.AccessToken)
		form := authztest.RefreshForm(tokens.RefreshToken)
		form.Set("resource", asked)
		audience("refresh", s.Token(t, authztest.SPA, "", form).AccessToken)
		d := s.NewDevice(t, params)
		blackbox.ApproveDevice(t, s.NewBrowser(t), d)
		audience("device", blackbox.PollDevice(t, s, d).AccessToken)
	}
	web := s.SignIn(t, authztest.Web, authztest.Secret, url.Values{"scope": {"openid"}, "resource": {authztest.API + "/"}})
	for _, name := range []string{"resource", "audience"} {
		got := s.Token(t, authztest.Web, authztest.Secret, url.Values{
			"grant_type": {client.GrantTokenExchange}, "subject_token": {web.AccessToken},
			"subject_token_type": {"urn:ietf:params:oauth:token-type:access_token"}, name: {strings.TrimSuffix(slashed, "/")},
		})
		if aud := fmt.Sprint(blackbox.Claims(t, got.AccessToken)["aud"]); aud != "["+slashed+"]" {
			t.Errorf("exchange by %s: %s", name, aud)
		}
	}
	paid := s.SignIn(t, authztest.Web, authztest.Secret, url.Values{"scope": {"openid"}, "authorization_details": {`[{"type":"payment","locations":["https://pay.example.com"]}]`}})
	if claims := blackbox.Claims(t, paid.AccessToken); fmt.Sprint(claims["aud"]) != "["+detailed+"]" || !strings.Contains(fmt.Sprint(claims["authorization_details"]), detailed) {
		t.Errorf("authorization_details: %v", claims)
	}
}

// An API that introspects is known by its identifier, with or without the slash.
func TestRFC8707_SlashOfAnEmptyPath_Introspection(t *testing.T) {
	t.Parallel()
	for _, id := range []string{authztest.API, authztest.API + "/"} {
		s := authztest.Start(t, authz.Config{}, func(m *client.Metadata) {
			if m.ID == authztest.Worker {
				m.ID = id
			}
		})
		tokens := s.SignIn(t, authztest.SPA, "", nil)
		if got := blackbox.PostTo(s, "/introspect", id, authztest.Secret, url.Values{"token": {tokens.AccessToken}}); !strings.Contains(got.Body.String(), `"active":true`) {
			t.Errorf("%s: %d %s", id, got.Code, got.Body)
		}
	}
}
