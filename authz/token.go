package authz

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ory/fosite"

	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/clientauth"
	"github.com/authzd/authzd/authz/events"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/resource"
	"github.com/authzd/authzd/authz/token"
	"github.com/authzd/authzd/storage"
)

// token is the token endpoint (RFC 6749 section 3.2).
//
//	form -> fosite.NewAccessRequest -> Authenticate -> redeem… (read, decide)
//	     -> fosite.NewAccessResponse -> issue (sign, collect writes) -> one Apply -> answer
func (s *Server) token(w http.ResponseWriter, r *http.Request) error {
	form, err := s.auth.Form(w, r)
	if err != nil {
		return err
	}
	s.resources.NameRegistered(form)
	grantType := form.Get("grant_type")
	if grantType == "" {
		return oauth.Refuse(oauth.InvalidRequest, "The parameter grant_type is missing.")
	}
	if !s.offers(r.Context(), grantType) { // fosite would say invalid_request
		return oauth.Refuse(oauth.UnsupportedGrantType, "The grant types on offer are "+strings.Join(s.grantTypes, ", ")+".")
	}
	observe.Event(r.Context()).SetGrantType(grantType)
	var answer fosite.AccessResponder
	err = storage.Retry(func() (err error) {
		answer, err = s.exchange(w.Header(), r, grantType)
		return err
	})
	if err != nil {
		return err
	}
	return oauth.WriteJSON(w, http.StatusOK, answer.ToMap())
}

// offeredGrantTypes are the grant types that the server speaks of: OAuth's own, and of the others those
// that a client is registered for.
func offeredGrantTypes(c Config) []string {
	offered := []string{client.GrantAuthorizationCode, client.GrantRefreshToken, client.GrantClientCredentials}
	for _, grantType := range []string{client.GrantDeviceCode, client.GrantTokenExchange, client.GrantJWTBearer} {
		used := false
		c.Clients.Each(func(cl *client.Client) { used = used || cl.May(grantType) })
		if used {
			offered = append(offered, grantType)
		}
	}
	return offered
}

// offers tells whether a grant type is one of those, or a managed client has it.
func (s *Server) offers(ctx context.Context, grantType string) bool {
	return slices.Contains(s.grantTypes, grantType) || slices.Contains(s.clients.Managed.Known(ctx).GrantTypes, grantType)
}

// exchange is one attempt at one token request, with the one commit at its end.
func (s *Server) exchange(header http.Header, r *http.Request, grantType string) (fosite.AccessResponder, error) {
	ctx := r.Context()
	x := &exchange{Authorization: token.Authorization{Now: storage.Now()}, request: r, answer: header, grantType: grantType}
	request, err := s.provider.NewAccessRequest(ctx, r, x)
	var response fosite.AccessResponder
	if err == nil {
		response, err = s.provider.NewAccessResponse(ctx, request)
	}
	if clientauth.AsksForNonce(err) {
		return nil, err
	} else if err != nil {
		if durable := append(x.durable, x.marks...); len(durable) > 0 {
			if lost := s.store.Apply(ctx, durable...); lost != nil {
				return nil, lost
			}
		}
		return nil, ofFosite(err)
	}
	if used, err := s.clientUsed(ctx, x); err != nil {
		return nil, err
	} else if used != nil {
		x.writes = append(x.writes, *used)
	}
	if writes := append(x.writes, x.marks...); len(writes) > 0 {
		if err := s.store.Apply(ctx, writes...); err != nil {
			return nil, err
		}
	}
	if x.Grant == nil || x.issuedType != "" {
		s.events.TokenIssued(ctx, x.issued())
	}
	return response, nil
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

	issuedType   string          // issued_token_type (RFC 8693 section 2.2.1); empty: no exchange
	refreshToken string          // to answer with; empty: none
	writes       []storage.Write // made if the request succeeds
	durable      []storage.Write // made if it is refused: revocations
	marks        []storage.Write // made in both cases: what may be shown once was shown
}

// grantHandler is one grant type at the token endpoint: fosite.TokenEndpointHandler.
type grantHandler struct {
	server    *Server
	grantType string
	redeem    func(ctx context.Context, x *exchange, form url.Values) error
}

func (h grantHandler) CanHandleTokenEndpointRequest(_ context.Context, r fosite.AccessRequester) bool {
	return r.GetGrantTypes().ExactOne(h.grantType)
}

func (grantHandler) CanSkipClientAuth(context.Context, fosite.AccessRequester) bool { return false }

// HandleTokenEndpointRequest holds the checks that no grant type may forget.
func (h grantHandler) HandleTokenEndpointRequest(ctx context.Context, r fosite.AccessRequester) error {
	x := r.GetSession().(*exchange)
	authenticated := r.GetClient().(fositeClient)
	x.Client = authenticated.Client
	x.marks = append(x.marks, authenticated.Marks...)
	if !x.Client.May(h.grantType) {
		description := "The client is not registered for the grant type " + h.grantType + "."
		if x.Client.Public() && h.grantType == client.GrantClientCredentials {
			description = "A browser or mobile app cannot prove who it is: let a backend client ask for an app token, or sign the user in with authorization_code."
		}
		return oauth.Refuse(oauth.UnauthorizedClient, description)
	}
	if err := x.bindToCertificate(authenticated.X5t); err != nil {
		return err
	}
	if err := h.server.bindToKey(x); err != nil {
		return err
	}
	if err := h.redeem(ctx, x, r.GetRequestForm()); err != nil {
		return err
	}
	if err := h.server.narrowResource(x, r.GetRequestForm()); err != nil {
		return err
	}
	var err error
	x.Details, err = h.server.resources.NarrowDetails(r.GetRequestForm(), x.Details, x.Resources, x.Client.DetailTypes)
	return err
}

func (h grantHandler) PopulateTokenEndpointResponse(ctx context.Context, r fosite.AccessRequester, response fosite.AccessResponder) error {
	if !h.CanHandleTokenEndpointRequest(ctx, r) {
		return fosite.ErrUnknownRequest
	}
	return h.server.issue(ctx, r.GetSession().(*exchange), response)
}

// narrowScope applies the scope of a refresh request (RFC 6749 section 6): less is possible, more is
// not, and the grant keeps what it has.
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

// narrowResource applies the resource of a token request (RFC 8707 section 2.2) likewise.
func (s *Server) narrowResource(x *exchange, form url.Values) error {
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
	x.Scopes = s.resources.ScopesFor(x.Scopes, asked)
	return nil
}

// issue signs the tokens and fills the answer (RFC 6749 section 5.1).
func (s *Server) issue(ctx context.Context, x *exchange, response fosite.AccessResponder) error {
	minted, err := s.tokens.Mint(x.Authorization, x.confirmation)
	if err != nil {
		return err
	}
	x.writes = append(x.writes, minted.Writes...)
	response.SetAccessToken(minted.AccessToken)
	response.SetTokenType(minted.TokenType)
	response.SetExpiresIn(minted.Lifetime)
	response.SetScopes(x.Scopes)
	if x.refreshToken != "" {
		response.SetExtra("refresh_token", x.refreshToken)
	}
	if details := resource.EncodeDetails(x.Details); details != nil { // RFC 9396 section 7
		response.SetExtra("authorization_details", json.RawMessage(details))
	}
	if x.issuedType != "" {
		response.SetExtra("issued_token_type", x.issuedType)
	}
	if minted.IDToken != "" {
		response.SetExtra("id_token", minted.IDToken)
	}
	event := observe.Event(ctx)
	event.SetGrant(x.GrantID)
	if x.User != nil {
		event.SetSubject(x.User.ID)
	}
	return nil
}

// events.Issued is what the client gets, for the events.
func (x *exchange) issued() events.Issued {
	i := events.Issued{ClientID: x.Client.ID, GrantID: x.GrantID, GrantType: x.grantType, Scopes: x.Scopes, Resources: x.Resources}
	if x.Grant != nil {
		i.UserID, i.SessionID = x.Grant.UserID, x.Grant.SessionID
	}
	return i
}

// revokeReused revokes the grant of a code or a refresh token that came a second time, although the request is
// refused.
func (s *Server) revokeReused(ctx context.Context, x *exchange, what audit.Type, gid string, of *storage.Authorization) error {
	revocation, err := s.grants.Revocation(ctx, gid)
	if err == nil {
		x.durable = append(x.durable, s.events.Reused(ctx, what, gid, of, revocation)...)
	}
	return err
}
