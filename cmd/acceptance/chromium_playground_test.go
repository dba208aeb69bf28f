package acceptance

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/chromedp"
)

// playground is the demo app in a tab: the buttons of its page and what they lead to.
type playground struct {
	*tab
	issuer string
}

// openPlayground starts a server and a browser, and opens the app. more is appended to the
// configuration file.
func openPlayground(t *testing.T, more string) (*server, playground) {
	t.Helper()
	needTool(t, "chromium")
	s := startDev(t, more)
	p := playground{openChromium(t), s.issuer}
	p.visit()
	return s, p
}

// visit opens the app in this tab.
func (p playground) visit() {
	p.t.Helper()
	p.open(p.issuer + "/playground")
	p.settles()
}

// settles waits until the app is there and has found out whether the user is signed in.
func (p playground) settles() {
	p.t.Helper()
	p.until("location.pathname === '/playground' && document.getElementById('content')?.ariaBusy === 'false'")
}

// act presses a button of the app and waits until that is done.
func (p playground) act(id string) {
	p.t.Helper()
	p.click(id)
	p.until(fmt.Sprintf("document.getElementById(%q).ariaBusy !== 'true'", id))
}

// password fills in the sign-in page and sends it.
func (b *tab) password(word string) {
	b.t.Helper()
	b.fill("username", "alice")
	b.fill("password", word)
	b.click("login-submit")
}

// signIn goes the whole way from the app to the app; Alice allows everything.
func (p playground) signIn() {
	p.t.Helper()
	p.click("sign-in")
	p.password(password)
	p.click("consent-allow")
	p.settles()
	p.wantStatus("Signed in")
}

// logOut leaves the app for the server, which sends the browser back.
func (p playground) logOut() {
	p.t.Helper()
	p.click("logout")
	p.loggedOut()
}

func (p playground) loggedOut() {
	p.t.Helper()
	p.until("document.getElementById('notice')?.textContent === 'You are logged out.'")
	p.settles()
	p.wantStatus("Signed out")
}

func (p playground) wantStatus(want string) {
	p.t.Helper()
	if got := p.text("status"); got != want {
		p.t.Fatalf("the app says %q, want %q", got, want)
	}
}

// wantNotice demands that the app says something that contains want; "" is nothing at all.
func (p playground) wantNotice(want string) {
	p.t.Helper()
	got := p.text("notice")
	if (want == "") != (got == "") || !strings.Contains(got, want) {
		p.t.Fatalf("the notice is %q, want %q", got, want)
	}
}

// exchanges are the requests in the app's log, the oldest first, as "name: outcome".
func (p playground) exchanges() []string {
	p.t.Helper()
	return eval[[]string](p.tab, `[...document.querySelectorAll('#log li')].reverse().map((li) =>
		li.querySelector('.name').textContent + ': ' + li.querySelector('.badge').textContent)`)
}

// refreshToken is the one that the app shows.
func (p playground) refreshToken() string {
	p.t.Helper()
	return eval[string](p.tab, `document.querySelector('#card-refresh_token .raw').textContent`)
}

// From a wrong password to an order placed: everything that a new user of an app goes through.
func TestPlaygroundSignIn(t *testing.T) {
	t.Parallel()
	_, p := openPlayground(t, "signing: {alg: RS256}")
	p.wantStatus("Signed out")
	p.wantNotice("")

	p.click("sign-in")
	p.password("wrong")
	p.shows("problem")
	p.wantCookie("authzd", nil)
	p.click("remember-me")
	p.password(password)

	p.click("consent-deny")
	p.settles()
	p.wantStatus("Signed out")
	p.wantNotice("access_denied")
	p.wantCookie("authzd", func(c *network.Cookie) bool {
		remembered := time.Until(time.Unix(int64(c.Expires), 0))
		return !c.Session && remembered > 719*time.Hour && remembered <= 720*time.Hour
	})

	p.click("sign-in") // the session lives: nothing but the consent is asked for again
	p.click("consent-allow")
	p.settles()
	p.wantStatus("Signed in")
	p.wantNotice("")
	if got := p.text("who"); got != "Alice Liddell" {
		t.Errorf("signed in as %q", got)
	}
	for _, name := range []string{"id_token", "access_token"} {
		if got := eval[string](p.tab, fmt.Sprintf("document.querySelector('#card-%s .badge').textContent", name)); got != "signature verified" {
			t.Errorf("%s: %s", name, got)
		}
	}

	p.act("call-api")
	p.wantNotice("")
	p.console.expect("403 /playground/api/orders")
	p.act("place-order")
	p.wantNotice("The API wants the scope orders.write.")

	p.click("ask-scope")
	p.click("consent-deny") // costs nothing that was granted before
	p.settles()
	p.wantStatus("Signed in")
	p.wantNotice("access_denied")
	p.act("place-order")
	p.click("ask-scope")
	p.click("consent-allow")
	p.settles()
	p.act("place-order")
	p.act("call-api")
	p.wantNotice("")
	if got := p.exchanges(); !slices.Equal(got[len(got)-2:], []string{"Place an order: 201", "List orders: 200"}) {
		t.Errorf("the last requests are %q", got)
	}
	if got := eval[string](p.tab, "document.querySelector('#log li:first-child').textContent"); !strings.Contains(got, "Treacle") {
		t.Errorf("the order is not in the list: %s", got)
	}
	p.wantNothingStored()
}

// wantCookie demands that a cookie of the server exists, out of reach of scripts, and that ok
// holds; a nil ok, that there is none.
func (p playground) wantCookie(name string, ok func(*network.Cookie) bool) {
	p.t.Helper()
	var found *network.Cookie
	p.do(chromedp.ActionFunc(func(ctx context.Context) error {
		cookies, err := storage.GetCookies().Do(ctx)
		for _, c := range cookies {
			if c.Name == name {
				found = c
			}
		}
		return err
	}))
	switch {
	case ok == nil && found != nil:
		p.t.Fatalf("there is a cookie %s already", name)
	case ok == nil:
	case found == nil:
		p.t.Fatalf("there is no cookie %s", name)
	case !found.HTTPOnly || found.SameSite != network.CookieSameSiteLax || found.Path != "/" || found.Domain != "localhost" || !ok(found):
		p.t.Errorf("cookie %+v", found)
	}
}

// wantNothingStored demands that no token is anywhere but in the memory of the page.
func (p playground) wantNothingStored() {
	p.t.Helper()
	stored := eval[string](p.tab, "JSON.stringify([document.cookie, {...localStorage}, {...sessionStorage}, location.href, history.state])")
	for _, token := range []string{"eyJ", "azr_", "azc_"} {
		if strings.Contains(stored, token) {
			p.t.Errorf("the browser keeps %q: %s", token, stored)
		}
	}
}

// Tokens that are bound to a key: a copy is worthless.
func TestPlaygroundBindsTokens(t *testing.T) {
	t.Parallel()
	for name, more := range map[string]string{"": "", "with nonces": "dpop: {require_nonce: true}"} {
		t.Run(name, func(t *testing.T) {
			_, p := openPlayground(t, more)
			p.click("dpop")
			if more != "" { // the server asks once, for the code, and its nonce serves all that follows
				p.console.expect("400 /token")
			}
			p.signIn()
			p.wantNotice("")
			if got := p.text("token-type"); got != "DPoP" {
				t.Errorf("the tokens are to be used as %s", got)
			}
			if got := p.text("card-access_token"); !strings.Contains(got, `"jkt"`) {
				t.Errorf("the access token is bound to nothing: %s", got)
			}
			for _, button := range []string{"userinfo", "call-api", "refresh", "call-api"} {
				p.act(button)
				p.wantNotice("")
			}

			stolen := eval[string](p.tab, "document.querySelector('#card-access_token .raw').textContent")
			p.console.expect("401 /userinfo", "401 /playground/api/orders")
			for _, path := range []string{"/userinfo", "/playground/api/orders"} {
				status := eval[int](p.tab, fmt.Sprintf("fetch(%q, {headers: {Authorization: 'Bearer ' + %q}}).then((answer) => answer.status)", path, stolen))
				if status != 401 {
					t.Errorf("the copied token at %s: %d", path, status)
				}
			}
			readable := eval[bool](p.tab, `new Promise((resolve) => {
				indexedDB.open("authzd-playground").onsuccess = ({target}) => {
					target.result.transaction("keys").objectStore("keys").get("dpop").onsuccess = ({target}) => resolve(target.result.privateKey.extractable)
				}
			})`)
			if readable {
				t.Error("scripts can read the key")
			}
			p.wantNothingStored()

			p.visit() // memory is gone, the key is not
			p.wantStatus("Signed in")
			if got := p.text("token-type"); got != "DPoP" {
				t.Errorf("after a reload, the tokens are to be used as %s", got)
			}
			p.act("call-api")
			p.wantNotice("")
		})
	}
}

// The life of tokens: refresh, a 401 at several calls at once, a network that fails, revocation.
func TestPlaygroundTokens(t *testing.T) {
	t.Parallel()
	_, p := openPlayground(t, "signing: {alg: EdDSA}")
	p.signIn()
	first := p.refreshToken()
	p.act("refresh")
	if second := p.refreshToken(); second == first {
		t.Error("the refresh token was not rotated")
	}

	p.act("spoil")
	p.click("clear-log")
	p.console.expect("401 /userinfo", "401 /playground/api/orders")
	eval[any](p.tab, "['userinfo', 'call-api', 'place-order'].forEach((id) => document.getElementById(id).click())")
	p.console.expect("403 /playground/api/orders") // of placing the order, with the new token
	p.until("['userinfo', 'call-api', 'place-order'].every((id) => document.getElementById(id).ariaBusy === 'false')")
	want := []string{
		"List orders: 200", "List orders: 401 invalid_token", "Place an order: 401 invalid_token",
		"Place an order: 403 insufficient_scope", "Session: 200", "Token request: 200", "Userinfo: 200", "Userinfo: 401 invalid_token",
	}
	if got := slices.Sorted(slices.Values(p.exchanges())); !slices.Equal(got, want) {
		t.Errorf("three calls with a bad token made %q, want %q", got, want)
	}

	p.do(network.EmulateNetworkConditions(true, 0, 0, 0))
	p.console.expect("net::ERR_INTERNET_DISCONNECTED /token")
	before := p.refreshToken()
	p.act("refresh")
	p.wantStatus("Signed in")
	p.wantNotice("You are still signed in")
	p.do(network.EmulateNetworkConditions(false, 0, -1, -1))
	p.act("refresh")
	p.wantNotice("")
	if p.refreshToken() == before {
		t.Error("no refresh after the network came back")
	}

	p.act("revoke")
	p.wantStatus("Signed out")
	p.wantNotice("")
	if focused := eval[string](p.tab, "document.activeElement.id"); focused != "sign-in" {
		t.Errorf("the button that had the focus is gone, and now %q has it", focused)
	}
}
