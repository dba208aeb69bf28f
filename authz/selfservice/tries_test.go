package selfservice_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/internal/blackbox"
)

// TestTriesOfPassword: somebody at an open browser can't guess the password on the account page: the page has the limits of
// the sign-in page, and shares them.
func TestTriesOfPassword(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	b := h.SignedIn(t, nil)
	before := stored(t, h.Server)
	tries := func(password string) *authztest.Page {
		return change(t, b, url.Values{"password": {password}, "new-password": {newPassword}})
	}
	for i := range 10 {
		if page := tries("wrong"); page.Status != http.StatusUnprocessableEntity || !page.Has("problem") {
			t.Fatalf("try %d: %d %.500s", i, page.Status, page.Body)
		}
	}
	page := tries(authztest.Password)
	if page.Status != http.StatusTooManyRequests || page.Header.Get("Retry-After") == "" || !page.Has("problem") || !page.Has("password-change-submit") {
		t.Errorf("the right one after ten: %d, Retry-After %q\n%.500s", page.Status, page.Header.Get("Retry-After"), page.Body)
	}
	if after := stored(t, h.Server); after.PasswordHash != before.PasswordHash || h.mailsTo(t, alices) != 0 {
		t.Error("the password has changed, or a mail says so")
	}
	throttled := func(line string) bool {
		return strings.Contains(line, `"reason":"throttled"`) && strings.Contains(line, before.ID)
	}
	blackbox.Until(t, "the event", func() bool { return slices.ContainsFunc(blackbox.AuditLines(t, h.Store), throttled) })
	other := h.NewBrowser(t)
	form := other.Get(t, h.URL+"/login").Submit(t, "login-submit", url.Values{"username": {authztest.Username}, "password": {authztest.Password}})
	if page := other.Do(t, form); page.Status != http.StatusTooManyRequests {
		t.Errorf("the sign-in page, from the same address: %d", page.Status)
	}
	if page := b.Get(t, h.URL+"/account"); page.Status != http.StatusOK {
		t.Errorf("the session: %d", page.Status)
	}
}

// TestTriesOfEmailCode: the code for another address is tried five times too, and asked for ten times.
func TestTriesOfEmailCode(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	b := h.SignedIn(t, nil)
	ask := func(address string) *authztest.Page {
		return post(t, b, b.Get(t, h.URL+"/account/email"), "email-submit", url.Values{"email": {address}})
	}
	page := ask(address)
	code := h.mailTo(t, "new_address", address).Code
	for range 5 {
		if page = post(t, b, page, "verify-submit", url.Values{"otp": {wrongCode(code)}}); page.Status != http.StatusUnprocessableEntity {
			t.Fatalf("a wrong code: %d", page.Status)
		}
	}
	if page = post(t, b, page, "verify-submit", url.Values{"otp": {code}}); page.Status != http.StatusUnprocessableEntity || h.userOf(t, address) != nil {
		t.Errorf("the right code after five: %d", page.Status)
	}
	for range 9 {
		if page = ask("another-" + address); page.Status != http.StatusOK {
			t.Fatalf("another address: %d", page.Status)
		}
	}
	if page = ask("another-" + address); page.Status != http.StatusTooManyRequests || page.Header.Get("Retry-After") == "" {
		t.Errorf("the eleventh: %d, Retry-After %q", page.Status, page.Header.Get("Retry-After"))
	}
}
