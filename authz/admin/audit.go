package admin

import (
	"context"
	"fmt"
	"io"
	"iter"
	"net/url"
	"strconv"
	"time"
)

// AuditEvent is one event of the audit log. docs/audit-log.md has the types.
type AuditEvent struct {
	ID        string            `json:"id"`
	Time      time.Time         `json:"time"`
	Type      string            `json:"type"`
	Outcome   string            `json:"outcome" enum:"success,failure,denied,alarm"`
	Actor     AuditActor        `json:"actor"`
	ClientID  string            `json:"client_id,omitempty"`
	UserID    string            `json:"user_id,omitempty"`
	GrantID   string            `json:"gid,omitempty"`
	SessionID string            `json:"sid,omitempty"`
	Remote    string            `json:"remote,omitempty"`
	RequestID string            `json:"request_id,omitempty"`
	Details   map[string]string `json:"details,omitempty"`
}

// AuditActor is the author of an event.
type AuditActor struct {
	Kind string `json:"kind" enum:"user,client,operator,server,anonymous"`
	ID   string `json:"id,omitempty"`
}

// AuditQuery selects events. Zero fields select all.
type AuditQuery struct {
	Since, Until time.Time // of the event; Until itself is excluded
	Type         string    // or what it begins with, such as "user."
	Outcome      string
	Actor        string // id
	ClientID     string
	Sub          string // user id
	GID          string
	SID          string
	RequestID    string
}

func (q AuditQuery) params() url.Values {
	return params("since", stamp(q.Since), "until", stamp(q.Until), "type", q.Type, "outcome", q.Outcome, "actor", q.Actor,
		"client_id", q.ClientID, "sub", q.Sub, "gid", q.GID, "sid", q.SID, "request_id", q.RequestID)
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// AuditReport is the result of a verification of the audit log.
type AuditReport struct {
	First    AuditPoint     `json:"first"` // the oldest block that was checked
	Last     AuditPoint     `json:"last"`  // the newest; its hash vouches for all checked ones
	Blocks   int            `json:"blocks"`
	Events   int            `json:"events"`
	Problems []AuditProblem `json:"problems"`       // the first ones; none: nothing is wrong
	Next     int            `json:"next,omitempty"` // the block to go on after; 0: this was the end of the log
}

// AuditPoint names a block of the log.
type AuditPoint struct {
	Number int        `json:"number"` // 0: there is none
	Hash   string     `json:"hash,omitempty"`
	Sealed *time.Time `json:"sealed,omitempty"`
}

// AuditProblem is a problem at a block.
type AuditProblem struct {
	Block  int    `json:"block"`
	Reason string `json:"reason"`
}

// ListAuditEvents returns a page of the audit log, the newest events first. Pages may be empty.
func (c *Client) ListAuditEvents(ctx context.Context, which AuditQuery, q PageQuery) (*Page[AuditEvent], error) {
	return list[AuditEvent](ctx, c, "/v1/audit/events", which.params(), q)
}

// AuditEvents returns all of them, the newest first.
func (c *Client) AuditEvents(ctx context.Context, which AuditQuery) iter.Seq2[*AuditEvent, error] {
	return all(func(q PageQuery) (*Page[AuditEvent], error) { return c.ListAuditEvents(ctx, which, q) })
}

// VerifyAuditLog checks all of the audit log. progress, if not nil, is called now and then with the result so
// far. If pin is not zero, it also checks that its block is still that block.
func (c *Client) VerifyAuditLog(ctx context.Context, pin AuditPoint, progress func(*AuditReport)) (*AuditReport, error) {
	sum := &AuditReport{Problems: []AuditProblem{}}
	for after := 0; ; {
		query := params("after", strconv.Itoa(after))
		if pin.Number != 0 && after == 0 {
			query.Set("pin", fmt.Sprintf("%d:%s", pin.Number, pin.Hash))
		}
		part := new(AuditReport)
		if err := c.do(ctx, "GET", "/v1/audit/verify", query, nil, nil, part); err != nil {
			return nil, err
		}
		if sum.Blocks == 0 {
			sum.First = part.First
		}
		if part.Blocks > 0 {
			sum.Last = part.Last
		}
		sum.Blocks, sum.Events, sum.Problems = sum.Blocks+part.Blocks, sum.Events+part.Events, append(sum.Problems, part.Problems...)
		if part.Next == 0 {
			return sum, nil
		}
		if after = part.Next; progress != nil {
			progress(sum)
		}
	}
}

// ExportAuditLog writes the audit log as JSON Lines: each block's seal, and then its events. If since is not
// zero, it begins with the block of the first event at that time or later.
func (c *Client) ExportAuditLog(ctx context.Context, w io.Writer, since time.Time) error {
	answer, err := c.Do(ctx, "GET", "/v1/audit/export", params("since", stamp(since)), nil, nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(w, answer.Body); err != nil {
		return fmt.Errorf("export the audit log: %w", err)
	}
	return nil
}
