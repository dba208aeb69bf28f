package acceptance

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/authzd/authzd/authz/authztest"
)

// The passkey of a member.

// outside lets an Authenticator work where there is no test: in a machine that loses its power. What would end the test is
// a panic.
type outside struct{ testing.TB }

func (outside) Helper()                           {}
func (outside) Fatal(args ...any)                 { panic(fmt.Sprint(args...)) }
func (outside) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// asked returns the options that the form of a button has for the browser.
func (p *page) asked(buttonID string) (string, error) {
	form := p.byID(buttonID)
	for form != nil && form.Data != "form" {
		form = form.Parent
	}
	if form == nil {
		return "", broken("no button %s on %s: %.300s", buttonID, p.url.Path, p.text())
	}
	var ask struct {
		Options string `json:"options"`
	}
	err := json.Unmarshal([]byte(attr(form, "data-passkey")), &ask)
	return ask.Options, err
}

// addPasskey gives the account a passkey. If the answer is missing, a sign-in shows whether it has it.
func (v *visit) addPasskey() error {
	m, b := v.m, v.browser(true)
	if m.Adding {
		ok, err := v.touch(v.browser(false))
		if err == nil {
			m.Passkey, m.Adding = ok, false
		}
		return err
	}
	p, err := b.visit("/account/passkeys")
	if err != nil {
		return err
	}
	if !p.has("passkey-add") {
		return v.mustSignIn("for a passkey")
	}
	options, err := p.asked("passkey-add")
	if err != nil {
		return err
	}
	m.Device = &authztest.Authenticator{Origin: b.issuer}
	made := m.Device.Create(outside{}, options)
	m.Adding = true
	v.remember()
	p, err = b.walk(p.submit("passkey-add", map[string]string{"passkey-answer": made}))
	switch {
	case err != nil:
		return err
	case !p.has("passkey-added"):
		return broken("adding a passkey: %d %.300s", p.status, p.text())
	}
	m.Passkey, m.Adding, m.Cookies = true, false, b.cookies()
	return nil
}

// touch signs in with the passkey, and reports whether the server took it. An answer that was taken is sent once more.
func (v *visit) touch(b *browser) (ok bool, err error) {
	p, err := b.visit("/login")
	if err != nil {
		return false, err
	}
	options, err := p.asked("passkey-login")
	if err != nil {
		return false, err
	}
	before, answer := b.cookies(), map[string]string{"passkey-answer": v.m.Device.Get(outside{}, options)}
	v.remember() // it has counted
	done, err := b.walk(p.submit("passkey-login", answer))
	if err != nil || done.url.Path != "/account" {
		return false, err
	}
	again := v.browser(false)
	again.setCookies(before)
	if done, err = again.walk(p.submit("passkey-login", answer)); err == nil && done.url.Path == "/account" {
		return false, broken("an answer of a passkey signs in twice")
	}
	return true, nil
}

func (v *visit) usePasskey() error {
	b := v.browser(false)
	ok, err := v.touch(b)
	if err == nil && !ok {
		err = broken("a passkey does not sign in")
	}
	if err == nil {
		v.m.Touched, v.m.Cookies = true, b.cookies()
	}
	return err
}
