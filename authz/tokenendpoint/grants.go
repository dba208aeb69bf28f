package tokenendpoint

import (
	"context"
	"encoding/json"
	"net/url"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/resource"
	"github.com/authzd/authzd/storage"
	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/oauth2"
)

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

// grants is every grant type there is. Another one is a file of its own and a line here; the tag known of
// client.Metadata lets clients have it, and provedGrants in package client says which clients may have none.
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
		err = h.handler.PopulateTokenEndpointResponse(ctx, issuing{r}, response)
	default:
		_, err = h.issuer.IssueAccessToken(ctx, 0, issuing{r}, response)
	}
	if err == nil {
		complete(ctx, r.GetSession().(*exchange), response)
	}
	return err
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
