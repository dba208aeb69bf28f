package admin

import (
	"context"
	"iter"
	"time"
)

// Revocation says that tokens have ended before their time. It is on the revocation feed until it expires.
type Revocation struct {
	EndedAt   time.Time  `json:"ended_at"`
	Cause     string     `json:"cause"` // the type of the event in the audit log
	Kind      string     `json:"kind" enum:"grant,session,user,token,client,consent,all"`
	ID        string     `json:"id,omitempty"`     // of what has ended: a gid, sid, sub, jti or client_id
	Sub       string     `json:"sub,omitempty"`    // of the user whose tokens end, if that is one
	Before    *time.Time `json:"before,omitempty"` // only tokens that were issued in this second or earlier end
	ExpiresAt time.Time  `json:"expires_at"`       // then no such token lives any more
}

// RevocationQuery selects revocations. Zero fields select all.
type RevocationQuery struct {
	Sub   string
	Kind  string
	ID    string
	Cause string
}

// Feed is the state of the revocation feed.
type Feed struct {
	Epoch         string `json:"epoch"`          // another one after a restore, a promotion or a migration
	WindowSeconds int    `json:"window_seconds"` // how long a revocation stays: the longest that was ever needed
	Entries       int    `json:"entries"`        // of the list that followers get from this process
	Waiting       int    `json:"waiting"`        // followers that wait at this process for the next revocation
}

// ListRevocations returns a page of what is on the revocation feed now, the oldest first. Pages may be empty.
func (c *Client) ListRevocations(ctx context.Context, which RevocationQuery, q PageQuery) (*Page[Revocation], error) {
	return list[Revocation](ctx, c, "/v1/revocations", params("sub", which.Sub, "kind", which.Kind, "id", which.ID, "cause", which.Cause), q)
}

// Revocations returns all of them.
func (c *Client) Revocations(ctx context.Context, which RevocationQuery) iter.Seq2[*Revocation, error] {
	return all(func(q PageQuery) (*Page[Revocation], error) { return c.ListRevocations(ctx, which, q) })
}

// ReadFeed returns the state of the revocation feed.
func (c *Client) ReadFeed(ctx context.Context) (*Feed, error) {
	feed := new(Feed)
	return feed, c.do(ctx, "GET", "/v1/revocations/feed", nil, nil, nil, feed)
}
