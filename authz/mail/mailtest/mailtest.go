// Package mailtest is an SMTP server for tests. It takes mails, and refuses them as a test says.
package mailtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	netmail "net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// Config says what a Server does. The zero Config is a server that offers STARTTLS and takes every mail.
type Config struct {
	PlainOnly bool // it offers no STARTTLS
	TLS       bool // it speaks TLS from the first byte
	UTF8      bool // it takes addresses with letters other than those of ASCII

	Username, Password string // it takes no mail without these; empty: it takes it from everybody

	// Recipient is called with each recipient, and Text with each mail that has arrived, both with their number from 1. An
	// *smtp.SMTPError is the answer. nil: everything is taken.
	Recipient func(n int, address string) error
	Text      func(n int, m Mail) error
}

// Mail is a mail that a Server got, taken or not.
type Mail struct {
	From, To string // of the envelope
	TLS      bool   // it came over an encrypted connection
	Data     string
}

// Header returns a field of the mail, "" if there is none.
func (m Mail) Header(name string) string {
	parsed, err := netmail.ReadMessage(strings.NewReader(m.Data))
	if err != nil {
		return ""
	}
	return parsed.Header.Get(name)
}

// Server is an SMTP server on a loopback address.
type Server struct {
	Port  int
	Roots *x509.CertPool // the authority of its certificate, which is for 127.0.0.1

	config   Config
	smtp     *smtp.Server
	mu       sync.Mutex
	rcpts    int
	received []Mail
	taken    []Mail
}

// Host is the address of every Server.
const Host = "127.0.0.1"

// Answer is an answer of an SMTP server.
func Answer(code int, text string) error {
	return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 0, 0}, Message: text}
}

// Start starts a server, which ends with the test.
func Start(t testing.TB, c Config) *Server {
	t.Helper()
	listener, err := net.Listen("tcp", Host+":0")
	if err != nil {
		t.Fatal(err)
	}
	return Serve(t, listener, c)
}

// Serve is Start at a listener.
func Serve(t testing.TB, listener net.Listener, c Config) *Server {
	t.Helper()
	s, stop, err := serve(listener, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return s
}

// Open is Start for tests that share a server. It ends with the process.
func Open(c Config) (*Server, error) {
	listener, err := net.Listen("tcp", Host+":0")
	if err != nil {
		return nil, err
	}
	s, _, err := serve(listener, c)
	return s, err
}

func serve(listener net.Listener, c Config) (s *Server, stop func(), err error) {
	certificate, roots, err := newCertificate()
	if err != nil {
		return nil, nil, err
	}
	s = &Server{Port: listener.Addr().(*net.TCPAddr).Port, Roots: roots, config: c}
	s.smtp = smtp.NewServer(s)
	s.smtp.Domain, s.smtp.EnableSMTPUTF8, s.smtp.AllowInsecureAuth = Host, c.UTF8, c.PlainOnly
	s.smtp.ErrorLog = quiet{}
	config := &tls.Config{Certificates: []tls.Certificate{certificate}}
	if c.TLS {
		listener = tls.NewListener(listener, config)
	} else if !c.PlainOnly {
		s.smtp.TLSConfig = config
	}
	var running sync.WaitGroup
	running.Go(func() { _ = s.smtp.Serve(listener) }) // an error says that it was closed
	return s, func() {
		_ = s.smtp.Close()
		_ = listener.Close() // Serve may not have begun yet
		running.Wait()
	}, nil
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

// Taken returns the mails that the server has taken, the oldest first.
func (s *Server) Taken() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Mail(nil), s.taken...)
}

// Received returns the mails that have arrived, taken or not.
func (s *Server) Received() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Mail(nil), s.received...)
}

// NewSession implements smtp.Backend.
func (s *Server) NewSession(c *smtp.Conn) (smtp.Session, error) {
	return &session{server: s, conn: c, signedIn: s.config.Username == ""}, nil
}

type session struct {
	server   *Server
	conn     *smtp.Conn
	signedIn bool
	mail     Mail
}

// AuthMechanisms implements smtp.AuthSession.
func (s *session) AuthMechanisms() []string {
	if s.server.config.Username == "" {
		return nil
	}
	return []string{sasl.Plain}
}

// Auth implements smtp.AuthSession.
func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, username, password string) error {
		if username != s.server.config.Username || password != s.server.config.Password {
			return Answer(535, "authentication failed")
		}
		s.signedIn = true
		return nil
	}), nil
}

// Mail implements smtp.Session.
func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if !s.signedIn {
		return Answer(530, "sign in first")
	}
	_, encrypted := s.conn.TLSConnectionState()
	s.mail = Mail{From: from, TLS: encrypted}
	return nil
}

// Rcpt implements smtp.Session.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.mail.To = to
	if s.server.config.Recipient == nil {
		return nil
	}
	s.server.mu.Lock()
	s.server.rcpts++
	n := s.server.rcpts
	s.server.mu.Unlock()
	return s.server.config.Recipient(n, to)
}

// Data implements smtp.Session.
func (s *session) Data(r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	m := s.mail
	m.Data = string(data)
	s.server.mu.Lock()
	s.server.received = append(s.server.received, m)
	n := len(s.server.received)
	s.server.mu.Unlock()
	if s.server.config.Text != nil {
		if err := s.server.config.Text(n, m); err != nil {
			return err
		}
	}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.taken = append(s.server.taken, m)
	return nil
}

// Reset implements smtp.Session.
func (s *session) Reset() {}

// Logout implements smtp.Session.
func (s *session) Logout() error { return nil }

// newCertificate makes a certificate for Host, and the pool that trusts it.
func newCertificate() (tls.Certificate, *x509.CertPool, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.ParseIP(Host)}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(certificate)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots, nil
}
