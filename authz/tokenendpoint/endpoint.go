// Package tokenendpoint is the token endpoint, and the one place where fosite is known. Each grant type is a file,
// grant_….go, and a line of the table grants.
//
//	form -> the client and what it presents are read at once
//	     -> fosite.NewAccessRequest -> clientauth -> redeem… (read, decide)
//	     -> fosite.NewAccessResponse -> token.Mint, writes -> one Apply -> answer
package tokenendpoint

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/oauth2"

	"github.com/authzd/authzd/authz/account"
	"github.com/authzd/authzd/authz/allowance"
	"github.com/authzd/authzd/authz/audit"
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

// read prepares to read the record of what the client presents. If the client must be read too, both are read at once,
// before the client has proved who it is: from a database on another machine that takes one round trip.
func (ep *Endpoint) read(ctx context.Context, x *exchange, form url.Values) {
	i := slices.IndexFunc(grants, func(g grantType) bool { return g.name == x.grantType && g.parameter != "" })
	if i < 0 || form.Get(grants[i].parameter) == "" {
		return
	}
	x.record = sync.OnceValues(func() (storage.Record, error) {
		return ep.Store.Get(ctx, grants[i].table, oauth.HashToken(form.Get(grants[i].parameter)))
	})
	if x.claim.Malformed == nil && ep.Clients.File.Get(x.claim.ID) == nil {
		var reads sync.WaitGroup
		reads.Go(func() { x.record() })
		x.claim.Find()
		reads.Wait()
	}
}

// recordOf returns the record of what the client presents, with its version, or storage.ErrNotFound.
func recordOf[T any](x *exchange, kind storage.Kind[T]) (*T, uint64, error) {
	record, err := x.record()
	if err != nil {
		return nil, 0, err
	}
	entry, err := kind.Entry(record)
	return entry.Value, entry.Version, err
}

// exchange carries one token request through fosite, as its session: what a grant handler has
// found out and decided, and what is to be written.
type exchange struct {
	fosite.DefaultSession
	token.Authorization                      // what the tokens will say
	confirmation        storage.Confirmation // what the access token is bound to

	request   *http.Request
	answer    http.Header // of the answer
	grantType string      // as asked for
	claim     *clientauth.Claim
	record    func() (storage.Record, error) // of what the client presents: read when it is first called
	requester fosite.AccessRequester

	minted  token.Minted
	rotated string // the refresh token that is used up by this request; empty: none
	salt    []byte // of its successor

	issuedType   string          // issued_token_type (RFC 8693 section 2.2.1); empty: no exchange
	refreshToken string          // to answer with; empty: none
	writes       []storage.Write // made if the request succeeds
	durable      []storage.Write // made if it is refused: revocations
	marks        []storage.Write // made in both cases: what may be shown once was shown
}

// grantType is a way to get tokens (RFC 6749 section 1.3).
type grantType struct {
	name   string // grant_type
	always bool   // it is offered even if no client is registered for it
	// parameter is what the client presents. The hash of its value is the key of a record in table. Empty: there is no
	// such record.
	parameter string
	table     storage.Table
	// redeem reads what the client presents, decides, and says in x what the tokens will say and what is to be
	// written. Checks that all grant types need stand in grantHandler.
	redeem func(ep *Endpoint, ctx context.Context, x *exchange, form url.Values) error
	// stock is fosite's handler, which runs after redeem; nil: there is none that has no known hole.
	stock func(*oauth2.HandleHelper) fosite.TokenEndpointHandler
}

// grants is every grant type there is. Another one is a file of its own and a line here.
var grants = []grantType{
	{client.GrantAuthorizationCode, true, "code", storage.Codes.Table, (*Endpoint).redeemCode, nil},
	{client.GrantRefreshToken, true, "refresh_token", storage.RefreshTokens.Table, (*Endpoint).redeemRefreshToken, nil},
	{client.GrantClientCredentials, true, "", "", (*Endpoint).redeemClientCredentials, stockClientCredentials},
	{client.GrantDeviceCode, false, "device_code", storage.DeviceCodes.Table, (*Endpoint).redeemDeviceCode, nil},
	{client.GrantTokenExchange, false, "", "", (*Endpoint).redeemTokenExchange, nil},
	{client.GrantJWTBearer, false, "", "", (*Endpoint).redeemAssertion, nil},
}

// grantHandlers returns the grant types in the form in which fosite calls them.
func (ep *Endpoint) grantHandlers(config *fosite.Config) (handlers fosite.TokenEndpointHandlers) {
	issuer := &oauth2.HandleHelper{AccessTokenStrategy: ep.strategy, AccessTokenStorage: accessTokens{}, Config: config}
	for _, g := range grants {
		h := grantHandler{endpoint: ep, grantType: g, issuer: issuer}
		if g.stock != nil {
			h.handler = g.stock(issuer)
		}
		handlers = append(handlers, h) // Append would keep the first of a Go type only
	}
	return handlers
}

// grantHandler is one grant type at the token endpoint: fosite.TokenEndpointHandler.
type grantHandler struct {
	endpoint *Endpoint
	grantType
	issuer  *oauth2.HandleHelper
	handler fosite.TokenEndpointHandler // made by stock; nil: none
}

// CanHandleTokenEndpointRequest reports whether a request is for this grant type.
func (h grantHandler) CanHandleTokenEndpointRequest(_ context.Context, r fosite.AccessRequester) bool {
	return r.GetGrantTypes().ExactOne(h.name)
}

// CanSkipClientAuth returns false: clients always authenticate, even if only by their client_id.
func (grantHandler) CanSkipClientAuth(context.Context, fosite.AccessRequester) bool { return false }

// HandleTokenEndpointRequest makes the checks that no grant type may forget, and calls redeem.
func (h grantHandler) HandleTokenEndpointRequest(ctx context.Context, r fosite.AccessRequester) error {
	x := r.GetSession().(*exchange)
	authenticated := r.GetClient().(fositeClient)
	x.Client, x.requester = authenticated.Client, r
	x.marks = append(x.marks, authenticated.Marks...)
	if !x.Client.May(h.name) {
		description := "The client is not registered for the grant type " + h.name + "."
		if x.Client.Public() && h.name == client.GrantClientCredentials {
			description = "A browser or mobile app cannot prove who it is: let a backend client ask for an app token, or sign the user in with authorization_code."
		}
		return oauth.Refuse(oauth.UnauthorizedClient, description)
	}
	if err := x.bindToCertificate(authenticated.X5T); err != nil {
		return err
	}
	if err := h.endpoint.bindToKey(x); err != nil {
		return err
	}
	if err := h.redeem(h.endpoint, ctx, x, r.GetRequestForm()); err != nil {
		return err
	}
	if err := h.endpoint.narrowResource(x, r.GetRequestForm()); err != nil {
		return err
	}
	var err error
	if x.Details, err = h.endpoint.Resources.NarrowDetails(r.GetRequestForm(), x.Details, x.Resources, x.Client.DetailTypes); err != nil {
		return err
	}
	for _, scope := range x.Scopes {
		r.GrantScope(scope)
	}
	for _, uri := range x.Resources {
		r.GrantAudience(uri)
	}
	if h.handler != nil {
		return h.handler.HandleTokenEndpointRequest(ctx, r)
	}
	return nil
}

// PopulateTokenEndpointResponse lets fosite issue the access token, and completes the answer (RFC 6749 section 5.1).
func (h grantHandler) PopulateTokenEndpointResponse(ctx context.Context, r fosite.AccessRequester, response fosite.AccessResponder) (err error) {
	switch {
	case !h.CanHandleTokenEndpointRequest(ctx, r):
		return fosite.ErrUnknownRequest
	case h.handler != nil:
		err = h.handler.PopulateTokenEndpointResponse(ctx, r, response)
	default:
		_, err = h.issuer.IssueAccessToken(ctx, 0, r, response)
	}
	if err == nil {
		complete(ctx, r.GetSession().(*exchange), response)
	}
	return err
}

// narrowScope applies the scope of a refresh request (RFC 6749 section 6). A client can ask for less and not for
// more; the grant keeps its scopes.
func narrowScope(x *exchange, form url.Values) error {
	if !form.Has("scope") {
		return nil
	}
	asked := oauth.ScopesOf(form)
	for _, scope := range asked {
		if !slices.Contains(x.Scopes, scope) {
			return oauth.Refuse(oauth.InvalidScope, "A requested scope was not granted.")
		}
	}
	x.Scopes = asked
	return nil
}

// narrowResource applies the resource of a token request (RFC 8707 section 2.2). A client can ask for less and not
// for more.
func (ep *Endpoint) narrowResource(x *exchange, form url.Values) error {
	asked := form["resource"]
	if len(asked) == 0 {
		return nil
	}
	for _, resource := range asked {
		if !slices.Contains(x.Resources, resource) {
			return oauth.Refuse(oauth.InvalidTarget, "A requested resource was not granted.")
		}
	}
	x.Resources = asked
	x.Scopes = ep.Resources.ScopesFor(x.Scopes, asked)
	return nil
}

// complete adds to an answer the members that fosite does not set.
func complete(ctx context.Context, x *exchange, response fosite.AccessResponder) {
	response.SetTokenType(x.minted.TokenType)
	response.SetExpiresIn(x.minted.Lifetime)
	if x.refreshToken != "" {
		response.SetExtra("refresh_token", x.refreshToken)
	}
	if details := resource.EncodeDetails(x.Details); details != nil { // RFC 9396 section 7
		response.SetExtra("authorization_details", json.RawMessage(details))
	}
	if x.issuedType != "" {
		response.SetExtra("issued_token_type", x.issuedType)
	}
	if x.minted.IDToken != "" {
		response.SetExtra("id_token", x.minted.IDToken)
	}
	event := observe.Event(ctx)
	event.SetGrant(x.GrantID)
	if x.User != nil {
		event.SetSubject(x.User.ID)
	}
}

// issued describes what the client gets, for the events.
func (x *exchange) issued() events.Issued {
	i := events.Issued{ClientID: x.Client.ID, GrantID: x.GrantID, GrantType: x.grantType, Scopes: x.Scopes, Resources: x.Resources}
	if x.Grant != nil {
		i.UserID, i.SessionID = x.Grant.UserID, x.Grant.SessionID
	}
	return i
}

// revokeReused revokes the grant of a code or a refresh token that came a second time. The revocation is written
// although the request is refused.
func (ep *Endpoint) revokeReused(ctx context.Context, x *exchange, what audit.Type, gid string, of *storage.Authorization) error {
	revocation, err := ep.Grants.Revocation(ctx, gid)
	if err == nil {
		x.durable = append(x.durable, ep.Events.Reused(ctx, what, gid, of, revocation)...)
	}
	return err
}
