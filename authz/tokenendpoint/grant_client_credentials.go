package tokenendpoint

import (
	"context"
	"net/url"
	"slices"

	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/oauth2"

	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/resource"
)

// redeemClientCredentials follows RFC 6749 section 4.4. There is no user, so the scopes about users are refused.
// Without the parameter scope, the client gets all scopes that it is registered for at the resources of the
// request.
func (ep *Endpoint) redeemClientCredentials(_ context.Context, x *exchange, form url.Values) error {
	if form.Has("scope") {
		x.Scopes = oauth.ScopesOf(form)
		for _, scope := range x.Scopes {
			if !slices.Contains(x.Client.Scopes, scope) || resource.IsUserScope(scope) {
				return oauth.Refuse(oauth.InvalidScope, "The client may not have one of the requested scopes as an app.")
			}
		}
	} else {
		x.Scopes = ep.Resources.ScopesFor(slices.DeleteFunc(slices.Clone(x.Client.Scopes), resource.IsUserScope), x.Client.Resources)
		if form.Has("resource") {
			x.Scopes = ep.Resources.ScopesFor(x.Scopes, form["resource"])
		}
	}
	asked := form["resource"]
	var err error
	if x.Details, err = ep.Resources.ParseDetails(form, asked, x.Client.Resources, x.Client.DetailTypes); err != nil {
		return err
	}
	x.Resources, err = ep.Resources.Choose(x.Client.Resources, ep.Resources.AskedFor(asked, x.Details, x.Client.Resources), x.Scopes)
	return err
}

// stockClientCredentials returns fosite's handler. It does not grant scopes: redeemClientCredentials runs first and
// does so.
func stockClientCredentials(issuer *oauth2.HandleHelper) fosite.TokenEndpointHandler {
	return &oauth2.ClientCredentialsGrantHandler{HandleHelper: issuer, Config: issuer.Config.(*fosite.Config)}
}
