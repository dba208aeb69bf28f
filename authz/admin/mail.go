package admin

import (
	"context"
	"iter"
	"time"
)

// Delivery is a logout token or a mail that waits in the outbox, or that was given up.
type Delivery struct {
	ID       string     `json:"id"` // of a logout token its jti, of a mail the left part of its Message-ID
	Kind     string     `json:"kind" enum:"logout_token,mail"`
	QueuedAt time.Time  `json:"queued_at"`
	DueAt    *time.Time `json:"due_at,omitempty"`      // of the next attempt
	GivenUp  *time.Time `json:"given_up_at,omitempty"` // when; it is forgotten seven days later
	Attempts int        `json:"attempts,omitempty"`
	Outcome  string     `json:"outcome,omitempty"` // why it was given up
	Cause    string     `json:"cause,omitempty"`   // of the last failure

	Sub      string `json:"sub,omitempty"`       // the user whom it is about
	ClientID string `json:"client_id,omitempty"` // of a logout token: who gets it
	SID      string `json:"sid,omitempty"`       // of a logout token: the session that ended; empty: all of the user's
	To       string `json:"to,omitempty"`        // of a mail: the address
	Message  string `json:"message,omitempty"`   // of a mail: what it says, such as reset_password
}

// TestMail is an order to send a mail that shows whether mail works.
type TestMail struct {
	To string `json:"to"` // the address
}

// TestMailSent says what became of a TestMail.
type TestMailSent struct {
	Server string `json:"server"` // host and port
	Answer string `json:"answer"` // the server's
}

// ListDeliveries returns a page of what waits in the outbox, or of what was given up in the last seven days.
func (c *Client) ListDeliveries(ctx context.Context, givenUp bool, q PageQuery) (*Page[Delivery], error) {
	state := ""
	if givenUp {
		state = "given_up"
	}
	return list[Delivery](ctx, c, "/v1/deliveries", params("state", state), q)
}

// Deliveries returns all of them.
func (c *Client) Deliveries(ctx context.Context, givenUp bool) iter.Seq2[*Delivery, error] {
	return all(func(q PageQuery) (*Page[Delivery], error) { return c.ListDeliveries(ctx, givenUp, q) })
}

// SendTestMail sends a mail at once, and returns what the mail server answered. The error is a *Problem with
// CodeMailFailed if the server did not take it.
func (c *Client) SendTestMail(ctx context.Context, m TestMail) (*TestMailSent, error) {
	sent := new(TestMailSent)
	return sent, c.do(ctx, "POST", "/v1/mail/test", nil, nil, m, sent)
}
