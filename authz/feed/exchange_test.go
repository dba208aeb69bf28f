package feed_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/operator"
	"github.com/authzd/authzd/authz/resource"
)

// TestExchangedTokens: a token that an API got for another API in the user's name (RFC 8693) ends with the user, with the
// session, with the grant, and alone.
func TestExchangedTokens(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		scope string
		alone bool // the user's token goes on
		end   func(t *testing.T, p *party, exchanged string)
	}{
		"user disabled": {"openid offline_access orders.read", false, func(t *testing.T, p *party, _ string) {
			operate(t, p.s, "PATCH", "/v1/users/"+p.sub, `{"disabled":true}`)
		}},
		"roles changed": {"openid offline_access orders.read", false, func(t *testing.T, p *party, _ string) {
			operate(t, p.s, "PATCH", "/v1/users/"+p.sub, `{"roles":["clerk"]}`)
		}},
		"session ended": {blackbox.OnlineScope, false, func(t *testing.T, p *party, _ string) {
			operate(t, p.s, "DELETE", "/v1/sessions/"+p.sid, "")
		}},
		"logout": {blackbox.OnlineScope, false, func(t *testing.T, p *party, _ string) {
			if page := p.browser.Get(t, p.s.URL+"/logout?id_token_hint="+p.tokens.IDToken); !blackbox.IsLoggedOut(page) {
				t.Fatal(page.Body)
			}
		}},
		"grant revoked": {"openid offline_access orders.read", false, func(t *testing.T, p *party, _ string) {
			p.s.PostForm(t, "/revoke", url.Values{"client_id": {authztest.SPA}, "token": {p.tokens.RefreshToken}}, nil)
		}},
		"revoked alone": {"openid offline_access orders.read", true, func(t *testing.T, p *party, exchanged string) {
			p.s.PostForm(t, "/revoke", url.Values{"token": {exchanged}}, http.Header{"Authorization": {blackbox.Basic(authztest.API)}})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startWithArchive(t)
			p := &party{s: s, browser: s.NewBrowser(t)}
			p.tokens = p.browser.SignIn(t, authztest.SPA, url.Values{"scope": {test.scope}})
			claims := blackbox.Claims(t, p.tokens.AccessToken)
			p.sub, p.sid = claims["sub"].(string), claims["sid"].(string)
			exchanged, twin := exchange(t, s, p.tokens.AccessToken), exchange(t, s, p.tokens.AccessToken)
			other := exchange(t, s, s.NewBrowser(t).SignIn(t, authztest.SPA, nil).AccessToken) // of the same user
			f := follow(t, s)
			if f.ended(t, exchanged) || f.ended(t, twin) {
				t.Fatal("the tokens have ended before their end")
			}
			test.end(t, p, exchanged)
			f.until(t, exchanged)
			if ended := f.ended(t, twin); ended == test.alone {
				t.Errorf("another token that was exchanged for the same has ended: %t", ended)
			}
			if ended := f.ended(t, p.tokens.AccessToken); ended == test.alone {
				t.Errorf("the user's token has ended: %t", ended)
			}
			userWide := name == "user disabled" || name == "roles changed"
			if ended := f.ended(t, other); ended != userWide {
				t.Errorf("a token of another session and grant has ended: %t", ended)
			}
		})
	}
}

// startWithArchive runs a server with two APIs. The first calls the second in the user's name, and is a client under its
// resource identifier.
func startWithArchive(t *testing.T) *authztest.Server {
	t.Helper()
	c := authz.Config{Operator: &operator.Config{}, Resources: []resource.Resource{
		{URI: authztest.API, Name: "Orders API", Scopes: []string{"orders.read", "orders.write"}},
		{URI: blackbox.ArchiveAPI, Name: "Archive", Scopes: []string{"archive.read"}},
	}}
	return authztest.Start(t, c, func(m *client.Metadata) {
		if m.ID == authztest.Worker {
			m.ID, m.ExchangeResources, m.Scopes, m.Resources = authztest.API, []string{blackbox.ArchiveAPI}, []string{"archive.read"}, nil
			m.GrantTypes = []string{client.GrantTokenExchange}
		}
	})
}

// exchange returns an access token for the second API.
func exchange(t *testing.T, s *authztest.Server, token string) string {
	t.Helper()
	answer := s.Token(t, authztest.API, authztest.Secret, url.Values{
		"grant_type": {client.GrantTokenExchange}, "subject_token": {token}, "subject_token_type": {"urn:ietf:params:oauth:token-type:access_token"},
	})
	if answer.AccessToken == "" {
		t.Fatalf("%+v", answer)
	}
	return answer.AccessToken
}
