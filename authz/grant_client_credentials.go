package authz

import (
	"context"
	"net/url"
	"slices"

	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/resource"
)

// redeemClientCredentials follows RFC 6749 section 4.4. No user is involved, so no scope that is
// about one can be had; without a scope parameter the client gets all that it is registered for at
// the resources that it asks for.
func (s *Server) redeemClientCredentials(_ context.Context, x *exchange, form url.Values) error {
	if form.Has("scope") {
		x.scopes = oauth.ScopesOf(form)
		for _, scope := range x.scopes {
			if !slices.Contains(x.client.Scopes, scope) || resource.IsUserScope(scope) {
				return oauth.Refuse(oauth.InvalidScope, "The client may not have one of the requested scopes as an app.")
			}
		}
	} else {
		x.scopes = s.resources.ScopesFor(slices.DeleteFunc(slices.Clone(x.client.Scopes), resource.IsUserScope), x.client.Resources)
		if form.Has("resource") {
			x.scopes = s.resources.ScopesFor(x.scopes, form["resource"])
		}
	}
	asked := form["resource"]
	var err error
	if x.details, err = s.resources.ParseDetails(form, asked, x.client.Resources, x.client.DetailTypes); err != nil {
		return err
	}
	x.resources, err = s.resources.Choose(x.client.Resources, s.resources.AskedFor(asked, x.details, x.client.Resources), x.scopes)
	return err
}
