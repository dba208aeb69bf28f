package blackbox

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/factor"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/storage"
)

// App is an authenticator app that has been set up for a user.
type App struct {
	UserID   string
	Secret   []byte
	Recovery []string
}

// GiveApp sets an authenticator app up for a user.
func GiveApp(t *testing.T, s *authztest.Server, userID string) *App {
	t.Helper()
	user, version, err := storage.Users.Get(t.Context(), s.Store, userID)
	if err != nil {
		t.Fatal(err)
	}
	codes, err := keys.LastingDeriver(t.Context(), s.Store, s.Secret, "recovery codes")
	if err != nil {
		t.Fatal(err)
	}
	a := &App{UserID: userID, Secret: factor.NewSecret(), Recovery: factor.NewCodes()}
	writes, err := factor.New(factor.Config{Store: s.Store, Secret: s.Secret, Codes: codes}).
		EnrolWithCodesWrites(user, version, a.Secret, factor.Code(a.Secret, time.Now()), a.Recovery)
	if err == nil {
		err = s.Store.Apply(t.Context(), writes...)
	}
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// Code returns a code that was not used, as if the last one was used long ago.
func (a *App) Code(t *testing.T, s *authztest.Server) string {
	t.Helper()
	a.Change(t, s, func(record *storage.TOTP) { record.LastStep = 0 })
	return factor.Code(a.Secret, time.Now())
}

// Change changes the app's record.
func (a *App) Change(t *testing.T, s *authztest.Server, change func(*storage.TOTP)) {
	t.Helper()
	record, version, err := storage.TOTPs.Get(t.Context(), s.Store, a.UserID)
	if err != nil {
		t.Fatal(err)
	}
	change(record)
	if err := s.Store.Apply(t.Context(), storage.TOTPs.Put(a.UserID, record, storage.At(version), time.Time{})); err != nil {
		t.Fatal(err)
	}
}

// WrongCode returns a code of six digits that the app has not shown lately.
func (a *App) WrongCode() string {
	now := time.Now()
	for _, code := range []string{"000000", "000001", "000002", "000003", "000004", "000005", "000006"} {
		wrong := true
		for steps := -3; steps <= 3; steps++ {
			wrong = wrong && factor.Code(a.Secret, now.Add(time.Duration(steps)*30*time.Second)) != code
		}
		if wrong {
			return code
		}
	}
	panic("seven codes in a row")
}

// Password opens a page that leads to the sign-in page, sends the password there, and returns the page that comes next.
func Password(t *testing.T, b *authztest.Browser, target string) *authztest.Page {
	t.Helper()
	login := b.Get(t, target)
	for login.Header.Get("Location") != "" {
		login = b.Get(t, login.Header.Get("Location"))
	}
	return b.Follow(t, login.Submit(t, "login-submit", url.Values{"username": {b.Username}, "password": {b.Password}}))
}

// ChangeUser changes the record of a user.
func ChangeUser(t *testing.T, s *authztest.Server, id string, change func(*storage.User)) {
	t.Helper()
	user, version, err := storage.Users.Get(t.Context(), s.Store, id)
	if err != nil {
		t.Fatal(err)
	}
	change(user)
	if err := s.Store.Apply(t.Context(), storage.Users.Put(id, user, storage.At(version), time.Time{})); err != nil {
		t.Fatal(err)
	}
}

// SessionCookie returns the value of the browser's session cookie, "" if it has none.
func SessionCookie(t *testing.T, b *authztest.Browser) string {
	t.Helper()
	u, err := url.Parse(b.Server.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range b.HTTP.Jar.Cookies(u) {
		if c.Name == "authzd" {
			return c.Value
		}
	}
	return ""
}

// SetCookies gives a browser cookies.
func SetCookies(t *testing.T, b *authztest.Browser, cookies ...*http.Cookie) {
	t.Helper()
	u, err := url.Parse(b.Server.URL)
	if err != nil {
		t.Fatal(err)
	}
	b.HTTP.Jar.SetCookies(u, cookies)
}
