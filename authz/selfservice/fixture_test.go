package selfservice_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/mail"
	"github.com/authzd/authzd/storage"
)

const (
	address = "dodo@example.org"
	good    = "seven lobsters dance a quadrille"
	better  = "the mock turtle sang about soup"
)

// house is a server with mail, where everybody may sign up.
type house struct {
	*authztest.Server
	box *mail.Box
}

// open starts a server. change, if not nil, changes its configuration.
func open(t *testing.T, change func(*authz.Config)) house {
	t.Helper()
	box := &mail.Box{}
	c := authz.Config{
		Mail:     authz.Mail{From: "id@example.com", Transport: box},
		Accounts: authz.Accounts{Registration: authz.RegistrationOpen},
	}
	if change != nil {
		change(&c)
	}
	return house{authztest.Start(t, c, nil), box}
}

// mailTo waits for the newest mail of a kind to an address.
func (h house) mailTo(t *testing.T, message, to string) *mail.Mail {
	t.Helper()
	var found *mail.Mail
	blackbox.Until(t, "mail "+message+" to "+to, func() bool {
		for _, m := range h.box.Mails() {
			if m.Message == message && strings.EqualFold(m.To.Address, to) {
				found = m
				return true
			}
		}
		return false
	})
	return found
}

// mailsTo counts the mails to an address, once everything that was queued is sent.
func (h house) mailsTo(t *testing.T, to string) (n int) {
	t.Helper()
	blackbox.Until(t, "an empty outbox", func() bool {
		waiting, err := h.Store.Scan(t.Context(), storage.Deliveries.Table, "", "", 1)
		return err == nil && len(waiting) == 0
	})
	for _, m := range h.box.Mails() {
		if strings.EqualFold(m.To.Address, to) {
			n++
		}
	}
	return n
}

// post sends the form of a button, and follows the redirects.
func post(t *testing.T, b *authztest.Browser, page *authztest.Page, button string, fields url.Values) *authztest.Page {
	t.Helper()
	return b.Follow(t, page.Submit(t, button, fields))
}

// signUp fills in the page, and returns the one that asks for the code.
func (h house) signUp(t *testing.T, b *authztest.Browser, email, password string) *authztest.Page {
	t.Helper()
	page := post(t, b, b.Get(t, h.URL+"/signup"), "signup-submit", url.Values{"name": {"Do Dodo"}, "email": {email}, "new-password": {password}})
	if page.Status != http.StatusOK || !page.Has("otp") {
		t.Fatalf("sign-up: %d\n%.2000s", page.Status, page.Body)
	}
	return page
}

// askReset asks for a new password, and returns the page that asks for the code.
func (h house) askReset(t *testing.T, b *authztest.Browser, email string) *authztest.Page {
	t.Helper()
	page := post(t, b, b.Get(t, h.URL+"/reset"), "reset-submit", url.Values{"email": {email}})
	if page.Status != http.StatusOK || !page.Has("otp") {
		t.Fatalf("reset: %d\n%.2000s", page.Status, page.Body)
	}
	return page
}

// userOf returns the user whom an address leads to, nil if there is none.
func (h house) userOf(t *testing.T, email string) *storage.User {
	t.Helper()
	ref, _, err := storage.Emails.Get(t.Context(), h.Store, email)
	if err != nil {
		return nil
	}
	user, _, err := storage.Users.Get(t.Context(), h.Store, ref.UserID)
	if err != nil {
		return nil
	}
	return user
}

// signsIn reports whether a password signs in, in a fresh browser.
func (h house) signsIn(t *testing.T, login, password string) bool {
	t.Helper()
	b := h.NewBrowser(t)
	page := post(t, b, b.Get(t, h.URL+"/login"), "login-submit", url.Values{"username": {login}, "password": {password}})
	if page.Status != http.StatusOK {
		t.Fatalf("sign-in: %d", page.Status)
	}
	return !page.Has("problem")
}

// signedIn reports whether somebody is signed in in a browser.
func (h house) signedIn(t *testing.T, b *authztest.Browser) bool {
	t.Helper()
	return b.Get(t, h.URL+"/account").Status == http.StatusOK
}

// wrongCode returns a code that is not this one.
func wrongCode(code string) string {
	if strings.HasPrefix(code, "0") {
		return "1" + code[1:]
	}
	return "0" + code[1:]
}
