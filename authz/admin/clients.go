package admin

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"time"
)

// ClientMetadata is the operator's description of an OAuth client: the members of a client in the
// configuration file, with their meanings and defaults. Times are strings such as 15m. The server makes the
// secrets.
type ClientMetadata struct {
	ClientID        string          `json:"client_id,omitempty"` // empty: the server makes one up
	ClientName      string          `json:"client_name,omitempty"`
	Preset          string          `json:"preset,omitempty" enum:"spa,native,web,service"`
	SecurityProfile string          `json:"security_profile,omitempty" enum:"fapi2,fapi2-signed-requests,fapi2-signed-responses,fapi2-message-signing"`
	RedirectURIs    []string        `json:"redirect_uris,omitempty"`
	PostLogoutURIs  []string        `json:"post_logout_redirect_uris,omitempty"`
	RedirectSchemes []string        `json:"redirect_schemes,omitempty"`
	Scope           string          `json:"scope,omitempty"`
	Resources       []string        `json:"resources,omitempty"`
	AllowedOrigins  []string        `json:"allowed_origins,omitempty"`
	FirstParty      bool            `json:"first_party,omitempty"`
	GrantTypes      []string        `json:"grant_types,omitempty"`
	ResponseTypes   []string        `json:"response_types,omitempty"`
	AuthMethod      string          `json:"token_endpoint_auth_method,omitempty"`
	AuthAlg         string          `json:"token_endpoint_auth_signing_alg,omitempty"`
	JWKS            json.RawMessage `json:"jwks,omitempty"`
	JWKSURI         string          `json:"jwks_uri,omitempty"`
	TLSSubjectDN    string          `json:"tls_client_auth_subject_dn,omitempty"`
	TLSSubjectDNS   string          `json:"tls_client_auth_san_dns,omitempty"`
	TLSSubjectURI   string          `json:"tls_client_auth_san_uri,omitempty"`
	TLSSubjectIP    string          `json:"tls_client_auth_san_ip,omitempty"`
	TLSSubjectEmail string          `json:"tls_client_auth_san_email,omitempty"`
	TLSBound        bool            `json:"tls_client_certificate_bound_access_tokens,omitempty"`
	DPoPBound       bool            `json:"dpop_bound_access_tokens,omitempty"`

	RequirePAR           bool     `json:"require_pushed_authorization_requests,omitempty"`
	RequireSigned        bool     `json:"require_signed_request_object,omitempty"`
	RequestObjectAlg     string   `json:"request_object_signing_alg,omitempty"`
	RequestURIs          []string `json:"request_uris,omitempty"`
	AuthorizationAlg     string   `json:"authorization_signed_response_alg,omitempty"`
	RequirePKCE          *bool    `json:"require_pkce,omitempty"`
	AllowLocalhostPorts  bool     `json:"allow_localhost_ports,omitempty"`
	IDTokenAlg           string   `json:"id_token_signed_response_alg,omitempty"`
	UserInfoAlg          string   `json:"userinfo_signed_response_alg,omitempty"`
	IntrospectionAlg     string   `json:"introspection_signed_response_alg,omitempty"`
	IDTokenClaims        bool     `json:"id_token_claims,omitempty"`
	AccessTokenLifetime  string   `json:"access_token_lifetime,omitempty"`
	IDTokenLifetime      string   `json:"id_token_lifetime,omitempty"`
	RefreshTokenLifetime string   `json:"refresh_token_lifetime,omitempty"`
	RefreshIdleLifetime  string   `json:"refresh_idle_lifetime,omitempty"`
	RefreshGrace         string   `json:"refresh_grace,omitempty"`
	RefreshTokenRotation *bool    `json:"refresh_token_rotation,omitempty"`
	RequireAuthTime      bool     `json:"require_auth_time,omitempty"`
	DefaultMaxAge        *int     `json:"default_max_age,omitempty"` // seconds
	DefaultACRValues     []string `json:"default_acr_values,omitempty"`
	SubjectType          string   `json:"subject_type,omitempty"`
	SectorIdentifierURI  string   `json:"sector_identifier_uri,omitempty"`
	DetailTypes          []string `json:"authorization_details_types,omitempty"`
	ExchangeResources    []string `json:"token_exchange_resources,omitempty"`
	InitiateLoginURI     string   `json:"initiate_login_uri,omitempty"`
	BackChannelURI       string   `json:"backchannel_logout_uri,omitempty"`
	BackChannelSession   bool     `json:"backchannel_logout_session_required,omitempty"`
	FrontChannelURI      string   `json:"frontchannel_logout_uri,omitempty"`
	FrontChannelSession  bool     `json:"frontchannel_logout_session_required,omitempty"`
	ClientURI            string   `json:"client_uri,omitempty"`
	LogoURI              string   `json:"logo_uri,omitempty"`
	PolicyURI            string   `json:"policy_uri,omitempty"`
	TOSURI               string   `json:"tos_uri,omitempty"`
}

// The sources of a client.
const (
	SourceConfiguration = "configuration" // the file: it is changed there
	SourceManaged       = "managed"       // this API
	SourceRegistered    = "registered"    // it registered itself (RFC 7591)
)

// OAuthClient is a client as the server knows it, with all defaults filled in. Only the metadata can be set.
type OAuthClient struct {
	ClientMetadata
	Source    string         `json:"source" enum:"configuration,managed,registered"`
	Secrets   []ClientSecret `json:"secrets,omitempty"` // the valid ones of a managed client
	CreatedAt *time.Time     `json:"created_at,omitempty"`
	UpdatedAt *time.Time     `json:"updated_at,omitempty"`
	UsedAt    *time.Time     `json:"used_at,omitempty"` // about when a registered client last got a token
	ETag      string         `json:"etag,omitempty"`    // empty: it can't be changed here
}

// ClientSecret describes a client secret, without its value.
type ClientSecret struct {
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"` // nil: never
}

// NewOAuthClient is a client with the secret that it has just got, which is shown only once.
type NewOAuthClient struct {
	OAuthClient
	ClientSecret string `json:"client_secret,omitempty"` // empty: it authenticates in another way, or not at all
}

// RotateSecret asks for a new client secret.
type RotateSecret struct {
	Overlap string `json:"overlap,omitempty"` // how long the present secrets stay valid, such as 24h; empty: not at all
}

// CreateClient creates a client.
func (c *Client) CreateClient(ctx context.Context, m ClientMetadata) (*NewOAuthClient, error) {
	created := new(NewOAuthClient)
	return created, c.do(ctx, "POST", "/v1/clients", nil, nil, m, created)
}

// ListClients returns a page of all clients: first those of the configuration, then the others by id.
func (c *Client) ListClients(ctx context.Context, q PageQuery) (*Page[OAuthClient], error) {
	return list[OAuthClient](ctx, c, "/v1/clients", params(), q)
}

// Clients returns all of them.
func (c *Client) Clients(ctx context.Context) iter.Seq2[*OAuthClient, error] {
	return all(func(q PageQuery) (*Page[OAuthClient], error) { return c.ListClients(ctx, q) })
}

// GetClient returns a client.
func (c *Client) GetClient(ctx context.Context, id string) (*OAuthClient, error) {
	client := new(OAuthClient)
	return client, c.do(ctx, "GET", "/v1/clients"+segment(id), nil, nil, nil, client)
}

// ReplaceClient sets all metadata of a client that has this etag: members that m lacks get their defaults. If
// the client now needs a secret and has none, it gets one.
func (c *Client) ReplaceClient(ctx context.Context, id, etag string, m ClientMetadata) (*NewOAuthClient, error) {
	replaced := new(NewOAuthClient)
	return replaced, c.do(ctx, "PUT", "/v1/clients"+segment(id), nil, ifMatch(etag), m, replaced)
}

// UpdateClient changes some metadata of a client, by a JSON merge patch (RFC 7396): a map or a struct. An
// empty etag accepts any present version. If the client now needs a secret and has none, it gets one.
func (c *Client) UpdateClient(ctx context.Context, id, etag string, patch any) (*NewOAuthClient, error) {
	updated := new(NewOAuthClient)
	return updated, c.do(ctx, "PATCH", "/v1/clients"+segment(id), nil, mergePatch(etag), patch, updated)
}

// DeleteClient deletes a client. Its grants and tokens are void from then on.
func (c *Client) DeleteClient(ctx context.Context, id, etag string) error {
	return c.do(ctx, "DELETE", "/v1/clients"+segment(id), nil, ifMatch(etag), nil, nil)
}

// RotateClientSecret gives a client a new secret. The present ones stay valid for the overlap.
func (c *Client) RotateClientSecret(ctx context.Context, id string, overlap time.Duration) (*NewOAuthClient, error) {
	rotated := new(NewOAuthClient)
	return rotated, c.do(ctx, "POST", "/v1/clients"+segment(id)+"/rotate-secret", nil, nil, RotateSecret{Overlap: overlap.String()}, rotated)
}

func mergePatch(etag string) http.Header {
	header := ifMatch(etag)
	if header == nil {
		header = http.Header{}
	}
	header.Set("Content-Type", "application/merge-patch+json")
	return header
}
