package client

import (
	"crypto/sha256"
	"net/netip"
	"regexp"
	"strings"

	"github.com/authzd/authzd/authz/member"
	"github.com/authzd/authzd/authz/passhash"
)

// How a client proves who it is, and what its tokens are bound to.

var authMethods = []string{AuthNone, AuthBasic, AuthPost, AuthPrivateKeyJWT, AuthTLS, AuthSelfSignedTLS}

func (c *check) authentication() {
	if c.knowsMethod() && !hasAny(authMethods, c.AuthMethod) {
		c.unsafe("token_endpoint_auth_method", c.AuthMethod, member.Flawf("one of "+strings.Join(authMethods, ", "), "is not known"))
	}
	if c.knowsMethod() {
		c.secretUse()
		c.certificate()
		c.certificatesOfServer()
		c.publicClient()
	}
	c.secretValues()
	c.namesOfCertificate()
	if c.DPoPBound && c.TLSBound {
		c.wrong("dpop_bound_access_tokens", true, member.Flawf("remove one of the two", "tls_client_certificate_bound_access_tokens is set too, and one binding is enough"))
	}
}

// publicClient refuses what a public client cannot do without.
func (c *check) publicClient() {
	if c.Public() && c.RequirePKCE != nil && !*c.RequirePKCE {
		c.wrong("require_pkce", false, member.Flawf("remove it", "public clients always use PKCE"))
	}
	if c.Public() && c.RotateRefreshTokens != nil && !*c.RotateRefreshTokens && c.May(GrantRefreshToken) {
		c.wrong("refresh_token_rotation", false, member.Flawf("remove it", "the refresh tokens of public clients always rotate (RFC 9700 section 4.14.2)"))
	}
	if c.AuthAlg != "" && c.AuthMethod != AuthPrivateKeyJWT {
		c.wrong("token_endpoint_auth_signing_alg", c.AuthAlg, member.Flawf("remove it, or set token_endpoint_auth_method: private_key_jwt", "is of no use without private_key_jwt"))
	}
}

// secretUse demands a secret where the client proves itself by one, and nowhere else.
func (c *check) secretUse() {
	given := c.Given("client_secret")
	switch {
	case c.UsesSecret() && !given && len(c.Secrets) == 0 && !c.MakesSecrets:
		c.unsafe("client_secret", nil, member.Flawf(c.secretHint(), "a confidential client needs one"))
	case !c.UsesSecret() && given:
		c.unsafe("client_secret", nil, c.uselessSecret())
	}
	if !c.UsesSecret() && len(c.Secrets) > 0 {
		c.unsafe(member.Element("client_secrets", 0), nil, c.uselessSecret())
	}
}

func (c *check) uselessSecret() *member.Flaw {
	if c.Public() {
		return member.Flawf("remove it; PKCE protects the client. A server of yours that can keep a secret is preset web or service",
			"a public client can't keep a secret: everybody has its code")
	}
	return member.Flawf("remove it, or set token_endpoint_auth_method: client_secret_basic", "is of no use with %s", c.AuthMethod)
}

// secretHint says what a client without a secret may have meant.
func (m *Metadata) secretHint() string {
	if m.hasKeys() {
		return "set client_secret, or token_endpoint_auth_method: private_key_jwt"
	}
	return "set client_secret or client_secret_file; an app in a browser or on a phone is preset spa or native"
}

func (c *check) secretValues() {
	if c.Secret != "" {
		c.wrong("client_secret", c.Secret, c.secretFlaw(c.Secret))
	}
	for i, s := range c.Secrets {
		at := member.Element("client_secrets", i) + ".secret"
		switch {
		case s.Hash != nil && (s.Value != "" || len(s.Hash) != sha256.Size):
			c.unsafe(at, nil, member.Flawf("give the one or the other", "the hash of a secret stands in place of the secret"))
		case s.Hash == nil && s.Value == "":
			c.unsafe(at, nil, member.Flawf("set secret or secret_file, or remove the entry", "is required"))
		case s.Value == c.Secret:
			c.wrong(at, nil, member.Flawf("remove one of the two", "is the client_secret"))
		}
		if s.Value != "" {
			c.wrong(at, s.Value, c.secretFlaw(s.Value))
		}
	}
}

var secretText = regexp.MustCompile(`^[\x20-\x7e]+$`) // RFC 6749 appendix A.2

// secretFlaw refuses what could be guessed, and the hash of a secret, which would be the secret then. Digits in hex are
// what generators make.
func (c *check) secretFlaw(s member.Secret) *member.Flaw {
	const least = 24 // characters
	switch {
	case c.server == nil:
		return nil
	case !secretText.MatchString(string(s)):
		return member.Flawf("use printable ASCII", "not a client secret (RFC 6749 appendix A.2)")
	case !c.server.ShortSecrets && len(s) < least:
		return member.Flawf("make one with: openssl rand -base64 32", "shorter than %d characters", least)
	case strings.ContainsAny(string(s), "${") && passhash.Scheme(string(s)) != "":
		return member.Flawf("set the secret itself, or a new one: openssl rand -base64 32", "looks like %s, and would be a secret in plain text", passhash.Scheme(string(s)))
	}
	return nil
}

// oneName is what tls_client_auth needs, as a client is told that registers itself.
const oneName = "token_endpoint_auth_method: tls_client_auth needs exactly one of tls_client_auth_subject_dn, tls_client_auth_san_dns, tls_client_auth_san_uri, tls_client_auth_san_ip and tls_client_auth_san_email"

// certificate demands one name of the client's certificate where it proves itself by that (RFC 8705 section 2.1.2).
func (c *check) certificate() {
	var first string
	for _, name := range c.tlsSubject() {
		switch {
		case name.value == "":
			continue
		case c.AuthMethod != AuthTLS:
			c.wrong(name.member, name.value, member.Flawf("remove it, or set token_endpoint_auth_method: tls_client_auth", "is of no use with %s", c.AuthMethod))
		case first != "":
			c.unsafe(name.member, name.value, member.Flawf("remove one of the two", "%s is given too, and one name counts (RFC 8705 section 2.1.2)", first).Telling(oneName))
		}
		first = name.member
	}
	if c.AuthMethod == AuthTLS && first == "" {
		c.unsafe("tls_client_auth_subject_dn", nil, member.Flawf("set this, or tls_client_auth_san_dns, _uri, _ip or _email", "tls_client_auth needs a name of the client's certificate").Telling(oneName))
	}
}

// namesOfCertificate refuses names that no certificate could have.
func (c *check) namesOfCertificate() {
	if dn := c.TLSSubjectDN; dn != "" {
		if _, err := parseDN(dn); err != nil {
			c.unsafe("tls_client_auth_subject_dn", dn, member.Flawf("write it like CN=client,O=Example", "is not a distinguished name (RFC 4514)"))
		}
	}
	if ip := c.TLSSubjectIP; ip != "" {
		if addr, err := netip.ParseAddr(ip); err != nil || addr.Zone() != "" {
			c.unsafe("tls_client_auth_san_ip", ip, member.Flawf("write an address, such as 192.0.2.1 or 2001:db8::1", "not an IP address").Telling("tls_client_auth_san_ip: is not an address"))
		}
	}
}

// certificatesOfServer refuses a client that needs what the server does not do.
func (c *check) certificatesOfServer() {
	if c.server == nil {
		return
	}
	switch {
	case c.AuthMethod == AuthTLS && !c.server.Authorities:
		c.wrong("token_endpoint_auth_method", c.AuthMethod, member.Flawf("set mtls.ca_file", "no authority for certificates of clients is configured"))
	case c.AuthMethod == AuthSelfSignedTLS && !c.server.Certificates:
		c.wrong("token_endpoint_auth_method", c.AuthMethod, member.Flawf("set mtls", "certificates of clients are not looked at"))
	case c.TLSBound && !c.server.Certificates:
		c.wrong("tls_client_certificate_bound_access_tokens", true, member.Flawf("set mtls", "certificates of clients are not looked at"))
	}
}

// tlsNames counts the names of a certificate that are given.
func (m *Metadata) tlsNames() (n int) {
	for _, name := range m.tlsSubject() {
		if name.value != "" {
			n++
		}
	}
	return n
}
