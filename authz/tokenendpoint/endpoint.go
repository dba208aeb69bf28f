// Package tokenendpoint is the token endpoint, and the one place where fosite is known. Each grant type is a file,
// grant_….go, and a line of the table in grants.go.
//
//	form -> the client and what it presents are read at once
//	     -> fosite.NewAccessRequest -> clientauth -> redeem… (read, decide)
//	     -> fosite.NewAccessResponse -> token.Mint, writes -> one Apply -> answer
package tokenendpoint

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ory/fosite"

	"github.com/authzd/authzd/authz/account"
	"github.com/authzd/authzd/authz/allowance"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/client/clientkeys"
	"github.com/authzd/authzd/authz/client/directory"
	"github.com/authzd/authzd/authz/clientauth"
	"github.com/authzd/authzd/authz/events"
	"github.com/authzd/authzd/authz/grant"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/resource"
	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/authz/token"
	"github.com/authzd/authzd/storage"
)

// Config is all that New needs.
type Config struct {
	Issuer    oauth.Issuer
	Store     storage.Store
	Clients   *directory.Clients
	Accounts  *account.Directory
	Sessions  *session.Sessions
	Auth      *clientauth.Authenticator
	Keys      *clientkeys.Keys // of clients and of trusted issuers
	Ledger    *allowance.Ledger
	Resources resource.Set
	Grants    *grant.Grants
	Tokens    *token.Tokens
	Events    *events.Recorder

	GrantTypes     []string        // the result of Offered
	TrustedIssuers []TrustedIssuer // of assertions for the JWT bearer grant

	// The lifetimes of clients that set none.
	RefreshLifetime time.Duration // how long a grant can be refreshed, from the exchange of the code
	RefreshIdle     time.Duration // how long a grant can be refreshed, from the last refresh
	RefreshGrace    time.Duration // how long after a refresh the same refresh token is answered again
}

// Endpoint is the token endpoint. Make it by New.
type Endpoint struct {
	Config
	strategy strategy
	provider fosite.OAuth2Provider
	issuers  map[string]assertionIssuer // by their identifier
}

// New returns the token endpoint. The error names a trusted issuer that is configured wrongly.
func New(c Config) (*Endpoint, error) {
	ep := &Endpoint{Config: c, strategy: strategy{c.Tokens}}
	if err := ep.openIssuers(); err != nil {
		return nil, err
	}
	ep.provider = fosite.NewOAuth2Provider(clientLookup(c.Clients.Get), ep.fositeConfig())
	return ep, nil
}

// Token serves the token endpoint (RFC 6749 section 3.2).
func (ep *Endpoint) Token(w http.ResponseWriter, r *http.Request) error {
	form, err := oauth.RequestForm(w, r)
	if err == nil {
		err = ep.checkGrantType(r.Context(), form)
	}
	claim := ep.Auth.Claim(r)
	var answer fosite.AccessResponder
	if err == nil {
		ep.Resources.NameRegistered(form)
		err = storage.Retry(func() (err error) {
			answer, err = ep.exchange(w.Header(), r, claim)
			if storage.IsConflict(err) { // another attempt reads the client again
				claim = ep.Auth.Claim(r)
			}
			return err
		})
	}
	ep.Auth.OnlyOrigins(w, r, claim.Find) // now: the client was read with what it presents
	if err != nil {
		return err
	}
	return oauth.WriteJSON(w, http.StatusOK, answer.ToMap())
}

// Names returns the names of all grant types.
func Names() []string {
	var names []string
	for _, g := range grants {
		names = append(names, g.name)
	}
	return names
}

// checkGrantType refuses a form whose grant type is not on offer: fosite would say invalid_request.
func (ep *Endpoint) checkGrantType(ctx context.Context, form url.Values) error {
	grantType := form.Get("grant_type")
	switch {
	case grantType == "":
		return oauth.Refuse(oauth.InvalidRequest, "The parameter grant_type is missing.")
	case !ep.Offers(ctx, grantType):
		return oauth.Refuse(oauth.UnsupportedGrantType, "The grant types on offer are "+strings.Join(ep.GrantTypes, ", ")+".")
	}
	observe.Event(ctx).SetGrantType(grantType)
	return nil
}

// Offered returns the grant types that the server speaks of: those that are always offered, and of the others
// those that a client of the configuration is registered for.
func Offered(clients *client.Registry) []string {
	var names []string
	for _, g := range grants {
		used := g.always
		clients.Each(func(c *client.Client) { used = used || c.May(g.name) })
		if used {
			names = append(names, g.name)
		}
	}
	return names
}

// Offers reports whether a grant type is one of those, or a managed client is registered for it.
func (ep *Endpoint) Offers(ctx context.Context, grantType string) bool {
	return slices.Contains(ep.GrantTypes, grantType) || slices.Contains(ep.Clients.Managed.Known(ctx).GrantTypes, grantType)
}

// exchange is one attempt at one token request, with the one commit at its end.
func (ep *Endpoint) exchange(header http.Header, r *http.Request, claim *clientauth.Claim) (fosite.AccessResponder, error) {
	x := &exchange{Authorization: token.Authorization{Now: storage.Now()}, request: r, answer: header, grantType: r.PostForm.Get("grant_type"), claim: claim}
	ctx := context.WithValue(r.Context(), exchangeKey{}, x)
	ep.read(ctx, x, r.PostForm)
	request, err := ep.provider.NewAccessRequest(ctx, r, x)
	var response fosite.AccessResponder
	if err == nil {
		response, err = ep.provider.NewAccessResponse(ctx, request)
	}
	if x.again != nil {
		return nil, x.again
	}
	if clientauth.AsksForNonce(err) {
		return nil, err
	} else if err != nil {
		if durable := append(x.durable, x.marks...); len(durable) > 0 {
			if lost := ep.Store.Apply(ctx, durable...); lost != nil {
				return nil, lost
			}
		}
		return nil, ofFosite(err)
	}
	found, err := claim.Find() // as it was authenticated
	if err != nil {
		return nil, err
	}
	x.writes = append(x.writes, ep.Clients.Used(found, x.Now)...)
	if writes := append(x.writes, x.marks...); len(writes) > 0 {
		if err := ep.Store.Apply(ctx, writes...); err != nil {
			return nil, err
		}
	}
	if x.Grant == nil || x.issuedType != "" {
		ep.Events.TokenIssued(ctx, x.issued())
	}
	return response, nil
}
