package gate_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/authzd/authzd/authz/bff/gate"
	"github.com/authzd/authzd/authz/bff/websession"
	"github.com/authzd/authzd/authz/observe"
)

// Each contract has its own statuses, for what its proxy does with them.
func TestAnswers(t *testing.T) {
	f := newFixture(t)
	admin, _ := f.signIn(t, alice(), "app.example.com")
	user, _ := f.signIn(t, bob(), "app.example.com")
	type answers struct{ allow, page, form, script, forbidden int }
	for name, want := range map[string]answers{
		"nginx":       {200, 401, 401, 401, 403},
		"traefik":     {200, 302, 303, 401, 403},
		"caddy":       {200, 302, 303, 401, 403},
		"envoy":       {200, 302, 302, 401, 403},
		"gateway-api": {200, 302, 302, 401, 403},
	} {
		for _, c := range []struct {
			what, method, path string
			header             http.Header
			cookie             *http.Cookie
			want               int
			leaves             bool // for the sign-in
		}{
			{"anonymous", "GET", "/public/x", nil, nil, want.allow, false},
			{"exact", "HEAD", "/robots.txt", nil, nil, want.allow, false},
			{"signed in", "GET", "/users", nil, user, want.allow, false},
			{"a role", "GET", "/admin/users?x=1", nil, admin, want.allow, false},
			{"a group", "POST", "/staff", nil, admin, want.allow, false},
			{"a page", "GET", "/users", browser(), nil, want.page, true},
			{"a form", "POST", "/users", browser(), nil, want.form, true},
			{"a script", "GET", "/users", nil, nil, want.script, false},
			{"a role that is missing", "GET", "/admin", nil, user, want.forbidden, false},
			{"a role that is missing, for a page", "GET", "/admin", browser(), user, want.forbidden, false},
			{"nobody", "GET", "/closed", browser(), admin, want.forbidden, false},
			{"nobody, signed out", "GET", "/closed", browser(), nil, want.forbidden, false},
			{"no rule", "GET", "/else", browser(), admin, want.forbidden, false},
			{"below an exact path", "GET", "/robots.txt/x", browser(), admin, want.forbidden, false},
			{"a path that begins alike", "GET", "/publications", browser(), nil, want.forbidden, false},
			{"another method", "POST", "/form", nil, nil, want.script, false},
			{"the method", "GET", "/form", nil, nil, want.allow, false},
		} {
			cookies := []*http.Cookie{}
			if c.cookie != nil {
				cookies = append(cookies, c.cookie)
			}
			res := f.ask(contracts[name](c.method, appURL+c.path, c.header), cookies...)
			if res.StatusCode != c.want {
				t.Errorf("%s: %s: %d, want %d", name, c.what, res.StatusCode, c.want)
			}
			location := res.Header.Get("Location")
			if c.leaves != strings.HasPrefix(location, gateURL+"/gate/start?") || !c.leaves && location != "" {
				t.Errorf("%s: %s: leads to %q", name, c.what, location)
			}
			if set := len(res.Header["Set-Cookie"]); set > 1 || c.leaves != (set == 1) {
				t.Errorf("%s: %s: %d cookies", name, c.what, set)
			}
			if res.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s: %s: may be cached", name, c.what)
			}
			if _, ok := res.Header["X-Auth-User"]; ok != (c.want == 200) {
				t.Errorf("%s: %s: identity headers: %t", name, c.what, ok)
			}
		}
	}
}

// While sessions cannot be read, nobody gets in whose session matters.
func TestBroken(t *testing.T) {
	broken := &brokenSessions{}
	f := newFixture(t, func(c *gate.Config) { c.Sessions = broken })
	broken.Sessions = f.sessions
	cookie, _ := f.signIn(t, alice(), "app.example.com")
	for name, want := range map[string]int{"nginx": 403, "traefik": 503, "caddy": 503, "envoy": 503, "gateway-api": 503} {
		if res := f.ask(contracts[name]("GET", appURL+"/users", browser()), cookie); res.StatusCode != want || res.Header.Get("Location") != "" {
			t.Errorf("%s: %d, want %d", name, res.StatusCode, want)
		}
		if res := f.ask(contracts[name]("GET", appURL+"/public", nil), cookie); res.StatusCode != 200 {
			t.Errorf("%s: anonymous: %d", name, res.StatusCode)
		}
	}
}

type brokenSessions struct{ *websession.Sessions }

func (s *brokenSessions) FindAt(*http.Request, string) (*websession.Session, error) {
	return nil, &websession.UnavailableError{Err: http.ErrServerClosed}
}

// A part of the request that is missing, there twice, or joined by a comma cannot be trusted: the proxy may have passed
// on what the client sent (CVE-2026-40575, CVE-2021-32637), or judge one of several values only (CVE-2026-26308).
func TestUnreadableRequestIsRefused(t *testing.T) {
	f := newFixture(t)
	sources := map[string][]string{
		"nginx":       {"X-Original-Method", "X-Original-Url"},
		"traefik":     {"X-Forwarded-Method", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Uri"},
		"caddy":       {"X-Forwarded-Method", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Uri"},
		"envoy":       {"X-Forwarded-Proto"},
		"gateway-api": {"X-Forwarded-Proto"},
	}
	for name, ask := range contracts {
		for _, source := range sources[name] {
			for what, change := range map[string]func(http.Header){
				"missing":           func(h http.Header) { h.Del(source) },
				"empty":             func(h http.Header) { h.Set(source, "") },
				"there twice":       func(h http.Header) { h.Add(source, h.Get(source)) },
				"twice, one empty":  func(h http.Header) { h.Add(source, "") },
				"joined":            func(h http.Header) { h.Set(source, h.Get(source)+","+h.Get(source)) },
				"joined by a blank": func(h http.Header) { h.Set(source, h.Get(source)+", "+h.Get(source)) },
				"a blank before":    func(h http.Header) { h.Set(source, " "+h.Get(source)) },
				"a line end":        func(h http.Header) { h.Set(source, h.Get(source)+"\r\nX: y") },
				"NUL":               func(h http.Header) { h.Set(source, h.Get(source)+"\x00") },
				"underscores": func(h http.Header) { // CVE-2026-39858
					h[strings.ReplaceAll(source, "-", "_")] = h[source]
					h.Del(source)
				},
			} {
				r := ask("GET", appURL+"/public/", browser())
				change(r.Header)
				if res := f.ask(r); res.StatusCode != 403 || res.Header.Get("Set-Cookie") != "" {
					t.Errorf("%s: %s %s: %d", name, source, what, res.StatusCode)
				}
			}
		}
	}
}

// The gate ignores headers that the proxy does not set (CVE-2026-40575, GHSA-6384-m2mw-rf54, CVE-2026-39858).
func TestOtherHeadersDoNotMatter(t *testing.T) {
	f := newFixture(t)
	lies := map[string]string{
		"X-Original-Uri": "/public/", "X-Rewrite-Url": "/public/", "X-Forwarded-Prefix": "/public", "X-Forwarded-Path": "/public/",
		"X_Forwarded_Uri": "/public/", "X_Original_Url": appURL + "/public/", "X-Http-Method-Override": "GET", "X-Auth-Request-Redirect": "/public/",
		"Forwarded": `host=app.example.com;proto=https;for=127.0.0.1`, "X-Real-Ip": "127.0.0.1", "User-Agent": "GoogleHC/1.0 kube-probe/1.30", // GHSA-5hvv-m4w4-gf6v
	}
	own := map[string][]string{
		"nginx": {"X-Original-Url", "X-Original-Method"}, "traefik": {"X-Forwarded-Uri", "X-Forwarded-Method", "X-Forwarded-Host"},
		"caddy": {"X-Forwarded-Uri", "X-Forwarded-Method", "X-Forwarded-Host"},
	}
	for name, ask := range contracts {
		r := ask("GET", appURL+"/users", nil)
		for header, text := range lies {
			r.Header[header] = []string{text}
		}
		for other, headers := range own { // those of the other contracts
			for _, header := range headers {
				if _, mine := r.Header[header]; !mine || other == "nginx" && name != "nginx" {
					r.Header.Set(header, map[bool]string{true: appURL + "/public/", false: "/public/"}[header == "X-Original-Url"])
				}
			}
		}
		if res := f.ask(r); res.StatusCode != 401 {
			t.Errorf("%s: %d", name, res.StatusCode)
		}
	}
}

// Everybody who can reach the gate could ask about any request, so only proxies may.
func TestStrangersAreRefused(t *testing.T) {
	f := newFixture(t)
	for name, ask := range contracts {
		for addr, want := range map[string]int{
			"127.0.0.1:1": 200, "[::ffff:127.0.0.1]:1": 200, "[::1]:1": 200,
			"127.0.0.2:1": 403, "10.0.0.1:1": 403, "[::2]:1": 403, "": 403, "@": 403, "127.0.0.1": 403, "localhost:1": 403,
		} {
			r := ask("GET", appURL+"/public", http.Header{"X-Forwarded-For": {"127.0.0.1"}, "X-Real-Ip": {"127.0.0.1"}}) // CVE-2023-36456
			r.RemoteAddr = addr
			if res := f.ask(r); res.StatusCode != want {
				t.Errorf("%s from %q: %d, want %d", name, addr, res.StatusCode, want)
			}
		}
	}
}

// A stranger is an alarm, once a second at most, however often it asks.
func TestStrangersAreReported(t *testing.T) {
	f := newFixture(t)
	var log bytes.Buffer
	o, err := observe.New(observe.Config{Logger: slog.New(slog.NewTextHandler(&log, nil)), Routes: gate.Routes()})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		for range 3 {
			for range 100 {
				r := contracts["caddy"]("GET", appURL+"/public", nil)
				r.RemoteAddr = "10.0.0.1:1"
				w := httptest.NewRecorder()
				if o.Handler(f).ServeHTTP(w, r); w.Code != http.StatusForbidden {
					t.Fatal(w.Code)
				}
			}
			time.Sleep(time.Second)
		}
	})
	if alarms := strings.Count(log.String(), "alarm=gate_stranger"); alarms != 3 {
		t.Errorf("%d alarms of 300 questions in 3 s", alarms)
	}
	if !strings.Contains(log.String(), "route=gate_caddy status=403") || !strings.Contains(log.String(), "remote=10.0.0.1") || !strings.Contains(log.String(), "error=untrusted_proxy") {
		t.Error(log.String())
	}
}

// Nothing that a client asks for upgrades the question itself (CVE-2024-23326).
func TestNoUpgrade(t *testing.T) {
	f := newFixture(t)
	cookie, _ := f.signIn(t, alice(), "app.example.com")
	for name, ask := range contracts {
		for _, protocol := range []string{"websocket", "h2c"} {
			r := ask("GET", appURL+"/users", http.Header{"Connection": {"Upgrade, HTTP2-Settings"}, "Upgrade": {protocol}, "Http2-Settings": {"AAMAAABkAAQAoAAA"}})
			res := f.ask(r, cookie)
			if res.StatusCode != http.StatusOK || res.Header.Get("Upgrade") != "" || res.Header.Get("Connection") != "" {
				t.Errorf("%s: %s: %d %v", name, protocol, res.StatusCode, res.Header)
			}
		}
	}
}

// A Unix socket is trusted if the configuration says so, and addresses are not because of it.
func TestUnixSocket(t *testing.T) {
	for _, trusted := range []bool{true, false} {
		f := newFixture(t, func(c *gate.Config) {
			c.TrustUnixSocket, c.TrustedProxies = trusted, []netip.Prefix{netip.MustParsePrefix("10.0.0.1/32")}
		})
		res := overUnixSocket(t, f, contracts["caddy"]("GET", appURL+"/public", nil))
		if want := map[bool]int{true: 200, false: 403}[trusted]; res.StatusCode != want {
			t.Errorf("trusted %t: %d", trusted, res.StatusCode)
		}
		if res := f.ask(contracts["caddy"]("GET", appURL+"/public", nil)); res.StatusCode != 403 {
			t.Errorf("trusted %t: from an address: %d", trusted, res.StatusCode)
		}
	}
}

// Only a person can be sent to sign in. All others would keep a cookie, or follow a redirect that they cannot use.
func TestNavigation(t *testing.T) {
	f := newFixture(t)
	for what, c := range map[string]struct {
		header http.Header
		want   bool
	}{
		"a page":                 {browser(), true},
		"an old browser":         {http.Header{"Accept": {"text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}}, true},
		"an old browser, spaced": {http.Header{"Accept": {"application/xml , text/html;q=0.1"}}, true},
		"a frame":                {http.Header{"Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"iframe"}, "Accept": {"text/html"}}, false},
		"fetch":                  {http.Header{"Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Dest": {"empty"}, "Accept": {"text/html"}}, false},
		"an image":               {http.Header{"Sec-Fetch-Mode": {"no-cors"}, "Sec-Fetch-Dest": {"image"}, "Accept": {"text/html"}}, false},
		"a socket":               {http.Header{"Sec-Fetch-Mode": {"websocket"}, "Accept": {"text/html"}, "Upgrade": {"websocket"}}, false},
		"half of it":             {http.Header{"Sec-Fetch-Mode": {"navigate"}, "Accept": {"text/html"}}, false},
		"an old XHR":             {http.Header{"Accept": {"text/html"}, "X-Requested-With": {"XMLHttpRequest"}}, false},
		"an old socket":          {http.Header{"Accept": {"text/html"}, "Upgrade": {"websocket"}}, false},
		"JSON":                   {http.Header{"Accept": {"application/json"}}, false},
		"anything":               {http.Header{"Accept": {"*/*"}}, false},
		"nothing":                {http.Header{}, false},
	} {
		for name, ask := range contracts {
			res := f.ask(ask("GET", appURL+"/users", c.header))
			if got := res.Header.Get("Location") != ""; got != c.want || got != (res.Header.Get("Set-Cookie") != "") {
				t.Errorf("%s: %s: Location %t, Set-Cookie %q", name, what, got, res.Header.Get("Set-Cookie"))
			}
			if !c.want && res.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s: %s: %d", name, what, res.StatusCode)
			}
		}
	}
}

// Scripts that go on after the session's end leave nothing in the browser.
func TestThousandScriptsAfterTheEnd(t *testing.T) {
	f := newFixture(t)
	cookie, session := f.signIn(t, alice(), "app.example.com")
	if err := f.sessions.End(t.Context(), session.ID, websession.SignedOut); err != nil {
		t.Fatal(err)
	}
	set := 0
	for i := range 1000 {
		h := http.Header{"Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Dest": {"empty"}, "Accept": {"text/html, */*"}}
		if i%2 == 0 {
			h = http.Header{"Sec-Fetch-Mode": {"websocket"}, "Connection": {"Upgrade"}, "Upgrade": {"websocket"}}
		}
		for _, name := range []string{"nginx", "traefik", "envoy"} {
			res := f.ask(contracts[name]("GET", appURL+"/users", h), cookie)
			set += len(res.Header["Set-Cookie"])
			if res.StatusCode != http.StatusUnauthorized {
				t.Fatalf("%s: %d", name, res.StatusCode)
			}
		}
	}
	if set != 0 {
		t.Errorf("%d cookies were set", set)
	}
}

// Other paths below /gate/ are nothing, and the name of a contract is not a prefix.
func TestUnknownPaths(t *testing.T) {
	f := newFixture(t)
	for _, target := range []string{"/gate/", "/gate", "/gate/nginx/", "/gate/nginx/public", "/gate/envoyx/public", "/gate/haproxy", "/gate/go", "//gate/nginx", "/gate//nginx"} {
		r := contracts["nginx"]("GET", appURL+"/public", nil)
		r.RequestURI = target
		if res := f.ask(r); res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", target, res.StatusCode)
		}
	}
	for _, target := range []string{"/gate/envoy", "/gate/envoy?/public"} {
		r := contracts["envoy"]("GET", appURL+"/public", nil)
		r.RequestURI = target
		if res := f.ask(r); res.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %d", target, res.StatusCode)
		}
	}
}

func overUnixSocket(t *testing.T, h http.Handler, r *http.Request) *http.Response {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.Listener = unixListener(t)
	server.Start()
	t.Cleanup(server.Close)
	path := server.Listener.Addr().String()
	client := &http.Client{Transport: unixTransport(path)}
	out, err := http.NewRequestWithContext(t.Context(), r.Method, "http://gate"+r.RequestURI, nil)
	if err != nil {
		t.Fatal(err)
	}
	out.Header = r.Header
	res, err := client.Do(out)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	return res
}
