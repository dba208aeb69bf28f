package tokenendpoint

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/resource"
	"github.com/authzd/authzd/authz/token"
)

// Token type identifiers (RFC 8693 section 3) that are supported.
const (
	typeAccessToken = "urn:ietf:params:oauth:token-type:access_token"
	typeJWT         = "urn:ietf:params:oauth:token-type:jwt"
)

// redeemTokenExchange follows RFC 8693 section 2. A client has the access token of a user: its own, or one that was
// sent to it as an API. It gets another token with less scope, or for an API that the operator lets it call in the
// user's name. The new token has the same grant as the old one, and ends no later.
//
// The subject token must be an access token. An ID token has no grant that could be revoked, travels in URLs as a
// hint, and is no credential for an API. A refresh token is used at this endpoint by its own grant type.
func (ep *Endpoint) redeemTokenExchange(ctx context.Context, x *exchange, form url.Values) error {
	if err := checkExchange(form); err != nil {
		return err
	}
	subject, err := ep.exchanged(ctx, x, form, "subject_token")
	if err != nil {
		return err
	}
	if subject.User == nil {
		return oauth.Refuse(oauth.InvalidRequest, "The subject_token is about no user: ask for an app token by client_credentials.")
	}
	x.GrantID, x.Grant, x.User = subject.GrantID, subject.Grant, subject.User
	observe.Event(ctx).SetGrant(x.GrantID)
	x.Until = time.Unix(subject.Expires, 0)
	if x.Actor, err = ep.actorOf(ctx, x, form, subject); err != nil {
		return err
	}
	if x.Resources, err = ep.targetsOf(x, form, subject); err != nil {
		return err
	}
	if x.Scopes, err = ep.exchangedScopes(x, form, subject); err != nil {
		return err
	}
	if x.Details, err = ep.exchangedDetails(x, subject); err != nil {
		return err
	}
	return x.issueType(ep, form.Get("requested_token_type"))
}

// checkExchange checks the parameters of RFC 8693 section 2.1 that name the types of tokens.
func checkExchange(form url.Values) error {
	switch {
	case !form.Has("subject_token"):
		return oauth.Refuse(oauth.InvalidRequest, "The parameter subject_token is missing.")
	case form.Get("subject_token_type") != typeAccessToken:
		return oauth.Refuse(oauth.InvalidRequest, "The subject_token_type must be "+typeAccessToken+".")
	case form.Has("actor_token") != form.Has("actor_token_type"):
		return oauth.Refuse(oauth.InvalidRequest, "An actor_token and its actor_token_type belong together.")
	case form.Has("actor_token") && form.Get("actor_token_type") != typeAccessToken:
		return oauth.Refuse(oauth.InvalidRequest, "The actor_token_type must be "+typeAccessToken+".")
	}
	switch form.Get("requested_token_type") {
	case "", typeAccessToken, typeJWT:
		return nil
	}
	return oauth.Refuse(oauth.InvalidRequest, "The requested_token_type must be "+typeAccessToken+".")
}

// exchanged returns the token of a parameter, if the client may exchange it: the token is active, and was issued to
// the client or has it in its audience. If it was issued to the client and is bound to a key, the request must
// prove that key, so that a stolen token is useless here. If the client is the API that the token was sent to, it
// has seen the proof then, and is authenticated now.
func (ep *Endpoint) exchanged(ctx context.Context, x *exchange, form url.Values, parameter string) (*token.Active, error) {
	refused := oauth.Refuse(oauth.InvalidRequest, "The "+parameter+" is malformed, expired, revoked, or not made for this client.")
	active, err := ep.Tokens.Active(ctx, form.Get(parameter))
	switch {
	case errors.Is(err, token.ErrInactive):
		return nil, refused.Because(err)
	case err != nil:
		return nil, err
	case !active.Concerns(x.Client.ID):
		return nil, refused.Because(errors.New("access token of another client, for another API"))
	case active.ClientID != x.Client.ID:
		return active, nil
	}
	if err := x.mustHold(active.Confirmation, parameter); err != nil {
		return nil, oauth.Refuse(oauth.InvalidRequest, oauth.AsError(err).Description)
	}
	return active, nil
}

// actorOf returns the actor of the new token (RFC 8693 sections 1.1 and 4.1): the subject of the actor_token or, if
// there is none, the client. If the subject token was issued to the client itself, its actor stays. There is no
// impersonation: a token in another's name always names the actor.
func (ep *Endpoint) actorOf(ctx context.Context, x *exchange, form url.Values, subject *token.Active) (*token.Actor, error) {
	if subject.Actor.Depth() >= token.MaxActors {
		return nil, oauth.Refuse(oauth.InvalidRequest, "The subject_token has been handed on too often.")
	}
	now := &token.Actor{Subject: x.Client.ID, ClientID: x.Client.ID, Actor: subject.Actor}
	if form.Has("actor_token") {
		acting, err := ep.exchanged(ctx, x, form, "actor_token")
		if err != nil {
			return nil, err
		}
		now.Subject, now.ClientID = acting.Subject, acting.ClientID
		if acting.User != nil {
			now.Subject = ep.Tokens.Subject(x.Client, acting.User.ID)
		}
	}
	if m := subject.MayAct; m != nil && !m.Allows(ep.Issuer.ID, now) {
		return nil, oauth.Refuse(oauth.InvalidRequest, "The subject_token names another actor in may_act.")
	}
	if subject.ClientID == x.Client.ID && !form.Has("actor_token") {
		return subject.Actor, nil
	}
	return now, nil
}

// targetsOf returns the audience of the new token (RFC 8693 section 2.1, RFC 8707 section 2). It can have members of
// the subject token's audience, and APIs that the operator lets the client reach by exchange.
func (ep *Endpoint) targetsOf(x *exchange, form url.Values, subject *token.Active) ([]string, error) {
	asked := oauth.Unique(slices.Concat(form["resource"], form["audience"]))
	for _, uri := range asked {
		if ep.Resources.Get(uri) == nil || (!slices.Contains(subject.Audience, uri) && !slices.Contains(x.Client.ExchangeResources, uri)) {
			return nil, oauth.Refuse(oauth.InvalidTarget, "The client may not exchange this token for one of the requested resources.")
		}
	}
	switch {
	case len(asked) > 0:
		form["resource"] = asked // both parameters mean the same here
		return asked, nil
	case subject.ClientID == x.Client.ID: // a token for the same APIs, perhaps with less scope
		return slices.DeleteFunc(slices.Clone(subject.Audience), func(uri string) bool { return ep.Resources.Get(uri) == nil }), nil
	case len(x.Client.ExchangeResources) == 1:
		return x.Client.ExchangeResources, nil
	}
	return nil, oauth.Refuse(oauth.InvalidTarget, "Name the API that the token shall be for by the resource parameter.")
}

// exchangedScopes returns the scopes of the new token. At a resource of the subject token's audience they are those
// of the subject token, and at the others those that the client is registered for. Each resource of the new token
// reads all its scopes, so a scope is in it only if it is allowed at every resource that declares it. A token for
// another client does not get openid, and no token gets offline_access.
func (ep *Endpoint) exchangedScopes(x *exchange, form url.Values, subject *token.Active) ([]string, error) {
	may := func(scope string) bool {
		if resource.IsUserScope(scope) {
			return subject.Has(scope) && slices.Contains(x.Client.Scopes, scope) && scope != "offline_access" &&
				(scope != "openid" || subject.ClientID == x.Client.ID)
		}
		at := oauth.Both(ep.Resources.Owners(scope), x.Resources)
		return len(at) > 0 && !slices.ContainsFunc(at, func(uri string) bool {
			granted := subject.Has(scope) && slices.Contains(subject.Audience, uri)
			registered := slices.Contains(x.Client.Scopes, scope) && slices.Contains(x.Client.ExchangeResources, uri)
			return !granted && !registered
		})
	}
	allowed := slices.DeleteFunc(slices.Concat(strings.Fields(subject.Scope), x.Client.Scopes), func(scope string) bool { return !may(scope) })
	allowed = oauth.Unique(allowed)
	if !form.Has("scope") {
		return allowed, nil
	}
	asked := oauth.ScopesOf(form)
	if len(oauth.Both(asked, allowed)) < len(asked) {
		return nil, oauth.Refuse(oauth.InvalidScope, "The client may not exchange this token for one of the requested scopes.")
	}
	return asked, nil
}

// exchangedDetails returns the authorization_details that were granted at the resources of the new token. It drops
// a detail without locations if a further resource of the new token could take it as its own.
func (ep *Endpoint) exchangedDetails(x *exchange, subject *token.Active) ([]resource.Detail, error) {
	granted, err := resource.GrantedDetails(subject.AuthorizationDetails)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(granted, func(d resource.Detail) bool {
		at := ep.Resources.ResourcesOf(d, oauth.Both(x.Resources, subject.Audience))
		return len(at) == 0 || len(at) < len(ep.Resources.ResourcesOf(d, x.Resources))
	}), nil
}

// issueType sets issued_token_type (RFC 8693 section 2.2.1).
func (x *exchange) issueType(ep *Endpoint, requested string) error {
	x.issuedType = typeAccessToken
	if requested != typeJWT {
		return nil
	}
	if format, _ := ep.Tokens.AccessTokenFormat(x.Client, x.Resources); format == resource.TokenTypeOpaque {
		return oauth.Refuse(oauth.InvalidRequest, "The tokens of this resource are no JWTs.")
	}
	x.issuedType = typeJWT
	return nil
}
