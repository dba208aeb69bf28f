package admin

import (
	"context"
	"iter"
	"net/http"
	"time"

	"github.com/authzd/authzd/authz/client"
)

// Where a client comes from.
const (
	SourceConfiguration = "configuration" // the file: it is changed there
	SourceManaged       = "managed"       // this API
	SourceRegistered    = "registered"    // it registered itself (RFC 7591)
)

// OAuthClient is a client as the server knows it, with all defaults filled in. Only the metadata can be set.
type OAuthClient struct {
	client.Metadata
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

// CreateClient creates a client. If m has no client_id, the server makes one up; it makes the secret, too.
func (c *Client) CreateClient(ctx context.Context, m client.Metadata) (*NewOAuthClient, error) {
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
	found := new(OAuthClient)
	return found, c.do(ctx, "GET", "/v1/clients"+segment(id), nil, nil, nil, found)
}

// ReplaceClient sets all metadata of a client that has this etag: what m leaves out gets its default. A
// client that needs a secret from now on gets one.
func (c *Client) ReplaceClient(ctx context.Context, id, etag string, m client.Metadata) (*NewOAuthClient, error) {
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
