package client

import (
	_ "embed"
	"encoding/json"
	"slices"
	"time"

	"github.com/authzd/authzd/authz/member"
)

// MetadataSource is the source of this file, whose comments are the manual of the members.
//
//go:embed metadata.go
var MetadataSource []byte

// Metadata describes a client: in the configuration file, through the admin API, in the store, by a registration or
// a document of the client's own. Names and meanings are those of RFC 7591 section 2 and OpenID Connect Registration
// section 2 where these have one. A zero field was not given. The members tagged register are those that a client
// may say of itself.
type Metadata struct {
	// ID is what the application calls itself.
	ID string `json:"client_id,omitempty" yaml:"client_id" required:"true"`

	// Name is what the pages call it. Default: the client_id.
	Name string `json:"client_name,omitempty" yaml:"client_name" register:"true"`

	// Preset fills the defaults of the keys below: spa and native (no secret, PKCE, code and
	// refresh token), web (secret, code and refresh token), service (secret, client credentials).
	// Without it the defaults of RFC 7591 hold: secret, code.
	Preset string `json:"preset,omitempty" yaml:"preset" enum:"spa,native,web,service"`

	// Profile demands, in one word, what a standard demands of a client: fapi2 (FAPI 2.0
	// Security Profile: proof by key or certificate, pushed requests, PKCE, sender-constrained
	// tokens, no RSA with PKCS #1 v1.5), or with it from FAPI 2.0 Message Signing the signed requests
	// (fapi2-signed-requests), the signed responses (fapi2-signed-responses), or both
	// (fapi2-message-signing). It fills the defaults, and refuses what contradicts it.
	Profile string `json:"security_profile,omitempty" yaml:"security_profile" enum:"fapi2,fapi2-signed-requests,fapi2-signed-responses,fapi2-message-signing"`

	// Secret of a confidential client, of 24 characters or more (not so with --dev). A client
	// that runs in a browser or on a phone can't keep one.
	Secret member.Secret `json:"-" yaml:"client_secret"`

	// Secrets are further secrets, each of them valid until it expires: so a secret is changed
	// without a moment in which neither the old nor the new one works.
	Secrets []Secret `json:"-" yaml:"client_secrets"`

	// RedirectURIs are compared character by character. They are https, or http on loopback, or,
	// with preset native, of a private-use scheme with a dot (RFC 8252 section 7.1), or of one of
	// redirect_schemes. The port of http://127.0.0.1 and http://[::1] is free at run time (RFC 8252
	// section 7.3).
	RedirectURIs []string `json:"redirect_uris,omitempty" yaml:"redirect_uris" register:"true"`

	// PostLogoutRedirectURIs are where a logout may lead, by the rules of redirect_uris.
	PostLogoutRedirectURIs []string `json:"post_logout_redirect_uris,omitempty" yaml:"post_logout_redirect_uris" register:"true"`

	// RedirectSchemes are private-use schemes without a dot that its redirect URIs may have, such as
	// myapp: any other app on the device may claim them too. Never one that browsers know, such as
	// javascript.
	RedirectSchemes []string `json:"redirect_schemes,omitempty" yaml:"redirect_schemes"`

	// Scopes are the scopes that the client may ask for, in one string. Where users sign in, others are
	// left out. Default: openid where there are users, else none.
	Scopes member.Scopes `json:"scope,omitempty" yaml:"scope" register:"true"`

	// Resources are the APIs that it may call.
	Resources []string `json:"resources,omitempty" yaml:"resources"`

	// AllowedOrigins may call the token endpoint and its kin from a browser (CORS). Default: the
	// origins of redirect_uris.
	AllowedOrigins []string `json:"allowed_origins,omitempty" yaml:"allowed_origins"`

	// FirstParty clients need no consent page.
	FirstParty bool `json:"first_party,omitempty" yaml:"first_party"`

	// GrantTypes that it may use.
	GrantTypes []string `json:"grant_types,omitempty" yaml:"grant_types" known:"authorization_code,refresh_token,client_credentials,urn:ietf:params:oauth:grant-type:device_code,urn:ietf:params:oauth:grant-type:token-exchange,urn:ietf:params:oauth:grant-type:jwt-bearer" register:"true"`

	// ResponseTypes that it may use.
	ResponseTypes []string `json:"response_types,omitempty" yaml:"response_types" known:"code" register:"true"`

	// AuthMethod is how it proves who it is: by a secret (client_secret_basic,
	// client_secret_post), by signing with one of its keys (private_key_jwt), or by a TLS certificate
	// (tls_client_auth, self_signed_tls_client_auth: RFC 8705 section 2). none makes it a public
	// client. Default: none with preset spa and native; else a secret, sent in either way.
	AuthMethod string `json:"token_endpoint_auth_method,omitempty" yaml:"token_endpoint_auth_method" known:"none,client_secret_basic,client_secret_post,private_key_jwt,tls_client_auth,self_signed_tls_client_auth" register:"true"`

	// AuthAlg is the only algorithm of its assertions. Default: any of these.
	AuthAlg string `json:"token_endpoint_auth_signing_alg,omitempty" yaml:"token_endpoint_auth_signing_alg" known:"RS256,RS384,RS512,PS256,PS384,PS512,ES256,ES384,ES512,EdDSA" register:"true"`

	// JWKS are its public keys, a JWK Set (RFC 7517 section 5) as YAML or JSON: for private_key_jwt,
	// self_signed_tls_client_auth (in x5c) and signed requests. Never a private key.
	JWKS JWKS `json:"jwks,omitempty" yaml:"jwks" multiline:"true" register:"true"`

	// JWKSURI is where its public keys are, in place of jwks.
	JWKSURI string `json:"jwks_uri,omitempty" yaml:"jwks_uri" register:"true"`

	// TLSSubjectDN is the subject of its certificate (RFC 4514), for tls_client_auth, which
	// needs exactly one of this and the next four (RFC 8705 section 2.1.2).
	TLSSubjectDN string `json:"tls_client_auth_subject_dn,omitempty" yaml:"tls_client_auth_subject_dn" register:"true"`

	// TLSSubjectDNS is a DNS name that its certificate has.
	TLSSubjectDNS string `json:"tls_client_auth_san_dns,omitempty" yaml:"tls_client_auth_san_dns" register:"true"`

	// TLSSubjectURI is a URI that its certificate has.
	TLSSubjectURI string `json:"tls_client_auth_san_uri,omitempty" yaml:"tls_client_auth_san_uri" register:"true"`

	// TLSSubjectIP is an IP address that its certificate has.
	TLSSubjectIP string `json:"tls_client_auth_san_ip,omitempty" yaml:"tls_client_auth_san_ip" register:"true"`

	// TLSSubjectEmail is an e-mail address that its certificate has.
	TLSSubjectEmail string `json:"tls_client_auth_san_email,omitempty" yaml:"tls_client_auth_san_email" register:"true"`

	// TLSBound binds its access tokens to its certificate (RFC 8705
	// section 3).
	TLSBound bool `json:"tls_client_certificate_bound_access_tokens,omitempty" yaml:"tls_client_certificate_bound_access_tokens" register:"true"`

	// DPoPBound refuses tokens to it without a DPoP proof (RFC 9449 section 5.2), which
	// binds them to a key.
	DPoPBound bool `json:"dpop_bound_access_tokens,omitempty" yaml:"dpop_bound_access_tokens" register:"true"`

	// RequirePAR refuses what did not come through the pushed authorization
	// request endpoint (RFC 9126 section 6).
	RequirePAR bool `json:"require_pushed_authorization_requests,omitempty" yaml:"require_pushed_authorization_requests" register:"true"`

	// RequireSigned refuses authorization requests that are not signed (RFC 9101 section
	// 10.5).
	RequireSigned bool `json:"require_signed_request_object,omitempty" yaml:"require_signed_request_object" register:"true"`

	// RequestAlg is the only algorithm of its signed requests. Default: any of these.
	RequestAlg string `json:"request_object_signing_alg,omitempty" yaml:"request_object_signing_alg" known:"RS256,RS384,RS512,PS256,PS384,PS512,ES256,ES384,ES512,EdDSA" register:"true"`

	// RequestURIs are where signed requests may be fetched from, character by character; after a #
	// may stand the SHA-256 of what is there (OpenID Connect Core section 6.2).
	RequestURIs []string `json:"request_uris,omitempty" yaml:"request_uris" register:"true"`

	// AuthorizationAlg signs the responses of the authorization endpoint, where the
	// client asks for a response_mode with jwt (JARM). Default: signing.alg.
	AuthorizationAlg string `json:"authorization_signed_response_alg,omitempty" yaml:"authorization_signed_response_alg" known:"RS256,ES256,PS256,EdDSA" register:"true"`

	// RequirePKCE is true for PKCE in each request, or false for confidential clients whose software
	// knows neither PKCE nor a nonce. Default: true for public clients and security profiles; others
	// need PKCE, or the scope openid with a nonce (RFC 9700 section 2.1.1).
	RequirePKCE *bool `json:"require_pkce,omitempty" yaml:"require_pkce" register:"true"`

	// AllowLocalhostPorts frees the port of http://localhost redirect URIs too.
	AllowLocalhostPorts bool `json:"allow_localhost_ports,omitempty" yaml:"allow_localhost_ports"`

	// IDTokenAlg signs its ID tokens. Default: signing.alg.
	IDTokenAlg string `json:"id_token_signed_response_alg,omitempty" yaml:"id_token_signed_response_alg" known:"RS256,ES256,PS256,EdDSA" register:"true"`

	// UserInfoAlg makes userinfo answer with a JWT, signed by it. Default: plain JSON.
	UserInfoAlg string `json:"userinfo_signed_response_alg,omitempty" yaml:"userinfo_signed_response_alg" known:"RS256,ES256,PS256,EdDSA" register:"true"`

	// IntrospectionAlg signs what introspection answers to a client that accepts
	// application/token-introspection+jwt (RFC 9701). Default: signing.alg.
	IntrospectionAlg string `json:"introspection_signed_response_alg,omitempty" yaml:"introspection_signed_response_alg" known:"RS256,ES256,PS256,EdDSA" register:"true"`

	// IDTokenClaims puts the claims of the scopes into the ID token too, for clients that never
	// call userinfo.
	IDTokenClaims bool `json:"id_token_claims,omitempty" yaml:"id_token_claims"`

	// AccessTokenLifetime overrides lifetimes.access_token.
	AccessTokenLifetime member.Duration `json:"access_token_lifetime,omitempty" yaml:"access_token_lifetime"`

	// IDTokenLifetime overrides lifetimes.id_token.
	IDTokenLifetime member.Duration `json:"id_token_lifetime,omitempty" yaml:"id_token_lifetime"`

	// RefreshTokenLifetime overrides lifetimes.refresh_token.
	RefreshTokenLifetime member.Duration `json:"refresh_token_lifetime,omitempty" yaml:"refresh_token_lifetime"`

	// RefreshIdleLifetime overrides lifetimes.refresh_idle.
	RefreshIdleLifetime member.Duration `json:"refresh_idle_lifetime,omitempty" yaml:"refresh_idle_lifetime"`

	// RefreshGrace overrides lifetimes.refresh_grace: how long a rotated refresh token may be sent
	// again while its successor is unused. Default for preset native: 24h, because a phone may be
	// suspended, or closed, before it has stored the answer; 0s if lifetimes.refresh_grace is 0s.
	RefreshGrace *member.Duration `json:"refresh_grace,omitempty" yaml:"refresh_grace"`

	// RotateRefreshTokens gives a new refresh token at every use. Default: true for public
	// clients, false for confidential ones, whose secret binds the token already.
	RotateRefreshTokens *bool `json:"refresh_token_rotation,omitempty" yaml:"refresh_token_rotation"`

	// RequireAuthTime puts auth_time into every ID token, not only where max_age asked for it.
	RequireAuthTime bool `json:"require_auth_time,omitempty" yaml:"require_auth_time" register:"true"`

	// DefaultMaxAge is the max_age, in seconds, of requests that name none. Default: no limit.
	DefaultMaxAge *int `json:"default_max_age,omitempty" yaml:"default_max_age" register:"true"`

	// DefaultACRValues are the acr_values of requests that name none.
	DefaultACRValues []string `json:"default_acr_values,omitempty" yaml:"default_acr_values" register:"true"`

	// Factors is required if every sign-in for the application needs a second factor, or passkey if it needs a
	// passkey. A remembered device does not stand in for it.
	Factors string `json:"factors,omitempty" yaml:"factors" known:"optional,required,passkey"`

	// SubjectType is public, or pairwise for a sub that no other client knows the user by (OpenID
	// Connect Core section 8).
	SubjectType string `json:"subject_type,omitempty" yaml:"subject_type" known:"public,pairwise" register:"true"`

	// SectorURI is a JSON list of redirect URIs whose clients share their pairwise sub
	// (OpenID Connect Core section 8.1). Needed where the redirect URIs have several hosts.
	SectorURI string `json:"sector_identifier_uri,omitempty" yaml:"sector_identifier_uri" register:"true"`

	// DetailTypes are the types of authorization_details that it may ask for (RFC 9396
	// section 10).
	DetailTypes []string `json:"authorization_details_types,omitempty" yaml:"authorization_details_types" register:"true"`

	// ExchangeResources are the APIs that its token exchanges may ask for (RFC 8693), beyond
	// those that the exchanged token is for. Its scope says what it gets there.
	ExchangeResources []string `json:"token_exchange_resources,omitempty" yaml:"token_exchange_resources"`

	// InitiateLoginURI is where a login begins that the application didn't ask for (OpenID Connect
	// Core section 4): https, or http on loopback.
	InitiateLoginURI string `json:"initiate_login_uri,omitempty" yaml:"initiate_login_uri" register:"true"`

	// BackChannelURI takes a signed logout token when a session has ended (OpenID Connect
	// Back-Channel Logout).
	BackChannelURI string `json:"backchannel_logout_uri,omitempty" yaml:"backchannel_logout_uri" register:"true"`

	// BackChannelSession says that the logout token must name the session.
	BackChannelSession bool `json:"backchannel_logout_session_required,omitempty" yaml:"backchannel_logout_session_required" register:"true"`

	// FrontChannelURI is loaded in a frame of the logout page (OpenID Connect Front-Channel
	// Logout). It has the scheme, host and port of a redirect URI.
	FrontChannelURI string `json:"frontchannel_logout_uri,omitempty" yaml:"frontchannel_logout_uri" register:"true"`

	// FrontChannelSession says that it needs iss and sid, which it gets in any case.
	FrontChannelSession bool `json:"frontchannel_logout_session_required,omitempty" yaml:"frontchannel_logout_session_required" register:"true"`

	// ClientURI is the application's home page.
	ClientURI string `json:"client_uri,omitempty" yaml:"client_uri" register:"true"`

	// LogoURI is its logo.
	LogoURI string `json:"logo_uri,omitempty" yaml:"logo_uri" register:"true"`

	// PolicyURI is its privacy policy.
	PolicyURI string `json:"policy_uri,omitempty" yaml:"policy_uri" register:"true"`

	// TOSURI are its terms of service.
	TOSURI string `json:"tos_uri,omitempty" yaml:"tos_uri" register:"true"`

	// The server's own, which no description holds.

	Source          Source    `json:"-" yaml:"-"`
	AnySecretMethod bool      `json:"-" yaml:"-"` // with AuthBasic: AuthPost will do too, since the client has not said which
	Vouched         bool      `json:"-" yaml:"-"` // of a Registered client: it has a software statement of a trusted issuer
	Since           time.Time `json:"-" yaml:"-"` // grants from before are another's, who had this ID; zero: nobody had
	StrictAudience  bool      `json:"-" yaml:"-"` // its assertions name the issuer and nothing else (FAPI 2.0 section 5.3.3.1)
	RequireJARM     bool      `json:"-" yaml:"-"` // its authorization responses are signed: a response_mode without jwt is refused
}

// Secret is one of several secrets of a client.
type Secret struct {
	// Value is the secret itself.
	Value member.Secret `yaml:"secret" required:"true"`

	// ExpiresAt is when it stops to be valid, such as 2030-01-31T00:00:00Z (RFC 3339). Default: never.
	ExpiresAt *time.Time `yaml:"expires_at"`

	Hash []byte `yaml:"-"` // SHA-256 of a secret that is stored by nothing else, in place of Value
}

// JWKS is a JWK Set of public keys (RFC 7517 section 5), as JSON.
type JWKS []byte

// MarshalYAML writes it as the mapping that it is.
func (j JWKS) MarshalYAML() (any, error) {
	if len(j) == 0 {
		return nil, nil
	}
	var set any
	err := json.Unmarshal(j, &set)
	return set, err
}

// MarshalJSON writes it as the object that it is.
func (j JWKS) MarshalJSON() ([]byte, error) {
	if len(j) == 0 {
		return []byte("null"), nil
	}
	return j, nil
}

// UnmarshalJSON keeps it as it is.
func (j *JWKS) UnmarshalJSON(raw []byte) error {
	*j = slices.Clone(raw)
	return nil
}

// hasUsers reports whether the client's tokens can be about a user.
func (m *Metadata) hasUsers() bool {
	return slices.ContainsFunc(m.GrantTypes, func(g string) bool { return g != GrantClientCredentials && g != GrantRefreshToken })
}

// signsIn reports whether people sign in to the client.
func (m *Metadata) signsIn() bool { return m.May(GrantAuthorizationCode) || m.May(GrantDeviceCode) }

// UsesSecret reports whether the client proves itself by a secret.
func (m *Metadata) UsesSecret() bool { return IsSecret(m.AuthMethod) }

// hasKeys reports whether its public keys are known, or where they are.
func (m *Metadata) hasKeys() bool { return len(m.JWKS) > 0 || m.JWKSURI != "" }

// UsesCertificate reports whether the client proves who it is by a TLS certificate.
func (m *Metadata) UsesCertificate() bool {
	return m.AuthMethod == AuthTLS || m.AuthMethod == AuthSelfSignedTLS
}

// named is a member with its value.
type named struct{ member, value string }

// tlsSubject are the members that say which certificate is the client's, with their values.
func (m *Metadata) tlsSubject() []named {
	return []named{
		{"tls_client_auth_subject_dn", m.TLSSubjectDN}, {"tls_client_auth_san_dns", m.TLSSubjectDNS}, {"tls_client_auth_san_uri", m.TLSSubjectURI},
		{"tls_client_auth_san_ip", m.TLSSubjectIP}, {"tls_client_auth_san_email", m.TLSSubjectEmail},
	}
}
