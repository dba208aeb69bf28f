package client

import (
	"crypto/sha256"
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz/jwks"
	"github.com/authzd/authzd/authz/weburl"
)

// check holds the rules that no source of metadata may break.
func (m *Metadata) check() error {
	for _, rule := range []func() error{
		m.checkRedirectURIs, m.checkAuthentication, m.checkKeys, m.checkGrantTypes, m.checkAlgs,
		m.checkSubjectType, m.checkOtherURIs, m.checkLogout, m.checkProfile,
	} {
		if err := rule(); err != nil {
			return err
		}
	}
	return nil
}

func (m *Metadata) checkRedirectURIs() error {
	for _, scheme := range m.RedirectSchemes {
		if err := CheckScheme(scheme); err != nil {
			return wrong("redirect_schemes", scheme, err.Error())
		}
	}
	for _, list := range []struct {
		member string
		uris   []string
	}{{"redirect_uris", m.RedirectURIs}, {"post_logout_redirect_uris", m.PostLogoutRedirectURIs}} {
		for _, u := range list.uris {
			if err := CheckRedirectURI(u, m.RedirectSchemes...); err != nil {
				return wrong(list.member, u, err.Error())
			}
		}
	}
	return nil
}

func (m *Metadata) checkAuthentication() error {
	hasSecret := m.Secret != "" || len(m.Secrets) > 0
	hasKeys := len(m.JWKS) > 0 || m.JWKSURI != ""
	switch m.AuthMethod {
	case AuthNone:
		if hasSecret {
			return wrong("client_secret", "", "a public client cannot hold a secret")
		}
	case AuthBasic, AuthPost:
		if !hasSecret {
			return wrong("token_endpoint_auth_method", "", m.AuthMethod+" needs a client_secret")
		}
	case AuthPrivateKeyJWT, AuthSelfSignedTLS:
		if !hasKeys {
			return wrong("token_endpoint_auth_method", "", m.AuthMethod+" needs jwks or jwks_uri")
		}
	case AuthTLS:
		if m.tlsNames() != 1 { // RFC 8705 section 2.1.2
			return wrong("token_endpoint_auth_method", "", m.AuthMethod+" needs exactly one of tls_client_auth_subject_dn, tls_client_auth_san_dns, tls_client_auth_san_uri, tls_client_auth_san_ip and tls_client_auth_san_email")
		}
	default:
		return wrong("token_endpoint_auth_method", m.AuthMethod, "is not known")
	}
	if hasSecret && !m.UsesSecret() {
		return wrong("client_secret", "", "is of no use with "+m.AuthMethod)
	}
	for _, s := range m.Secrets {
		if s.Hash != nil && (s.Value != "" || len(s.Hash) != sha256.Size) {
			return wrong("client_secrets", "", "the hash of a secret stands in place of the secret")
		}
		if s.Value == "" && s.Hash == nil {
			return wrong("client_secrets", "", "a client secret is empty")
		}
	}
	return m.checkTLSSubject()
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

func (m *Metadata) checkKeys() error {
	if len(m.JWKS) > 0 && m.JWKSURI != "" { // RFC 7591 section 2
		return wrong("jwks_uri", m.JWKSURI, "excludes jwks, which is given too")
	}
	if m.JWKSURI != "" {
		return checkWebURI("jwks_uri", m.JWKSURI)
	}
	if len(m.JWKS) == 0 {
		return nil
	}
	keys, err := jwks.Parse(m.JWKS)
	if err != nil {
		return &MemberError{Member: "jwks", Reason: unquoted(err), cause: err}
	}
	signs := func(k jose.JSONWebKey) bool { return k.Use != "enc" }
	if m.AuthMethod == AuthPrivateKeyJWT && !slices.ContainsFunc(keys, signs) {
		return wrong("jwks", "", "has no key that could verify a signature: all are for encryption")
	}
	return nil
}

// checkGrantTypes refuses public clients what rests on knowing which client it is (RFC 6749 section
// 4.4, RFC 8693 section 5). A device can keep no secret, and signs its user in (RFC 8628).
func (m *Metadata) checkGrantTypes() error {
	if m.AuthMethod != AuthNone {
		return nil
	}
	for _, grantType := range []string{GrantClientCredentials, GrantTokenExchange, GrantJWTBearer} {
		if slices.Contains(m.GrantTypes, grantType) {
			return wrong("grant_types", grantType, "a client with the token_endpoint_auth_method none cannot use it, since it cannot prove who it is")
		}
	}
	return nil
}

func (m *Metadata) checkSubjectType() error {
	switch m.SubjectType {
	case "", SubjectPublic:
	case SubjectPairwise:
		if hosts := hostsOf(m.RedirectURIs); len(hosts) > 1 && m.SectorURI == "" { // OpenID Connect Core section 8.1
			return wrong("sector_identifier_uri", "", "is missing: subject_type pairwise needs it where the redirect_uris have several hosts")
		}
	default:
		return wrong("subject_type", m.SubjectType, "must be public or pairwise")
	}
	if m.SectorURI != "" {
		return checkWebURI("sector_identifier_uri", m.SectorURI)
	}
	return nil
}

func hostsOf(uris []string) []string {
	var hosts []string
	for _, raw := range uris {
		if host := hostOf(raw); !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

func (m *Metadata) checkOtherURIs() error {
	for _, u := range m.RequestURIs { // the fragment may be a hash of the content (OpenID Connect Core section 6.2)
		base, _, _ := strings.Cut(u, "#")
		if err := checkWebURI("request_uris", base); err != nil {
			return err
		}
	}
	if m.InitiateLoginURI == "" {
		return nil
	}
	if m.Source != Configured && !strings.HasPrefix(m.InitiateLoginURI, "https:") { // OpenID Connect Core section 4
		return wrong("initiate_login_uri", m.InitiateLoginURI, "is not https")
	}
	return checkWebURI("initiate_login_uri", m.InitiateLoginURI)
}

func (m *Metadata) checkLogout() error {
	if u := m.BackChannelURI; u != "" { // Back-Channel Logout section 2.2
		if err := checkWebURI("backchannel_logout_uri", u); err != nil {
			return err
		}
	}
	if u := m.FrontChannelURI; u != "" { // Front-Channel Logout section 2
		if err := checkWebURI("frontchannel_logout_uri", u); err != nil {
			return err
		}
		if !slices.Contains(weburl.Origins(m.RedirectURIs), weburl.Origin(u)) {
			return wrong("frontchannel_logout_uri", u, "must have the scheme, host and port of a redirect URI")
		}
	}
	return nil
}

// checkWebURI demands https, or http on loopback, without credentials and fragment.
func checkWebURI(name, raw string) error {
	err := CheckRedirectURI(raw)
	if u, parseErr := url.Parse(raw); err == nil && parseErr == nil && u.Scheme != "https" && u.Scheme != "http" {
		err = errors.New("not https")
	}
	if err != nil {
		return wrong(name, raw, err.Error())
	}
	return nil
}

// unquoted is a reason without the quotes that an error_description cannot have.
func unquoted(err error) string { return strings.ReplaceAll(err.Error(), `"`, "") }
