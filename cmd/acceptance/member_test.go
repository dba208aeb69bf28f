package acceptance

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/authzd/authzd/authz/authztest"
)

// member is a person with an account of their own: they sign up, prove their address, change their password, add a passkey
// and sign in with it, set up an authenticator app, sign in with it and with a recovery code, and leave.
//
//	sign up ─> link ─> password ─> passkey ─> app ─> code ─> recovery code ─> leave ─> sign up …
//
// After each of them they try once more what may count only once. If the server did not answer, the next step finds out
// what has become of it: all of it or nothing.
type member struct {
	Cookies  map[string]string
	Email    string
	Password string
	Link     string // of the mail; "": it has not come
	Proving  bool   // the link's form was sent
	Account  bool   // there is one, so the server said
	UsedLink bool   // it is to be tried again

	Next    string // password that was sent, without an answer yet
	Changed bool   // the password was

	Device  *authztest.Authenticator // with the passkey
	Adding  bool                     // the passkey was sent
	Passkey bool                     // there is one, so the server said
	Touched bool                     // it has signed in

	Secret    string // of the app, in base32
	Enrolling bool   // its first code was sent
	App       bool   // it counts, so the server said
	Step      int64  // newest time step of a code that was accepted, or may have been

	Sent  string   // code that was sent, without an answer yet
	Codes []string // recovery codes
	Used  string   // code that was accepted, and is to be tried again
	Proof int      // ways of the second factor that were used

	Left bool // the account, so the server said
}

// lives counts the accounts that were made, used in every way, and deleted.
var lives atomic.Int64

func (m *member) step(s *server, remember func()) error {
	defer remember()
	v := &visit{m: m, s: s, remember: remember}
	switch {
	case m.Link == "":
		return v.signUp()
	case !m.Account:
		return v.prove()
	case m.UsedLink:
		return v.proveAgain()
	case !m.Changed:
		return v.changePassword()
	case !m.Passkey && strings.HasPrefix(s.issuer, "http://localhost:"):
		return v.addPasskey()
	case m.Passkey && !m.Touched:
		return v.usePasskey()
	case !m.App:
		return v.setUpApp()
	case m.Used != "":
		return v.useAgain()
	case m.Proof < 2:
		return v.useFactor()
	case !m.Left:
		return v.leave()
	}
	return v.beGone()
}

// visit is one step of a member.
type visit struct {
	m        *member
	s        *server
	remember func()
}

// errThrottled is that the server asks the person to wait.
var errThrottled = errors.New("429")

// browser is one that the member has used before, or a new one.
func (v *visit) browser(known bool) *browser {
	b := openBrowser(v.s)
	b.from = fmt.Sprintf("10.%d.%d.%d", randomByte(), randomByte(), randomByte())
	if known {
		b.setCookies(v.m.Cookies)
	}
	return b
}

func randomByte() byte {
	var b [1]byte
	rand.Read(b[:]) // never fails
	return b[0]
}

// walk sends a request, and follows the redirects.
func (b *browser) walk(req *http.Request, err error) (*page, error) {
	for err == nil {
		var p *page
		if p, err = b.open(req); err != nil {
			return nil, err
		}
		switch {
		case p.status == http.StatusServiceUnavailable:
			return nil, errUnanswered
		case p.status == http.StatusTooManyRequests:
			return nil, errThrottled
		case p.status >= http.StatusInternalServerError:
			return nil, broken("an error of the server: %s: %d", p.url.Path, p.status)
		case p.location == nil:
			return p, nil
		}
		req, err = http.NewRequest(http.MethodGet, p.location.String(), nil)
	}
	return nil, err
}

func (b *browser) visit(path string) (*page, error) {
	return b.walk(http.NewRequest(http.MethodGet, b.issuer+path, nil))
}

func (p *page) has(id string) bool { return p.byID(id) != nil }

// anew forgets the account, and is no fault of the server.
func (v *visit) anew() error {
	*v.m = member{}
	return nil
}

// signUp sends the form, and waits for the mail. It may be lost with a server that is killed, or with the letterbox.
func (v *visit) signUp() error {
	m, b := v.m, v.browser(false)
	m.Email, m.Password = strings.ToLower(rand.Text())+"@example.org", "the pass phrase "+rand.Text()
	p, err := b.visit("/signup")
	if err == nil {
		p, err = b.walk(p.submit("signup-submit", map[string]string{"name": "Dodo", "email": m.Email, "new-password": m.Password}))
	}
	switch {
	case err != nil:
		return err
	case !p.has("otp"):
		return broken("a sign-up leads to %s: %d %.300s", p.url.Path, p.status, p.text())
	}
	m.Cookies = b.cookies()
	for deadline := time.Now().Add(3 * time.Second); m.Link == "" && time.Now().Before(deadline); m.Link = letterbox().take(m.Email) {
		<-time.After(5 * time.Millisecond)
	}
	return nil
}

// prove opens the link in the browser that signed up, and sends its form. An account is there afterwards, or none is.
func (v *visit) prove() error {
	m, b := v.m, v.browser(true)
	p, err := b.visit(m.Link)
	if err != nil {
		return err
	}
	if p.status == http.StatusGone {
		if !m.Proving {
			return broken("a link that nobody has used is void")
		}
		m.Account = true // then the password signs in
		return v.mustSignIn("after a link without an answer")
	}
	m.Proving = true
	v.remember()
	p, err = b.walk(p.submit("verify-submit", nil))
	switch {
	case err != nil:
		return err
	case p.url.Path != "/account":
		return broken("a link leads to %s: %d %.300s", p.url.Path, p.status, p.text())
	}
	m.Account, m.UsedLink, m.Cookies = true, true, b.cookies()
	return nil
}

func (v *visit) proveAgain() error {
	p, err := v.browser(true).visit(v.m.Link)
	if err == nil && p.status != http.StatusGone {
		err = broken("a link that was used: %d", p.status)
	}
	if err == nil {
		v.m.UsedLink = false
	}
	return err
}

// signIn sends a password in a browser. ok is whether it was accepted; p is the page that it leads to.
func (v *visit) signIn(b *browser, password string) (p *page, ok bool, err error) {
	if p, err = b.visit("/login?other=1"); err == nil {
		p, err = b.walk(p.submit("login-submit", map[string]string{"username": v.m.Email, "password": password}))
	}
	if err != nil {
		return nil, false, err
	}
	return p, !p.has("login-submit"), nil
}

func (v *visit) mustSignIn(when string) error {
	b := v.browser(true)
	_, ok, err := v.signIn(b, v.m.Password)
	if err == nil && !ok {
		err = broken("%s, the password does not sign in", when)
	}
	if err == nil {
		v.m.Cookies = b.cookies()
	}
	return err
}

// changePassword gives the account another password. One of the two signs in afterwards, and not both.
func (v *visit) changePassword() error {
	m := v.m
	if m.Next != "" {
		return v.whichPassword()
	}
	b := v.browser(true)
	p, err := b.visit("/account/password")
	if err != nil {
		return err
	}
	if !p.has("password-change-submit") {
		return v.mustSignIn("for a change of the password")
	}
	m.Next = "another pass phrase " + rand.Text()
	v.remember()
	p, err = b.walk(p.submit("password-change-submit", map[string]string{"password": m.Password, "new-password": m.Next}))
	switch {
	case err != nil:
		return err
	case !p.has("notice"):
		return broken("a change of the password: %d %.300s", p.status, p.text())
	}
	m.Password, m.Next, m.Changed, m.Cookies = m.Next, "", true, b.cookies()
	return nil
}

func (v *visit) whichPassword() error {
	m, works := v.m, 0
	for i, password := range []string{m.Password, m.Next} {
		_, ok, err := v.signIn(v.browser(false), password)
		if err != nil {
			return err
		}
		if ok {
			works += i + 1
		}
	}
	switch works {
	case 1:
		m.Next = ""
	case 2:
		m.Password, m.Next, m.Changed = m.Next, "", true
	default:
		return broken("after a change of the password without an answer, both sign in: %v; or none", works == 3)
	}
	return nil
}

// leave deletes the account.
func (v *visit) leave() error {
	m, b := v.m, v.browser(true)
	p, err := b.visit("/account/delete")
	if errors.Is(err, errThrottled) || err == nil && !p.has("delete-account") {
		return v.anew() // it is gone, without an answer; or the session has ended, and another would need another code
	}
	if err != nil {
		return err
	}
	p, err = b.walk(p.submit("delete-account", nil))
	switch {
	case err != nil:
		return err
	case !p.has("notice"):
		return broken("deleting the account: %d %.300s", p.status, p.text())
	}
	m.Left = true
	lives.Add(1)
	return nil
}

// beGone tries to sign in to the account that was deleted.
func (v *visit) beGone() error {
	_, ok, err := v.signIn(v.browser(false), v.m.Password)
	switch {
	case err != nil && !errors.Is(err, errThrottled):
		return err
	case ok:
		return broken("an account that was deleted signs in")
	}
	return v.anew()
}
