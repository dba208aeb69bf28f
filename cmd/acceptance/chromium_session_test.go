package acceptance

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// press types a key, wherever the focus is.
func (b *tab) press(key string) {
	b.t.Helper()
	b.do(chromedp.KeyEvent(key))
}

// tabTo moves the focus by the Tab key until the element with that id has it, and can be seen to.
func (b *tab) tabTo(id string) {
	b.t.Helper()
	b.shows(id)
	for range 80 {
		if eval[string](b, "document.activeElement.id") == id {
			if !eval[bool](b, "document.activeElement.matches(':focus-visible') && getComputedStyle(document.activeElement).outlineStyle !== 'none'") {
				b.t.Errorf("the focus on %s cannot be seen", id)
			}
			return
		}
		b.press(kb.Tab)
	}
	b.t.Fatalf("the Tab key does not lead to %s", id)
}

// back goes back in the history. The caller must wait for the page that it expects.
func (b *tab) back() {
	b.t.Helper()
	b.soon("history.back()")
}

// Nothing but a keyboard takes Alice from the app through sign-in and consent, and out again.
func TestPlaygroundByKeyboard(t *testing.T) {
	t.Parallel()
	_, p := openPlayground(t, "signing: {alg: PS256}")
	p.tabTo("sign-in")
	p.press(kb.Enter)
	p.shows("username")
	p.until("document.activeElement.id === 'username'") // without anybody's doing
	p.do(chromedp.KeyEvent("alice" + kb.Tab + password))
	p.tabTo("remember-me")
	p.press(" ")
	p.press(kb.Enter)
	p.tabTo("consent-allow")
	p.press(kb.Enter)
	p.settles()
	p.wantStatus("Signed in")

	p.tabTo("refresh")
	p.press(kb.Enter)
	p.until("document.querySelector('#log .path')?.textContent.includes('/session')")
	if got := eval[string](p.tab, "document.activeElement.id"); got != "refresh" {
		t.Errorf("after the refresh %q has the focus", got)
	}
	p.tabTo("logout")
	p.press(kb.Enter)
	p.loggedOut()
}

// The session at the server outlives the page's memory: a reload or a new tab needs no form, until
// somebody logs out in any tab.
func TestPlaygroundSession(t *testing.T) {
	t.Parallel()
	_, p := openPlayground(t, "signing: {alg: ES256}")
	p.signIn()
	p.do(chromedp.Reload())
	p.settles()
	p.wantStatus("Signed in")

	second := playground{p.newTab(), p.issuer}
	second.visit()
	second.wantStatus("Signed in")

	// Both tabs refresh at once, again and again, and both stay signed in.
	tabs := []playground{p, second}
	for range 5 {
		for _, tab := range tabs {
			eval[any](tab.tab, "document.getElementById('refresh').click()")
		}
		for _, tab := range tabs {
			tab.until("document.getElementById('refresh').ariaBusy === 'false'")
			tab.wantNotice("")
			tab.wantStatus("Signed in")
		}
	}

	p.logOut()
	p.act("silent")
	p.wantNotice("login_required")
	p.wantStatus("Signed out")
	p.back() // to the page before the logout
	p.until("!document.getElementById('notice')?.checkVisibility()")
	p.settles()
	p.wantStatus("Signed out")
	if n := eval[int](p.tab, "document.getElementById('token-cards').childElementCount"); n != 0 {
		t.Errorf("the back button brings up %d tokens after the logout", n)
	}

	p.console.expect("400 /token")
	second.act("refresh") // an online grant ends with its session
	second.wantNotice("invalid_grant")
	second.wantStatus("Signed out")
}

// People reload and go back at every step.
func TestSignInInterrupted(t *testing.T) {
	t.Parallel()
	_, p := openPlayground(t, "signing: {alg: ES256}")
	p.click("sign-in")
	p.shows("login-submit")
	p.do(chromedp.Reload())
	p.password(password)
	p.shows("consent-allow")
	p.do(chromedp.Reload())
	p.shows("consent-allow")
	p.back() // to the sign-in page, which goes on: the user has signed in
	p.shows("consent-allow")
	p.click("consent-allow")
	p.settles()
	p.wantStatus("Signed in")

	p.back() // to the consent page, whose answer the app does not wait for any more
	p.click("consent-allow")
	p.settles()
	p.wantStatus("Signed in")
	p.wantNotice("")
}

// An app may ask for more than a session: a fresh login, another account, a new consent.
func TestPlaygroundPrompts(t *testing.T) {
	t.Parallel()
	_, p := openPlayground(t, "signing: {alg: ES256}")
	p.signIn()
	for _, test := range []struct {
		field, value string
		answer       func()
	}{
		{"prompt", "login", func() {
			p.fill("password", password)
			p.click("login-submit")
		}},
		{"prompt", "select_account", func() { p.click("account-continue") }},
		{"prompt", "select_account", func() {
			p.click("account-other")
			p.password(password)
		}},
		{"prompt", "consent", func() { p.click("consent-allow") }},
		{"max-age", "0", func() {
			p.click("other-account") // not you?
			p.password(password)
		}},
		{"login-hint", "alice", func() {}}, // who is signed in already
	} {
		eval[any](p.tab, fmt.Sprintf("document.getElementById(%q).value = %q", test.field, test.value))
		p.leave("sign-in")
		test.answer()
		p.settles()
		p.wantStatus("Signed in")
		p.wantNotice("")
	}
}
