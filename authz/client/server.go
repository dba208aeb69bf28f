package client

import (
	"fmt"
	"slices"
	"time"

	"github.com/authzd/authzd/authz/member"
	"github.com/authzd/authzd/authz/weburl"
)

// Server is what the server says that a description is for: it gives the defaults, and what a client may refer to.
type Server struct {
	Resources  []Resource
	Lifetimes  Lifetimes
	SigningAlg string

	Certificates bool // those of clients are looked at
	Authorities  bool // and it is known who issues them

	ShortSecrets bool // for a demo: a secret may have any length
}

// Resource is an API that clients may call (RFC 8707).
type Resource struct {
	URI         string // empty: it lacks one, which is reported elsewhere
	Scopes      []string
	DetailTypes []string // of authorization_details (RFC 9396)
	Alg         string   // that its access tokens are signed with; empty: they are not JWTs
}

// Lifetimes hold where a client has none of its own.
type Lifetimes struct {
	AccessToken, IDToken, Code, PAR         time.Duration
	RefreshToken, RefreshIdle, RefreshGrace time.Duration
}

// UserScopes are those that no resource declares: OpenID Connect Core sections 5.4 and 11, and groups.
var UserScopes = []string{"openid", "profile", "email", "address", "phone", "offline_access", "groups"}

// Resource returns the resource of this identifier, nil if there is none.
func (s *Server) Resource(uri string) *Resource {
	i := slices.IndexFunc(s.Resources, func(r Resource) bool { return r.URI == uri })
	if i < 0 {
		return nil
	}
	return &s.Resources[i]
}

// declares reports whether a resource has the scope.
func (s *Server) declares(scope string) bool {
	return slices.ContainsFunc(s.Resources, func(r Resource) bool { return slices.Contains(r.Scopes, scope) })
}

// NameResources returns URIs of resources, each once, in the form that the server declares: one may differ from it by
// the slash of an empty path.
func (s *Server) NameResources(uris []string) []string {
	var named []string
	for _, uri := range uris {
		for _, r := range s.Resources {
			if weburl.SameResource(r.URI, uri) {
				uri = r.URI
			}
		}
		if !slices.Contains(named, uri) {
			named = append(named, uri)
		}
	}
	return named
}

// ResourceFlaw refuses a resource that the server does not have.
func (s *Server) ResourceFlaw(uri string) *member.Flaw {
	if s.Resource(uri) != nil {
		return nil
	}
	var known []string
	for _, r := range s.Resources {
		known = append(known, r.URI)
	}
	hint := "declare it under resources"
	if near := member.Nearest(uri, known); near != "" {
		hint = fmt.Sprintf("did you mean %s? Else declare it under resources", near)
	}
	return member.Flawf(hint, "no such resource")
}

// ScopeFlaw refuses a scope that is none of those of a list of resources, which has this name. It returns nil if a
// resource without an identifier has the scope: that is reported there.
func (s *Server) ScopeFlaw(scope string, ofList []string, list string) *member.Flaw {
	if slices.Contains(UserScopes, scope) || slices.Contains(ofList, scope) {
		return nil
	}
	for _, r := range s.Resources {
		switch {
		case !slices.Contains(r.Scopes, scope):
		case r.URI == "":
			return nil
		default:
			return member.Flawf(fmt.Sprintf("add %s to %s", r.URI, list), "belongs to a resource that is not among %s", list)
		}
	}
	hint := "add it to the scopes of a resource"
	if near := member.Nearest(scope, append(slices.Clone(UserScopes), ofList...)); near != "" {
		hint = fmt.Sprintf("did you mean %s?", near)
	}
	return member.Flawf(hint, "no such scope")
}
