package operator

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/admin"
	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/mail"
	"github.com/authzd/authzd/storage"
)

// listDeliveries answers with what waits in the outbox, or with what was given up.
func (api *API) listDeliveries(ctx context.Context, c *admin.Call, page admin.Slice) (shown []admin.Delivery, next string, err error) {
	state := c.Query.Get("state")
	if state != "" && state != "waiting" && state != "given_up" {
		return nil, "", admin.BadParam("state", "is neither waiting nor given_up")
	}
	found, next, err := api.Outbox.List(ctx, state == "given_up", page.After, page.Size)
	for _, e := range found {
		shown = append(shown, shownDelivery(e))
	}
	return shown, next, err
}

func shownDelivery(e storage.Entry[storage.Delivery]) admin.Delivery {
	d := e.Value
	key, givenUp := strings.CutPrefix(e.Key, storage.FailedDeliveries)
	_, id, _ := strings.Cut(key, "/")
	shown := admin.Delivery{ID: id, QueuedAt: d.QueuedAt, Attempts: d.Attempts, Outcome: d.Outcome, Cause: d.Cause}
	at, _ := storage.DueTime(key) // zero if the key has none
	if givenUp {
		shown.GivenUp = admin.OrNil(at)
	} else {
		shown.DueAt = admin.OrNil(at)
	}
	if l := d.Logout; l != nil {
		shown.Kind, shown.Sub, shown.ClientID, shown.SID = "logout_token", l.UserID, l.ClientID, l.Session
	} else {
		shown.Kind, shown.Sub, shown.To, shown.Message = "mail", d.Mail.UserID, d.Mail.To, d.Mail.Message
	}
	return shown
}

// sendTestMail sends a mail at once. It is not put into the outbox: the caller waits for the answer of the server.
func (api *API) sendTestMail(ctx context.Context, c *admin.Call, in *admin.TestMail) (*admin.TestMailSent, error) {
	if api.Mail == nil {
		return nil, admin.Conflict("No mail is configured.", "set mail.smtp.host and mail.from, and start the server again")
	}
	if _, err := mail.ParseAddress(in.To); err != nil {
		return nil, admin.Invalid(admin.FieldError{Pointer: "/to", Detail: "is not an address", Hint: "write one like alice@example.com"})
	}
	id := strconv.FormatInt(time.Now().UnixNano(), 36)
	answer, failed := api.Mail.Send(ctx, mail.Envelope{ID: "test-" + id, At: time.Now(), To: mail.Recipient{Address: in.To}}, mail.Test{})
	event := audit.Event{Type: audit.MailTested, Details: map[string]string{"result": "sent"}}
	if failed != nil {
		event.Details["result"] = "failed"
	}
	if err := api.Store.Apply(ctx, api.did(ctx, c, event)...); err != nil {
		return nil, err
	}
	server := api.Mail.Transport().Host()
	if failed != nil {
		return nil, mailProblem(server, failed)
	}
	return &admin.TestMailSent{Server: server, Answer: answer}, nil
}

// mailProblem says what a mail server did not like, and what to look at.
func mailProblem(server string, err error) *admin.Problem {
	hint := "see whether the server runs, and whether this machine reaches it"
	var failure *mail.Error
	if errors.As(err, &failure) {
		switch {
		case failure.Step == "sign in":
			hint = "check mail.smtp.username and mail.smtp.password"
		case failure.Step == "send":
			hint = "the server does not take mail from mail.from, or for this address: its answer says why"
		case failure.Step == "connect" && isAboutTLS(err):
			hint = "check mail.smtp.port and mail.smtp.tls, and outbound.ca_file if the certificate is of an authority of yours"
		}
	}
	return &admin.Problem{Status: http.StatusBadGateway, Code: admin.CodeMailFailed, Detail: "The mail was not sent by " + server + ": " + err.Error() + ".", Hint: hint}
}

// isAboutTLS reports whether a connection failed because of its encryption. The library and crypto/tls say so in words.
func isAboutTLS(err error) bool {
	text := err.Error()
	return strings.Contains(text, "tls: ") || strings.Contains(text, "x509: ") || strings.Contains(text, "STARTTLS")
}
