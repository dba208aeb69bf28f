package authz_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/factor"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/tally"
	"github.com/authzd/authzd/storage"
)

// app gives a user an authenticator app.
func (p pair) app(t *testing.T, name string) *blackbox.App {
	t.Helper()
	return blackbox.GiveApp(t, p.Server, p.user(t, name+"@example.com").ID)
}

func code(text string) url.Values { return url.Values{"otp": {text}} }

// halfWay sends the password at one replica, and returns the page that asks for the second factor.
func (p pair) halfWay(t *testing.T, b *authztest.Browser, name string) *authztest.Page {
	t.Helper()
	page := p.password(t, b, name, authztest.Password)
	if !page.Has("otp-submit") || blackbox.SessionCookie(t, b) != "" {
		t.Fatalf("no page for the second factor: %s %d", page.URL, page.Status)
	}
	return page
}

func (p pair) setsUpApp(t *testing.T, name string) {
	one, two := p.in(t, name)
	page := one.Get(t, p.URL+"/account/factors/app")
	app := &blackbox.App{UserID: p.user(t, name+"@example.com").ID, Secret: typed(t, page)}
	right := page.Submit(t, "otp-submit", code(factor.Code(app.Secret, time.Now())))
	again := page.Submit(t, "otp-submit", code(factor.Code(app.Secret, time.Now())))
	if n := atOnce(t, []*authztest.Browser{two, one}, []*http.Request{right, again}, func(_ *authztest.Browser, page *authztest.Page) bool {
		return page.Has("recovery-codes")
	}); n != 1 {
		t.Errorf("set up %d times", n)
	}
	// The same code at both replicas, at once and later.
	var browsers []*authztest.Browser
	var requests []*http.Request
	text := app.Code(t, p.Server)
	for range 2 {
		one, two := p.browser(t)
		first, second := p.halfWay(t, one, name), p.halfWay(t, two, name)
		browsers = append(browsers, two, one) // each is led to the other replica than its password
		requests = append(requests, first.Submit(t, "otp-submit", code(text)), second.Submit(t, "otp-submit", code(text)))
	}
	used := atOnce(t, browsers, requests, func(b *authztest.Browser, page *authztest.Page) bool { return page.LedTo(t) == "/account" })
	if used != 1 {
		t.Errorf("the same code was taken %d times", used)
	}
	_, late := p.browser(t)
	if page := p.post(t, late, p.halfWay(t, late, name), "otp-submit", code(text)); !page.Has("problem") || p.signedIn(t, late) {
		t.Errorf("the code once more: %s", page.URL)
	}
}

func (p pair) typesWrongCodes(t *testing.T, name string) {
	app := p.app(t, name)
	one, two := p.browser(t)
	page := p.halfWay(t, one, name)
	for i := range 5 {
		b := []*authztest.Browser{two, one}[i%2]
		if got := p.post(t, b, page, "otp-submit", code(app.WrongCode())); !got.Has("problem") {
			t.Fatalf("wrong code %d: %s %d", i, got.URL, got.Status)
		}
	}
	for i, b := range []*authztest.Browser{one, two} {
		if got := b.Do(t, page.Submit(t, "otp-submit", code(app.Code(t, p.Server)))); got.Status != http.StatusTooManyRequests {
			t.Errorf("the sixth code, at replica %d: %d", i, got.Status)
		}
	}
}

func (p pair) recovers(t *testing.T, name string) {
	app := p.app(t, name)
	var browsers []*authztest.Browser
	var requests []*http.Request
	for i := range 4 {
		one, two := p.browser(t)
		if i%2 == 1 {
			one, two = two, one
		}
		page := p.halfWay(t, one, name)
		page = two.Get(t, one.Get(t, page.Link("use-another-way")).Link("way-recovery"))
		browsers, requests = append(browsers, two), append(requests, page.Submit(t, "recovery-submit", url.Values{"recovery-code": {app.Recovery[0]}}))
	}
	if n := atOnce(t, browsers, requests, func(_ *authztest.Browser, page *authztest.Page) bool { return page.LedTo(t) == "/account" }); n != 1 {
		t.Errorf("a recovery code was taken %d times", n)
	}
	if set, _, err := storage.RecoveryCodeSets.Get(t.Context(), p.Store, app.UserID); err != nil || len(set.Hashes) != 9 {
		t.Errorf("codes are left: %+v, %v", set, err)
	}
}

func (p pair) remembersDevice(t *testing.T, name string) {
	app := p.app(t, name)
	one, two := p.browser(t)
	fields := code(app.Code(t, p.Server))
	fields.Set("remember-me", "true")
	p.post(t, two, p.halfWay(t, one, name), "otp-submit", fields)
	if !p.signedIn(t, one) {
		t.Fatal("not signed in")
	}
	for i, b := range []*authztest.Browser{one, two} {
		if page := p.password(t, b, name, authztest.Password); page.URL.Path != "/account" {
			t.Errorf("on the device, at replica %d, the password leads to %s", i, page.URL.Path)
		}
	}
	user := p.user(t, name+"@example.com").ID
	blackbox.ChangeUser(t, p.Server, user, func(u *storage.User) { u.FactorEpoch++ })
	for i, b := range []*authztest.Browser{two, one} {
		if page := p.password(t, b, name, authztest.Password); page.URL.Path != "/login/factor" {
			t.Errorf("after a change, at replica %d, the password leads to %s", i, page.URL.Path)
		}
	}
}

func (p pair) hasPasskey(t *testing.T, name string) {
	device := &authztest.Authenticator{Origin: p.URL}
	one, two := p.in(t, name)
	page := one.Get(t, p.URL+"/account/passkeys")
	made := device.Create(t, page.Asked(t, "passkey-add"))
	atOnce(t, []*authztest.Browser{two, one}, []*http.Request{page.Passkey(t, "passkey-add", made), page.Passkey(t, "passkey-add", made)},
		func(*authztest.Browser, *authztest.Page) bool { return true })
	keys, err := storage.Passkeys.Scan(t.Context(), p.Store, p.user(t, name+"@example.com").ID+"/", "", 10)
	if err != nil || len(keys) != 1 {
		t.Fatalf("%d keys, %v", len(keys), err)
	}
	out, outToo := p.browser(t)
	page = out.Get(t, p.URL+"/login")
	answer := device.Get(t, page.Asked(t, "passkey-login"))
	requests := []*http.Request{page.Passkey(t, "passkey-login", answer), page.Passkey(t, "passkey-login", answer)}
	if n := atOnce(t, []*authztest.Browser{out, outToo}, requests, func(_ *authztest.Browser, page *authztest.Page) bool { return page.LedTo(t) == "/account" }); n != 1 {
		t.Errorf("an answer was taken %d times", n)
	}
	if !p.signedIn(t, out) || !p.signedIn(t, outToo) {
		t.Error("not signed in")
	}
	list := two.Get(t, p.URL+"/account/passkeys")
	start := strings.Index(list.Body, `id="passkey-remove-`)
	if start < 0 {
		t.Fatalf("no key to remove: %.500s", list.Body)
	}
	button, _, _ := strings.Cut(list.Body[start+len(`id="`):], `"`)
	p.post(t, one, list, button, nil)
	last, lastToo := p.browser(t)
	page = last.Get(t, p.URL+"/login")
	if got := p.post(t, lastToo, page, "passkey-login", url.Values{"passkey-answer": {device.Get(t, page.Asked(t, "passkey-login"))}}); got.Text("problem") == "" || p.signedIn(t, last) {
		t.Errorf("a removed key: %s", got.URL)
	}
}

func (p pair) choosesAccount(t *testing.T, name string) {
	one, two := p.in(t, name)
	one.Username = name
	mine := fmt.Sprint(blackbox.Claims(t, one.SignIn(t, authztest.SPA, nil).IDToken)["sub"])
	if page := p.password(t, two, "second", authztest.Password); page.Has("problem") {
		t.Fatal(page.Text("problem"))
	}
	silent := func(b *authztest.Browser, clientID string) url.Values {
		return b.Ask(t, clientID, url.Values{"prompt": {"none"}}).Redirect(t)
	}
	for i, b := range []*authztest.Browser{one, two} {
		if got := silent(b, authztest.Web); got.Get("error") != "account_selection_required" {
			t.Errorf("an app that is new here, at replica %d: %v", i, got)
		}
	}
	chooser := one.Get(t, one.Ask(t, authztest.SPA, nil).Header.Get("Location"))
	if !chooser.Has("account-1") || chooser.Has("account-2") {
		t.Fatalf("%.500s", chooser.Body)
	}
	led := p.follow(t, one, two.Do(t, chooser.Submit(t, "account-1", nil))).Redirect(t)
	if issued, _, err := storage.Codes.Get(t.Context(), p.Store, oauth.HashToken(led.Get("code"))); err != nil || issued.UserID != mine {
		t.Errorf("the chosen account is %s, the app got %+v, %v", mine, issued, err)
	}
}

func (p pair) stepsUp(t *testing.T, name string) {
	one, two := p.in(t, name)
	app := p.app(t, name)
	want := url.Values{"acr_values": {twoFactors}}
	page := one.Get(t, one.Ask(t, authztest.SPA, want).Header.Get("Location"))
	if page.URL.Path != "/login/factor" {
		t.Fatalf("led to %s", page.URL.Path)
	}
	before := blackbox.SessionCookie(t, one)
	if got := p.post(t, two, page, "otp-submit", code(app.WrongCode())); !got.Has("problem") {
		t.Errorf("a wrong code: %s", got.URL)
	}
	led := two.Do(t, page.Submit(t, "otp-submit", code(app.Code(t, p.Server))))
	if got := p.follow(t, one, led).Redirect(t); got.Get("code") == "" || blackbox.SessionCookie(t, one) == before {
		t.Errorf("after the code: %v", got)
	}
	want.Set("prompt", "none")
	for i, b := range []*authztest.Browser{one, two} {
		if got := b.Ask(t, authztest.SPA, want).Redirect(t); got.Get("code") == "" {
			t.Errorf("later, at replica %d: %v", i, got)
		}
	}
}

func (p pair) endsNotMe(t *testing.T, name string) {
	own, _ := p.in(t, name)
	blackbox.ChangeUser(t, p.Server, p.user(t, name+"@example.com").ID, func(u *storage.User) { u.CreatedAt = u.CreatedAt.Add(-24 * time.Hour) })
	_, known := p.in(t, name) // a second browser: it is new too
	link := p.mailTo(t, "new_device", name+"@example.com").Link
	one, two := p.browser(t)
	p.post(t, two, one.Get(t, link), "verify-submit", nil)
	if p.signedIn(t, known) || !p.signedIn(t, own) {
		t.Error("the wrong session ended, or none")
	}
	count := func() (n int) {
		for _, m := range p.box.Mails() {
			if m.Message == "new_device" && m.To.Address == name+"@example.com" {
				n++
			}
		}
		return n
	}
	ownToo := blackbox.At(own, 1)
	if page := p.password(t, ownToo, name, authztest.Password); page.Has("problem") {
		t.Fatal(page.Text("problem"))
	}
	third, _ := p.in(t, name) // its mail comes after any that the sign-in before has caused
	blackbox.Until(t, "a mail about the third device", func() bool { return count() >= 2 })
	if n := count(); n != 2 || !p.signedIn(t, third) {
		t.Errorf("%d mails: a device that the one replica knows is new to the other", n)
	}
}

func (p pair) losesPassword(t *testing.T, name string) {
	for i := range wrongInARow {
		one, two := p.browser(t)
		if page := p.password(t, []*authztest.Browser{one, two}[i%2], name, "a wrong password"); !page.Has("problem") {
			t.Fatalf("%d: %s", i, page.URL)
		}
	}
	if user := p.user(t, name+"@example.com"); user.PasswordHash != "" || user.PasswordEndedAt.IsZero() {
		t.Errorf("the password lives after %d wrong ones: %v", wrongInARow, user.PasswordEndedAt)
	}
	if p.accepts(t, name, authztest.Password) {
		t.Error("the password still signs in")
	}
}

func (p pair) knowsDevice(t *testing.T, name string) {
	own, _ := p.in(t, name)
	full, expires := &storage.FailureCount{DrainedAt: time.Now().Add(2 * time.Hour)}, time.Now().Add(3*time.Hour)
	if err := p.Store.Apply(t.Context(), storage.LoginFailures.Put(tally.LoginKey(name), full, storage.Any, expires),
		storage.LoginFailures.Put(tally.UserKey(p.user(t, name+"@example.com").ID), full, storage.Any, expires)); err != nil {
		t.Fatal(err)
	}
	for i := range p.Replicas {
		stranger := blackbox.AtFrom(p.NewBrowser(t), i, "198.51.100.7")
		if page := p.password(t, stranger, name, authztest.Password); page.Status != http.StatusTooManyRequests || p.signedIn(t, stranger) {
			t.Errorf("a browser that is not known, at replica %d: %d", i, page.Status)
		}
		away := blackbox.AtFrom(own, i, "203.0.113.7")
		if page := p.password(t, away, name, authztest.Password); page.Has("problem") || !p.signedIn(t, away) {
			t.Errorf("the user's own browser, at replica %d: %d %s", i, page.Status, page.Text("problem"))
		}
	}
}
