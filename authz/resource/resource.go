// Package resource describes the APIs that tokens are made for: their scopes, resource indicators (RFC 8707)
// and authorization details (RFC 9396).
//
//	a grant: resource, authorization_details -> Registered, ParseDetails -> AskedFor -> Choose
//	a token: what was granted                -> ScopesFor, NarrowDetails
package resource

import (
	"net/url"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/weburl"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/templates"
)

// Access token types of a Resource: the typ header of a JWT, or an opaque token.
const (
	TokenTypeAT     = "at+jwt" // RFC 9068 section 2.1
	TokenTypeJWT    = "JWT"    // for stacks that refuse at+jwt
	TokenTypeOpaque = "opaque" // looked up by introspection
)

// Resource is an API that tokens are made for (RFC 8707).
type Resource struct {
	URI       string // the audience, verbatim
	Name      string // for people, on the consent page
	Scopes    []string
	TokenType string                  // empty: TokenTypeAT
	Alg       jose.SignatureAlgorithm // empty: the server's default

	DetailTypes []DetailType // the types of authorization_details that it understands

	Descriptions map[string]templates.Text // by scope: what it allows, for people
	Changing     []string                  // the scopes with which an app can change something: pages say so
}

// Set is all resources of the configuration.
type Set []Resource

// Get returns the resource with this URI, nil if there is none.
func (rs Set) Get(uri string) *Resource {
	for i := range rs {
		if rs[i].URI == uri {
			return &rs[i]
		}
	}
	return nil
}

// Registered returns the URIs of resources in the form that is registered: some libraries add the slash of an
// empty path, which means the same (RFC 3986 section 6.2.3), and others drop it. An unknown URI stays as it is.
func (rs Set) Registered(uris []string) []string {
	if !slices.ContainsFunc(uris, func(uri string) bool { return rs.Get(uri) == nil }) {
		return uris
	}
	forms := slices.Clone(uris)
	for i, uri := range forms {
		if rs.Get(uri) != nil {
			continue
		}
		if at := slices.IndexFunc(rs, func(r Resource) bool { return weburl.SameResource(r.URI, uri) }); at >= 0 {
			forms[i] = rs[at].URI
		}
	}
	return oauth.Unique(forms)
}

// NameRegistered replaces the URIs in the parameters that name resources by their registered form (RFC 8707
// section 2, RFC 8693 section 2.1).
func (rs Set) NameRegistered(params url.Values) {
	for name := range oauth.MayRepeat {
		if uris, given := params[name]; given {
			params[name] = rs.Registered(uris)
		}
	}
}

// Owners returns the URIs of the resources that declare a scope. The scopes of OpenID Connect have none.
func (rs Set) Owners(scope string) []string {
	var uris []string
	for _, r := range rs {
		if slices.Contains(r.Scopes, scope) {
			uris = append(uris, r.URI)
		}
	}
	return uris
}

// ScopesFor returns the scopes that one of the given resources declares, and those that no resource declares:
// they are the server's.
func (rs Set) ScopesFor(scopes, resources []string) []string {
	var kept []string
	for _, scope := range scopes {
		owners := rs.Owners(scope)
		if len(owners) == 0 || slices.ContainsFunc(owners, func(uri string) bool { return slices.Contains(resources, uri) }) {
			kept = append(kept, scope)
		}
	}
	return kept
}

// Choose returns the resources of a grant (RFC 8707 section 2). It takes the resources that the client is
// registered for, those it asks for, and the scopes it asks for. nil is a grant for userinfo only. The errors
// are InvalidTarget and InvalidScope.
func (rs Set) Choose(registered, asked, scopes []string) ([]string, error) {
	for _, uri := range asked {
		if !slices.Contains(registered, uri) {
			return nil, oauth.Refuse(oauth.InvalidTarget, "The client is not registered for one of the requested resources.")
		}
	}
	switch {
	case len(asked) > 0:
		if len(rs.ScopesFor(scopes, asked)) < len(scopes) {
			return nil, oauth.Refuse(oauth.InvalidScope, "A requested scope belongs to a resource that was not requested.")
		}
		return asked, nil
	case len(registered) <= 1 && len(rs.ScopesFor(scopes, registered)) < len(scopes):
		return nil, oauth.Refuse(oauth.InvalidScope, "A requested scope belongs to a resource that the client gets only by token exchange.")
	case len(registered) <= 1:
		return registered, nil
	case len(rs.ScopesFor(scopes, nil)) < len(scopes):
		return nil, oauth.Refuse(oauth.InvalidTarget, "The client has several resources: name the one that is meant by the resource parameter.")
	}
	return nil, nil // a token for userinfo only
}

// UserScopes are the scopes of OpenID Connect Core sections 3.1.2.1, 5.4 and 11, and groups.
var UserScopes = []string{"openid", "profile", "email", "address", "phone", "offline_access", "groups"}

// IsUserScope reports whether a scope is one of UserScopes.
func IsUserScope(scope string) bool { return slices.Contains(UserScopes, scope) }

// ShownScopes returns permissions for a page: each scope once, with the names of its resources. It changes something if
// it does so at one of them.
func (rs Set) ShownScopes(permissions []storage.Permission) []templates.Scope {
	var shown []templates.Scope
	for _, p := range permissions {
		name, host, changes := p.Resource, "", false
		var description templates.Text
		if r := rs.Get(p.Resource); r != nil {
			name, description, changes = r.Name, r.Descriptions[p.Scope], slices.Contains(r.Changing, p.Scope)
			if u, err := url.Parse(r.URI); err == nil && u.Host != name {
				host = u.Host
			}
		}
		i := slices.IndexFunc(shown, func(t templates.Scope) bool { return t.Name == p.Scope })
		if i < 0 {
			shown = append(shown, templates.Scope{Name: p.Scope, Resource: name, Host: host, Description: description, Changes: changes})
		} else {
			shown[i].Changes = shown[i].Changes || changes
			shown[i].Resource, shown[i].Host = strings.Trim(shown[i].Resource+", "+name, ", "), ""
		}
	}
	return shown
}
