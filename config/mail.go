package config

import (
	netmail "net/mail"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/authzd/authzd/authz/member"
	"github.com/authzd/authzd/authz/weburl"
)

// Mail is how mails to people are sent. Without it, nothing that needs mail is offered. "authzd serve --dev" sends none:
// it shows them at /dev/mail.
type Mail struct {
	// SMTP is the server that takes the mails.
	SMTP SMTP `yaml:"smtp"`

	// From is the mailbox that mails come from (RFC 5322 section 3.4), such as "Example <id@example.com>".
	// Without a name it gets branding.name. It is required with smtp.host.
	From string `yaml:"from"`
}

// SMTP is a mail server.
type SMTP struct {
	// Host is its name or address. Its certificate may be of an authority in outbound.ca_file. Default: none, and there
	// is no mail.
	Host string `yaml:"host"`

	// Port is its port. Default: 587 with tls: starttls, 465 with tls: tls, 25 with tls: none.
	Port *int `yaml:"port"`

	// TLS is how the connection is encrypted: starttls (the server must offer it), tls (from the first
	// byte), or none, for a server on this machine.
	TLS string `yaml:"tls" enum:"starttls,tls,none"`

	// Username signs in to the server. Default: none, and authzd does not sign in.
	Username string `yaml:"username"`

	// Password is the password of the username.
	Password member.Secret `yaml:"password"`

	// Timeout is how long one attempt may take, from connecting to the server's answer, 1s to 50s. A mail that
	// could not be sent is tried again, for 72 hours.
	Timeout time.Duration `yaml:"timeout"`
}

// On reports whether there is a mail server.
func (m *Mail) On() bool { return m.SMTP.Host != "" }

func (l *loader) completeMail(m *Mail) {
	fill(l, "mail.smtp.tls", &m.SMTP.TLS, "starttls")
	port := map[string]int{"starttls": 587, "tls": 465, "none": 25}[m.SMTP.TLS]
	fill(l, "mail.smtp.port", &m.SMTP.Port, &port)
	fill(l, "mail.smtp.timeout", &m.SMTP.Timeout, 30*time.Second)
}

// smtpHost is a host name or an IPv4 address; an IPv6 address is checked apart.
var smtpHost = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$|^[0-9a-fA-F:]+:[0-9a-fA-F:.]*$`)

func (l *loader) checkMail() {
	const at = "mail.smtp"
	m := &l.cfg.Mail
	s := &m.SMTP
	switch {
	case s.Host == "" && (s.Username != "" || s.Password != "" || m.From != ""):
		l.report(at+".host", nil, problemf("set it to the mail server, or remove mail", "is required with mail.from and with a username"))
	case s.Host == "": // port, tls and timeout have their defaults in what "config print" shows
		return
	case !smtpHost.MatchString(s.Host):
		l.report(at+".host", s.Host, problemf("write a name such as smtp.example.com, and the port at its own key", "not a host"))
	}
	if l.given(at+".port") && (*s.Port < 1 || *s.Port > 65535) {
		l.report(at+".port", *s.Port, problemf("remove it for the default", "must be from 1 to 65535"))
	}
	switch {
	case s.Username == "" && s.Password != "":
		l.report(at+".username", nil, problemf("set it, or remove the password", "is required with a password"))
	case s.Username != "" && !l.given(at+".password"):
		l.report(at+".password", nil, problemf("set password or password_file, or remove the username", "is required with a username"))
	case s.Username != "" && s.TLS == "none" && !weburl.IsLoopback(s.Host):
		l.report(at+".tls", s.TLS, problemf("use starttls or tls", "would send the password over the network for others to read"))
	}
	l.checkTime(at+".timeout", s.Timeout, time.Second, 50*time.Second)
	l.report("mail.from", m.From, fromFlaw(m.From))
}

// fromFlaw returns what is wrong with the mailbox that mails come from.
func fromFlaw(from string) *member.Flaw {
	if from == "" {
		return problemf(`write it like "Example <id@example.com>"`, "is required with mail.smtp.host")
	}
	parsed, err := netmail.ParseAddress(from)
	if err != nil || strings.ContainsFunc(from+parsed.Name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return problemf(`write it like "Example <id@example.com>"`, "not a mailbox")
	}
	if parsed.Name != "" {
		return member.LabelFlaw(parsed.Name)
	}
	return nil
}

// warnOfMail is for mails that others can read on their way, and for those that nobody gets.
func (l *loader) warnOfMail() {
	s := l.cfg.Mail.SMTP
	switch {
	case s.Host == "":
	case l.dev:
		l.note(&l.cfg.Warnings, "mail.smtp.host", s.Host, problemf("read the mails at /dev/mail", "is not used: serve --dev sends no mail"))
	case s.TLS == "none" && !weburl.IsLoopback(s.Host):
		l.note(&l.cfg.Warnings, "mail.smtp.tls", s.TLS, problemf("use starttls or tls",
			"others on the network can read the mails, and the links in them that let their readers in"))
	}
}
