package acceptance

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
)

// strippingProxy stands before a server as some proxies do: it names itself in Host, and drops what it does
// not know of a browser's headers.
type strippingProxy struct {
	issuer string

	mu      sync.Mutex
	origins []string // of the forms that came through
}

func startStrippingProxy(t *testing.T, clients, more string) *strippingProxy {
	t.Helper()
	p := &strippingProxy{}
	front := httptest.NewUnstartedServer(nil)
	p.issuer = localhost(front.Listener.Addr().String())
	t.Setenv("AUTHZD_ISSUER", p.issuer)
	s := startServerWith(t, clients, more)
	front.Config.Handler = &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: s.addr}) // and so the Host
		for name := range r.Out.Header {
			if strings.HasPrefix(name, "Sec-Fetch-") {
				r.Out.Header.Del(name)
			}
		}
		if r.In.Method == http.MethodPost {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.origins = append(p.origins, r.In.Header.Get("Origin"))
		}
	}}
	front.Start()
	t.Cleanup(front.Close)
	return p
}

// other is a client of startOtherApp.
func otherClient(app *otherApp, firstParty string) string {
	return "  - {client_id: other, preset: spa, scope: openid, first_party: " + firstParty + ", redirect_uris: [" + app.URL + "/callback]}"
}

// ask is where the other app begins a sign-in.
func (p *strippingProxy) ask(app *otherApp, state string) string {
	return p.issuer + "/authorize?" + url.Values{
		"response_type": {"code"}, "client_id": {"other"}, "redirect_uri": {app.URL + "/callback"}, "scope": {"openid"},
		"state": {state}, "code_challenge_method": {"S256"}, "code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"},
	}.Encode()
}

// arrived waits until the tab is back at the app, with a code for that state.
func (b *tab) arrived(app *otherApp, state string) {
	b.t.Helper()
	b.until("location.href.startsWith('" + app.URL + "/callback') && new URLSearchParams(location.search).get('state') === '" + state + "' && new URLSearchParams(location.search).has('code')")
	b.shows("app")
}

// A browser's forms say where they come from, so that nobody is kept out by a proxy that knows nothing of
// Sec-Fetch-Site and sends another Host.
func TestFormsThroughAProxy(t *testing.T) {
	needTool(t, "chromium")
	app := startOtherApp(t)
	p := startStrippingProxy(t, otherClient(app, "false"), "signing: {alg: ES256}")
	b := openChromium(t)
	b.open(p.ask(app, "one"))
	b.password(password)
	b.click("consent-allow")
	b.arrived(app, "one")
	b.open(p.issuer + "/logout")
	b.leave("logout-confirm")
	b.until("document.body.innerText.includes('signed out')")

	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.origins) != 3 {
		t.Errorf("%d forms", len(p.origins))
	}
	for _, origin := range p.origins {
		if origin != p.issuer {
			t.Errorf("a form came from %s", origin)
		}
	}
}

// Tabs, reloads and the back button on the way all lead to the app.
func TestNoDeadEnds(t *testing.T) {
	needTool(t, "chromium")
	app := startOtherApp(t)
	p := startStrippingProxy(t, otherClient(app, "false"), "signing: {alg: ES256}")
	b := openChromium(t)
	b.open(p.ask(app, "first"))
	b.shows("username")
	pending := eval[string](b, "location.href")

	second := b.newTab()
	second.open(p.ask(app, "second"))
	second.password(password)
	second.shows("consent-allow")
	eval[any](second, "(f => { f.requestSubmit(document.getElementById('consent-allow')); f.requestSubmit(document.getElementById('consent-allow')) })(document.getElementById('consent-allow').form)")
	second.arrived(app, "second") // a double click

	b.do(chromedp.Reload()) // the sign-in page of the first tab
	b.arrived(app, "first")

	second.back() // to the consent, or to what came before it
	second.until("location.href.startsWith('" + p.issuer + "') || new URLSearchParams(location.search).get('state') === 'second'")
	restored := b.newTab()
	restored.open(pending)
	restored.arrived(app, "first")

	// In another browser it begins again.
	elsewhere := openChromium(t)
	elsewhere.console.expect("400 /login")
	elsewhere.open(pending)
	elsewhere.shows("back")
	elsewhere.click("again")
	elsewhere.password(password)
	elsewhere.arrived(app, "first")
}
