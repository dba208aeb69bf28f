package config

import (
	"slices"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/member"
)

// A security profile stands for many keys. Here are its defaults, and what contradicts it.

// fapiAlgs are those of FAPI 2.0 Security Profile section 5.4.1.
var fapiAlgs = []string{"PS256", "ES256", "EdDSA"}

// signsRequests reports whether the profile demands signed requests (FAPI 2.0 Message Signing section 5.3).
func (c *Client) signsRequests() bool {
	return c.SecurityProfile == "fapi2-signed-requests" || c.SecurityProfile == "fapi2-message-signing"
}

// defaultAuthMethod is that of the preset, or else the one that the profile allows. A public client
// stays one, to be refused.
func (c *Client) defaultAuthMethod(p preset) string {
	switch {
	case c.SecurityProfile == "" || p.authMethod == "none":
		return p.authMethod
	case slices.ContainsFunc(c.tlsNames(), func(s setting) bool { return s.value != "" }):
		return "tls_client_auth"
	}
	return "private_key_jwt"
}

func (l *loader) completeProfile(c *Client, path string) {
	if c.SecurityProfile == "" {
		return
	}
	fill(l, path+".require_pushed_authorization_requests", &c.RequirePushedAuthorizationRequests, c.has("authorization_code"))
	fill(l, path+".dpop_bound_access_tokens", &c.DPoPBoundAccessTokens, !c.TLSClientCertificateBoundAccessTokens)
	fill(l, path+".require_signed_request_object", &c.RequireSignedRequestObject, c.signsRequests() && c.has("authorization_code"))
}

// defaultAlg signs what is for the client: what signs everything, unless the profile forbids it.
func (c *Client) defaultAlg(signing string) string {
	if c.SecurityProfile != "" && !slices.Contains(fapiAlgs, signing) {
		return "ES256"
	}
	return signing
}

func (l *loader) checkProfile(c *Client, path string) {
	if c.SecurityProfile == "" {
		return
	}
	switch c.TokenEndpointAuthMethod { // FAPI 2.0 Security Profile section 5.3.2.1
	case "private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth":
	case "none":
		l.report(path+".security_profile", c.SecurityProfile, problemf("let a server of the app sign in for it: preset web, with its public keys in jwks",
			"demands a client that proves who it is, and one in a browser or on a phone can't"))
		return
	default:
		l.report(path+".token_endpoint_auth_method", c.TokenEndpointAuthMethod, problemf("use private_key_jwt, tls_client_auth or self_signed_tls_client_auth",
			"%s allows no secrets", c.SecurityProfile))
	}
	l.checkDemands(c, path)
	for i, uri := range c.RedirectURIs { // section 5.3.2.2
		if !strings.HasPrefix(uri, "https:") {
			l.report(element(path+".redirect_uris", i), uri, problemf("use https", "%s allows nothing else than https", c.SecurityProfile))
		}
	}
	l.checkProfileAlgs(c, path)
	t := l.cfg.Lifetimes
	if t.Code > time.Minute { // section 5.3.2.1
		l.report(path+".security_profile", c.SecurityProfile, problemf("lower lifetimes.code to 60s",
			"demands codes that live for 60s at most, and lifetimes.code is %s", short(t.Code)))
	}
	if t.PAR >= 10*time.Minute { // section 5.3.2.2
		l.report(path+".security_profile", c.SecurityProfile, problemf("lower lifetimes.par",
			"demands pushed requests that live for less than 10m, and lifetimes.par is %s", short(t.PAR)))
	}
}

// checkDemands reports the keys that were given another value than the one the profile demands.
func (l *loader) checkDemands(c *Client, path string) {
	for _, demand := range []struct {
		key     string
		met     bool
		because string
	}{
		{"require_pushed_authorization_requests", c.RequirePushedAuthorizationRequests || !c.has("authorization_code"), "demands pushed requests"},
		{"require_pkce", *c.RequirePKCE, "demands PKCE"},
		{"refresh_token_rotation", !c.RefreshTokenRotation, "forbids it: the tokens are bound to the client"},
		{"dpop_bound_access_tokens", c.DPoPBoundAccessTokens || c.TLSClientCertificateBoundAccessTokens, "demands tokens that are bound to a key: this, or tls_client_certificate_bound_access_tokens"},
		{"require_signed_request_object", !c.signsRequests() || c.RequireSignedRequestObject || !c.has("authorization_code"), "demands signed requests"},
	} {
		if !demand.met {
			l.report(path+"."+demand.key, nil, problemf("remove it", "%s %s", c.SecurityProfile, demand.because))
		}
	}
}

func (l *loader) checkProfileAlgs(c *Client, path string) {
	allowed := func(key, alg string) *member.Flaw {
		if alg == "" || slices.Contains(fapiAlgs, alg) {
			return nil
		}
		return problemf("use "+strings.Join(fapiAlgs, ", ")+", or remove it", "%s doesn't allow it", c.SecurityProfile)
	}
	for _, s := range c.algs() {
		l.report(child(path, s.key), s.value, allowed(s.key, s.value))
	}
	for i, id := range c.Resources {
		for _, r := range l.cfg.Resources {
			if r.Resource == id && r.TokenType != "opaque" && !slices.Contains(fapiAlgs, r.Alg) {
				l.report(element(path+".resources", i), id, problemf("set alg: ES256 in the resource, or another signing.alg",
					"signs its access tokens with %s, which %s doesn't allow", r.Alg, c.SecurityProfile))
			}
		}
	}
}

// algs are all that the client may choose.
func (c *Client) algs() []setting {
	return []setting{
		{"token_endpoint_auth_signing_alg", c.TokenEndpointAuthSigningAlg}, {"request_object_signing_alg", c.RequestObjectSigningAlg},
		{"id_token_signed_response_alg", c.IDTokenSignedResponseAlg}, {"authorization_signed_response_alg", c.AuthorizationSignedResponseAlg},
		{"userinfo_signed_response_alg", c.UserInfoSignedResponseAlg}, {"introspection_signed_response_alg", c.IntrospectionSignedResponseAlg},
	}
}
