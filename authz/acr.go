package authz

import (
	"slices"
	"strings"

	"github.com/authzd/authzd/authz/oauth"
)

// Authentication context classes (OpenID Connect Core section 2): how the user signed in here.
// Neither is the better one: who wants one must name it.
const (
	acrPassword  = "urn:authzd:acr:password"
	acrFederated = "urn:authzd:acr:federated"
)

// acrValues are the classes that a sign-in here can have.
func (s *Server) acrValues() []string {
	if len(s.connectors) == 0 {
		return []string{acrPassword}
	}
	return []string{acrPassword, acrFederated}
}

// checkACR settles which classes will do: of an acr claim (OpenID Connect Core section 5.5.1.1), else
// of acr_values, else of the client's default_acr_values. Values that no sign-in here can have are
// left out, since they are wishes; but if an essential claim has no others, the request fails
// (OpenID Connect Core Unmet Authentication Requirements section 2). What is left is a demand, be it
// called voluntary: an API that sent its client for it would only refuse the token again (RFC 9470
// section 5).
func (s *Server) checkACR(a *authorization) error {
	wanted := a.claims.acr
	if len(wanted) == 0 {
		wanted = strings.Fields(a.params.Get("acr_values"))
	}
	if len(wanted) == 0 && !a.claims.acrEssential {
		wanted = a.client.DefaultACRValues
	}
	a.acr = oauth.Both(wanted, s.acrValues())
	if a.claims.acrEssential && len(a.claims.acr) > 0 && len(a.acr) == 0 {
		return oauth.Refuse(oauth.UnmetAuthentication, "No sign-in here has an authentication context class that was asked for.")
	}
	return nil
}

// takesACR tells whether a sign-in of this class will do.
func (a *authorization) takesACR(acr string) bool {
	return len(a.acr) == 0 || slices.Contains(a.acr, acr)
}
