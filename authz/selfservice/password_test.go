package selfservice_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/mail"
	"github.com/authzd/authzd/authz/operator"
	"github.com/authzd/authzd/storage"
)

const newPassword = "another staple of batteries"

// change sends the form of the page.
func change(t *testing.T, b *authztest.Browser, fields url.Values) *authztest.Page {
	t.Helper()
	page := b.Get(t, b.Server.URL+"/account/password")
	if !page.Has("password-change-submit") {
		t.Fatalf("no form: %d %.500s", page.Status, page.Body)
	}
	return b.Do(t, page.Submit(t, "password-change-submit", fields))
}

func stored(t *testing.T, s *authztest.Server) *storage.User {
	t.Helper()
	user, _, err := storage.Users.Get(t.Context(), s.Store, blackbox.AliceID(t, s))
	if err != nil {
		t.Fatal(err)
	}
	return user
}

// What is refused is told, and changes nothing.
func TestPasswordIsRefused(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.NewBrowser(t)
	b.Code(t, authztest.SPA, nil)
	before := stored(t, s)
	for name, tt := range map[string]struct {
		present, typed string
		status         int
		id             string
	}{
		"wrong password": {"wrong", newPassword, 422, "problem"},
		"no password":    {"", newPassword, 422, "problem"},
		"short":          {authztest.Password, "14 characters.", 422, "new-password-refused"},
		"common":         {authztest.Password, "MailCreated5240", 422, "new-password-refused"},
		"name":           {authztest.Password, "alice@example.com", 422, "new-password-refused"},
		"long":           {authztest.Password, strings.Repeat("long", 65), 422, "new-password-refused"},
		"NUL":            {authztest.Password, "a NUL \x00 in the midst", 400, "error-code"},
		"empty":          {authztest.Password, "", 422, "new-password-refused"},
	} {
		page := change(t, b, url.Values{"password": {tt.present}, "new-password": {tt.typed}})
		if page.Status != tt.status || !page.Has(tt.id) {
			t.Errorf("%s: %d %.1000s", name, page.Status, page.Body)
		}
		if len(tt.typed) > 8 && strings.Contains(page.Body, tt.typed) && tt.typed != "alice@example.com" {
			t.Errorf("%s: the page has what was typed", name)
		}
	}
	if after := stored(t, s); after.PasswordHash != before.PasswordHash || after.Epoch != before.Epoch {
		t.Error("something was stored")
	}
	form := b.Get(t, s.URL+"/account/password").Submit(t, "password-change-submit", url.Values{"password": {authztest.Password}, "new-password": {newPassword}, "user": {"somebody else"}})
	if page := b.Do(t, form); page.Status != http.StatusSeeOther || stored(t, s).PasswordHash != before.PasswordHash {
		t.Errorf("the form of another account: %d", page.Status)
	}
	form = b.Get(t, s.URL+"/account/password").Submit(t, "password-change-submit", url.Values{"password": {authztest.Password}, "new-password": {newPassword}})
	form.Header.Set("Origin", "https://evil.example")
	form.Header.Set("Sec-Fetch-Site", "cross-site")
	if page := b.Do(t, form); page.Status != http.StatusForbidden || stored(t, s).PasswordHash != before.PasswordHash {
		t.Errorf("from another site: %d", page.Status)
	}
	for _, stranger := range []bool{true, false} {
		who := b
		if stranger {
			who = s.NewBrowser(t)
		} else {
			blackbox.AgeLogins(t, s, time.Hour)
		}
		if page := who.Get(t, s.URL+"/account/password"); page.Status != http.StatusSeeOther || !strings.Contains(page.Header.Get("Location"), "/login") {
			t.Errorf("without a fresh sign-in, stranger=%v: %d %s", stranger, page.Status, page.Header.Get("Location"))
		}
	}
}

// A change ends every other session and every grant, unless the person says otherwise. This browser stays signed in, and
// the person gets a mail.
func TestPasswordChanges(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fields url.Values
		ends   bool
	}{
		"ending others": {url.Values{"sign-out-others": {"yes"}}, true},
		"keeping them":  {url.Values{"sign-out-others": nil}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			box := &mail.Box{}
			s := authztest.Start(t, authz.Config{Operator: &operator.Config{}, Mail: authz.Mail{From: "id@example.com", Transport: box}}, nil)
			other, here := s.NewBrowser(t), s.NewBrowser(t)
			tokens := other.SignIn(t, authztest.SPA, nil)
			here.Code(t, authztest.SPA, nil)
			before := stored(t, s)
			fields := url.Values{"password": {authztest.Password}, "new-password": {newPassword}}
			for name, values := range tt.fields {
				fields[name] = values
			}
			if page := change(t, here, fields); page.Status != http.StatusOK || !page.Has("notice") {
				t.Fatalf("%d %.1000s", page.Status, page.Body)
			}
			after := stored(t, s)
			if after.PasswordHash == before.PasswordHash || (after.Epoch != before.Epoch) != tt.ends {
				t.Errorf("epoch %d, then %d", before.Epoch, after.Epoch)
			}
			if page := here.Get(t, s.URL+"/account"); page.Status != http.StatusOK {
				t.Errorf("this browser: %d", page.Status)
			}
			if page := other.Get(t, s.URL+"/account"); (page.Status != http.StatusOK) != tt.ends {
				t.Errorf("the other browser: %d", page.Status)
			}
			refresh := authztest.RefreshForm(tokens.RefreshToken)
			refresh.Set("client_id", authztest.SPA)
			answer := s.PostForm(t, "/token", refresh, nil)
			if (answer.Status != http.StatusOK) != tt.ends {
				t.Errorf("its refresh token: %d", answer.Status)
			}
			for password, want := range map[string]bool{authztest.Password: false, newPassword: true} {
				b := s.NewBrowser(t)
				login := b.Get(t, s.URL+"/login")
				page := b.Follow(t, login.Submit(t, "login-submit", url.Values{"username": {authztest.Username}, "password": {password}}))
				if page.Has("problem") == want {
					t.Errorf("sign-in with %q: %d %.300s", password, page.Status, page.Body)
				}
			}
			blackbox.Until(t, "a mail", func() bool { return len(box.Mails()) > 0 })
		})
	}
}
