package config

import (
	"slices"
	"time"

	"github.com/authzd/authzd/authz/member"
)

// Client is an application. Names and meanings are those of RFC 7591 and OpenID Connect
// Registration where these have one.
type Client struct {
	// ClientID is what the application calls itself.
	ClientID string `yaml:"client_id" required:"true"`

	// ClientName is what the pages call it. Default: the client_id.
	ClientName string `yaml:"client_name"`

	// Preset fills the defaults of the keys below: spa and native (no secret, PKCE, code and
	// refresh token), web (secret, code and refresh token), service (secret, client credentials).
	// Without it the defaults of RFC 7591 hold: secret, code.
	Preset string `yaml:"preset" enum:"spa,native,web,service"`

	// SecurityProfile demands, in one word, what a standard demands of a client: fapi2 (FAPI 2.0
	// Security Profile: proof by key or certificate, pushed requests, PKCE, sender-constrained
	// tokens, no RSA with PKCS #1 v1.5), or with it from FAPI 2.0 Message Signing the signed requests
	// (fapi2-signed-requests), the signed responses (fapi2-signed-responses), or both
	// (fapi2-message-signing). It fills the defaults, and refuses what contradicts it.
	SecurityProfile string `yaml:"security_profile" enum:"fapi2,fapi2-signed-requests,fapi2-signed-responses,fapi2-message-signing"`

	// ClientSecret of a confidential client, of 24 characters or more (not so with --dev). A client
	// that runs in a browser or on a phone can't keep one.
	ClientSecret member.Secret `yaml:"client_secret"`

	// ClientSecrets are further secrets, each of them valid until it expires: so a secret is changed
	// without a moment in which neither the old nor the new one works.
	ClientSecrets []ClientSecret `yaml:"client_secrets"`

	// RedirectURIs are compared character by character. They are https, or http on loopback, or,
	// with preset native, of a private-use scheme with a dot (RFC 8252 section 7.1), or of one of
	// redirect_schemes. The port of http://127.0.0.1 and http://[::1] is free at run time (RFC 8252
	// section 7.3).
	RedirectURIs []string `yaml:"redirect_uris"`

	// PostLogoutRedirectURIs are where a logout may lead, by the rules of redirect_uris.
	PostLogoutRedirectURIs []string `yaml:"post_logout_redirect_uris"`

	// RedirectSchemes are private-use schemes without a dot that its redirect URIs may have, such as
	// myapp: any other app on the device may claim them too. Never one that browsers know, such as
	// javascript.
	RedirectSchemes []string `yaml:"redirect_schemes"`

	// Scope are the scopes that the client may ask for, in one string. Where users sign in, others are
	// left out. Default: openid where there are users, else none.
	Scope member.Scopes `yaml:"scope"`

	// Resources are the APIs that it may call.
	Resources []string `yaml:"resources"`

	// AllowedOrigins may call the token endpoint and its kin from a browser (CORS). Default: the
	// origins of redirect_uris.
	AllowedOrigins []string `yaml:"allowed_origins"`

	// FirstParty clients need no consent page.
	FirstParty bool `yaml:"first_party"`

	// GrantTypes that it may use.
	GrantTypes []string `yaml:"grant_types" enum:"authorization_code,refresh_token,client_credentials,urn:ietf:params:oauth:grant-type:device_code,urn:ietf:params:oauth:grant-type:token-exchange,urn:ietf:params:oauth:grant-type:jwt-bearer"`

	// ResponseTypes that it may use.
	ResponseTypes []string `yaml:"response_types" enum:"code"`

	// TokenEndpointAuthMethod is how it proves who it is: by a secret (client_secret_basic,
	// client_secret_post), by signing with one of its keys (private_key_jwt), or by a TLS certificate
	// (tls_client_auth, self_signed_tls_client_auth: RFC 8705 section 2). none makes it a public
	// client. Default: none with preset spa and native; else a secret, sent in either way.
	TokenEndpointAuthMethod string `yaml:"token_endpoint_auth_method" enum:"none,client_secret_basic,client_secret_post,private_key_jwt,tls_client_auth,self_signed_tls_client_auth"`

	// TokenEndpointAuthSigningAlg is the only algorithm of its assertions. Default: any of these.
	TokenEndpointAuthSigningAlg string `yaml:"token_endpoint_auth_signing_alg" enum:"RS256,RS384,RS512,PS256,PS384,PS512,ES256,ES384,ES512,EdDSA"`

	// JWKS are its public keys, a JWK Set (RFC 7517 section 5) as YAML or JSON: for private_key_jwt,
	// self_signed_tls_client_auth (in x5c) and signed requests. Never a private key.
	JWKS JWKS `yaml:"jwks" multiline:"true"`

	// JWKSURI is where its public keys are, in place of jwks.
	JWKSURI string `yaml:"jwks_uri"`

	// TLSClientAuthSubjectDN is the subject of its certificate (RFC 4514), for tls_client_auth, which
	// needs exactly one of this and the next four (RFC 8705 section 2.1.2).
	TLSClientAuthSubjectDN string `yaml:"tls_client_auth_subject_dn"`

	// TLSClientAuthSANDNS is a DNS name that its certificate has.
	TLSClientAuthSANDNS string `yaml:"tls_client_auth_san_dns"`

	// TLSClientAuthSANURI is a URI that its certificate has.
	TLSClientAuthSANURI string `yaml:"tls_client_auth_san_uri"`

	// TLSClientAuthSANIP is an IP address that its certificate has.
	TLSClientAuthSANIP string `yaml:"tls_client_auth_san_ip"`

	// TLSClientAuthSANEmail is an e-mail address that its certificate has.
	TLSClientAuthSANEmail string `yaml:"tls_client_auth_san_email"`

	// TLSClientCertificateBoundAccessTokens binds its access tokens to its certificate (RFC 8705
	// section 3).
	TLSClientCertificateBoundAccessTokens bool `yaml:"tls_client_certificate_bound_access_tokens"`

	// DPoPBoundAccessTokens refuses tokens to it without a DPoP proof (RFC 9449 section 5.2), which
	// binds them to a key.
	DPoPBoundAccessTokens bool `yaml:"dpop_bound_access_tokens"`

	// RequirePushedAuthorizationRequests refuses what did not come through the pushed authorization
	// request endpoint (RFC 9126 section 6).
	RequirePushedAuthorizationRequests bool `yaml:"require_pushed_authorization_requests"`

	// RequireSignedRequestObject refuses authorization requests that are not signed (RFC 9101 section
	// 10.5).
	RequireSignedRequestObject bool `yaml:"require_signed_request_object"`

	// RequestObjectSigningAlg is the only algorithm of its signed requests. Default: any of these.
	RequestObjectSigningAlg string `yaml:"request_object_signing_alg" enum:"RS256,RS384,RS512,PS256,PS384,PS512,ES256,ES384,ES512,EdDSA"`

	// RequestURIs are where signed requests may be fetched from, character by character; after a #
	// may stand the SHA-256 of what is there (OpenID Connect Core section 6.2).
	RequestURIs []string `yaml:"request_uris"`

	// AuthorizationSignedResponseAlg signs the responses of the authorization endpoint, where the
	// client asks for a response_mode with jwt (JARM). Default: signing.alg.
	AuthorizationSignedResponseAlg string `yaml:"authorization_signed_response_alg" enum:"RS256,ES256,PS256,EdDSA"`

	// RequirePKCE is true for PKCE in each request, or false for confidential clients whose software
	// knows neither PKCE nor a nonce. Default: true for public clients and security profiles; others
	// need PKCE, or the scope openid with a nonce (RFC 9700 section 2.1.1).
	RequirePKCE *bool `yaml:"require_pkce"`

	// AllowLocalhostPorts frees the port of http://localhost redirect URIs too.
	AllowLocalhostPorts bool `yaml:"allow_localhost_ports"`

	// IDTokenSignedResponseAlg signs its ID tokens. Default: signing.alg.
	IDTokenSignedResponseAlg string `yaml:"id_token_signed_response_alg" enum:"RS256,ES256,PS256,EdDSA"`

	// UserInfoSignedResponseAlg makes userinfo answer with a JWT, signed by it. Default: plain JSON.
	UserInfoSignedResponseAlg string `yaml:"userinfo_signed_response_alg" enum:"RS256,ES256,PS256,EdDSA"`

	// IntrospectionSignedResponseAlg signs what introspection answers to a client that accepts
	// application/token-introspection+jwt (RFC 9701). Default: signing.alg.
	IntrospectionSignedResponseAlg string `yaml:"introspection_signed_response_alg" enum:"RS256,ES256,PS256,EdDSA"`

	// IDTokenClaims puts the claims of the scopes into the ID token too, for clients that never
	// call userinfo.
	IDTokenClaims bool `yaml:"id_token_claims"`

	// AccessTokenLifetime overrides lifetimes.access_token.
	AccessTokenLifetime time.Duration `yaml:"access_token_lifetime"`

	// IDTokenLifetime overrides lifetimes.id_token.
	IDTokenLifetime time.Duration `yaml:"id_token_lifetime"`

	// RefreshTokenLifetime overrides lifetimes.refresh_token.
	RefreshTokenLifetime time.Duration `yaml:"refresh_token_lifetime"`

	// RefreshIdleLifetime overrides lifetimes.refresh_idle.
	RefreshIdleLifetime time.Duration `yaml:"refresh_idle_lifetime"`

	// RefreshGrace overrides lifetimes.refresh_grace: how long a rotated refresh token may be sent
	// again while its successor is unused. Default for preset native: 24h, because a phone may be
	// suspended, or closed, before it has stored the answer; 0s if lifetimes.refresh_grace is 0s.
	RefreshGrace time.Duration `yaml:"refresh_grace"`

	// RefreshTokenRotation gives a new refresh token at every use. Default: true for public
	// clients, false for confidential ones, whose secret binds the token already.
	RefreshTokenRotation bool `yaml:"refresh_token_rotation"`

	// RequireAuthTime puts auth_time into every ID token, not only where max_age asked for it.
	RequireAuthTime bool `yaml:"require_auth_time"`

	// DefaultMaxAge is the max_age, in seconds, of requests that name none. Default: no limit.
	DefaultMaxAge *int `yaml:"default_max_age"`

	// DefaultACRValues are the acr_values of requests that name none.
	DefaultACRValues []string `yaml:"default_acr_values"`

	// SubjectType is public, or pairwise for a sub that no other client knows the user by (OpenID
	// Connect Core section 8).
	SubjectType string `yaml:"subject_type" enum:"public,pairwise"`

	// SectorIdentifierURI is a JSON list of redirect URIs whose clients share their pairwise sub
	// (OpenID Connect Core section 8.1). Needed where the redirect URIs have several hosts.
	SectorIdentifierURI string `yaml:"sector_identifier_uri"`

	// AuthorizationDetailsTypes are the types of authorization_details that it may ask for (RFC 9396
	// section 10).
	AuthorizationDetailsTypes []string `yaml:"authorization_details_types"`

	// TokenExchangeResources are the APIs that its token exchanges may ask for (RFC 8693), beyond
	// those that the exchanged token is for. Its scope says what it gets there.
	TokenExchangeResources []string `yaml:"token_exchange_resources"`

	// InitiateLoginURI is where a login begins that the application didn't ask for (OpenID Connect
	// Core section 4): https, or http on loopback.
	InitiateLoginURI string `yaml:"initiate_login_uri"`

	// BackchannelLogoutURI takes a signed logout token when a session has ended (OpenID Connect
	// Back-Channel Logout).
	BackchannelLogoutURI string `yaml:"backchannel_logout_uri"`

	// BackchannelLogoutSessionRequired says that the logout token must name the session.
	BackchannelLogoutSessionRequired bool `yaml:"backchannel_logout_session_required"`

	// FrontchannelLogoutURI is loaded in a frame of the logout page (OpenID Connect Front-Channel
	// Logout). It has the scheme, host and port of a redirect URI.
	FrontchannelLogoutURI string `yaml:"frontchannel_logout_uri"`

	// FrontchannelLogoutSessionRequired says that it needs iss and sid, which it gets in any case.
	FrontchannelLogoutSessionRequired bool `yaml:"frontchannel_logout_session_required"`

	// ClientURI is the application's home page.
	ClientURI string `yaml:"client_uri"`

	// LogoURI is its logo.
	LogoURI string `yaml:"logo_uri"`

	// PolicyURI is its privacy policy.
	PolicyURI string `yaml:"policy_uri"`

	// TOSURI are its terms of service.
	TOSURI string `yaml:"tos_uri"`

	anySecretMethod bool
}

// AnySecretMethod reports whether a client with a secret may send it in the header or in the body,
// since nothing says which.
func (c *Client) AnySecretMethod() bool { return c.anySecretMethod }

// ClientSecret is one of several secrets of a client.
type ClientSecret struct {
	// Secret is the secret itself.
	Secret member.Secret `yaml:"secret" required:"true"`

	// ExpiresAt is when it stops to be valid, such as 2030-01-31T00:00:00Z (RFC 3339). Default: never.
	ExpiresAt *time.Time `yaml:"expires_at"`
}

const (
	grantDeviceCode    = "urn:ietf:params:oauth:grant-type:device_code"    // RFC 8628
	grantTokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange" // RFC 8693
	grantJWTBearer     = "urn:ietf:params:oauth:grant-type:jwt-bearer"     // RFC 7523
)

func (c *Client) has(grantType string) bool { return slices.Contains(c.GrantTypes, grantType) }

// hasUsers tells whether the client's tokens can be about a user.
func (c *Client) hasUsers() bool {
	return slices.ContainsFunc(c.GrantTypes, func(g string) bool { return g != "client_credentials" && g != "refresh_token" })
}

// signsIn tells whether people sign in to the client.
func (c *Client) signsIn() bool { return c.has("authorization_code") || c.has(grantDeviceCode) }

// public tells whether this is a public client (RFC 6749 section 2.1).
func (c *Client) public() bool { return c.TokenEndpointAuthMethod == "none" }

func (c *Client) usesSecret() bool {
	return c.TokenEndpointAuthMethod == "client_secret_basic" || c.TokenEndpointAuthMethod == "client_secret_post"
}

// hasKeys tells whether its public keys are known, or where they are.
func (c *Client) hasKeys() bool { return len(c.JWKS) > 0 || c.JWKSURI != "" }

// tlsNames are the keys that say which certificate is the client's, with their values.
func (c *Client) tlsNames() []setting {
	return []setting{
		{"tls_client_auth_subject_dn", c.TLSClientAuthSubjectDN}, {"tls_client_auth_san_dns", c.TLSClientAuthSANDNS},
		{"tls_client_auth_san_uri", c.TLSClientAuthSANURI}, {"tls_client_auth_san_ip", c.TLSClientAuthSANIP},
		{"tls_client_auth_san_email", c.TLSClientAuthSANEmail},
	}
}

// setting is a key with its value.
type setting struct{ key, value string }
