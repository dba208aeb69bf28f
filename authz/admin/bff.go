package admin

import (
	"context"
	"iter"
	"time"
)

// BFFSession is a browser's session with an app in cookie mode, or with a gate. It is of the admin API of a BFF.
type BFFSession struct {
	ID           string     `json:"id"` // no credential
	Frontend     string     `json:"frontend"`
	ClientID     string     `json:"client_id"`
	Sub          string     `json:"sub"`
	SID          string     `json:"sid,omitempty"` // of the issuer's session
	GID          string     `json:"gid,omitempty"` // of the issuer's grant
	ACR          string     `json:"acr,omitempty"`
	AMR          []string   `json:"amr,omitempty"`
	Roles        []string   `json:"roles,omitempty"`
	Groups       []string   `json:"groups,omitempty"`
	AuthTime     *time.Time `json:"auth_time,omitempty"`
	CreatedAt    time.Time  `json:"created_at"`
	LastActiveAt time.Time  `json:"last_active_at"`
	ExpiresAt    time.Time  `json:"expires_at"` // if there is no activity before
}

// BFFSessionQuery selects sessions of a BFF. All fields that are not empty must fit.
type BFFSessionQuery struct {
	Sub      string `json:"sub,omitempty"`
	SID      string `json:"sid,omitempty"` // of the issuer's session
	Frontend string `json:"frontend,omitempty"`
}

// BFFSessionsEnded is the result of an end of several sessions.
type BFFSessionsEnded struct {
	Ended int  `json:"ended"`
	More  bool `json:"more,omitempty"` // there may be more that fit: ask again
}

// ListBFFSessions returns a page of live sessions of a BFF. Pages may be empty.
func (c *Client) ListBFFSessions(ctx context.Context, which BFFSessionQuery, q PageQuery) (*Page[BFFSession], error) {
	return list[BFFSession](ctx, c, "/v1/bff-sessions", params("sub", which.Sub, "sid", which.SID, "frontend", which.Frontend), q)
}

// BFFSessions returns all of them.
func (c *Client) BFFSessions(ctx context.Context, which BFFSessionQuery) iter.Seq2[*BFFSession, error] {
	return all(func(q PageQuery) (*Page[BFFSession], error) { return c.ListBFFSessions(ctx, which, q) })
}

// GetBFFSession returns a session of a BFF.
func (c *Client) GetBFFSession(ctx context.Context, id string) (*BFFSession, error) {
	session := new(BFFSession)
	return session, c.do(ctx, "GET", "/v1/bff-sessions"+segment(id), nil, nil, nil, session)
}

// RevokeBFFSession ends a session of a BFF, and revokes its tokens.
func (c *Client) RevokeBFFSession(ctx context.Context, id string) error {
	return c.do(ctx, "DELETE", "/v1/bff-sessions"+segment(id), nil, nil, nil, nil)
}

// EndBFFSessions ends all sessions that fit, and returns how many. At least one field of which is required.
func (c *Client) EndBFFSessions(ctx context.Context, which BFFSessionQuery) (ended int, err error) {
	for {
		part := new(BFFSessionsEnded)
		if err := c.do(ctx, "POST", "/v1/bff-sessions/end", nil, nil, which, part); err != nil {
			return ended, err
		}
		if ended += part.Ended; !part.More {
			return ended, nil
		}
	}
}
