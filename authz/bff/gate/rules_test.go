package gate_test

import (
	"bufio"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz/bff/gate"
	"github.com/authzd/authzd/authz/bff/websession"
)

// spellings are paths that one server or another would take for /admin, or for something below it.
func spellings(t testing.TB) []string {
	t.Helper()
	file, err := os.Open("testdata/spellings.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var all []string
	for lines := bufio.NewScanner(file); lines.Scan(); {
		all = append(all, lines.Text())
	}
	if len(all) < 200 {
		t.Fatalf("%d spellings", len(all))
	}
	return all
}

// No spelling of a guarded path is let through, even if everything else is open (CVE-2019-9900, CVE-2019-9901). Some spellings are other paths to most
// servers, and other characters to all of them: those that no reading makes /admin are listed.
func TestNoSpellingIsLetThrough(t *testing.T) {
	f := newFixture(t, func(c *gate.Config) {
		c.Hosts = []gate.Host{{URL: appURL, Rules: []gate.Rule{{Path: "/admin", Roles: []string{"admin"}}, {Path: "/", Allow: gate.Anonymous}}}}
	})
	otherFiles := "/%C3%A0dmin /a%CC%80dmin /admin%E2%80%8B /admin%CC%B6 /%EF%BB%BFadmin /admin+ /admin~ /admin%2c/ " +
		"/public/?/../admin"
	cookie, _ := f.signIn(t, bob(), "app.example.com")
	for _, spelling := range spellings(t) {
		other := strings.Contains(" "+otherFiles+" ", " "+spelling+" ")
		for name, ask := range contracts {
			for _, cookies := range [][]*http.Cookie{nil, {cookie}} {
				target := appURL + spelling
				if !strings.HasPrefix(spelling, "/") {
					target = spelling
				}
				if res := f.ask(ask("GET", target, browser()), cookies...); res.StatusCode == 200 && !other {
					t.Errorf("%s: %q: let through", name, spelling)
				}
			}
		}
	}
}

// A path that means different rules to different servers is refused to everybody.
func TestTwoReadings(t *testing.T) {
	f := newFixture(t, func(c *gate.Config) {
		c.Hosts = []gate.Host{{URL: appURL, Rules: []gate.Rule{
			{Path: "/Reports/2026", Roles: []string{"admin"}}, {Path: "/Reports", Allow: gate.Anonymous}, {Path: "/open/K", Allow: gate.Nobody},
			{Path: "/open", Allow: gate.Anonymous},
		}}}
	})
	cookie, _ := f.signIn(t, alice(), "app.example.com")
	for path, want := range map[string]int{
		"/Reports/2026":         200,
		"/Reports/2025":         200,
		"/Reports/2025;x=1":     200,
		"/Reports/a:b":          200,
		"/Reports/a.html":       200,
		"/Reports/a%20b":        200,
		"/Reports/caf%C3%A9":    200,
		"/open/a%3Fb":           200,
		"/reports/2026":         403,
		"/reports/2025":         403,
		"/REPORTS":              403,
		"/Reports/2026;x=1":     403,
		"/Reports/2026.":        403,
		"/Reports/2026:x":       403,
		"/Reports/2026%3Fx":     403,
		"/Reports/%EF%BC%92026": 403, // a wide 2
		"/open/..%EF%BC%8Fx":    403,
		"/open/a%EF%BC%8Fb":     403,
		"/open/%E2%84%AA":       403, // the Kelvin sign
		"/Reports/.../2026":     403,
		"/Reports/:x/2026":      403,
		"/Reports/(S(x))/2026":  403,
		"/Reports/(S(x))/2025":  200,
		"/Reports/a(1)/b":       200,
	} {
		res := f.ask(contracts["envoy"]("GET", appURL+path, nil), cookie)
		if res.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, res.StatusCode, want)
		}
	}
}

// Hosts are compared in one form (CVE-2026-48794), and a host that is not listed has no rule.
func TestHosts(t *testing.T) {
	f := newFixture(t)
	for host, want := range map[string]int{
		"https://app.example.com":            401,
		"https://APP.Example.COM":            401,
		"https://app.example.com.":           401,
		"https://app.example.com:443":        401,
		"https://App.example.com.:443":       401,
		"https://other.example.com:8443":     401,
		"https://other.example.com.:8443":    401,
		"HTTPS://app.example.com":            401,
		"http://app.example.com":             403,
		"http://app.example.com:443":         403,
		"https://app.example.com:80":         403,
		"https://app.example.com:0443":       403,
		"https://app.example.com:":           403,
		"https://app.example.com..":          403,
		"https://.app.example.com":           403,
		"https://other.example.com":          403,
		"https://gate.example.com":           403,
		"https://evil.example":               403,
		"https://app.example.com.evil.com":   403,
		"https://app.example.com@evil.com":   403,
		"https://evil.com@app.example.com":   403,
		"https://app.example.com%2eevil.com": 403,
		"https://app.example.com,evil.com":   403,
		"https://app.example.com evil.com":   403,
		"https://[::1]":                      403,
		"https://[app.example.com]":          403,
		"https://":                           403,
		"ws://app.example.com":               403,
		"javascript://app.example.com":       403,
	} {
		for _, name := range []string{"nginx", "traefik", "caddy", "envoy"} {
			if res := f.ask(contracts[name]("GET", host+"/users", nil)); res.StatusCode != want {
				t.Errorf("%s: %s: %d, want %d", name, host, res.StatusCode, want)
			}
		}
	}
}

// Query and fragment never match a rule (GHSA-7rh7-c77v-6434, GHSA-pxq7-h93f-9jrg).
func TestQueryAndFragmentNeverMatch(t *testing.T) {
	f := newFixture(t)
	for target, want := range map[string]int{
		"/users?/public":       401,
		"/users?x=/public/":    401,
		"/users?/../public":    401,
		"/public?/../users":    200,
		"/public?x=%2e%2e%2f":  200,
		"/users#/public":       403,
		"/public#/../users":    403,
		"/public?#/../users":   403,
		"/public?x=a,/users":   403, // two values that a proxy has joined?
		"/public?x=a,b":        200,
		"/robots.txt?x=/users": 200,
	} {
		for _, name := range []string{"nginx", "traefik", "envoy"} {
			if res := f.ask(contracts[name]("GET", appURL+target, nil)); res.StatusCode != want {
				t.Errorf("%s: %s: %d, want %d", name, target, res.StatusCode, want)
			}
		}
	}
}

// A change of roles, or an end, counts at the next request (CVE-2021-41230).
func TestRolesCountAtOnce(t *testing.T) {
	f := newFixture(t)
	cookie, session := f.signIn(t, alice(), "app.example.com")
	at := func() int { return f.ask(contracts["nginx"]("GET", appURL+"/admin", nil), cookie).StatusCode }
	if got := at(); got != 200 {
		t.Fatalf("%d", got)
	}
	changeRoles(t, f, session.ID, nil)
	if got := at(); got != 403 {
		t.Errorf("without the role: %d", got)
	}
	if err := f.sessions.End(t.Context(), session.ID, websession.SignedOut); err != nil {
		t.Fatal(err)
	}
	if got := at(); got != 401 {
		t.Errorf("after the end: %d", got)
	}
}

// What is no cookie of ours is no session (CVE-2026-25748, authentik #18063).
func TestBadCookies(t *testing.T) {
	f := newFixture(t)
	good, _ := f.signIn(t, alice(), "app.example.com")
	elsewhere, session := f.signIn(t, alice(), "other.example.com:8443")
	own, _ := f.ownCookie(t, alice())
	_ = session
	for what, value := range map[string]string{
		"empty": "", "short": good.Value[:42], "long": good.Value + "A", "changed": "A" + good.Value[1:42] + "A", "padded": good.Value + "=",
		"a line": strings.Repeat("A", 43), "null": "null", "JSON": `{"sub":"alice"}`, "another host's": elsewhere.Value, "the gate's own": own.Value,
		"escaped": "%41" + good.Value, "UTF-8": "ÿ" + good.Value,
	} {
		for name, ask := range contracts {
			r := ask("GET", appURL+"/users", nil)
			r.Header.Set("Cookie", good.Name+"="+value)
			if res := f.ask(r); res.StatusCode != 401 {
				t.Errorf("%s: %s: %d", name, what, res.StatusCode)
			}
		}
	}
	r := contracts["caddy"]("GET", appURL+"/users", nil)
	r.Header.Set("Cookie", good.Name+"="+strings.Repeat("A", 40<<10))
	if res := f.ask(r); res.StatusCode != 403 {
		t.Errorf("40 KiB: %d", res.StatusCode)
	}
	r = contracts["caddy"]("GET", appURL+"/users", nil)
	r.Header.Set("Cookie", strings.Repeat(good.Name+"="+strings.Repeat("A", 43)+"; ", 100)+good.Name+"="+good.Value)
	if res := f.ask(r); res.StatusCode != 401 {
		t.Errorf("100 cookies: %d", res.StatusCode)
	}
}

func FuzzAsk(f *testing.F) {
	fx := newFixture(f, func(c *gate.Config) {
		c.Hosts = []gate.Host{{URL: appURL, Rules: []gate.Rule{{Path: "/admin", Roles: []string{"admin"}}, {Path: "/", Allow: gate.Anonymous}}}}
	})
	for _, s := range []string{"/admin", "/public", "/%61dmin", "/admin;x", "/ADMIN", "/x?y#z", "/ａdmin"} {
		f.Add("GET", "https://app.example.com"+s, "text/html")
	}
	f.Fuzz(func(t *testing.T, method, rawURL, accept string) {
		for name, ask := range contracts {
			if strings.ContainsAny(rawURL, "\r\n") {
				return
			}
			res := fx.ask(ask(method, rawURL, http.Header{"Accept": {accept}}))
			switch {
			case name == "nginx" && res.StatusCode != 200 && res.StatusCode != 401 && res.StatusCode != 403:
				t.Errorf("nginx: %q: unexpected status %d", rawURL, res.StatusCode)
			case res.StatusCode > 200 && res.StatusCode < 300 || res.StatusCode >= 500:
				t.Errorf("%s: %q: %d", name, rawURL, res.StatusCode)
			case res.StatusCode == 200 && strings.Contains(strings.ToLower(rawURL), ".com/admin/"):
				t.Errorf("%s: %q: let through", name, rawURL)
			}
		}
	})
}
