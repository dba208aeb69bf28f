package config

import (
	"net/netip"
	"reflect"
	"regexp"
	"strings"

	"github.com/authzd/authzd/authz/member"
	"github.com/authzd/authzd/authz/passhash"
)

// How a client proves who it is, and which keys its requests and tokens are bound to.

var clientSecret = regexp.MustCompile(`^[\x20-\x7e]+$`) // RFC 6749 appendix A.2

func (l *loader) checkClientAuthentication(c *Client, path string) {
	l.checkClientSecrets(c, path)
	l.checkClientKeys(c, path)
	l.checkClientCertificate(c, path)
	l.checkClientMTLS(c, path)
	if c.public() && !*c.RequirePKCE {
		l.report(path+".require_pkce", false, problemf("remove it", "public clients always use PKCE"))
	}
	if c.public() && !c.RefreshTokenRotation && c.has("refresh_token") {
		l.report(path+".refresh_token_rotation", false, problemf("remove it", "the refresh tokens of public clients always rotate (RFC 9700 section 4.14.2)"))
	}
	if alg := c.TokenEndpointAuthSigningAlg; alg != "" && c.TokenEndpointAuthMethod != "private_key_jwt" {
		l.report(path+".token_endpoint_auth_signing_alg", alg, problemf("remove it, or set token_endpoint_auth_method: private_key_jwt", "is of no use without private_key_jwt"))
	}
}

func (l *loader) checkClientSecrets(c *Client, path string) {
	secret, secrets := path+".client_secret", path+".client_secrets"
	useless := func() *member.Flaw {
		if c.public() {
			return problemf("remove it; PKCE protects the client. A server of yours that can keep a secret is preset web or service",
				"a public client can't keep a secret: everybody has its code")
		}
		return problemf("remove it, or set token_endpoint_auth_method: client_secret_basic", "is of no use with %s", c.TokenEndpointAuthMethod)
	}
	l.checkRequired(reflect.ValueOf(c.ClientSecrets), secrets)
	switch given := l.given(secret); {
	case !c.usesSecret():
		if given {
			l.report(secret, nil, useless())
		}
		if len(c.ClientSecrets) > 0 {
			l.report(element(secrets, 0), nil, useless())
		}
	case !given && len(c.ClientSecrets) == 0:
		l.report(secret, nil, problemf(c.secretHint(), "a confidential client needs one"))
	case given && c.ClientSecret != "":
		l.report(secret, c.ClientSecret, l.checkClientSecret(c.ClientSecret))
	}
	for i, s := range c.ClientSecrets {
		at := element(secrets, i) + ".secret"
		if s.Secret != "" && s.Secret == c.ClientSecret {
			l.report(at, nil, problemf("remove one of the two", "is the client_secret"))
		}
		if s.Secret != "" {
			l.report(at, s.Secret, l.checkClientSecret(s.Secret))
		}
	}
}

// secretHint says what a client without a secret may have meant.
func (c *Client) secretHint() string {
	if c.hasKeys() {
		return "set client_secret, or token_endpoint_auth_method: private_key_jwt"
	}
	return "set client_secret or client_secret_file; an app in a browser or on a phone is preset spa or native"
}

// checkClientSecret refuses what could be guessed, and the hash of a secret, which would be the secret then.
// Digits in hex are what generators make. Short secrets are for the files of a demo.
func (l *loader) checkClientSecret(s member.Secret) *member.Flaw {
	const least = 24 // characters
	switch {
	case !clientSecret.MatchString(string(s)):
		return problemf("use printable ASCII", "not a client secret (RFC 6749 appendix A.2)")
	case !l.dev && len(s) < least:
		return problemf("make one with: openssl rand -base64 32", "shorter than %d characters", least)
	case strings.ContainsAny(string(s), "${") && passhash.Scheme(string(s)) != "":
		return problemf("set the secret itself, or a new one: openssl rand -base64 32", "looks like %s, and would be a secret in plain text", passhash.Scheme(string(s)))
	}
	return nil
}

func (l *loader) checkClientKeys(c *Client, path string) {
	jwks, jwksURI := path+".jwks", path+".jwks_uri"
	if len(c.JWKS) > 0 {
		l.checkJWKS(c.JWKS, jwks)
	}
	if c.JWKSURI != "" {
		l.report(jwksURI, c.JWKSURI, checkWebURL(c.JWKSURI))
	}
	switch {
	case len(c.JWKS) > 0 && c.JWKSURI != "":
		l.report(jwksURI, c.JWKSURI, problemf("remove one of the two", "jwks is given too"))
	case c.hasKeys() || l.given(jwks) || l.given(jwksURI):
	case c.TokenEndpointAuthMethod == "private_key_jwt" || c.TokenEndpointAuthMethod == "self_signed_tls_client_auth":
		l.report(jwks, nil, problemf("set jwks or jwks_uri", "%s needs the client's public keys", c.TokenEndpointAuthMethod))
	default:
		const hint = "set jwks or jwks_uri, or remove it"
		if c.RequireSignedRequestObject {
			l.report(path+".require_signed_request_object", true, problemf(hint, "without public keys of the client nothing can be verified"))
		}
		if c.RequestObjectSigningAlg != "" {
			l.report(path+".request_object_signing_alg", c.RequestObjectSigningAlg, problemf(hint, "without public keys of the client nothing can be verified"))
		}
		if len(c.RequestURIs) > 0 {
			l.report(path+".request_uris", nil, problemf(hint, "without public keys of the client nothing can be verified"))
		}
	}
}

func (l *loader) checkClientCertificate(c *Client, path string) {
	var first string
	for _, name := range c.tlsNames() {
		at := child(path, name.key)
		switch {
		case name.value == "":
			continue
		case c.TokenEndpointAuthMethod != "tls_client_auth":
			l.report(at, name.value, problemf("remove it, or set token_endpoint_auth_method: tls_client_auth", "is of no use with %s", c.TokenEndpointAuthMethod))
		case first != "":
			l.report(at, name.value, problemf("remove one of the two", "%s is given too, and one name counts (RFC 8705 section 2.1.2)", first))
		}
		first = name.key
	}
	if c.TokenEndpointAuthMethod == "tls_client_auth" && first == "" {
		l.report(path+".tls_client_auth_subject_dn", nil, problemf("set this, or tls_client_auth_san_dns, _uri, _ip or _email", "tls_client_auth needs a name of the client's certificate"))
	}
	if ip := c.TLSClientAuthSANIP; ip != "" {
		if _, err := netip.ParseAddr(ip); err != nil {
			l.report(path+".tls_client_auth_san_ip", ip, problemf("write an address, such as 192.0.2.1 or 2001:db8::1", "not an IP address"))
		}
	}
	if c.DPoPBoundAccessTokens && c.TLSClientCertificateBoundAccessTokens {
		l.report(path+".dpop_bound_access_tokens", true, problemf("remove one of the two", "tls_client_certificate_bound_access_tokens is set too, and one binding is enough"))
	}
}
