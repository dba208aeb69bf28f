package acceptance

import (
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// TestCookieModePages: every page of cookie mode, on a narrow and on a wide screen, by day and by night: nothing sticks
// out at the side, and axe finds nothing against it.
func TestCookieModePages(t *testing.T) {
	t.Parallel()
	a := openCookieApp(t, "idle: 20m, max: 12h")
	axe := readAxe(t)
	look := func(name string) {
		t.Helper()
		for size, width := range map[string]int64{"narrow": 320, "wide": 1280} {
			a.do(chromedp.EmulateViewport(width, 800))
			a.inspect("cookie-mode-"+name+"-"+size, axe)
		}
		a.do(emulation.ClearDeviceMetricsOverride(), emulation.SetEmulatedMedia())
	}

	a.open(a.mode.url + "/")
	a.at("/")
	look("signed-out")

	a.console.expect("400 /bff/callback")
	a.open(a.mode.url + "/bff/callback?state=stale&code=x")
	look("error")

	a.open(a.mode.url + "/orders")
	a.password(password)
	a.at("/orders")
	a.act("place-order")
	a.act("open-socket")
	a.act("call-api")
	look("signed-in")

	a.open(a.mode.url + "/bff/logout")
	look("logout")
}
