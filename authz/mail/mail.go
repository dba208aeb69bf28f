// Package mail writes mails to people and sends them. It knows no store: package outbox keeps mails until they have
// arrived.
//
//	a Message: ResetPassword, PasswordChanged, … (messages.go)
//	   -> Encode, Decode: as the outbox stores it
//	   -> Office.Send: Letter (templates: texts in the recipient's language) -> Mail -> Transport: SMTP, or a Box
//
// Links begin with the issuer, for any Host of a request: a Message has the path only. Text that a person has
// chosen, such as the name of a passkey, is cleaned (clean), and is in no header. A mail to an address that nobody has
// proved yet has no such text at all, so that nobody can send their own words to strangers through this server.
package mail

import (
	"context"
	"errors"
	"fmt"
	netmail "net/mail"
	"net/url"
	"strings"
	"time"

	"github.com/authzd/authzd/templates"
)

// Config is the input of New.
type Config struct {
	// Issuer is what links begin with.
	Issuer   string
	Branding templates.Branding
	// From is the mailbox that mails come from (RFC 5322 section 3.4), such as "Example <id@example.com>". Without a
	// name, that of the branding is used.
	From string
	// Transport sends them: SMTP, or a Box that keeps them.
	Transport Transport
}

// Transport takes mails to their recipients.
type Transport interface {
	// Send sends a mail, and returns what the server answered. The error is an *Error. It takes at most as long as
	// Patience.
	Send(ctx context.Context, m *Mail) (answer string, err error)
	// Patience is how long Send may take.
	Patience() time.Duration
	// Host is the host and port of the server.
	Host() string
}

// Office writes mails and sends them. It is safe for concurrent use.
type Office struct {
	config  Config
	from    netmail.Address
	letters *templates.Letters
}

// New returns an office. The error says what is wrong with From.
func New(c Config) (*Office, error) {
	from, err := netmail.ParseAddress(c.From)
	if err != nil {
		return nil, fmt.Errorf("from: %w", err)
	}
	issuer, err := url.Parse(c.Issuer)
	if err != nil {
		return nil, fmt.Errorf("issuer: %w", err)
	}
	if from.Name == "" {
		from.Name = c.Branding.Name
	}
	letters, err := templates.NewLetters(issuer.Host, c.Branding)
	if err != nil {
		return nil, err
	}
	return &Office{config: c, from: *from, letters: letters}, nil
}

// Recipient is who gets a mail, and how they read it.
type Recipient struct {
	UserID  string // whom it is about; empty: nobody who has an account
	Address string

	// Language is the user's locale, a BCP 47 tag; AcceptLanguage is that of the request, for a user without a locale.
	// Empty: English.
	Language, AcceptLanguage string
	// Zone is the user's time zone, such as Europe/Berlin. Empty or unknown: UTC.
	Zone string
}

// Envelope is what a mail has beside its message.
type Envelope struct {
	ID string // the left part of its Message-ID: that of the first attempt
	At time.Time
	To Recipient
}

// Mail is a mail as it is sent.
type Mail struct {
	Message  string // such as reset_password
	ID       string // Message-ID, without the angle brackets
	From, To netmail.Address
	Date     time.Time
	templates.LetterText

	Link, Code string // as the text has them; empty: there is none
}

// Transport returns what sends the mails.
func (o *Office) Transport() Transport { return o.config.Transport }

// Send writes a mail and sends it. It returns the server's answer. The error is an *Error.
func (o *Office) Send(ctx context.Context, e Envelope, message Message) (answer string, err error) {
	m, err := o.write(e, message)
	if err != nil {
		return "", &Error{Step: "write", Refused: true, Err: err}
	}
	return o.config.Transport.Send(ctx, m)
}

// write returns the mail of a message.
func (o *Office) write(e Envelope, message Message) (*Mail, error) {
	to, err := ParseAddress(e.To.Address)
	if err != nil {
		return nil, err
	}
	letter := message.letter()
	letter.Message = message.name()
	if letter.Link != "" {
		if !strings.HasPrefix(letter.Link, "/") {
			return nil, errors.New("a link that does not begin with a slash")
		}
		letter.Link = o.config.Issuer + letter.Link
	}
	if zone, err := time.LoadLocation(e.To.Zone); err == nil && e.To.Zone != "Local" {
		letter.Zone = zone
	}
	text, err := o.letters.Write(e.To.Language, e.To.AcceptLanguage, letter)
	if err != nil {
		return nil, err
	}
	_, domain, _ := strings.Cut(o.from.Address, "@")
	return &Mail{
		Message: letter.Message, ID: e.ID + "@" + domain, From: o.from, To: netmail.Address{Address: to}, Date: e.At.UTC(),
		LetterText: *text, Link: letter.Link, Code: letter.Code,
	}, nil
}
