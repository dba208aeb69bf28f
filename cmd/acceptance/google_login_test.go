package acceptance

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/chromedp"
)

// chooseUser clicks the button of a user on the page of the stand-in for Google.
func (g *google) chooseUser(p playground, email string) {
	p.t.Helper()
	button := fmt.Sprintf("[...document.querySelectorAll('button')].find((b) => b.innerText.includes(%q))", email)
	p.until("location.origin === '" + g.issuer + "' && document.readyState === 'complete' && " + button)
	p.soon(button + ".click()")
}

// Somebody without an account here signs in with Google, consents, and is known to the app; the
// next time Google says the same person again.
func TestSignInWithGoogle(t *testing.T) {
	t.Parallel()
	g := newGoogle(t)
	s, p := openPlayground(t, g.connector())
	g.start(t, s)

	p.click("sign-in")
	p.click("connector-google")
	g.chooseUser(p, googleUser)
	p.click("consent-allow")
	p.settles()
	p.wantStatus("Signed in")
	if got := p.text("who"); got != "Bob Example" {
		t.Errorf("signed in as %q", got)
	}
	subject := p.subject()
	p.act("userinfo")
	if got := eval[string](p.tab, "document.querySelector('#log li:first-child').textContent"); !strings.Contains(got, googleUser) {
		t.Errorf("userinfo lacks the address: %s", got)
	}
	p.wantNothingStored()

	p.logOut()
	p.click("sign-in")
	p.click("connector-google")
	g.chooseUser(p, googleUser)
	p.settles() // the consent is remembered
	p.wantStatus("Signed in")
	if again := p.subject(); again != subject {
		t.Errorf("the same person at Google has become %s, was %s", again, subject)
	}
}

// subject is the sub of the access token that the app shows.
func (p playground) subject() string {
	p.t.Helper()
	return eval[string](p.tab, `JSON.parse(atob(document.querySelector('#card-access_token .raw').textContent.split('.')[1]
		.replaceAll('-', '+').replaceAll('_', '/'))).sub`)
}

// An address that Google does not own proves nothing: Alice has to sign in to her account once, and
// from then on Google is a way into it.
func TestLinkGoogle(t *testing.T) {
	t.Parallel()
	g := newGoogle(t)
	s, p := openPlayground(t, g.connector())
	g.start(t, s)

	p.click("sign-in")
	p.click("connector-google")
	g.chooseUser(p, googleAlice)
	p.shows("problem")
	p.wantCookie("authzd", nil) // nobody is signed in yet
	p.password(password)
	p.click("link-confirm")
	p.click("consent-allow")
	p.settles()
	p.wantStatus("Signed in")
	subject := p.subject()

	p.logOut()
	p.click("sign-in")
	p.click("connector-google")
	g.chooseUser(p, googleAlice)
	p.settles()
	p.wantStatus("Signed in")
	if linked := p.subject(); linked != subject {
		t.Errorf("Google leads to %s, not to the account %s", linked, subject)
	}
	if got := p.text("who"); got != "Alice Liddell" {
		t.Errorf("the account's own name has become %q", got)
	}
}

// After every failure at Google, the app gets an answer that it can explain, and authzd goes on.
func TestSignInWithGoogleFails(t *testing.T) {
	t.Parallel()
	g := newGoogle(t)
	s, p := openPlayground(t, g.connector()+"  - {id: gone, type: google, issuer: 'http://localhost:1', client_id: x, client_secret: x}\n")
	g.start(t, s)

	p.click("sign-in")
	p.click("connector-gone") // which nobody has ever reached
	p.shows("problem")
	p.click("login-cancel")
	p.settles()
	p.wantNotice("temporarily_unavailable")

	p.click("sign-in")
	p.click("connector-google")
	p.until("location.origin === '" + g.issuer + "'")
	// The stand-in has no way to refuse: this is where Google's own Cancel leads.
	p.open(s.issuer + "/callback/google?error=access_denied&state=" + eval[string](p.tab, "new URLSearchParams(location.search).get('state')"))
	p.settles()
	p.wantNotice("access_denied")

	// Google goes down while the user is on the way back from it, maybe before its icon is loaded.
	p.console.tolerate("net::ERR_CONNECTION_REFUSED /_emulate/favicon.ico", "net::ERR_INCOMPLETE_CHUNKED_ENCODING /_emulate/favicon.ico",
		"net::ERR_CONNECTION_RESET /_emulate/favicon.ico", "net::ERR_EMPTY_RESPONSE /_emulate/favicon.ico")
	stopped := p.pauseRequests(s.issuer+"/callback/*", func() { g.stop(t) })
	p.click("sign-in")
	p.click("connector-google")
	g.chooseUser(p, googleUser)
	<-stopped
	p.shows("problem")
	p.click("login-cancel")
	p.settles()
	p.wantNotice("temporarily_unavailable")
	p.wantStatus("Signed out")

	p.click("sign-in") // the password still works
	p.password(password)
	p.click("consent-allow")
	p.settles()
	p.wantStatus("Signed in")
}

// pauseRequests holds the first request for a URL of that pattern, calls do and lets it go on.
// The channel is closed once that has happened.
func (p playground) pauseRequests(pattern string, do func()) <-chan struct{} {
	p.t.Helper()
	done := make(chan struct{})
	chromedp.ListenTarget(p.ctx, func(event any) {
		paused, ok := event.(*fetch.EventRequestPaused)
		if !ok {
			return
		}
		go func() { // a listener must not wait for the browser
			do()
			_ = chromedp.Run(p.ctx, fetch.ContinueRequest(paused.RequestID), fetch.Disable()) // the test waits for what follows
			close(done)
		}()
	})
	p.do(chromedp.ActionFunc(func(ctx context.Context) error {
		return fetch.Enable().WithPatterns([]*fetch.RequestPattern{{URLPattern: pattern}}).Do(ctx)
	}))
	return done
}
