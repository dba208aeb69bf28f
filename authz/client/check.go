package client

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
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
	for _, u := range slices.Concat(m.RedirectURIs, m.PostLogoutRedirectURIs) {
		if err := CheckRedirectURI(u); err != nil {
			return fmt.Errorf("redirect URI %q: %w", u, err)
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
			return errors.New("a public client cannot hold a secret")
		}
	case AuthBasic, AuthPost:
		if !hasSecret {
			return fmt.Errorf("%s needs a client_secret", m.AuthMethod)
		}
	case AuthPrivateKeyJWT, AuthSelfSignedTLS:
		if !hasKeys {
			return fmt.Errorf("%s needs jwks or jwks_uri", m.AuthMethod)
		}
	case AuthTLS:
		if m.TLSSubject.members() != 1 { // RFC 8705 section 2.1.2
			return errors.New("tls_client_auth needs exactly one name of the certificate's subject")
		}
	default:
		return fmt.Errorf("unknown token_endpoint_auth_method %q", m.AuthMethod)
	}
	if hasSecret && !m.usesSecret() {
		return fmt.Errorf("a secret is of no use with %s", m.AuthMethod)
	}
	for _, s := range m.Secrets {
		if s.Hash != nil && (s.Value != "" || len(s.Hash) != sha256.Size) {
			return errors.New("the hash of a secret stands in place of the secret")
		}
		if s.Value == "" && s.Hash == nil {
			return errors.New("a client secret is empty")
		}
	}
	return m.TLSSubject.check()
}

func (m *Metadata) checkKeys() error {
	if len(m.JWKS) > 0 && m.JWKSURI != "" { // RFC 7591 section 2
		return errors.New("jwks and jwks_uri exclude each other")
	}
	if m.JWKSURI != "" {
		return checkWebURI("jwks_uri", m.JWKSURI)
	}
	if len(m.JWKS) == 0 {
		return nil
	}
	keys, err := ParseKeys(m.JWKS)
	if err != nil {
		return fmt.Errorf("jwks: %w", err)
	}
	signs := func(k jose.JSONWebKey) bool { return k.Use != "enc" }
	if m.AuthMethod == AuthPrivateKeyJWT && !slices.ContainsFunc(keys, signs) {
		return errors.New("jwks: no key that could verify a signature")
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
			return fmt.Errorf("a public client cannot use %s", grantType)
		}
	}
	return nil
}

func (m *Metadata) checkSubjectType() error {
	switch m.SubjectType {
	case "", SubjectPublic:
	case SubjectPairwise:
		if hosts := hostsOf(m.RedirectURIs); len(hosts) > 1 && m.SectorURI == "" { // OpenID Connect Core section 8.1
			return errors.New("pairwise subjects with redirect URIs on several hosts need a sector_identifier_uri")
		}
	default:
		return fmt.Errorf("unknown subject_type %q", m.SubjectType)
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
		return fmt.Errorf("initiate_login_uri %q is not https", m.InitiateLoginURI)
	}
	return checkWebURI("initiate_login_uri", m.InitiateLoginURI)
}

func (m *Metadata) checkLogout() error {
	if u := m.Logout.BackChannelURI; u != "" { // Back-Channel Logout section 2.2
		if err := checkWebURI("backchannel_logout_uri", u); err != nil {
			return err
		}
	}
	if u := m.Logout.FrontChannelURI; u != "" { // Front-Channel Logout section 2
		if err := checkWebURI("frontchannel_logout_uri", u); err != nil {
			return err
		}
		if !slices.Contains(originsOf(m.RedirectURIs), originsOf([]string{u})[0]) {
			return fmt.Errorf("frontchannel_logout_uri %q has the scheme, host and port of no redirect URI", u)
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
		return fmt.Errorf("%s %q: %w", name, raw, err)
	}
	return nil
}
