package authorize

import (
	"slices"
	"strings"

	"github.com/authzd/authzd/authz/oauth"
)

// Authentication context classes (OpenID Connect Core section 2): how the user signed in here. Neither is
// better than the other, so a client that wants one must name it.
const (
	ACRPassword  = "urn:authzd:acr:password"
	ACRFederated = "urn:authzd:acr:federated"
)

// ACRValues returns the classes that a sign-in here can have.
func (reqs *Requests) ACRValues() []string {
	if len(reqs.Connectors) == 0 {
		return []string{ACRPassword}
	}
	return []string{ACRPassword, ACRFederated}
}

// checkACR finds the classes that the request accepts: those of an acr claim (OpenID Connect Core section
// 5.5.1.1), else of acr_values, else of the client's default_acr_values. It leaves out values that no sign-in
// here can have, but if an essential claim has no others, the request fails (OpenID Connect Core Unmet
// Authentication Requirements section 2). The sign-in must have one of the values that are left, even if they
// are voluntary: an API that demands a class would refuse another token again (RFC 9470 section 5).
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

// TakesACR reports whether the request accepts a sign-in of this class.
func (a *Request) TakesACR(acr string) bool {
	return len(a.acr) == 0 || slices.Contains(a.acr, acr)
}
