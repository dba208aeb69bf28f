package mail

import (
	"context"
	"errors"
	"fmt"
	"net/textproto"
	"os"
)

// Error says why a mail was not sent.
type Error struct {
	Step string // what was being done: write, connect, sign in, send
	Code int    // the server's answer (RFC 5321 section 4.2); 0: none
	// Refused says that another attempt would be refused too: the server does not take this mail, or its recipient.
	Refused bool
	// Answered says that the server works, and that the failure is about this mail.
	Answered bool
	Err      error
}

func (e *Error) Error() string { return e.Step + ": " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// failure describes what went wrong at a step. A server that refuses everybody, or this server as a sender, may be set
// right by an operator: another attempt may succeed.
func failure(ctx context.Context, step string, err error) *Error {
	e := &Error{Step: step, Err: err}
	var reply *textproto.Error
	switch {
	case errors.As(err, &reply):
		e.Code, e.Err = reply.Code, fmt.Errorf("the server answered %d %s", reply.Code, reply.Msg)
	case ctx.Err() != nil:
		e.Err = fmt.Errorf("the server did not answer in time: %w", ctx.Err())
	case errors.Is(err, os.ErrDeadlineExceeded): // of the connection, which ends at the same time
		e.Err = fmt.Errorf("the server did not answer in time: %w", context.DeadlineExceeded)
	}
	return e
}

// aboutMail says that an answer of the server is about the recipient or the text.
func (e *Error) aboutMail() *Error {
	e.Answered = e.Code != 0 && e.Code != 421 // 421: it closes the connection (RFC 5321 section 3.8)
	e.Refused = e.Code >= 500
	return e
}
