package interaction_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/mail"
	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/storage"
)

// People are told of a sign-in in a browser that they have not used before. The link of the mail ends that sign-in once
// its form is sent, and nothing before.
func TestNewDevice(t *testing.T) {
	t.Parallel()
	box := &mail.Box{}
	s := authztest.Start(t, authz.Config{
		Mail:  authz.Mail{From: "id@example.com", Transport: box},
		Users: []users.User{{Username: authztest.Username, Password: authztest.Password, Email: "alice@example.com", EmailVerified: true}},
	}, nil)
	count := func() (n int) {
		for _, m := range box.Mails() {
			if m.Message == "new_device" {
				n++
			}
		}
		return n
	}
	empty := func() bool {
		left, err := s.Store.Scan(t.Context(), storage.Deliveries.Table, "", "", 10)
		return err == nil && len(left) == 0
	}
	first := s.SignedIn(t, nil) // the account is new: nobody is surprised
	blackbox.Until(t, "nothing is left to send", empty)
	if n := count(); n != 0 {
		t.Fatalf("%d mails about the first sign-in", n)
	}

	age(t, s, 2*time.Hour)
	again := url.Values{"prompt": {"login"}}
	first.SignIn(t, authztest.SPA, again)
	blackbox.Until(t, "nothing is left to send", empty)
	if n := count(); n != 0 {
		t.Fatalf("%d mails about a browser that is known", n)
	}

	thief := s.NewBrowser(t)
	thief.HTTP.Transport = calledAs(chromeOnWindows)
	thief.SignIn(t, authztest.SPA, nil)
	blackbox.Until(t, "a mail about the new device", func() bool { return count() == 1 })
	sent := box.Mails()[0]
	for _, want := range []string{"Chrome", "Windows", "127.0.0.1"} {
		if !strings.Contains(sent.Text, want) {
			t.Errorf("the mail lacks %s:\n%s", want, sent.Text)
		}
	}
	if !strings.HasPrefix(sent.Link, s.URL+"/not-me?link=") || sent.To.Address != "alice@example.com" {
		t.Fatalf("to %v, %s", sent.To, sent.Link)
	}

	scanner := s.NewBrowser(t)
	var page *authztest.Page
	for range 10 {
		page = scanner.Get(t, sent.Link)
	}
	if !page.Has("verify-submit") || !strings.Contains(page.Body, "Chrome on Windows") {
		t.Fatalf("%d %.900s", page.Status, page.Body)
	}
	signedIn := func(b *authztest.Browser) bool {
		return b.Ask(t, authztest.SPA, url.Values{"prompt": {"none"}}).Redirect(t).Has("code")
	}
	if !signedIn(thief) {
		t.Fatal("opening the link has ended the session")
	}
	for range 2 { // a second time changes nothing
		if done := scanner.Do(t, page.Submit(t, "verify-submit", nil)); done.Status != 200 || !strings.Contains(done.Body, "is signed out") {
			t.Errorf("%d %.600s", done.Status, done.Body)
		}
	}
	if signedIn(thief) || !signedIn(first) {
		t.Error("the wrong session has ended")
	}
}

// A link that is not ours, or of somebody else's making, does nothing.
func TestNotMeForged(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{Mail: authz.Mail{From: "id@example.com", Transport: &mail.Box{}}}, nil)
	sid := blackbox.Claims(t, s.NewBrowser(t).SignIn(t, authztest.SPA, nil).IDToken)["sid"].(string)
	for _, link := range []string{"", "x", sid, strings.Repeat("A", 200), "%00"} {
		page := s.NewBrowser(t).Get(t, s.URL+"/not-me?link="+url.QueryEscape(link))
		if page.Has("verify-submit") || page.Status < 400 {
			t.Errorf("%q: %d", link, page.Status)
		}
	}
	if n := blackbox.Count(t, s.Store, storage.Sessions.Table); n != 1 {
		t.Errorf("%d sessions", n)
	}
}

// age makes the users of a server older.
func age(t *testing.T, s *authztest.Server, by time.Duration) {
	t.Helper()
	for entry, err := range storage.Users.All(t.Context(), s.Store, "") {
		if err != nil {
			t.Fatal(err)
		}
		user := *entry.Value
		user.CreatedAt = user.CreatedAt.Add(-by)
		if err := s.Store.Apply(t.Context(), storage.Users.Put(entry.Key, &user, storage.Any, time.Time{})); err != nil {
			t.Fatal(err)
		}
	}
}
