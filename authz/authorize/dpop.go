package authorize

import (
	"net/url"

	"github.com/authzd/authzd/authz/clientauth"
	"github.com/authzd/authzd/authz/oauth"
)

// checkDPoPKey checks the syntax of dpop_jkt (RFC 9449 section 10): a SHA-256 hash in base64url.
func checkDPoPKey(a *Request) error {
	if jkt := a.Params.Get("dpop_jkt"); jkt != "" && !challengeSyntax.MatchString(jkt) {
		return oauth.Refuse(oauth.InvalidRequest, "The dpop_jkt is not the base64url form of a SHA-256 hash.")
	}
	return nil
}

// bindRequest binds a pushed request to the key of its proof, as dpop_jkt does (RFC 9449 section 10.1).
func bindRequest(params url.Values, p *clientauth.Proof) error {
	if p == nil {
		return nil
	}
	if jkt := params.Get("dpop_jkt"); jkt != "" && jkt != p.Thumbprint {
		return oauth.Refuse(oauth.InvalidRequest, "The dpop_jkt is of another key than the DPoP proof.")
	}
	params.Set("dpop_jkt", p.Thumbprint)
	return nil
}
