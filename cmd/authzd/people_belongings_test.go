package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/factor"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/mail"
	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/storage"
)

// belongings are what people hold of a server, outside of its store.
type belongings struct {
	device   *authztest.Authenticator // Alice's
	app      []byte                   // the secret of Alice's authenticator app
	recovery []string                 // Alice's codes

	usedStep int64 // of the app's code that was used
	usedCode string
	usedLink string // Dave's; path and query
	link     string // Carol's

	session, remembered []*http.Cookie // of Alice's browsers
}

// post is a mail service that does not take the mails to one address for now.
type post struct {
	mail.Box
	away string
}

func (p *post) Send(ctx context.Context, m *mail.Mail) (string, error) {
	if m.To.Address == p.away {
		return "", &mail.Error{Step: "send", Code: 451, Answered: true, Err: errors.New("not now")}
	}
	return p.Box.Send(ctx, m)
}

// to waits for the newest mail to an address.
func (p *post) to(t *testing.T, address string) *mail.Mail {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); <-time.After(5 * time.Millisecond) {
		for _, m := range p.Mails() {
			if m.To.Address == address && m.Link != "" {
				return m
			}
		}
	}
	t.Fatalf("no mail to %s", address)
	return nil
}

// town is a server, its mails, and people who use it.
type town struct {
	*authztest.Server
	post *post
}

func openTown(t *testing.T, store storage.Store, secret *keys.Secret, away string) town {
	t.Helper()
	p := &post{away: away}
	c := authz.Config{Issuer: authztest.Localhost, Store: store, Secret: secret, Mail: authz.Mail{From: "id@example.com", Transport: p}}
	for _, name := range []string{"alice", "bob", "carol", "dave"} {
		c.Users = append(c.Users, users.User{Username: name, Password: authztest.Password, Email: name + "@example.com", EmailVerified: true})
	}
	return town{authztest.Start(t, c, nil), p}
}

// signIn sends Alice's password, and returns the page that it leads to.
func (s town) signIn(t *testing.T, b *authztest.Browser) *authztest.Page {
	t.Helper()
	return b.Follow(t, b.Get(t, s.URL+"/login?other=1").Submit(t, "login-submit", url.Values{"username": {"alice"}, "password": {authztest.Password}}))
}

// browser has cookies.
func (s town) browser(t *testing.T, cookies []*http.Cookie) *authztest.Browser {
	t.Helper()
	b := s.NewBrowser(t)
	b.HTTP.Jar.SetCookies(s.root(t), cookies)
	return b
}

func (s town) root(t *testing.T) *url.URL {
	t.Helper()
	root, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// cookies are those that a browser keeps.
func (s town) cookies(t *testing.T, b *authztest.Browser) []*http.Cookie {
	t.Helper()
	jar, _ := b.HTTP.Jar.(*cookiejar.Jar)
	return jar.Cookies(s.root(t))
}

func codes(text string) url.Values { return url.Values{"otp": {text}} }

// recover sends a recovery code after the password.
func (s town) recover(t *testing.T, b *authztest.Browser, code string) *authztest.Page {
	t.Helper()
	page := b.Get(t, s.signIn(t, b).Link("use-another-way"))
	return b.Follow(t, b.Get(t, page.Link("way-recovery")).Submit(t, "recovery-submit", url.Values{"recovery-code": {code}}))
}

// setPassword sends the form of a link.
func (s town) setPassword(t *testing.T, link string) *authztest.Page {
	t.Helper()
	b := s.NewBrowser(t)
	return b.Follow(t, b.Get(t, s.URL+link).Submit(t, "reset-submit", url.Values{"new-password": {"seven lobsters dance a quadrille"}}))
}

func (s town) askReset(t *testing.T, address string) {
	t.Helper()
	b := s.NewBrowser(t)
	b.Follow(t, b.Get(t, s.URL+"/reset").Submit(t, "reset-submit", url.Values{"email": {address}}))
}

func isIn(page *authztest.Page) bool {
	return page.URL.Path == "/account" && page.Status == http.StatusOK
}

// getTogether runs a server on a new store, and lets people come by what they hold.
func getTogether(t *testing.T, store storage.Store, secret *keys.Secret) (held belongings) {
	s := openTown(t, store, secret, "bob@example.com")
	b := s.NewBrowser(t)
	s.signIn(t, b)
	page := b.Get(t, s.URL+"/account/factors/app")
	var err error
	if held.app, err = factor.ReadSecret(page.Text("totp-secret")); err != nil {
		t.Fatal(err)
	}
	for range 2 { // a code of before, so that that of now is left; it may be too old by the time that it arrives
		if page.Has("otp-submit") {
			page = b.Do(t, page.Submit(t, "otp-submit", codes(factor.Code(held.app, time.Now().Add(-30*time.Second)))))
		}
	}
	if held.recovery = strings.Fields(page.Text("recovery-codes")); len(held.recovery) != 10 {
		t.Fatalf("%d recovery codes: %d %.300s", len(held.recovery), page.Status, page.Body)
	}
	held.device = &authztest.Authenticator{Origin: s.URL}
	page = b.Get(t, s.URL+"/account/passkeys")
	if page = b.Follow(t, page.Passkey(t, "passkey-add", held.device.Create(t, page.Asked(t, "passkey-add")))); !page.Has("passkey-added") {
		t.Fatalf("no passkey: %d %.300s", page.Status, page.Body)
	}
	held.session = s.cookies(t, b)

	device := s.NewBrowser(t)
	now := time.Now()
	held.usedStep, held.usedCode = now.Unix()/30, factor.Code(held.app, now)
	fields := codes(held.usedCode)
	fields.Set("remember-me", "true")
	if page = device.Follow(t, s.signIn(t, device).Submit(t, "otp-submit", fields)); !isIn(page) {
		t.Fatalf("the code leads to %s: %.300s", page.URL, page.Body)
	}
	held.remembered = s.cookies(t, device)
	if page = s.recover(t, s.NewBrowser(t), held.recovery[0]); !isIn(page) {
		t.Fatalf("the recovery code leads to %s: %.300s", page.URL, page.Body)
	}
	for _, name := range []string{"dave", "carol", "bob"} {
		s.askReset(t, name+"@example.com")
	}
	held.usedLink = strings.TrimPrefix(s.post.to(t, "dave@example.com").Link, s.URL)
	held.link = strings.TrimPrefix(s.post.to(t, "carol@example.com").Link, s.URL)
	if page = s.setPassword(t, held.usedLink); page.Status != http.StatusOK {
		t.Fatalf("Dave's link: %d", page.Status)
	}
	return held
}

// work runs a server on a copy of the store, and lets people use what they hold.
func (held belongings) work(t *testing.T, store storage.Store, secret *keys.Secret) {
	s := openTown(t, store, secret, "")
	waited := s.post.to(t, "bob@example.com")
	for name, link := range map[string]string{"Bob": strings.TrimPrefix(waited.Link, s.URL), "Carol": held.link} {
		if page := s.setPassword(t, link); page.Status != http.StatusOK || !page.Has("notice") {
			t.Errorf("%s's link: %d", name, page.Status)
		}
	}
	if page := s.NewBrowser(t).Get(t, s.URL+held.usedLink); page.Status != http.StatusGone {
		t.Errorf("Dave's link, which was used before: %d", page.Status)
	}
	if page := s.browser(t, held.session).Get(t, s.URL+"/account"); !isIn(page) {
		t.Errorf("Alice's session: %d", page.Status)
	}
	if page := s.signIn(t, s.browser(t, held.remembered)); !isIn(page) {
		t.Errorf("on the remembered device the password leads to %s", page.URL)
	}
	b := s.NewBrowser(t)
	page := b.Follow(t, s.signIn(t, b).Submit(t, "otp-submit", codes(held.usedCode)))
	if isIn(page) || !page.Has("problem") {
		t.Errorf("the code that was used before leads to %s", page.URL)
	}
	step := max(held.usedStep+1, time.Now().Unix()/30)
	if page = b.Follow(t, page.Submit(t, "otp-submit", codes(factor.Code(held.app, time.Unix(step*30, 0))))); !isIn(page) {
		t.Errorf("the app's code leads to %s: %s", page.URL, page.Text("problem"))
	}
	if page = s.recover(t, s.NewBrowser(t), held.recovery[0]); isIn(page) {
		t.Error("a recovery code that was used before is taken")
	}
	if page = s.recover(t, s.NewBrowser(t), held.recovery[1]); !isIn(page) {
		t.Errorf("a recovery code leads to %s: %s", page.URL, page.Text("problem"))
	}
	held.device.Origin = s.URL
	b = s.NewBrowser(t)
	page = b.Get(t, s.URL+"/login")
	if page = b.Follow(t, page.Passkey(t, "passkey-login", held.device.Get(t, page.Asked(t, "passkey-login")))); !isIn(page) {
		t.Errorf("the passkey leads to %s: %s", page.URL, page.Text("problem"))
	}
	sent := 0
	for _, m := range s.post.Mails() {
		if m.ID == waited.ID {
			sent++
		}
	}
	if sent != 1 {
		t.Errorf("Bob's mail was sent %d times", sent)
	}
}
