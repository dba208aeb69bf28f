package admin

import (
	"context"
	"encoding/json"
	"iter"
	"time"
)

// SigningKey is a key of the server.
type SigningKey struct {
	KID       string          `json:"kid"`
	Alg       string          `json:"alg"`
	Status    string          `json:"status" enum:"announced,signing,retiring"`
	CreatedAt time.Time       `json:"created_at"`
	SignFrom  time.Time       `json:"sign_from"`
	RetiresAt *time.Time      `json:"retires_at,omitempty"` // when it is forgotten; nil: no successor yet
	Public    json.RawMessage `json:"public"`               // JWK
}

// RotateKeys is a request for new keys.
type RotateKeys struct {
	Alg string `json:"alg,omitempty"` // the algorithm; empty: every one in use
}

// ListKeys returns a page of the keys in the JWKS.
func (c *Client) ListKeys(ctx context.Context, q PageQuery) (*Page[SigningKey], error) {
	return list[SigningKey](ctx, c, "/v1/keys", params(), q)
}

// Keys returns all of them.
func (c *Client) Keys(ctx context.Context) iter.Seq2[*SigningKey, error] {
	return all(func(q PageQuery) (*Page[SigningKey], error) { return c.ListKeys(ctx, q) })
}

// RotateKeys announces new keys now. They sign after signing.announce. The result is all keys after that.
func (c *Client) RotateKeys(ctx context.Context, which RotateKeys) (*Page[SigningKey], error) {
	keys := new(Page[SigningKey])
	return keys, c.do(ctx, "POST", "/v1/keys/rotate", nil, nil, which, keys)
}
