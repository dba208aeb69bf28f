package examples

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/cors"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/bearer"
	"github.com/authzd/authzd/authz/client"
)

// TestSPA is one user's day with the app, in two tabs of Chromium.
func TestSPA(t *testing.T) {
	app := startSPA(t)
	one := app.open(t, "/orders")

	one.do(chromedp.WaitVisible("#sign-in"), chromedp.Click("#sign-in"),
		chromedp.WaitVisible("#login-submit"),
		chromedp.SendKeys("#username", authztest.Username), chromedp.SendKeys("#password", authztest.Password),
		chromedp.Click("#login-submit"), chromedp.WaitVisible("#sign-out"))
	one.shows("Treacle")
	if at := one.eval(`location.href`); at != app.origin+"/orders" {
		t.Errorf("the deep link ended at %v", at)
	}
	if kept := one.eval(`JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])`); kept != `[{},{},""]` {
		t.Errorf("the browser keeps %v", kept)
	}

	two := app.open(t, "/admin") // signed in without a redirect
	two.shows("admin")

	app.api.expire()
	const fifty = `import("/auth.js").then((m) => Promise.all(Array.from({length: 50}, () => m.call(api + "/orders"))))
		.then((all) => all.map((answer) => answer.status).join())`
	calls := strings.Replace(fifty, "api", fmt.Sprintf("%q", app.api.URL), 1)
	var both sync.WaitGroup
	for _, tab := range []*tab{one, two} {
		both.Go(func() {
			if all := tab.eval(calls); all != strings.TrimSuffix(strings.Repeat("200,", 50), ",") {
				t.Errorf("a hundred calls with an expired token got %v", all)
			}
		})
	}
	both.Wait()
	if n := app.refreshes(t); n != 1 {
		t.Errorf("they made %v refreshes, want 1", n)
	}

	app.api.expire()
	outcome := strings.Replace(`import("/auth.js").then((m) => m.call(api + "/orders")).then((answer) => answer.status, (error) => error.name)`,
		"api", fmt.Sprintf("%q", app.api.URL), 1)
	one.do(network.SetBlockedURLs([]string{"*/token"}))
	if got := one.eval(outcome); got != "TypeError" {
		t.Errorf("a refresh without a network ended as %v, want fetch's TypeError", got)
	}
	one.do(network.SetBlockedURLs([]string{}))
	if got := one.eval(outcome); got != float64(200) {
		t.Errorf("the retry ended as %v: the failure was taken for a logout", got)
	}

	two.do(chromedp.Click("#sign-out"), chromedp.WaitVisible("#sign-in"))
	one.do(chromedp.WaitVisible("#sign-in")) // without a click
	if got := one.eval(outcome); got != "Error" {
		t.Errorf("a call after the sign-out ended as %v", got)
	}
}

// With any returnUrl in a link to /login, the user stays in the app.
func TestReturnURL(t *testing.T) {
	app := startSPA(t)
	tab := app.open(t, "/")
	tab.do(chromedp.WaitVisible("#sign-in"))
	home := app.origin + "/"
	for value, want := range map[string]string{
		"/orders?page=2#top":                    app.origin + "/orders?page=2#top",
		"orders":                                app.origin + "/orders",
		app.origin + "/orders":                  app.origin + "/orders",
		"https://evil.example/":                 home,
		"//evil.example":                        home,
		"///evil.example":                       home,
		`/\evil.example`:                        home,
		`\\evil.example`:                        home,
		"/\t/evil.example":                      home,
		"http:evil.example":                     app.origin + "/evil.example", // relative, as browsers read it
		app.origin + "@evil.example/":           home,
		app.origin + ".evil.example/":           home,
		"javascript:alert(1)":                   home,
		"JaVaScRiPt://%0aalert(1)":              home,
		"data:text/html,x":                      home,
		"blob:" + app.origin + "/x":             home,
		"/callback?code=c&state=s":              home,
		"https://[":                             home,
		"":                                      home,
		app.origin + "/..//evil.example/orders": app.origin + "//evil.example/orders", // a path of ours
	} {
		if got := tab.eval(fmt.Sprintf(`import("/auth.js").then((m) => m.ownURL(%q))`, value)); got != want {
			t.Errorf("ownURL(%q) = %v, want %q", value, got, want)
		}
	}
}

// spa is the app with everything around it.
type spa struct {
	origin  string
	api     *testAPI
	metrics *prometheus.Registry
	browser context.Context
}

func startSPA(t *testing.T) *spa {
	t.Helper()
	chromium, node := tool(t, "chromium"), node(t, "spa")
	host, port, err := net.SplitHostPort(freeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	app := &spa{origin: "http://" + net.JoinHostPort(host, port), metrics: prometheus.NewRegistry()}
	server := authztest.Start(t, authz.Config{Metrics: app.metrics}, func(m *client.Metadata) {
		if m.ID == authztest.SPA {
			m.RedirectURIs = []string{app.origin + "/callback"}
			m.PostLogoutRedirectURIs = []string{app.origin + "/"}
		}
	})
	app.api = startAPI(t, server.URL, app.origin)

	folder := t.TempDir()
	if err := os.CopyFS(folder, os.DirFS("spa")); err != nil {
		t.Fatal(err)
	}
	config, err := json.Marshal(map[string]any{
		"issuer": server.URL, "clientID": authztest.SPA, "scope": "openid profile orders.read", "apis": []string{app.api.URL},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "config.js"), append([]byte("export const config = "), config...), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, folder, []string{"HOST=" + host, "PORT=" + port}, node, "serve.mjs")
	app.browser = startChromium(t, chromium)
	return app
}

// freeAddress returns an address that nobody listens on: the app's origin is registered with the
// server before the app is started.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// refreshes is how many refreshes the server has granted.
func (app *spa) refreshes(t *testing.T) float64 {
	t.Helper()
	families, err := app.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			if family.GetName() == "authzd_tokens_issued_total" && metric.GetLabel()[0].GetValue() == "refresh_token" {
				return metric.GetCounter().GetValue()
			}
		}
	}
	t.Fatal("no metric counts refreshes")
	return 0
}

// testAPI is an API at which tokens can be made to expire.
type testAPI struct {
	*httptest.Server
	mu      sync.Mutex
	last    string // token seen
	expired map[string]bool
}

func startAPI(t *testing.T, issuer, origin string) *testAPI {
	t.Helper()
	verifier, err := bearer.New(bearer.Config{Issuer: issuer, Audience: authztest.API})
	if err != nil {
		t.Fatal(err)
	}
	api := &testAPI{expired: map[string]bool{}}
	orders := verifier.Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if api.refuses(r.Header.Get("Authorization")) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		caller, _ := bearer.FromContext(r.Context())
		_ = json.NewEncoder(w).Encode(map[string]any{"item": "Treacle", "roles": caller.Roles})
	}))
	api.Server = httptest.NewServer(cors.New(cors.Options{
		AllowedOrigins: []string{origin}, AllowedHeaders: []string{"Authorization"},
	}).Handler(orders))
	t.Cleanup(api.Close)
	return api
}

func (api *testAPI) refuses(token string) bool {
	api.mu.Lock()
	defer api.mu.Unlock()
	api.last = token
	return api.expired[token]
}

func (api *testAPI) expire() {
	api.mu.Lock()
	defer api.mu.Unlock()
	api.expired[api.last] = true
}

func startChromium(t *testing.T, path string) context.Context {
	t.Helper()
	const timeLimit = 2 * time.Minute
	timeout, cancel := context.WithTimeout(context.Background(), timeLimit)
	allocator, release := chromedp.NewExecAllocator(timeout,
		chromedp.ExecPath(path), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-dev-shm-usage", true), // 64 MiB in a container
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
	)
	browser, stop := chromedp.NewContext(allocator, chromedp.WithErrorf(func(string, ...any) {})) // events newer than chromedp
	t.Cleanup(func() {
		stop()
		release()
		cancel()
	})
	if err := chromedp.Run(browser); err != nil {
		t.Fatalf("start chromium: %v", err)
	}
	return browser
}

// tab is a tab of the browser.
type tab struct {
	t   *testing.T
	ctx context.Context
}

func (app *spa) open(t *testing.T, path string) *tab {
	t.Helper()
	ctx, closeTab := chromedp.NewContext(app.browser)
	t.Cleanup(closeTab)
	tab := &tab{t, ctx}
	tab.do(network.Enable(), chromedp.Navigate(app.origin+path))
	return tab
}

func (tab *tab) do(actions ...chromedp.Action) {
	tab.t.Helper()
	if err := chromedp.Run(tab.ctx, actions...); err != nil {
		tab.t.Fatal(err)
	}
}

// eval returns the value of an expression, or of the promise that it is.
func (tab *tab) eval(expression string) (value any) {
	tab.t.Helper()
	tab.do(chromedp.Evaluate(expression, &value, func(p *runtime.EvaluateParams) *runtime.EvaluateParams {
		return p.WithAwaitPromise(true)
	}))
	return value
}

// shows waits until the app shows a text.
func (tab *tab) shows(text string) {
	tab.t.Helper()
	tab.do(chromedp.Poll(fmt.Sprintf(`document.querySelector("#main").textContent.includes(%q)`, text), nil))
}
