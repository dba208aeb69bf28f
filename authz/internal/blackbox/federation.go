package blackbox

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/connect"
	"github.com/authzd/authzd/authz/mail"
	"github.com/authzd/authzd/authz/users"
)

// FederatedACR is the acr of a sign-in at an upstream.
const FederatedACR = "urn:authzd:acr:federated"

// Federation is a server with a connector to another one, which has its own user.
type Federation struct {
	*authztest.Server
	Upstream   *authztest.Server
	Connectors []connect.Config // to it
	Mails      *mail.Box        // that the server sends
}

// Federate runs a server and its upstream. authoritative says whether the upstream proves e-mail addresses.
func Federate(t *testing.T, authoritative bool) Federation {
	t.Helper()
	upstream := authztest.Start(t, authz.Config{
		Users: []users.User{{
			Username: "alice.upstream", Password: authztest.Password,
			Name: "Alice Upstream", Email: "alice@example.com", EmailVerified: true,
		}},
	}, func(m *client.Metadata) {
		if m.ID == authztest.Web {
			m.RedirectURIs = []string{"http://127.0.0.1/callback/corp"} // on any port
			m.FirstParty, m.IDTokenClaims = false, true
		}
	})
	connectors := []connect.Config{{
		ID: "corp", Type: connect.TypeOIDC, Name: "Corp", Issuer: upstream.URL,
		ClientID: authztest.Web, ClientSecret: authztest.Secret, EmailAuthoritative: authoritative,
	}}
	mails := &mail.Box{}
	server := authztest.Start(t, authz.Config{Connectors: connectors, Mail: authz.Mail{From: "id@example.com", Transport: mails}}, nil)
	return Federation{server, upstream, connectors, mails}
}

// Leave begins a sign-in to the SPA and follows the connector's link to the upstream.
func (f Federation) Leave(t *testing.T, b *authztest.Browser) (authorizationURL string) {
	t.Helper()
	return f.LeaveFrom(t, b, b.Ask(t, authztest.SPA, nil))
}

// LeaveFrom follows the connector's link on the sign-in page that an authorization request has led to.
func (f Federation) LeaveFrom(t *testing.T, b *authztest.Browser, asked *authztest.Page) (authorizationURL string) {
	t.Helper()
	login := b.Get(t, asked.Header.Get("Location"))
	if !login.Has("connector-corp") {
		t.Fatalf("no connector: %.300s", login.Body)
	}
	target := f.URL + "/login/corp?flow=" + url.QueryEscape(login.URL.Query().Get("flow"))
	return b.Get(t, target).Header.Get("Location")
}

// Arrive signs in at the upstream and returns the callback URL.
func (f Federation) Arrive(t *testing.T, authorizationURL string, deny bool) string {
	t.Helper()
	if !strings.HasPrefix(authorizationURL, f.Upstream.URL+"/authorize?") {
		t.Fatalf("sent to %q", authorizationURL)
	}
	person := f.Upstream.NewBrowser(t)
	person.Username, person.Deny = "alice.upstream", deny
	answer := person.Walk(t, authorizationURL)
	if answer.Params == nil {
		t.Fatal(answer)
	}
	return f.URL + "/callback/corp?" + answer.Params.Encode()
}

// Back calls the callback, and confirms the link that it may lead to.
func (f Federation) Back(t *testing.T, b *authztest.Browser, callback string) *authztest.Page {
	t.Helper()
	page := b.Get(t, callback)
	if !strings.HasPrefix(page.Header.Get("Location"), f.URL+"/link?") {
		return page
	}
	return b.Do(t, b.Get(t, page.Header.Get("Location")).Submit(t, "link-confirm", nil))
}

// SignInUpstream goes all the way and returns the page of the last redirect.
func (f Federation) SignInUpstream(t *testing.T, b *authztest.Browser) *authztest.Page {
	t.Helper()
	return f.Back(t, b, f.Arrive(t, f.Leave(t, b), false))
}

// Subject returns the sub of the user who is signed in.
func (f Federation) Subject(t *testing.T, b *authztest.Browser) string {
	t.Helper()
	code, verifier := b.Code(t, authztest.SPA, url.Values{"prompt": {"none"}})
	tokens := f.Token(t, authztest.SPA, "", authztest.CodeForm(code, verifier))
	return fmt.Sprint(Claims(t, tokens.IDToken)["sub"])
}
