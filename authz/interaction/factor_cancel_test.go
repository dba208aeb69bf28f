package interaction_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/factor"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/storage"
)

// TestLeaveFactor: every page that asks for another factor can be left. The app hears of it, and what was proved before
// counts no more.
func TestLeaveFactor(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	app := blackbox.GiveApp(t, s, blackbox.AliceID(t, s))
	b := s.NewBrowser(t)
	for _, way := range []string{"totp", "recovery", "choose"} {
		page := halfWay(t, b, nil)
		again := page.URL.String()
		page = b.Get(t, again+"&way="+way)
		got := b.Do(t, page.Submit(t, "factor-cancel", nil))
		if answer := got.Redirect(t); answer.Get("error") != "access_denied" || answer.Get("state") == "" || answer.Has("code") {
			t.Errorf("%s: %v", way, answer)
		}
		if got := b.Get(t, again); got.LedTo(t) != "/login" {
			t.Errorf("%s: the password still counts: %s %d", way, got.LedTo(t), got.Status)
		}
	}
	noSession(t, s, "left")

	page := blackbox.Password(t, b, s.URL+"/login")
	if page = b.Do(t, page.Submit(t, "factor-cancel", nil)); page.LedTo(t) != "/login" {
		t.Errorf("a plain sign-in: led to %q", page.LedTo(t))
	}
	if page := b.Get(t, s.URL+"/login"); !page.Has("login-submit") || strings.Contains(page.Body, "Alice") {
		t.Errorf("after that: %d %.300s", page.Status, page.Body)
	}

	device := s.NewDevice(t, nil)
	page = blackbox.Password(t, b, s.URL+"/device?user_code="+device.UserCode)
	if page = b.Do(t, page.Submit(t, "factor-cancel", nil)); page.LedTo(t) != "/login" {
		t.Errorf("for a device: led to %q", page.LedTo(t))
	}
	if got := blackbox.TokenAnswer(t, s, authztest.TV, "", authztest.DeviceForm(device.Code)); got["error"] != "authorization_pending" {
		t.Errorf("the device gets %v", got)
	}
	noSession(t, s, "left")

	// The cancel of one sign-in leaves that of another tab alone.
	page = halfWay(t, b, nil)
	elsewhere := page.Submit(t, "factor-cancel", nil)
	other := halfWay(t, b, url.Values{"state": {"another"}})
	b.Do(t, elsewhere)
	if got := enter(t, b, other, otp(app.Code(t, s))).Redirect(t); got.Get("code") == "" {
		t.Errorf("the other tab: %v", got)
	}
}

// TestLeaveEnrolment: so can the page that sets up what is demanded. A session that has become too weak for the account
// page is not led in a circle.
func TestLeaveEnrolment(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{Users: []users.User{people[0], people[1]}, Factors: factor.Policy{Roles: map[string]factor.Level{"admin": factor.Two}}}, nil)
	b := s.NewBrowser(t)
	page := blackbox.Password(t, b, s.URL+"/authorize?"+authztest.Request(authztest.SPA, nil).Encode())
	if !page.Has("totp-secret") {
		t.Fatalf("no enrolment: %s %.300s", page.URL, page.Body)
	}
	if got := b.Do(t, page.Submit(t, "factor-cancel", nil)).Redirect(t); got.Get("error") != "access_denied" {
		t.Errorf("%v", got)
	}
	noSession(t, s, "left")

	other := s.NewBrowser(t)
	other.Username = "bob"
	blackbox.Password(t, other, s.URL+"/login")
	promote(t, s, "bob", "admin")
	page = other.Get(t, s.URL+"/account")
	if page.LedTo(t) != "/login/factor" {
		t.Fatalf("the account page: %d, led to %q", page.Status, page.LedTo(t))
	}
	page = other.Get(t, page.Header.Get("Location"))
	page = other.Do(t, page.Submit(t, "factor-cancel", nil))
	if page.LedTo(t) != "/login" {
		t.Fatalf("led to %q", page.LedTo(t))
	}
	if page = other.Get(t, page.Header.Get("Location")); !page.Has("account-other") || !page.Has("logout") {
		t.Errorf("%d %.300s", page.Status, page.Body)
	}
}

// promote gives a user a role.
func promote(t *testing.T, s *authztest.Server, username, role string) {
	t.Helper()
	id := idOf(t, s, username)
	user, version, err := storage.Users.Get(t.Context(), s.Store, id)
	if err != nil {
		t.Fatal(err)
	}
	user.Roles = append(user.Roles, role)
	if err := s.Store.Apply(t.Context(), storage.Users.Put(id, user, storage.At(version), time.Time{})); err != nil {
		t.Fatal(err)
	}
}
