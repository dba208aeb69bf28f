package interaction_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/factor"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/mail"
	"github.com/authzd/authzd/storage"
)

// TestOldSessionOnRememberedDevice: what is sensitive wants the password and one code, and not a code before and after.
func TestOldSessionOnRememberedDevice(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	app := blackbox.GiveApp(t, s, blackbox.AliceID(t, s))
	b := s.NewBrowser(t)
	fields := otp(app.Code(t, s))
	fields.Set("remember-me", "true")
	enter(t, b, halfWay(t, b, nil), fields)
	b.SignIn(t, authztest.SPA, url.Values{"prompt": {"login"}}) // without a code
	blackbox.AgeLogins(t, s, time.Hour)
	asked := b.Get(t, s.URL+"/account/factors")
	if asked.LedTo(t) != "/login" {
		t.Fatalf("led to %q", asked.LedTo(t))
	}
	login := b.Get(t, asked.Header.Get("Location"))
	page := b.Follow(t, login.Submit(t, "login-submit", url.Values{"username": {authztest.Username}, "password": {authztest.Password}}))
	if back := enter(t, b, page, otp(app.Code(t, s))); back.URL.Path != "/account/factors" || !back.Has("recovery-new") {
		t.Errorf("after the password and a code: %s %d", back.URL.Path, back.Status)
	}
}

// hasApp reports whether a user has an authenticator app.
func hasApp(t *testing.T, s *authztest.Server, userID string) bool {
	t.Helper()
	_, _, err := storage.TOTPs.Get(t.Context(), s.Store, userID)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		t.Fatal(err)
	}
	return err == nil
}

// TestAccountFactors: a user sets an app up, gets new recovery codes, and removes both.
func TestAccountFactors(t *testing.T) {
	t.Parallel()
	box := &mail.Box{}
	s := authztest.Start(t, authz.Config{Mail: authz.Mail{From: "id@example.com", Transport: box}}, nil)
	alice := blackbox.AliceID(t, s)
	b := s.SignedIn(t, nil)
	page := b.Get(t, s.URL+"/account/factors")
	if !page.Has("set-up-app") || page.Has("app-remove") || page.Has("recovery-new") {
		t.Fatalf("without an app: %d %.300s", page.Status, page.Body)
	}
	setUp := b.Get(t, page.Link("set-up-app"))
	secret := typedSecret(t, setUp)
	if got := b.Do(t, setUp.Submit(t, "otp-submit", otp((&blackbox.App{Secret: secret}).WrongCode()))); !got.Has("problem") || hasApp(t, s, alice) {
		t.Errorf("a wrong code: %d", got.Status)
	}
	before := blackbox.SessionCookie(t, b)
	other := s.SignedIn(t, nil)
	if got := other.Do(t, setUp.Submit(t, "otp-submit", otp(factor.Code(secret, time.Now())))); got.Has("recovery-codes") || hasApp(t, s, alice) {
		t.Errorf("the form in another session: %d", got.Status)
	}
	shown := b.Do(t, setUp.Submit(t, "otp-submit", otp(factor.Code(secret, time.Now()))))
	if !shown.Has("recovery-codes") || !hasApp(t, s, alice) || blackbox.SessionCookie(t, b) == before {
		t.Fatalf("the right code: %d %.300s", shown.Status, shown.Body)
	}
	app := &blackbox.App{UserID: alice, Secret: secret, Recovery: strings.Fields(shown.Text("recovery-codes"))}
	if len(app.Recovery) != 10 {
		t.Errorf("codes %v", app.Recovery)
	}
	if claims := blackbox.Claims(t, b.SignIn(t, authztest.SPA, url.Values{"prompt": {"none"}}).IDToken); fmt.Sprint(claims["amr"]) != "[pwd otp mfa]" {
		t.Errorf("amr %v", claims["amr"])
	}

	page = b.Get(t, s.URL+"/account/factors")
	renewed := b.Do(t, page.Submit(t, "recovery-new", nil))
	if !renewed.Has("recovery-codes") || strings.Contains(renewed.Body, app.Recovery[0]) {
		t.Fatalf("new codes: %d %.300s", renewed.Status, renewed.Body)
	}
	b.Do(t, b.Get(t, s.URL+"/account/factors").Submit(t, "devices-forget", nil))
	stale := page.Submit(t, "app-remove", url.Values{"user": {"another"}})
	if b.Do(t, stale); !hasApp(t, s, alice) {
		t.Error("the form of another user counts")
	}
	b.Do(t, b.Get(t, s.URL+"/account/factors").Submit(t, "app-remove", nil))
	if hasApp(t, s, alice) || blackbox.Count(t, s.Store, storage.RecoveryCodeSets.Table) != 0 {
		t.Error("the app or the codes are still there")
	}
	if got := s.NewBrowser(t).Authorize(t, authztest.Request(authztest.SPA, nil)); got.Params.Get("code") == "" {
		t.Errorf("the password alone, then: %s", got)
	}
}

// TestAccountFactorsWantThemselves: neither an old session nor one that a remembered device has opened changes the second
// factor; and none is removed that is demanded.
func TestAccountFactorsWantThemselves(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{Factors: factor.Policy{Everybody: factor.Two}}, nil)
	alice := blackbox.AliceID(t, s)
	app := blackbox.GiveApp(t, s, alice)
	b := s.NewBrowser(t)
	fields := otp(app.Code(t, s))
	fields.Set("remember-me", "true")
	enter(t, b, halfWay(t, b, nil), fields)
	page := b.Get(t, s.URL+"/account/factors")
	if page.Has("app-remove") || !page.Has("factor-demanded") {
		t.Errorf("demanded: %d %.300s", page.Status, page.Body)
	}
	if got := b.Do(t, page.Submit(t, "recovery-new", url.Values{"change": {"remove"}})); got.Status != http.StatusConflict || !hasApp(t, s, alice) {
		t.Errorf("removed, though demanded: %d", got.Status)
	}
	b.SignIn(t, authztest.SPA, url.Values{"prompt": {"login"}}) // without a code
	asked := b.Get(t, s.URL+"/account/factors")
	if asked.LedTo(t) != "/login/factor" {
		t.Fatalf("on a remembered device: %d %s", asked.Status, asked.LedTo(t))
	}
	request := page.Submit(t, "recovery-new", nil)
	if got := b.Do(t, request); got.LedTo(t) != "/login/factor" {
		t.Errorf("its form: %d %s", got.Status, got.LedTo(t))
	}
	back := enter(t, b, b.Get(t, asked.Header.Get("Location")), otp(app.Code(t, s)))
	if back.URL.Path != "/account/factors" || !back.Has("recovery-new") {
		t.Errorf("after the code: %s %d", back.URL.Path, back.Status)
	}
	blackbox.AgeLogins(t, s, time.Hour)
	for _, path := range []string{"/account/factors", "/account/factors/app"} {
		if got := b.Get(t, s.URL+path); got.LedTo(t) != "/login" {
			t.Errorf("%s an hour later: %d %s", path, got.Status, got.LedTo(t))
		}
	}
	if got := s.NewBrowser(t).Get(t, s.URL+"/account/factors"); got.LedTo(t) != "/login" {
		t.Errorf("a stranger: %d %s", got.Status, got.LedTo(t))
	}
}
