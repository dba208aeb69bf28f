package admin

import (
	"context"
	"iter"
	"net/url"
	"time"
)

// Factor is something beside the password that a user signs in with.
type Factor struct {
	ID        string     `json:"id"`   // of a passkey; otherwise the kind
	Kind      string     `json:"kind"` // totp, recovery_codes or passkey
	Name      string     `json:"name,omitempty"`
	CreatedAt time.Time  `json:"created_at"`
	UsedAt    *time.Time `json:"used_at,omitempty"` // absent: unknown, or never
	Left      *int       `json:"left,omitempty"`    // recovery codes that are unused
	Locked    bool       `json:"locked"`            // by a hundred wrong codes in a row
}

// ListFactors returns the factors of a user. There are never many.
func (c *Client) ListFactors(ctx context.Context, sub string) (*Page[Factor], error) {
	return list[Factor](ctx, c, "/v1/users"+segment(sub)+"/factors", nil, PageQuery{})
}

// Factors returns all of them.
func (c *Client) Factors(ctx context.Context, sub string) iter.Seq2[*Factor, error] {
	return all(func(PageQuery) (*Page[Factor], error) { return c.ListFactors(ctx, sub) })
}

// FactorReset says what ResetFactors removes.
type FactorReset struct {
	Passkeys bool // the passkeys too
	Force    bool // also if they are the user's only way in; otherwise that is a conflict
}

// ResetFactors removes the authenticator app, the recovery codes and the remembered devices of a user. The user is told by
// mail.
func (c *Client) ResetFactors(ctx context.Context, sub string, r FactorReset) error {
	query := url.Values{}
	if r.Passkeys {
		query.Set("passkeys", "true")
	}
	if r.Force {
		query.Set("force", "true")
	}
	return c.do(ctx, "DELETE", "/v1/users"+segment(sub)+"/factors", query, nil, nil, nil)
}
