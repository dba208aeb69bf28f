package acceptance

import (
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// cookieApp is the app in a tab.
type cookieApp struct {
	*tab
	mode *cookieMode
}

func openCookieApp(t *testing.T, sessions string) cookieApp {
	t.Helper()
	needTool(t, "chromium")
	m := startCookieMode(t, sessions)
	return cookieApp{openChromium(t), m} // which closes first
}

// at waits until the app is there at a path, and knows whether somebody is signed in.
func (a cookieApp) at(path string) {
	a.t.Helper()
	a.until(fmt.Sprintf("location.origin === %q && location.pathname + location.search === %q && document.getElementById('content')?.ariaBusy === 'false'", a.mode.url, path))
}

func (a cookieApp) status(want string) {
	a.t.Helper()
	a.until(fmt.Sprintf("document.getElementById('status')?.textContent === %q", want))
}

// act presses a button of the app and waits until that is done.
func (a cookieApp) act(id string) {
	a.t.Helper()
	a.click(id)
	a.until(fmt.Sprintf("document.getElementById(%q)?.ariaBusy === 'false'", id))
}

// quiet keeps the app from reporting what the test does as its user's activity.
func (a cookieApp) quiet() {
	a.t.Helper()
	eval[any](a.tab, "document.getElementById('report').checked = false")
}

// requests counts what the issuer has logged so far.
func (a cookieApp) requests(pattern string) int {
	a.t.Helper()
	return len(regexp.MustCompile(pattern).FindAllString(a.mode.issuer.log(a.t), -1))
}

const (
	authorizations = `method=GET route=authorize `
	refreshes      = `grant_type=refresh_token`
)

// cookie is the session cookie, as the browser has it.
func (a cookieApp) cookie() *network.Cookie { return a.named("orders") }

// TestCookieMode goes the whole way of a person: a link into the app, sign-in at another site, calls, a reload, a
// demand for a fresh sign-in, a WebSocket, and the end in all tabs.
func TestCookieMode(t *testing.T) {
	t.Parallel()
	a := openCookieApp(t, "idle: 20m, max: 12h")

	a.open(a.mode.url + "/orders/1001?from=mail")
	a.password(password)
	a.at("/orders/1001?from=mail")
	a.status("Signed in")
	a.quiet()
	if n := a.requests(authorizations); n != 2 { // there, and back from the sign-in page
		t.Errorf("the browser was at the issuer's authorization endpoint %d times", n)
	}
	a.wantSealedOff()

	a.act("place-order")
	a.act("call-api")
	if got := a.text("orders"); got != "1001 Treacle" {
		t.Errorf("the orders are %q", got)
	}
	a.do(chromedp.Reload())
	a.at("/orders/1001?from=mail")
	a.status("Signed in")
	a.quiet()
	if got := a.text("order"); got != "Order 1001: Treacle" {
		t.Errorf("the deep link shows %q", got)
	}
	second := cookieApp{a.newTab(), a.mode}
	second.open(a.mode.url + "/orders/1001")
	second.at("/orders/1001")
	second.status("Signed in")
	if n := a.requests(authorizations); n != 2 {
		t.Errorf("a reload and a second tab led to the issuer: %d visits", n)
	}

	a.stepsUp()
	a.socketEnds(second)
	a.mode.api.wantClean(t)
}

// wantSealedOff demands that no script can see the cookie, and that the browser has no token.
func (a cookieApp) wantSealedOff() {
	a.t.Helper()
	c := a.cookie()
	if c == nil || !c.HTTPOnly || c.SameSite != network.CookieSameSiteStrict || c.Path != "/" || !c.Session {
		a.t.Errorf("the session cookie is %+v", c)
	}
	seen := eval[string](a.tab, "JSON.stringify([document.cookie, {...localStorage}, {...sessionStorage}, location.href, history.state, document.body.innerText])")
	for _, token := range []string{"eyJ", "azr_", "azc_"} {
		if strings.Contains(seen, token) {
			a.t.Errorf("a script of the app sees %q: %s", token, seen)
		}
	}
}

// stepsUp meets an API that wants a fresh sign-in: one redirect, no refresh, and then the call succeeds.
func (a cookieApp) stepsUp() {
	a.t.Helper()
	log, err := os.ReadFile(a.mode.issuer.logFile())
	if err != nil {
		a.t.Fatal(err)
	}
	for _, found := range regexp.MustCompile(`route=token .* gid=(\S+)`).FindAllStringSubmatch(string(log), -1) {
		a.mode.api.demand(found[1])
	}
	visits, refreshed := a.requests(authorizations), a.requests(refreshes)
	a.console.expect("401 /api/orders")
	a.click("clear-orders")
	a.password(password)
	a.at("/orders/1001?from=mail")
	a.status("Signed in")
	a.quiet()
	if n := a.requests(authorizations) - visits; n != 2 {
		a.t.Errorf("%d visits of the authorization endpoint for one fresh sign-in", n)
	}
	if n := a.requests(refreshes) - refreshed; n != 0 {
		a.t.Errorf("%d refreshes, and none helps", n)
	}
	a.act("clear-orders")
	if got := a.text("orders") + a.text("notice"); got != "" {
		a.t.Errorf("after the fresh sign-in the app shows %q", got)
	}
}

// socketEnds opens a WebSocket, hears by it, and logs out in another tab: the socket closes with 4401, and both tabs
// know.
func (a cookieApp) socketEnds(second cookieApp) {
	a.t.Helper()
	a.act("open-socket")
	a.until("document.getElementById('socket').textContent === 'open'")
	a.act("place-order")
	a.until(`document.getElementById('log').innerText.includes('socket /api/events\nmessage')`)

	left := time.Now()
	second.click("logout")
	a.until("document.getElementById('log').innerText.includes('closed 4401')")
	if took := time.Since(left); took > time.Duration(many(60, 4))*time.Second { // 2 s, and the browser's own time
		a.t.Errorf("the socket was open for %s after the logout", took)
	}
	a.status("Signed out")
	second.at("/")
	second.status("Signed out")
	if got := second.cookie(); got != nil {
		a.t.Errorf("after the logout there is a cookie: %+v", got)
	}

	second.back() // to the page before the logout: the browser has kept it, or loads it, and then it signs in by itself
	second.until("document.getElementById('login-submit') || document.getElementById('sign-in')?.checkVisibility() && location.pathname === '/orders/1001'")
	if eval[bool](second.tab, "document.getElementById('sign-in') !== null") {
		second.status("Signed out")
		second.click("sign-in")
	}
	second.password(password)
	second.at("/orders/1001")
	second.status("Signed in")
}

// TestCookieModeTabs: ten tabs that were signed out at once come back to ten deep links, without an error.
func TestCookieModeTabs(t *testing.T) {
	t.Parallel()
	a := openCookieApp(t, "idle: 20m, max: 12h")
	const tabs = 10
	all := []cookieApp{a}
	for len(all) < tabs {
		all = append(all, cookieApp{a.newTab(), a.mode})
	}
	link := func(i int) string { return fmt.Sprintf("/orders/%d?tab=%d", 1001+i, i) }
	for i, one := range all {
		one.open(a.mode.url + link(i))
		one.shows("login-submit")
	}
	comeBack := func() {
		t.Helper()
		all[0].password(password)
		for i, one := range all {
			if i > 0 {
				one.do(chromedp.Reload()) // the user looks at the tab again: somebody is signed in
			}
			one.at(link(i))
			one.status("Signed in")
		}
	}
	comeBack()

	all[tabs-1].soon("document.getElementById('logout').click()")
	all[tabs-1].at("/")
	for _, one := range all[:tabs-1] {
		one.status("Signed out")
		one.soon("document.getElementById('sign-in').click()")
	}
	all[tabs-1].open(a.mode.url + link(tabs-1))
	for _, one := range all {
		one.shows("login-submit")
	}
	comeBack()
	a.mode.api.wantClean(t)
}

// TestCookieModeIdle: polls and API calls keep no session alive, and what the user does keeps it.
func TestCookieModeIdle(t *testing.T) {
	t.Parallel()
	idle := time.Duration(many(10, 20)) * time.Second
	a := openCookieApp(t, fmt.Sprintf("idle: %s, max: 10m", idle))
	a.open(a.mode.url + "/orders")
	a.password(password)
	a.at("/orders")
	a.quiet()
	eval[any](a.tab, "document.getElementById('poll').checked = true")

	// The user is there for longer than the limit.
	tick := time.NewTicker(idle / 4)
	defer tick.Stop()
	for began := time.Now(); time.Since(began) < idle+idle/5; <-tick.C {
		a.act("activity")
		a.status("Signed in")
	}

	// The user is away, while the app polls.
	last := time.Now()
	a.console.tolerate("401 /api/orders")
	a.status("Signed out")
	const pollEvery = 5 * time.Second // and the last activity is up to a twentieth of the limit older than the last click
	if took := time.Since(last); took < idle/2 || took > idle+pollEvery+time.Duration(many(60, 3))*time.Second {
		t.Errorf("the session ended %s after the last activity, with a limit of %s", took, idle)
	}
	a.click("sign-in") // at the issuer too
	a.shows("login-submit")
	if got := eval[string](a.tab, "location.origin"); got != a.mode.issuer.issuer {
		t.Errorf("the sign-in page is at %s", got)
	}
	if at, err := url.Parse(a.mode.url); err != nil || strings.HasPrefix(a.mode.issuer.issuer, "http://"+at.Hostname()+":") {
		t.Errorf("the issuer is on the app's site: %v", err)
	}
}

// TestCookieModeOfDev: the playground of serve --dev --bff works as it comes, with its API and its WebSocket.
func TestCookieModeOfDev(t *testing.T) {
	t.Parallel()
	needTool(t, "chromium")
	addr := freeAddr()
	s := startDevWith(t, "", "--bff="+addr)
	a := cookieApp{openChromium(t), &cookieMode{issuer: s, url: "http://" + addr}}
	a.open(a.mode.url)
	a.at("/")
	a.status("Signed out")
	a.click("sign-in")
	a.password(password)
	a.at("/")
	a.status("Signed in")
	a.act("open-socket")
	a.until("document.getElementById('socket').textContent === 'open'")
	a.act("place-order")
	a.until(`document.getElementById('log').innerText.includes('socket /api/events\nmessage')`)
	a.act("clear-orders")
	if got := a.text("notice") + a.text("orders"); got != "" {
		t.Errorf("the app shows %q", got)
	}
	a.click("logout")
	a.at("/")
	a.status("Signed out")
}
