package acceptance

import (
	"errors"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
)

// The second factor of a member.

const stepSeconds = 30

func stepNow() int64 { return time.Now().Unix() / stepSeconds }

func (m *member) codeOf(step int64) string {
	code, err := hotp.GenerateCodeCustom(m.Secret, uint64(step), hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
	if err != nil {
		panic(err) // the secret is not base32
	}
	return code
}

// setUpApp gives the account an authenticator app. If the answer is missing, a sign-in shows whether there is one.
func (v *visit) setUpApp() error {
	m := v.m
	if m.Enrolling {
		return v.hasApp()
	}
	b := v.browser(true)
	p, err := b.visit("/account/factors/app")
	if err != nil {
		return err
	}
	if !p.has("totp-secret") {
		return v.mustSignIn("for a second factor")
	}
	m.Secret = strings.ReplaceAll(p.inside("totp-secret"), " ", "")
	m.Step, m.Enrolling = stepNow()-1, true // a code of before, so that that of now is left
	v.remember()
	p, err = b.walk(p.submit("otp-submit", map[string]string{"otp": m.codeOf(m.Step)}))
	switch {
	case err != nil:
		return err
	case p.has("problem"): // the step has ended meanwhile
		m.Enrolling = false
		return nil
	case !p.has("recovery-codes"):
		return broken("setting up an app: %d %.300s", p.status, p.text())
	}
	m.Codes, m.App, m.Enrolling, m.Cookies = strings.Fields(p.inside("recovery-codes")), true, false, b.cookies()
	return nil
}

func (v *visit) hasApp() error {
	p, ok, err := v.signIn(v.browser(false), v.m.Password)
	switch {
	case err != nil:
		return err
	case !ok:
		return broken("after an app was set up without an answer, the password does not sign in")
	}
	v.m.App, v.m.Enrolling = p.url.Path == "/login/factor", false // without recovery codes, which nobody has seen
	return nil
}

// inside is what the element with an id says.
func (p *page) inside(id string) string {
	n := p.byID(id)
	if n == nil {
		return ""
	}
	return (&page{root: n}).text()
}

// useFactor signs in with a code of the app, and later with a recovery code.
func (v *visit) useFactor() error {
	m, again := v.m, v.m.Sent != ""
	step, now, code := m.Step, stepNow(), m.Sent
	switch {
	case again:
	case m.Proof == 1 && len(m.Codes) == 0:
		return v.anew()
	case m.Proof == 1:
		code = m.Codes[0]
	case now <= m.Step: // the clock was put back
		m.Proof = 1
		return nil
	default:
		step, code = now, m.codeOf(now)
	}
	b := v.browser(false)
	p, err := v.enter(b, code, func() { m.Sent, m.Step = code, step })
	switch {
	case errors.Is(err, errThrottled):
		return v.anew()
	case err != nil:
		return err
	case p.url.Path == "/account":
		m.Cookies = b.cookies()
	case !again && (m.Proof == 1 || stepNow() <= step+1):
		return broken("a code that was never sent before: %s %d %.300s", p.url.Path, p.status, p.text())
	}
	if m.Proof == 1 {
		m.Codes = m.Codes[1:]
	}
	m.Used, m.Sent = m.Sent, ""
	m.Proof++
	return nil
}

// useAgain sends a code that was used.
func (v *visit) useAgain() error {
	p, err := v.enter(v.browser(false), v.m.Used, func() {})
	switch {
	case errors.Is(err, errThrottled):
		return v.anew()
	case err != nil:
		return err
	case p.url.Path == "/account":
		return broken("a code that was used signs in")
	}
	v.m.Used = ""
	return nil
}

// enter signs in by password and a code. sending is called right before the code is sent.
func (v *visit) enter(b *browser, code string, sending func()) (*page, error) {
	p, ok, err := v.signIn(b, v.m.Password)
	switch {
	case err != nil:
		return nil, err
	case !ok || p.url.Path != "/login/factor":
		return nil, broken("the password leads to %s, and not to the second factor: %.300s", p.url.Path, p.text())
	}
	button, field, way := "otp-submit", "otp", "way-totp"
	if strings.Contains(code, "-") {
		button, field, way = "recovery-submit", "recovery-code", "way-recovery"
	}
	if !p.has(button) {
		if p, err = b.click(p, "use-another-way"); err == nil {
			p, err = b.click(p, way)
		}
		if err != nil {
			return nil, err
		}
	}
	sending()
	v.remember()
	return b.walk(p.submit(button, map[string]string{field: code}))
}

// click follows the link with an id.
func (b *browser) click(p *page, id string) (*page, error) {
	link := p.byID(id)
	if link == nil {
		return nil, broken("no link %s on %s: %.300s", id, p.url.Path, p.text())
	}
	target, err := p.url.Parse(attr(link, "href"))
	if err != nil {
		return nil, err
	}
	path, _ := strings.CutPrefix(target.String(), b.issuer)
	return b.visit(path)
}
