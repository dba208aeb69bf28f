package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/mail"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/storage"
)

// SendsMail reports whether there is mail. If not, do not offer what needs it.
func (o *Outbox) SendsMail() bool { return o.config.Mail != nil }

// Mail returns the writes that make a mail due at once: none if there is no mail.
func (o *Outbox) Mail(to mail.Recipient, m mail.Message) []storage.Write {
	if !o.SendsMail() || to.Address == "" {
		return nil
	}
	id, encoded := newID(), mail.Encode(m)
	return []storage.Write{put(id, storage.Delivery{QueuedAt: storage.Now(), Mail: &storage.Mail{
		UserID: to.UserID, To: to.Address, Language: to.Language, AcceptLanguage: observe.Clean(to.AcceptLanguage, maxAcceptLanguage), Zone: to.Zone,
		Message: encoded.Name, Sealed: o.config.Sealer.Seal(encoded.Values, []byte(id)), Until: encoded.Until,
	}})}
}

// maxAcceptLanguage bounds, in bytes, how much of a browser's languages is kept.
const maxAcceptLanguage = 100

// Notify returns the writes that tell a user what has happened to their account, in their language, else in that of
// acceptLanguage. There are none if there is no mail, or if the user has no address that they have proved.
func (o *Outbox) Notify(u *storage.User, acceptLanguage string, m mail.Message) []storage.Write {
	if !u.Profile.EmailVerified {
		return nil
	}
	return o.Mail(Recipient(u, acceptLanguage), m)
}

// Recipient is a user as the recipient of a mail, at the address that they have now.
func Recipient(u *storage.User, acceptLanguage string) mail.Recipient {
	return mail.Recipient{
		UserID: u.ID, Address: u.Profile.Email, Language: u.Profile.Locale, AcceptLanguage: acceptLanguage, Zone: u.Profile.Zoneinfo,
	}
}

// mails is the carrier of mails.
type mails struct{ *Config }

var _ carrier = mails{}

func (c mails) host(context.Context, *storage.Delivery) (string, error) {
	if c.Mail == nil {
		return "smtp", nil
	}
	return "smtp " + c.Mail.Transport().Host(), nil
}

func (c mails) patience() time.Duration {
	const margin = 15 * time.Second // to write down what came of an attempt
	if c.Mail == nil {
		return margin
	}
	return c.Mail.Transport().Patience() + margin
}

func (c mails) lastTry(d *storage.Delivery) time.Time { return d.QueuedAt.Add(c.GiveUpMailAfter) }

// try sends a mail. Every attempt sends the same one, with the same Message-ID.
func (c mails) try(ctx context.Context, id string, d *storage.Delivery) result {
	m := d.Mail
	switch {
	case c.Mail == nil:
		return result{said: nothing, outcome: observe.DeliveryFailed, cause: errors.New("no mail is configured any more")}
	case !m.Until.IsZero() && time.Now().After(m.Until):
		return result{said: nothing, outcome: observe.DeliveryGivenUp, cause: because(d, "its link has expired")}
	}
	values, err := c.Sealer.Open(m.Sealed, []byte(id))
	if err != nil {
		return result{said: nothing, outcome: observe.DeliveryFailed, cause: fmt.Errorf("open: %w", err)}
	}
	message, err := mail.Decode(m.Message, values)
	if err != nil { // of a newer authzd, beside which this one runs
		return result{said: nothing, outcome: observe.DeliveryFailed, cause: err}
	}
	_, err = c.Mail.Send(ctx, mail.Envelope{ID: id, At: d.QueuedAt, To: mail.Recipient{
		UserID: m.UserID, Address: m.To, Language: m.Language, AcceptLanguage: m.AcceptLanguage, Zone: m.Zone,
	}}, message)
	var failure *mail.Error
	switch {
	case err == nil:
		return result{said: answered, outcome: observe.Delivered}
	case !errors.As(err, &failure):
		return result{said: failed, outcome: observe.DeliveryFailed, cause: err}
	case failure.Refused:
		return result{said: answered, outcome: observe.DeliveryRefused, code: failure.Code, cause: err}
	case failure.Answered:
		return result{said: answered, outcome: observe.DeliveryFailed, code: failure.Code, cause: err}
	}
	return result{said: failed, outcome: observe.DeliveryFailed, code: failure.Code, cause: err}
}

// because is a reason to give up, with the failure before it.
func because(d *storage.Delivery, reason string) error {
	if d.Cause == "" {
		return errors.New(reason)
	}
	return errors.New(reason + "; before: " + d.Cause)
}

// report names no address in the log: operators see it in List.
func (c mails) report(ctx context.Context, d *storage.Delivery, r result) {
	c.Observer.CountMail(r.outcome)
	if r.cause != nil {
		r.cause = errors.New(strings.ReplaceAll(r.cause.Error(), d.Mail.To, "(the address)"))
	}
	report(ctx, c.Config, "mail", observe.MailUndelivered, r,
		slog.String("mail", d.Mail.Message), slog.String("sub", d.Mail.UserID), slog.Int("attempt", d.Attempts))
}

func (c mails) lost(ctx context.Context, d *storage.Delivery, r result) []storage.Write {
	if c.MailLost == nil {
		return nil
	}
	return c.MailLost(ctx, d.Mail, r.outcome, r.code)
}
