package admin

import (
	"context"
	"iter"
	"time"
)

// Session is a browser's login.
type Session struct {
	SID          string    `json:"sid"`
	Sub          string    `json:"sub"` // the user's id
	Username     string    `json:"username,omitempty"`
	AuthTime     time.Time `json:"auth_time"`
	AMR          []string  `json:"amr,omitempty"`
	ACR          string    `json:"acr,omitempty"`
	Connector    string    `json:"connector,omitempty"` // empty: password
	RememberMe   bool      `json:"remember_me,omitempty"`
	CreatedAt    time.Time `json:"created_at"`
	LastActiveAt time.Time `json:"last_active_at"`
	Browser      string    `json:"browser,omitempty"` // as it calls itself
	System       string    `json:"system,omitempty"`  // Windows, iPhone, …; as the browser says
	Address      string    `json:"address,omitempty"` // IP address of the last sign-in
	ExpiresAt    time.Time `json:"expires_at"`        // if there is no activity before
	Clients      []string  `json:"clients,omitempty"` // to be told of its end
}

// Grant is what a user has granted to a client, with all its tokens.
type Grant struct {
	GID       string     `json:"gid"`
	ClientID  string     `json:"client_id"`
	Sub       string     `json:"sub"` // the user's id
	Username  string     `json:"username,omitempty"`
	SID       string     `json:"sid,omitempty"`
	Scope     string     `json:"scope"`
	Resources []string   `json:"resources,omitempty"`
	Offline   bool       `json:"offline,omitempty"` // it outlives the session
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt time.Time  `json:"expires_at"`
	RevokedAt *time.Time `json:"revoked_at,omitempty"`
	Ended     string     `json:"ended,omitempty"` // why it is void without a revocation
}

// GrantQuery selects grants.
type GrantQuery struct {
	Sub      string // of this user
	ClientID string // of this client; without Sub all grants are read, so pages may be empty
}

// ListSessions returns a page of live sessions: of one user, or of all if sub is empty.
func (c *Client) ListSessions(ctx context.Context, sub string, q PageQuery) (*Page[Session], error) {
	return list[Session](ctx, c, "/v1/sessions", params("sub", sub), q)
}

// Sessions returns all of them.
func (c *Client) Sessions(ctx context.Context, sub string) iter.Seq2[*Session, error] {
	return all(func(q PageQuery) (*Page[Session], error) { return c.ListSessions(ctx, sub, q) })
}

// GetSession returns a session.
func (c *Client) GetSession(ctx context.Context, sid string) (*Session, error) {
	session := new(Session)
	return session, c.do(ctx, "GET", "/v1/sessions"+segment(sid), nil, nil, nil, session)
}

// RevokeSession ends a session, as if its user had signed out.
func (c *Client) RevokeSession(ctx context.Context, sid string) error {
	return c.do(ctx, "DELETE", "/v1/sessions"+segment(sid), nil, nil, nil, nil)
}

// ListGrants returns a page of grants in the order of their ids, live and revoked ones. It leaves out grants
// that are void because their user was disabled or signed out.
func (c *Client) ListGrants(ctx context.Context, which GrantQuery, q PageQuery) (*Page[Grant], error) {
	return list[Grant](ctx, c, "/v1/grants", params("sub", which.Sub, "client_id", which.ClientID), q)
}

// Grants returns all of them.
func (c *Client) Grants(ctx context.Context, which GrantQuery) iter.Seq2[*Grant, error] {
	return all(func(q PageQuery) (*Page[Grant], error) { return c.ListGrants(ctx, which, q) })
}

// GetGrant returns a grant.
func (c *Client) GetGrant(ctx context.Context, gid string) (*Grant, error) {
	grant := new(Grant)
	return grant, c.do(ctx, "GET", "/v1/grants"+segment(gid), nil, nil, nil, grant)
}

// RevokeGrant ends a grant, with all its tokens.
func (c *Client) RevokeGrant(ctx context.Context, gid string) error {
	return c.do(ctx, "DELETE", "/v1/grants"+segment(gid), nil, nil, nil, nil)
}
