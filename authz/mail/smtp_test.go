package mail_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"image"
	"image/png"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/authz/mail"
	"github.com/authzd/authzd/authz/mail/mailtest"
	"github.com/authzd/authzd/templates"
)

// newSMTP is a transport to a server of a test.
func newSMTP(s *mailtest.Server) *mail.SMTP {
	return &mail.SMTP{Server: mailtest.Host, Port: s.Port, TLS: mail.StartTLS, RootCAs: s.Roots, Helo: "id.example.com", Timeout: time.Minute}
}

func newOffice(t testing.TB, transport mail.Transport) *mail.Office {
	t.Helper()
	office, err := mail.New(mail.Config{
		Issuer: "https://id.example.com/auth", From: "noreply@example.com", Transport: transport,
		Branding: templates.Branding{Name: "Exämple, Ltd."},
	})
	if err != nil {
		t.Fatal(err)
	}
	return office
}

var (
	at       = time.Date(2026, 11, 29, 22, 5, 0, 0, time.UTC)
	envelope = mail.Envelope{ID: "b2Vp-_x", At: at, To: mail.Recipient{Address: "alice@example.com"}}
	reset    = mail.ResetPassword{Proof: mail.Proof{Link: "/reset?token=abc&x=1", Until: at.Add(time.Hour), Code: "12345678", CodeUntil: at.Add(10 * time.Minute)}}
)

// parts returns the decoded text and HTML of a mail.
func parts(t testing.TB, data string) (text, html string) {
	t.Helper()
	message, err := netmail.ReadMessage(strings.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	media, params, err := mime.ParseMediaType(message.Header.Get("Content-Type"))
	if err != nil || media != "multipart/alternative" {
		t.Fatalf("%s, %v", media, err)
	}
	var bodies []string
	for reader := multipart.NewReader(message.Body, params["boundary"]); ; {
		part, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, part.Header.Get("Content-Type")+"\n"+string(body))
	}
	if len(bodies) != 2 || !strings.HasPrefix(bodies[0], "text/plain") || !strings.HasPrefix(bodies[1], "text/html") {
		t.Fatalf("parts: %v", bodies)
	}
	return bodies[0], bodies[1]
}

// A mail has its text first, then HTML, and the headers of a mail that nobody answers. Every attempt sends the same.
func TestSend(t *testing.T) {
	t.Parallel()
	s := mailtest.Start(t, mailtest.Config{Username: "authzd", Password: "sécret"})
	transport := newSMTP(s)
	transport.Username, transport.Password = "authzd", "sécret"
	office := newOffice(t, transport)
	for range 2 {
		answer, err := office.Send(t.Context(), envelope, reset)
		if err != nil || !strings.HasPrefix(answer, "2") {
			t.Fatalf("%q, %v", answer, err)
		}
	}
	taken := s.Taken()
	if len(taken) != 2 || taken[0] != taken[1] {
		t.Fatalf("two attempts differ:\n%+v", taken)
	}
	m := taken[0]
	if m.From != "noreply@example.com" || m.To != "alice@example.com" || !m.TLS {
		t.Errorf("envelope %+v", m)
	}
	for name, want := range map[string]string{
		"To": "<alice@example.com>", "Message-ID": "<b2Vp-_x@example.com>",
		"Date": "Sun, 29 Nov 2026 22:05:00 +0000", "Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All",
		"Content-Language": "en", "Mime-Version": "1.0", "User-Agent": "", "X-Mailer": "", "List-Unsubscribe": "", "Precedence": "",
	} {
		if got := m.Header(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if from, err := netmail.ParseAddress(m.Header("From")); err != nil || *from != (netmail.Address{Name: "Exämple, Ltd.", Address: "noreply@example.com"}) {
		t.Errorf("from %v, %v", from, err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header("Subject"))
	if err != nil || subject != "Choose a new password for Exämple, Ltd." {
		t.Errorf("subject %q, %v", subject, err)
	}
	text, html := parts(t, m.Data)
	for _, want := range []string{
		"https://id.example.com/auth/reset?token=abc&x=1\r\n", "\r\n    12345678\r\n", "until 29 November 2026, 23:05 UTC.", "until 29 November 2026, 22:15 UTC:", "id.example.com",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the text lacks %q:\n%s", want, text)
		}
	}
	for _, want := range []string{`href="https://id.example.com/auth/reset?token=abc&amp;x=1"`, ">12345678<", `lang="en"`} {
		if !strings.Contains(html, want) {
			t.Errorf("the HTML lacks %q:\n%s", want, html)
		}
	}
	for _, never := range []string{"<img", "src=", "http://", "<script", "url("} { // nothing tells the sender that it was read
		if strings.Contains(html, never) {
			t.Errorf("the HTML has %s", never)
		}
	}
}

// picture writes a PNG of this many bytes at least, and returns its name.
func picture(t testing.TB, name string, size int) string {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 2, 2))); err != nil {
		t.Fatal(err)
	}
	b.Write(bytes.Repeat([]byte{0}, max(0, size-b.Len())))
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// related returns the parts of a mail with pictures: the alternative of text and HTML, and the pictures by Content-ID.
func related(t testing.TB, data string) (alternative string, pictures map[string]string) {
	t.Helper()
	message, err := netmail.ReadMessage(strings.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	media, params, err := mime.ParseMediaType(message.Header.Get("Content-Type"))
	if err != nil || media != "multipart/related" {
		t.Fatalf("%s, %v", media, err)
	}
	pictures = map[string]string{}
	for reader := multipart.NewReader(message.Body, params["boundary"]); ; {
		part, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) {
			return alternative, pictures
		} else if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(part)
		if err != nil {
			t.Fatal(err)
		}
		if alternative == "" {
			alternative = "Content-Type: " + part.Header.Get("Content-Type") + "\r\n\r\n" + string(body)
			continue
		}
		if kind := part.Header.Get("Content-Disposition"); !strings.HasPrefix(kind, "inline") || part.Header.Get("Content-Transfer-Encoding") != "base64" {
			t.Errorf("picture: %v", part.Header)
		}
		content, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(string(body), "\r\n", ""))
		if err != nil {
			t.Fatal(err)
		}
		pictures[strings.Trim(part.Header.Get("Content-ID"), "<>")] = string(content)
	}
}

// A mail carries the logo, that of dark mode too, and shows nothing from elsewhere. Every attempt sends the same. A logo
// that mails can't show, or that is large, stays out, and the name stands for it.
func TestSendWithLogo(t *testing.T) {
	t.Parallel()
	vector := filepath.Join(t.TempDir(), "logo.svg")
	if err := os.WriteFile(vector, []byte("<svg/>"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := mailtest.Start(t, mailtest.Config{PlainOnly: true})
	transport := newSMTP(s)
	transport.TLS = mail.NoTLS
	day, night := picture(t, "day.png", 0), picture(t, "night.png", 64<<10)
	for name, tt := range map[string]struct {
		light, dark string
		pictures    int
	}{
		"light": {day, "", 1}, "both": {day, night, 2}, "an SVG": {vector, day, 0}, "an SVG in dark mode": {day, vector, 1}, "too large": {picture(t, "a.png", 64<<10+1), "", 0},
	} {
		office, err := mail.New(mail.Config{
			Issuer: "https://id.example.com", From: "noreply@example.com", Transport: transport,
			Branding: templates.Branding{Name: `A "B" & C`, LogoFile: tt.light, LogoDarkFile: tt.dark},
		})
		if err != nil {
			t.Fatal(err)
		}
		before := len(s.Taken())
		for range 2 {
			if _, err := office.Send(t.Context(), envelope, reset); err != nil {
				t.Fatal(err)
			}
		}
		taken := s.Taken()[before:]
		if taken[0] != taken[1] {
			t.Errorf("%s: two attempts differ", name)
		}
		alternative, pictures := taken[0].Data, map[string]string{}
		if tt.pictures > 0 {
			alternative, pictures = related(t, taken[0].Data)
		}
		text, html := parts(t, alternative)
		if len(pictures) != tt.pictures || strings.Count(html, "<img") != tt.pictures || strings.Count(html, `alt="A &#34;B&#34; &amp; C"`) != tt.pictures || strings.Contains(text, "cid:") {
			t.Errorf("%s: %d pictures, want %d:\n%s", name, len(pictures), tt.pictures, html)
		}
		if shown := strings.Contains(html, `<p class="brand">A &#34;B&#34; &amp; C</p>`); shown != (tt.pictures == 0) {
			t.Errorf("%s: the name is shown: %v", name, shown)
		}
		for i, content := range slices.Sorted(maps.Values(pictures)) {
			if want, err := os.ReadFile([]string{tt.light, tt.dark}[i]); err != nil || content != string(want) {
				t.Errorf("%s: picture %d has %d bytes, want %d, %v", name, i, len(content), len(want), err)
			}
		}
		for id := range pictures {
			if !strings.Contains(html, `src="cid:`+id+`"`) {
				t.Errorf("%s: the HTML does not show %s:\n%s", name, id, html)
			}
		}
		if strings.Count(html, "src=") != tt.pictures || strings.Contains(html, "url(") || strings.Contains(html, "srcset") {
			t.Errorf("%s: the HTML loads something:\n%s", name, html)
		}
	}
}

// The ways to encrypt, each with a server that speaks it.
func TestSendEncrypted(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		server mailtest.Config
		tls    string
		secure bool
	}{
		"starttls": {mailtest.Config{}, mail.StartTLS, true},
		"tls":      {mailtest.Config{TLS: true, Username: "authzd", Password: "pw"}, mail.TLS, true},
		"none":     {mailtest.Config{PlainOnly: true, Username: "authzd", Password: "pw"}, mail.NoTLS, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := mailtest.Start(t, tt.server)
			transport := newSMTP(s)
			transport.TLS, transport.Username, transport.Password = tt.tls, tt.server.Username, tt.server.Password
			if _, err := newOffice(t, transport).Send(t.Context(), envelope, reset); err != nil {
				t.Fatal(err)
			}
			if got := s.Taken(); len(got) != 1 || got[0].TLS != tt.secure {
				t.Errorf("%+v", got)
			}
		})
	}
}

// Nothing is sent unless the server proves who it is, and encrypts if that is demanded.
func TestSendNeverDowngrades(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		server mailtest.Config
		change func(*mail.SMTP)
		says   string
	}{
		"no STARTTLS":               {mailtest.Config{PlainOnly: true}, func(*mail.SMTP) {}, "does not support STARTTLS"},
		"unknown authority":         {mailtest.Config{}, func(s *mail.SMTP) { s.RootCAs = x509.NewCertPool() }, "unknown authority"},
		"unknown authority, tls":    {mailtest.Config{TLS: true}, func(s *mail.SMTP) { s.TLS, s.RootCAs = mail.TLS, x509.NewCertPool() }, "unknown authority"},
		"another name":              {mailtest.Config{}, func(s *mail.SMTP) { s.Server = "localhost" }, "wanted to match localhost"},
		"STARTTLS where TLS is due": {mailtest.Config{}, func(s *mail.SMTP) { s.TLS = mail.TLS }, "TLS"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := mailtest.Start(t, tt.server)
			transport := newSMTP(s)
			transport.Username, transport.Password = "authzd", "secret"
			tt.change(transport)
			_, err := newOffice(t, transport).Send(t.Context(), envelope, reset)
			var failure *mail.Error
			if !errors.As(err, &failure) || failure.Step != "connect" || failure.Refused || failure.Answered || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%+v, want %q", err, tt.says)
			}
			if got := s.Received(); len(got) != 0 {
				t.Errorf("received %+v", got)
			}
		})
	}
}

// What failed decides whether another attempt makes sense.
func TestSendFails(t *testing.T) {
	t.Parallel()
	answer := func(code int) func(int, string) error {
		return func(int, string) error { return mailtest.Answer(code, "no") }
	}
	text := func(code int) func(int, mailtest.Mail) error {
		return func(int, mailtest.Mail) error { return mailtest.Answer(code, "no") }
	}
	for name, tt := range map[string]struct {
		server            mailtest.Config
		to                string
		step              string
		code              int
		refused, answered bool
	}{
		"wrong password":          {mailtest.Config{Username: "authzd", Password: "other"}, "", "sign in", 535, false, false},
		"recipient is unknown":    {mailtest.Config{Recipient: answer(550)}, "", "send", 550, true, true},
		"recipient, later":        {mailtest.Config{Recipient: answer(450)}, "", "send", 450, false, true},
		"text":                    {mailtest.Config{Text: text(554)}, "", "send", 554, true, true},
		"text, later":             {mailtest.Config{Text: text(451)}, "", "send", 451, false, true},
		"letters without UTF-8":   {mailtest.Config{}, "jürgen@example.com", "send", 0, true, false},
		"no address":              {mailtest.Config{}, "alice", "write", 0, true, false},
		"two lines":               {mailtest.Config{}, "alice@example.com\r\nRCPT TO:<bob@example.com>", "write", 0, true, false},
		"two recipients":          {mailtest.Config{}, "alice@example.com, bob@example.com", "write", 0, true, false},
		"a name with the address": {mailtest.Config{}, "Alice <alice@example.com>", "write", 0, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := mailtest.Start(t, tt.server)
			transport := newSMTP(s)
			if tt.server.Username != "" {
				transport.Username, transport.Password = "authzd", "secret"
			}
			e := envelope
			if tt.to != "" {
				e.To.Address = tt.to
			}
			_, err := newOffice(t, transport).Send(t.Context(), e, reset)
			var failure *mail.Error
			if !errors.As(err, &failure) {
				t.Fatal(err)
			}
			if failure.Step != tt.step || failure.Code != tt.code || failure.Refused != tt.refused || failure.Answered != tt.answered {
				t.Errorf("%+v", failure)
			}
			if got := s.Taken(); len(got) != 0 {
				t.Errorf("taken: %+v", got)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error has the password: %v", err)
			}
		})
	}
}

// A server that is down, or does not speak, holds nothing up for longer than the timeout.
func TestSendToASlowServer(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	transport := &mail.SMTP{Server: mailtest.Host, Port: listener.Addr().(*net.TCPAddr).Port, TLS: mail.StartTLS, Helo: "id.example.com", Timeout: 100 * time.Millisecond}
	_, err = newOffice(t, transport).Send(t.Context(), envelope, reset) // the connection is accepted by the system, and nobody greets
	var failure *mail.Error
	if !errors.As(err, &failure) || failure.Refused || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a silent server: %v", err)
	}
	hang := make(chan struct{})
	ctx, giveUp := context.WithCancel(t.Context())
	s := mailtest.Start(t, mailtest.Config{Text: func(int, mailtest.Mail) error { giveUp(); <-hang; return nil }})
	defer close(hang)
	transport = newSMTP(s)
	_, err = newOffice(t, transport).Send(ctx, envelope, reset)
	if !errors.As(err, &failure) || failure.Refused || failure.Step != "send" || !errors.Is(err, context.Canceled) {
		t.Errorf("a server that does not answer: %v", err)
	}
	transport = newSMTP(s)
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if _, err = newOffice(t, transport).Send(stopped, envelope, reset); !errors.Is(err, context.Canceled) {
		t.Errorf("a server that stops: %v", err)
	}
	listener.Close()
	transport.Port = listener.Addr().(*net.TCPAddr).Port
	if _, err = newOffice(t, transport).Send(t.Context(), envelope, reset); !errors.As(err, &failure) || failure.Step != "connect" || failure.Refused {
		t.Errorf("a server that is down: %v", err)
	}
}

// An address in another script reaches a server that takes it; its domain is sent in ASCII.
func TestSendInternational(t *testing.T) {
	t.Parallel()
	s := mailtest.Start(t, mailtest.Config{UTF8: true})
	e := envelope
	e.To.Address = "jürgen@bücher.example"
	if _, err := newOffice(t, newSMTP(s)).Send(t.Context(), e, reset); err != nil {
		t.Fatal(err)
	}
	if got := s.Taken(); len(got) != 1 || got[0].To != "jürgen@xn--bcher-kva.example" {
		t.Errorf("%+v", got)
	}
}
