// Package client holds the metadata of OAuth clients and the rules that follow from it: which
// redirect URIs match, which origins may call from a browser, and what proves a client's identity.
//
//	config / registration / metadata document  ->  Metadata  --New-->  *Client (checked, immutable)  ->  Registry
//
// Member names are those of RFC 7591 section 2 and OpenID Connect Registration section 2.
package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

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

// Metadata describes a client. A zero duration means the server's default.
type Metadata struct {
	ID                     string
	Name                   string
	Secret                 string   // empty for public clients
	Secrets                []Secret // others that are valid too, for a rotation without downtime
	RedirectURIs           []string
	PostLogoutRedirectURIs []string
	RedirectSchemes        []string // without a dot, and yet allowed in these two (RFC 8252 section 7.1)
	GrantTypes             []string
	AuthMethod             string
	AnySecretMethod        bool // with AuthBasic: AuthPost will do too, since the client has not said which
	Scopes                 []string
	Resources              []string // RFC 8707: the resources that it may ask for
	AllowedOrigins         []string // empty: the origins of RedirectURIs
	FirstParty             bool     // no consent page
	RequirePKCE            bool     // always true for public clients
	PKCEOrNonce            bool     // if not RequirePKCE: PKCE, or openid and a nonce (RFC 9700 section 2.1.1)
	AllowLocalhostPorts    bool     // http://localhost matches on any port, as loopback addresses do
	IDTokenAlg             string   // id_token_signed_response_alg; empty: the server's default
	IDTokenClaims          bool     // scope claims in the ID token, not only from userinfo
	RotateRefreshTokens    bool     // always true for public clients
	RequireAuthTime        bool     // auth_time in every ID token
	DefaultMaxAge          *time.Duration
	AccessTokenLifetime    time.Duration
	IDTokenLifetime        time.Duration
	RefreshTokenLifetime   time.Duration
	RefreshIdleLifetime    time.Duration
	RefreshGrace           *time.Duration // in which a retry of a refresh is answered again; nil: the server's default
	ClientURI              string
	LogoURI                string
	PolicyURI              string
	TOSURI                 string

	Source            Source
	Vouched           bool            // of a Registered client: it has a software statement of a trusted issuer
	Since             time.Time       // grants from before are another's, who had this ID; zero: nobody had
	JWKS              json.RawMessage // its public keys (RFC 7517 section 5), or:
	JWKSURI           string          // where they are
	AuthAlg           string          // token_endpoint_auth_signing_alg; empty: any of ours
	StrictAudience    bool            // its assertions name the issuer and nothing else (FAPI 2.0 section 5.3.3.1)
	TLSSubject        TLSSubject      // for AuthTLS
	TLSBound          bool            // tls_client_certificate_bound_access_tokens (RFC 8705 section 3.4)
	DPoPBound         bool            // dpop_bound_access_tokens (RFC 9449 section 5.2)
	RequirePAR        bool            // require_pushed_authorization_requests (RFC 9126 section 6)
	RequireSigned     bool            // require_signed_request_object (RFC 9101 section 10.5)
	RequestAlg        string          // request_object_signing_alg; empty: any of ours
	RequestURIs       []string        // request_uris (OpenID Connect Registration section 2)
	AuthorizationAlg  string          // authorization_signed_response_alg (JARM section 3); empty: the server's default
	UserInfoAlg       string          // userinfo_signed_response_alg; empty: JSON
	IntrospectionAlg  string          // introspection_signed_response_alg (RFC 9701 section 6); empty: the server's default
	SubjectType       string          // empty: SubjectPublic
	SectorURI         string          // sector_identifier_uri (OpenID Connect Core section 8.1)
	DefaultACRValues  []string        // default_acr_values
	DetailTypes       []string        // authorization_details_types (RFC 9396 section 10)
	ExchangeResources []string        // what its token exchanges may ask for beyond the token's own audience (RFC 8693)
	InitiateLoginURI  string          // initiate_login_uri (OpenID Connect Core section 4)
	Logout            Logout
	RequireJARM       bool   // its authorization responses are signed: a response_mode without jwt is refused
	Profile           string // security_profile: one of the constants, or empty
}

// Logout is how a client hears that a user has signed out.
type Logout struct {
	BackChannelURI     string // backchannel_logout_uri
	BackChannelSession bool   // backchannel_logout_session_required
	FrontChannelURI    string // frontchannel_logout_uri; it gets iss and sid, asked for or not
}

// Wanted tells whether the client wants to hear of it at all.
func (l Logout) Wanted() bool { return l.BackChannelURI != "" || l.FrontChannelURI != "" }

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
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("client %s: %w", m.ID, err)
	}
	public := m.AuthMethod == AuthNone
	m.RequirePKCE = m.RequirePKCE || public // RFC 9700 section 2.1.1
	m.PKCEOrNonce = m.PKCEOrNonce && !m.RequirePKCE
	m.AnySecretMethod = m.AnySecretMethod && m.AuthMethod == AuthBasic
	m.RotateRefreshTokens = m.RotateRefreshTokens || public // RFC 9700 section 2.2.2
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

// NamesSessions reports whether the client has a use for the sid of an ID token: it registered for logout
// in one of the ways that there are.
func (c *Client) NamesSessions() bool {
	return c.Logout.Wanted() || len(c.PostLogoutRedirectURIs) > 0
}

// Public tells whether the client cannot hold a secret (RFC 6749 section 2.1).
func (c *Client) Public() bool { return c.AuthMethod == AuthNone }

// Takes reports whether the client may prove itself by a method.
func (c *Client) Takes(method string) bool {
	return method == c.AuthMethod || c.AnySecretMethod && method == AuthPost
}

// May tells whether the client is registered for a grant type.
func (c *Client) May(grantType string) bool { return slices.Contains(c.GrantTypes, grantType) }

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

// UsesSecret reports whether a client authentication method sends a client_secret.
func UsesSecret(method string) bool { return method == AuthBasic || method == AuthPost }
