package mail

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"github.com/authzd/authzd/authz/weburl"
)

// The ways to encrypt a connection to an SMTP server.
const (
	StartTLS = "starttls" // demanded of the server: it is never left out in silence
	TLS      = "tls"      // from the first byte (RFC 8314 section 3.3)
	NoTLS    = "none"
)

// defaultTimeout is how long one attempt may take.
const defaultTimeout = 30 * time.Second

// SMTP sends each mail to a server of the operator's, which takes it further.
type SMTP struct {
	Server   string // name or address
	Port     int
	TLS      string         // StartTLS, TLS or NoTLS
	RootCAs  *x509.CertPool // nil: the system's
	Username string         // empty: no sign-in
	Password string
	Helo     string        // what this machine is called: a host name
	Timeout  time.Duration // for all of one attempt; 0: 30 seconds
}

var _ Transport = (*SMTP)(nil)

// Host implements Transport.
func (s *SMTP) Host() string { return net.JoinHostPort(s.Server, strconv.Itoa(s.Port)) }

// Patience implements Transport.
func (s *SMTP) Patience() time.Duration {
	if s.Timeout > 0 {
		return s.Timeout
	}
	return defaultTimeout
}

// Send implements Transport. One connection sends one mail.
func (s *SMTP) Send(ctx context.Context, m *Mail) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, s.Patience())
	defer cancel()
	message, err := m.bytes()
	if err != nil {
		return "", &Error{Step: "write", Refused: true, Err: err}
	}
	conn := &connection{SMTP: s}
	defer conn.close()
	if err := conn.open(ctx); err != nil {
		return "", failure(ctx, "connect", err)
	}
	if err := conn.signIn(); err != nil {
		return "", failure(ctx, "sign in", err)
	}
	if utf8, _ := conn.session.Extension("SMTPUTF8"); !utf8 && !isASCII(m.To.Address) {
		return "", &Error{Step: "send", Refused: true, Err: errors.New("the server takes no address with letters other than those of ASCII")}
	}
	if err := conn.session.Mail(m.From.Address); err != nil {
		return "", failure(ctx, "send", err)
	}
	answer, err := conn.hand(m.To.Address, message)
	if err != nil {
		return "", failure(ctx, "send", err).aboutMail()
	}
	return answer, nil
}

func isASCII(s string) bool { return !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 }) }

// connection is one connection to the server. It is cut when the context of open ends.
type connection struct {
	*SMTP
	client  *gomail.Client
	session *smtp.Client
	conn    net.Conn
	stop    func() bool
}

// open connects, greets, and encrypts.
func (c *connection) open(ctx context.Context) (err error) {
	config := &tls.Config{ServerName: c.Server, RootCAs: c.RootCAs, MinVersion: tls.VersionTLS12}
	options := []gomail.Option{
		gomail.WithPort(c.Port), gomail.WithTimeout(c.Patience()), gomail.WithHELO(c.Helo), gomail.WithTLSConfig(config), gomail.WithoutNoop(),
		gomail.WithTLSPolicy(gomail.NoTLS),
		gomail.WithDialContextFunc(func(dialling context.Context, network, address string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(dialling, network, address)
			if err != nil {
				return nil, err
			}
			c.conn = conn
			c.stop = context.AfterFunc(ctx, func() { conn.Close() })
			if c.TLS == TLS {
				return tls.Client(conn, config), nil
			}
			return conn, nil
		}),
	}
	if c.TLS == StartTLS {
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	if c.client, err = gomail.NewClient(c.Server, options...); err != nil {
		return err
	}
	c.session, err = c.client.DialToSMTPClientWithContext(ctx)
	return err
}

// signIn authenticates by the best mechanism that both sides know. The password goes over an encrypted connection, or
// to this machine, or not at all.
func (c *connection) signIn() error {
	if c.Username == "" {
		return nil
	}
	_, offered := c.session.Extension("AUTH")
	mechanisms := strings.Fields(offered)
	_, err := c.session.GetTLSConnectionState()
	private := err == nil || weburl.IsLoopback(c.Server)
	for _, m := range []struct {
		name  string
		plain bool // everybody who can read the connection sees the password
		auth  smtp.Auth
	}{
		{"SCRAM-SHA-256", false, smtp.ScramSHA256Auth(c.Username, c.Password)},
		{"PLAIN", true, smtp.PlainAuth("", c.Username, c.Password, c.Server, private)},
		{"LOGIN", true, smtp.LoginAuth(c.Username, c.Password, c.Server, private)},
		{"CRAM-MD5", true, smtp.CRAMMD5Auth(c.Username, c.Password)},
	} {
		if slices.Contains(mechanisms, m.name) && (private || !m.plain) {
			return c.session.Auth(m.auth)
		}
	}
	return errors.New("the server offers no way to sign in that authzd uses: " + offered)
}

// hand gives a mail to the server, and returns its answer.
func (c *connection) hand(to string, message []byte) (string, error) {
	if err := c.session.Rcpt(to); err != nil {
		return "", err
	}
	w, err := c.session.Data()
	if err != nil {
		return "", err
	}
	if _, err := w.Write(message); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	if closer, ok := w.(*smtp.DataCloser); ok {
		return closer.ServerResponse(), nil
	}
	return "", nil
}

// close says goodbye, and cuts the connection.
func (c *connection) close() {
	if c.session != nil {
		_ = c.session.Quit() // the mail has been accepted, or not
	}
	if c.stop != nil {
		c.stop()
		_ = c.conn.Close()
	}
}

// randomBoundary is a boundary of the library's choice: 240 random bits, which are nowhere else in a mail.
var randomBoundary = regexp.MustCompile(`boundary=([0-9a-f]{60})\r\n`)

// bytes returns a mail as it is sent. Nothing in it differs between two attempts: the library's boundaries, which it
// chooses at random, are replaced.
func (m *Mail) bytes() ([]byte, error) {
	msg, err := m.message()
	if err != nil {
		return nil, err
	}
	var written bytes.Buffer
	if _, err := msg.WriteTo(&written); err != nil {
		return nil, err
	}
	id, _, _ := strings.Cut(m.ID, "@")
	sent := written.Bytes()
	for i, boundary := range randomBoundary.FindAllSubmatch(sent, -1) {
		sent = bytes.ReplaceAll(sent, bytes.Clone(boundary[1]), fmt.Appendf(nil, "authzd-%d-%s", i, id))
	}
	return sent, nil
}

// message returns a mail as the library has it: the text, then the HTML with its pictures.
func (m *Mail) message() (*gomail.Msg, error) {
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	if err := msg.FromFormat(m.From.Name, m.From.Address); err != nil {
		return nil, err
	}
	if err := msg.To(m.To.Address); err != nil {
		return nil, err
	}
	msg.SetMessageIDWithValue(m.ID)
	msg.SetDateWithValue(m.Date)
	msg.Subject(m.Subject)
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834 section 5
	msg.SetGenHeader("X-Auto-Response-Suppress", "All")
	msg.SetGenHeader("Content-Language", m.Language)
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	for _, p := range m.Pictures {
		_, kind, _ := strings.Cut(p.ContentType, "/")
		name, _, _ := strings.Cut(p.ID, "@")
		err := msg.EmbedReader(name+"."+kind, bytes.NewReader(p.Content),
			gomail.WithFileContentID("<"+p.ID+">"), gomail.WithFileContentType(gomail.ContentType(p.ContentType)))
		if err != nil {
			return nil, err
		}
	}
	return msg, nil
}
