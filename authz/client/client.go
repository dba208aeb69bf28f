// Package client owns the description of OAuth clients, its rules, and what follows from them: which redirect URIs
// match, which origins may call from a browser, and what proves a client's identity.
//
//	authzd.yaml, admin API ─> Metadata ─> Complete ─> Problems ─┐
//	                                                            ├─> New ─> *Client (checked, immutable) ─> Registry
//	registration, document ─> Registration ─> Complete ─────────┘
//
//	metadata.go      the members, with the names of RFC 7591 section 2 and OpenID Connect Registration section 2
//	description.go   presets and defaults of a client that an operator describes; profile.go those of a security profile
//	check*.go        the rules: what no client may be, and what an operator cannot have meant
//	registration.go, complete.go, document.go   what clients say of themselves, within what the operator offers
//
// A problem has the path of a member, a reason and a hint. The configuration maps the path to a line, the admin API to
// a JSON pointer, registration to an error of RFC 7591.
package client

import (
	"errors"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz/jwks"
	"github.com/authzd/authzd/authz/weburl"
)

// Token endpoint authentication methods (RFC 7591 section 2).
const (
	AuthNone  = "none"
	AuthBasic = "client_secret_basic"
	AuthPost  = "client_secret_post"

	AuthPrivateKeyJWT = "private_key_jwt"             // OpenID Connect Core section 9, RFC 7523
	AuthTLS           = "tls_client_auth"             // RFC 8705 section 2.1
	AuthSelfSignedTLS = "self_signed_tls_client_auth" // RFC 8705 section 2.2
)

// Grant types (RFC 7591 section 2).
const (
	GrantAuthorizationCode = "authorization_code"
	GrantRefreshToken      = "refresh_token"
	GrantClientCredentials = "client_credentials"
	GrantDeviceCode        = "urn:ietf:params:oauth:grant-type:device_code"    // RFC 8628
	GrantTokenExchange     = "urn:ietf:params:oauth:grant-type:token-exchange" // RFC 8693
	GrantJWTBearer         = "urn:ietf:params:oauth:grant-type:jwt-bearer"     // RFC 7523
)

// Subject types (OpenID Connect Core section 8).
const (
	SubjectPublic   = "public"
	SubjectPairwise = "pairwise"
)

// Source is where a client comes from.
type Source int

const (
	Configured Source = iota // the operator's: from the file, or made through the admin API
	Registered               // RFC 7591: it registered itself
	Document                 // its client_id is the URL of its metadata
)

// HearsLogout reports whether the client wants to hear that a user has signed out.
func (m *Metadata) HearsLogout() bool { return m.BackChannelURI != "" || m.FrontChannelURI != "" }

// Client is a checked client. It is never changed once made.
type Client struct {
	Metadata
	secrets []secret
	keys    []jose.JSONWebKey // of JWKS
}

// New checks what would be unsafe whatever the source of the metadata.
func New(m Metadata) (*Client, error) {
	if m.ID == "" {
		return nil, errors.New("client without client_id")
	}
	m.fillProfile()
	if err := m.unsafeProblems().Err(); err != nil {
		return nil, fmt.Errorf("client %s: %w", m.ID, err)
	}
	if m.Public() {
		m.RequirePKCE = new(true)         // RFC 9700 section 2.1.1
		m.RotateRefreshTokens = new(true) // RFC 9700 section 2.2.2
	}
	m.AnySecretMethod = m.AnySecretMethod && m.AuthMethod == AuthBasic
	if m.Name == "" {
		m.Name = m.ID
	}
	if len(m.AllowedOrigins) == 0 {
		m.AllowedOrigins = weburl.Origins(m.RedirectURIs)
	}
	c := &Client{Metadata: m, secrets: m.hashSecrets()}
	c.Secret, c.Secrets = "", nil
	if len(m.JWKS) == 0 {
		return c, nil
	}
	var err error
	c.keys, err = jwks.Parse(m.JWKS)
	return c, err
}

// Keys returns the public keys of its jwks.
func (c *Client) Keys() []jose.JSONWebKey { return c.keys }

// NamesSessions reports whether the client has a use for the sid of an ID token: it registered for logout
// in one of the ways that there are.
func (c *Client) NamesSessions() bool {
	return c.HearsLogout() || len(c.PostLogoutRedirectURIs) > 0
}

// Public reports whether the client cannot hold a secret (RFC 6749 section 2.1).
func (m *Metadata) Public() bool { return m.AuthMethod == AuthNone }

// MustUsePKCE reports whether each of its authorization requests needs PKCE. If not, and MayUseNonce says so, they
// need PKCE, or openid and a nonce (RFC 9700 section 2.1.1).
func (c *Client) MustUsePKCE() bool { return c.RequirePKCE != nil && *c.RequirePKCE }

// MayUseNonce reports whether openid and a nonce do in place of PKCE.
func (c *Client) MayUseNonce() bool { return c.RequirePKCE == nil }

// RotatesRefreshTokens reports whether each use of a refresh token gives it a new one.
func (c *Client) RotatesRefreshTokens() bool {
	return c.RotateRefreshTokens != nil && *c.RotateRefreshTokens
}

// Takes reports whether the client may prove itself by a method.
func (c *Client) Takes(method string) bool {
	return method == c.AuthMethod || c.AnySecretMethod && method == AuthPost
}

// May reports whether the client is registered for a grant type.
func (m *Metadata) May(grantType string) bool { return slices.Contains(m.GrantTypes, grantType) }

// HasOrigin tells whether the client calls from this web origin.
func (c *Client) HasOrigin(origin string) bool { return slices.Contains(c.AllowedOrigins, origin) }

// Algs are the algorithms that the server signs with for the client; "" is the server's default.
func (c *Client) Algs() []string {
	return []string{c.IDTokenAlg, c.AuthorizationAlg, c.UserInfoAlg, c.IntrospectionAlg}
}

// OnAccountPage reports whether users can open the client from their account page although they never used it.
func (c *Client) OnAccountPage() bool { return c.FirstParty && c.InitiateLoginURI != "" }

// Setting names a line of the configuration, and the client in whose entry it stands. It returns "" for a
// client that is not the operator's, and for one with a security profile, which leaves no choice.
func (c *Client) Setting(line string) string {
	if c.Source != Configured || c.Profile != "" {
		return ""
	}
	return line + " in the client " + c.ID
}

// IsSecret reports whether a client authentication method sends a client_secret.
func IsSecret(method string) bool { return method == AuthBasic || method == AuthPost }
