package feed_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/mail"
	"github.com/authzd/authzd/authz/operator"
	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/storage"
)

// party is what a cause may need.
type party struct {
	s       *authztest.Server
	browser *authztest.Browser
	tokens  authztest.Tokens
	sub     string // user id
	sid     string
	gid     string
}

// TestCauses: an API that asks nobody stops honouring a token after each cause, and goes on with the tokens of others.
func TestCauses(t *testing.T) {
	t.Parallel()
	box := &mail.Box{}
	causes := map[string]struct {
		online bool // the grant depends on the session
		end    func(t *testing.T, p *party)
	}{
		"logout": {true, func(t *testing.T, p *party) {
			page := p.browser.Get(t, p.s.URL+"/logout?id_token_hint="+p.tokens.IDToken)
			if !blackbox.IsLoggedOut(page) {
				t.Fatal(page.Body)
			}
		}},
		"revoke of the refresh token": {false, func(t *testing.T, p *party) {
			p.s.PostForm(t, "/revoke", url.Values{"client_id": {authztest.SPA}, "token": {p.tokens.RefreshToken}}, nil)
		}},
		"revoke of the access token": {false, func(t *testing.T, p *party) {
			p.s.PostForm(t, "/revoke", url.Values{"client_id": {authztest.SPA}, "token": {p.tokens.AccessToken}}, nil)
		}},
		"reuse of a refresh token": {false, func(t *testing.T, p *party) {
			first := p.tokens.RefreshToken
			for token := first; ; {
				answer := p.s.Token(t, authztest.SPA, "", authztest.RefreshForm(token))
				if answer.Error != "" {
					break
				}
				if token = first; answer.RefreshToken != "" { // use the successor, then the first again
					p.s.Token(t, authztest.SPA, "", authztest.RefreshForm(answer.RefreshToken))
				}
			}
		}},
		"user disabled": {false, func(t *testing.T, p *party) { operate(t, p.s, "PATCH", "/v1/users/"+p.sub, `{"disabled":true}`) }},
		"user deleted":  {false, func(t *testing.T, p *party) { operate(t, p.s, "DELETE", "/v1/users/"+p.sub, "") }},
		"password changed": {false, func(t *testing.T, p *party) {
			operate(t, p.s, "POST", "/v1/users/"+p.sub+"/set-password", `{"password":"some other words"}`)
		}},
		"roles changed":  {false, func(t *testing.T, p *party) { operate(t, p.s, "PATCH", "/v1/users/"+p.sub, `{"roles":["clerk"]}`) }},
		"groups changed": {false, func(t *testing.T, p *party) { operate(t, p.s, "PATCH", "/v1/users/"+p.sub, `{"groups":[]}`) }},
		"signed out by an operator": {false, func(t *testing.T, p *party) {
			operate(t, p.s, "POST", "/v1/users/"+p.sub+"/end-sessions", "")
		}},
		"session ended by an operator": {true, func(t *testing.T, p *party) { operate(t, p.s, "DELETE", "/v1/sessions/"+p.sid, "") }},
		"grant revoked by an operator": {false, func(t *testing.T, p *party) { operate(t, p.s, "DELETE", "/v1/grants/"+p.gid, "") }},
		"password changed by the user": {false, func(t *testing.T, p *party) {
			page := p.browser.Get(t, p.s.URL+"/account/password")
			p.browser.Do(t, page.Submit(t, "password-change-submit", url.Values{"password": {authztest.Password}, "new-password": {"some other words"}, "sign-out-others": {"yes"}}))
		}},
		"password set by a link": {false, func(t *testing.T, p *party) {
			b := p.s.NewBrowser(t)
			b.Do(t, b.Get(t, p.s.URL+"/reset").Submit(t, "reset-submit", url.Values{"email": {p.browser.Username + "@example.com"}}))
			b.Do(t, b.Get(t, linkTo(t, box, "reset_password", p.browser.Username)).Submit(t, "reset-submit", url.Values{"new-password": {"some other words"}}))
		}},
		"account deleted by the user": {false, func(t *testing.T, p *party) {
			p.browser.Do(t, p.browser.Get(t, p.s.URL+"/account/delete").Submit(t, "delete-account", nil))
		}},
		"signed out everywhere by the user": {false, func(t *testing.T, p *party) {
			p.browser.Do(t, p.browser.Get(t, p.s.URL+"/account").Submit(t, "sign-out-everywhere", nil))
		}},
		"session ended from another browser": {true, func(t *testing.T, p *party) {
			b := p.s.NewBrowser(t)
			b.Username = p.browser.Username
			b.Code(t, authztest.SPA, nil)
			b.Do(t, b.Get(t, p.s.URL+"/account").Submit(t, "sign-out-others", nil))
		}},
		"session ended by the link about a new device": {true, func(t *testing.T, p *party) {
			b := p.s.NewBrowser(t)
			b.Do(t, b.Get(t, linkTo(t, box, "new_device", p.browser.Username)).Submit(t, "verify-submit", nil))
		}},
		"consent withdrawn": {false, func(t *testing.T, p *party) {
			page := p.browser.Get(t, p.s.URL+"/account")
			p.browser.Do(t, page.Submit(t, "revoke-"+authztest.ThirdParty, nil))
		}},
	}
	var everybody []users.User
	for name := range causes {
		username := strings.ReplaceAll(name, " ", "-")
		everybody = append(everybody, users.User{
			Username: username, Password: authztest.Password, Email: username + "@example.com", EmailVerified: true,
			Roles: []string{"admin"}, Groups: []string{"staff"},
		})
	}
	s := authztest.Start(t, authz.Config{Users: everybody, Operator: &operator.Config{}, Mail: authz.Mail{From: "id@example.com", Transport: box}}, nil)
	for entry, err := range storage.Users.All(t.Context(), s.Store, "") { // people are told of no device while they are new
		if err != nil {
			t.Fatal(err)
		}
		blackbox.ChangeUser(t, s, entry.Key, func(user *storage.User) { user.CreatedAt = user.CreatedAt.Add(-24 * time.Hour) })
	}
	for name, test := range causes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &party{s: s, browser: s.NewBrowser(t)}
			p.browser.Username = strings.ReplaceAll(name, " ", "-")
			scope := "openid offline_access orders.read"
			if test.online {
				scope = blackbox.OnlineScope
			}
			clientID := authztest.SPA
			if name == "consent withdrawn" {
				clientID = authztest.ThirdParty
			}
			code, verifier := p.browser.Code(t, clientID, url.Values{"scope": {scope}})
			p.tokens = s.Token(t, clientID, "", authztest.CodeForm(code, verifier))
			claims := blackbox.Claims(t, p.tokens.AccessToken)
			p.sub, p.sid, p.gid = claims["sub"].(string), claims["sid"].(string), claims["gid"].(string)
			app := s.Token(t, authztest.Worker, authztest.Secret, url.Values{"grant_type": {client.GrantClientCredentials}})
			f := follow(t, s)
			if f.ended(t, p.tokens.AccessToken) {
				t.Fatal("the token has ended before its end")
			}
			test.end(t, p)
			f.until(t, p.tokens.AccessToken)
			if f.ended(t, app.AccessToken) {
				t.Error("the token of another client has ended too")
			}
			wantOneRecord(t, s, p.sub)
			late := follow(t, s)
			late.until(t, p.tokens.AccessToken)
			if late.ended(t, app.AccessToken) {
				t.Error("by the complete list, the token of another client has ended too")
			}
		})
	}
}

// linkTo waits for a mail to a user, and returns its link.
func linkTo(t *testing.T, box *mail.Box, message, username string) (link string) {
	t.Helper()
	blackbox.Until(t, "mail "+message+" to "+username, func() bool {
		for _, m := range box.Mails() {
			if m.Message == message && m.To.Address == username+"@example.com" {
				link = m.Link
			}
		}
		return link != ""
	})
	return link
}

// wantOneRecord checks that one end of a user's tokens is one record, which says why.
func wantOneRecord(t *testing.T, s *authztest.Server, userID string) {
	t.Helper()
	var found []storage.Revocation
	for entry, err := range storage.Revocations.All(t.Context(), s.Store, "") {
		if err != nil {
			t.Fatal(err)
		}
		if entry.Value.UserID == userID {
			found = append(found, *entry.Value)
		}
	}
	if len(found) != 1 || found[0].Cause == "" {
		t.Errorf("one end is %d records: %+v", len(found), found)
	}
}

// TestAppTokenEndsAlone: a token without a grant ends by its jti, and the client's next token counts.
func TestAppTokenEndsAlone(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	app := func() string {
		return s.Token(t, authztest.Worker, authztest.Secret, url.Values{"grant_type": {client.GrantClientCredentials}}).AccessToken
	}
	first, second := app(), app()
	f := follow(t, s)
	header := http.Header{"Authorization": {blackbox.Basic(authztest.Worker)}}
	s.PostForm(t, "/revoke", url.Values{"token": {first}}, header)
	f.until(t, first)
	if f.ended(t, second) || f.ended(t, app()) {
		t.Error("other tokens of the client have ended too")
	}
}

// TestClientRemoved: tokens of a client that was removed end, and those of its successor with the same id count.
func TestClientRemoved(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{Operator: &operator.Config{Server: &client.Server{
		Resources: []client.Resource{{URI: authztest.API, Scopes: []string{"orders.read"}}},
	}}}, nil)
	const id = "reports"
	token := func() string {
		made := operate(t, s, "POST", "/v1/clients", `{"client_id":"`+id+`","preset":"service","scope":"orders.read","resources":["`+authztest.API+`"]}`)
		var described struct {
			Secret string `json:"client_secret"`
		}
		if err := json.Unmarshal([]byte(made), &described); err != nil {
			t.Fatal(err)
		}
		secret := described.Secret
		return s.Token(t, id, secret, url.Values{"grant_type": {client.GrantClientCredentials}}).AccessToken
	}
	first := token()
	f := follow(t, s)
	operate(t, s, "DELETE", "/v1/clients/"+id, "")
	again := token()
	f.until(t, first)
	if f.ended(t, again) {
		t.Error("the first token of the new client has ended")
	}
}

// TestPairwiseTokensEnd: the tokens of pairwise clients name the user and the session otherwise, and end all the same.
func TestPairwiseTokensEnd(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		scope string
		end   func(t *testing.T, s *authztest.Server, sub, sid string)
	}{
		"user disabled": {"openid offline_access orders.read", func(t *testing.T, s *authztest.Server, sub, _ string) {
			operate(t, s, "PATCH", "/v1/users/"+sub, `{"disabled":true}`)
		}},
		"session ended": {blackbox.OnlineScope, func(t *testing.T, s *authztest.Server, _, sid string) {
			operate(t, s, "DELETE", "/v1/sessions/"+sid, "")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := authztest.Start(t, authz.Config{Operator: &operator.Config{}}, blackbox.Pairwise)
			b := s.NewBrowser(t)
			token := b.SignIn(t, authztest.SPA, url.Values{"scope": {test.scope}}).AccessToken
			sub, sid := blackbox.AliceID(t, s), ""
			for entry, err := range storage.Sessions.All(t.Context(), s.Store, "") {
				if err != nil {
					t.Fatal(err)
				}
				sid = entry.Key
			}
			if claims := blackbox.Claims(t, token); claims["sub"] == sub || claims["sid"] == sid {
				t.Fatal("the ids are public")
			}
			f := follow(t, s)
			test.end(t, s, sub, sid)
			f.until(t, token)
		})
	}
}
