package authz_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/selfservice"
)

func (p pair) signUpByCode(t *testing.T, _ string) {
	const email = "signs-up-by-code@example.org"
	one, two := p.browser(t)
	page := p.post(t, one, one.Get(t, p.URL+"/signup"), "signup-submit", url.Values{"name": {"Dodo"}, "email": {email}, "new-password": {otherPassword}})
	sent := p.mailTo(t, "prove_address", email)
	wrong := url.Values{"otp": {"00000000"}}
	if sent.Code == "00000000" {
		wrong = url.Values{"otp": {"00000001"}}
	}
	for i, b := range []*authztest.Browser{two, one, two, one} {
		if got := p.post(t, b, page, "verify-submit", wrong); got.Status != http.StatusUnprocessableEntity {
			t.Errorf("wrong code %d: %d", i, got.Status)
		}
	}
	p.post(t, two, page, "verify-submit", url.Values{"otp": {sent.Code}}) // the last of five tries
	if !p.signedIn(t, one) || !p.accepts(t, email, otherPassword) {
		t.Error("signed up at one, and not at the other")
	}
	p.gone(t, "the link after the code", sent.Link)
}

func (p pair) signUpByLink(t *testing.T, _ string) {
	const email = "signs-up-by-link@example.org"
	one, two := p.browser(t)
	p.post(t, one, one.Get(t, p.URL+"/signup"), "signup-submit", url.Values{"name": {"Dodo"}, "email": {email}, "new-password": {otherPassword}})
	sent := p.mailTo(t, "prove_address", email)
	page := two.Get(t, sent.Link)
	requests := []*http.Request{page.Submit(t, "verify-submit", nil), page.Submit(t, "verify-submit", nil)}
	if n := atOnce(t, []*authztest.Browser{one, two}, requests, func(_ *authztest.Browser, page *authztest.Page) bool {
		return page.Status == http.StatusSeeOther
	}); n != 1 {
		t.Errorf("%d of two forms of one link made an account", n)
	}
	if !p.signedIn(t, one) || !p.signedIn(t, two) || p.user(t, email) == nil {
		t.Error("signed up at one, and not at the other")
	}
	p.gone(t, "the link a second time", sent.Link)
}

func (p pair) resets(t *testing.T, name string) {
	email := name + "@example.com"
	inOne, inTwo := p.in(t, name)
	tokens := inOne.SignIn(t, authztest.SPA, nil)
	one, two := p.browser(t)
	p.post(t, one, one.Get(t, p.URL+"/reset"), "reset-submit", url.Values{"email": {email}})
	first := p.mailTo(t, "reset_password", email).Link
	code := p.post(t, two, two.Get(t, p.URL+"/reset"), "reset-submit", url.Values{"email": {email}})
	blackbox.Until(t, "a second mail", func() bool { return p.mailTo(t, "reset_password", email).Link != first })
	p.gone(t, "the first of two links", first)
	sent := p.mailTo(t, "reset_password", email)
	form := p.post(t, one, code, "verify-submit", url.Values{"otp": {sent.Code}})
	if !two.Get(t, form.URL.String()).Has("new-password") {
		t.Fatal("a code that was typed at one replica is not known at the other")
	}
	elsewhere, again := p.browser(t)
	requests := []*http.Request{
		form.Submit(t, "reset-submit", url.Values{"new-password": {otherPassword}}),
		again.Get(t, sent.Link).Submit(t, "reset-submit", url.Values{"new-password": {otherPassword}}),
	}
	if n := atOnce(t, []*authztest.Browser{one, elsewhere}, requests, func(_ *authztest.Browser, page *authztest.Page) bool {
		return page.Status == http.StatusOK
	}); n != 1 {
		t.Errorf("code and link of one proof, at once: %d set a password", n)
	}
	if p.signedIn(t, inTwo) || p.Token(t, authztest.SPA, "", authztest.RefreshForm(tokens.RefreshToken)).Error != "invalid_grant" {
		t.Error("the session or the grant of before lives")
	}
	if p.accepts(t, name, authztest.Password) || !p.accepts(t, name, otherPassword) {
		t.Error("the old password signs in, or the new one does not")
	}
	p.gone(t, "the link after it was used", sent.Link)
}

func (p pair) invites(t *testing.T, _ string) {
	const email = "invited@example.org"
	request := httptest.NewRequest(http.MethodPost, "http://localhost/v1/invitations", strings.NewReader(`{"email":"`+email+`"}`))
	request.Header.Set("Content-Type", "application/json")
	answer := httptest.NewRecorder()
	if p.Replicas[0].AdminSocket().ServeHTTP(answer, request); answer.Code != http.StatusCreated {
		t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	link := p.mailTo(t, "invite", email).Link
	one, two := p.browser(t)
	page := two.Get(t, link)
	if done := p.post(t, one, page, "reset-submit", url.Values{"name": {"Dodo"}, "new-password": {otherPassword}}); done.Status != http.StatusOK {
		t.Fatalf("%d %.500s", done.Status, done.Body)
	}
	if !p.accepts(t, email, otherPassword) {
		t.Error("the invited person does not get in")
	}
	p.gone(t, "the invitation a second time", link)
}

func (p pair) changesEmail(t *testing.T, name string) {
	const next = "moved@example.org"
	one, two := p.in(t, name)
	p.post(t, one, one.Get(t, p.URL+"/account/email"), "email-submit", url.Values{"email": {next}})
	link := p.mailTo(t, "new_address", next).Link
	if page := p.post(t, two, two.Get(t, link), "verify-submit", nil); page.Status != http.StatusOK {
		t.Fatalf("%d %.500s", page.Status, page.Body)
	}
	if user := p.user(t, next); user == nil || !user.Profile.EmailVerified || p.user(t, name+"@example.com") != nil {
		t.Errorf("user %+v", user)
	}
	for i, b := range []*authztest.Browser{one, two} {
		if page := b.Get(t, link); page.Status != http.StatusGone {
			t.Errorf("the link a second time, at replica %d: %d", i, page.Status)
		}
	}
}

func (p pair) stopsChange(t *testing.T, name string) {
	const next = "stopped@example.org"
	one, two := p.in(t, name)
	code := p.post(t, one, one.Get(t, p.URL+"/account/email"), "email-submit", url.Values{"email": {next}})
	owner, ownerToo := p.browser(t)
	p.post(t, ownerToo, owner.Get(t, p.mailTo(t, "address_changing", name+"@example.com").Link), "verify-submit", nil)
	for _, b := range []*authztest.Browser{two, one} {
		p.post(t, b, code, "verify-submit", url.Values{"otp": {p.mailTo(t, "new_address", next).Code}})
	}
	if p.user(t, next) != nil || p.user(t, name+"@example.com") == nil {
		t.Error("the address changed all the same")
	}
}

func (p pair) changesPassword(t *testing.T, name string) {
	other, otherToo := p.in(t, name)
	tokens := other.SignIn(t, authztest.SPA, nil)
	one, two := p.in(t, name)
	form := one.Get(t, p.URL+"/account/password")
	change := func(password string) *http.Request {
		return form.Submit(t, "password-change-submit", url.Values{"password": {authztest.Password}, "new-password": {password}, "sign-out-others": {"yes"}})
	}
	passwords := []string{otherPassword, nextPassword}
	if n := atOnce(t, []*authztest.Browser{one, two}, []*http.Request{change(passwords[0]), change(passwords[1])}, func(_ *authztest.Browser, page *authztest.Page) bool {
		return page.Has("notice")
	}); n != 1 {
		t.Errorf("%d of two changes at once count", n)
	}
	if p.signedIn(t, otherToo) || p.Token(t, authztest.SPA, "", authztest.RefreshForm(tokens.RefreshToken)).Error != "invalid_grant" {
		t.Error("the other session or its grant lives")
	}
	works := 0
	for _, password := range passwords {
		if p.accepts(t, name, password) {
			works++
		}
	}
	if works != 1 || p.accepts(t, name, authztest.Password) {
		t.Errorf("%d of the new passwords work, or the old one does", works)
	}
}

func (p pair) exportsAndLeaves(t *testing.T, name string) {
	other, _ := p.in(t, name)
	one, two := p.in(t, name)
	var e selfservice.Export
	if page := two.Get(t, p.URL+"/account/export"); json.Unmarshal([]byte(page.Body), &e) != nil || len(e.Sessions) != 2 {
		t.Errorf("%d: %d sessions", page.Status, len(e.Sessions))
	}
	page := one.Get(t, p.URL+"/account/delete")
	if done := p.post(t, two, page, "delete-account", nil); !done.Has("notice") {
		t.Fatalf("%d %.500s", done.Status, done.Body)
	}
	if p.signedIn(t, one) || p.signedIn(t, other) || p.accepts(t, name, authztest.Password) || p.user(t, name+"@example.com") != nil {
		t.Error("the account lives")
	}
}
