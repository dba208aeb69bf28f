package authorize

import (
	"slices"
	"strings"

	"github.com/authzd/authzd/authz/oauth"
)

// Authentication context classes (OpenID Connect Core section 2): how the user signed in here.
// Neither is the better one: who wants one must name it.
const (
	ACRPassword  = "urn:authzd:acr:password"
	ACRFederated = "urn:authzd:acr:federated"
)

// ACRValues are the classes that a sign-in here can have.
func (reqs *Requests) ACRValues() []string {
	if len(reqs.Connectors) == 0 {
		return []string{ACRPassword}
	}
	return []string{ACRPassword, ACRFederated}
}

// checkACR settles which classes will do: of an acr claim (OpenID Connect Core section 5.5.1.1), else
// of acr_values, else of the client's default_acr_values. Values that no sign-in here can have are
// left out, since they are wishes; but if an essential claim has no others, the request fails
// (OpenID Connect Core Unmet Authentication Requirements section 2). What is left is a demand, be it
// called voluntary: an API that sent its client for it would only refuse the token again (RFC 9470
// section 5).
func (reqs *Requests) checkACR(a *Request) error {
	wanted := a.Claims.acr
	if len(wanted) == 0 {
		wanted = strings.Fields(a.Params.Get("acr_values"))
	}
	if len(wanted) == 0 && !a.Claims.acrEssential {
		wanted = a.Client.DefaultACRValues
	}
	a.acr = oauth.Both(wanted, reqs.ACRValues())
	if a.Claims.acrEssential && len(a.Claims.acr) > 0 && len(a.acr) == 0 {
		return oauth.Refuse(oauth.UnmetAuthentication, "No sign-in here has an authentication context class that was asked for.")
	}
	return nil
}

// TakesACR tells whether a sign-in of this class will do.
func (a *Request) TakesACR(acr string) bool {
	return len(a.acr) == 0 || slices.Contains(a.acr, acr)
}
