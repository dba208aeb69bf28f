package client

import (
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz/weburl"
)

// lookAlikes differ from each registered URI, if only in what some URL parser makes of them.
var lookAlikes = []string{
	"https://app.example.com/callback/", "https://app.example.com/callback?", "https://app.example.com/callback?x=1",
	"https://app.example.com/callback#", "https://app.example.com/callback#x", "https://app.example.com/callback;x",
	"https://app.example.com/Callback", "https://app.example.com/CALLBACK", "https://app.example.com/callback%20",
	"https://app.example.com/callback ", " https://app.example.com/callback", "\thttps://app.example.com/callback",
	"https://app.example.com/callback\n", "https://app.example.com/callback\x00", "https://app.example.com/callback%00",
	"https://app.example.com/%63allback", "https://app.example.com//callback", "https://app.example.com/./callback",
	"https://app.example.com/x/../callback", "https://app.example.com/callback/../callback", "https://app.example.com/callback/.",
	"https://app.example.com/callback%2f", "https://app.example.com/callback%2f..", "https://app.example.com%2fcallback",
	"https://APP.example.com/callback", "https://app.EXAMPLE.com/callback", "HTTPS://app.example.com/callback",
	"http://app.example.com/callback", "https:/app.example.com/callback", "https:app.example.com/callback",
	"https:///app.example.com/callback", "//app.example.com/callback", "/callback", "callback", "",
	"https://app.example.com:443/callback", "https://app.example.com:/callback", "https://app.example.com:8443/callback",
	"https://app.example.com./callback", "https://.app.example.com/callback", "https://app.example.com.evil.example/callback",
	"https://evil.example/https://app.example.com/callback", "https://evil.example?https://app.example.com/callback",
	"https://evil.example#https://app.example.com/callback", "https://app.example.com@evil.example/callback",
	"https://app.example.com%40evil.example/callback", "https://evil@app.example.com/callback", "https://:@app.example.com/callback",
	`https://app.example.com\@evil.example/callback`, `https://evil.example\@app.example.com/callback`, `https:\\app.example.com\callback`,
	`https://app.example.com\callback`, "https://app%2eexample.com/callback", "https://app。example.com/callback",
	"https://аpp.example.com/callback", "https://app.example.com/ｃallback", "https://xn--pp-8cd.example.com/callback",
	"https://app.examp1e.com/callback", "https://app-example.com/callback", "https://example.com/callback",
	"javascript:https://app.example.com/callback", "data:text/html,https://app.example.com/callback", "blob:https://app.example.com/callback",
	// loopback
	"https://127.0.0.1/cb", "https://127.0.0.1:8080/cb", "http://127.0.0.1:8080/cb/", "http://127.0.0.1:8080/CB", "http://127.0.0.1:/cb",
	"http://127.0.0.1:8080", "http://127.0.0.1:8080/cb?x", "http://127.0.0.1:8080/cb#x", "http://127.0.0.1:+80/cb", "http://127.0.0.1:-80/cb",
	"http://127.0.0.1:80a/cb", "http://127.0.0.1:99999/cb", "http://127.0.0.1:123456/cb", "http://127.0.0.1:0x50/cb", "http://127.0.0.1:80:80/cb",
	"http://127.0.0.1@evil.example/cb", "http://127.0.0.1:80@evil.example/cb", "http://evil@127.0.0.1:80/cb", "http://127.0.0.1.evil.example/cb",
	"http://127.0.0.1:8080.evil.example/cb", "http://127.0.0.1:8080%2f@evil.example/cb", `http://127.0.0.1:8080\@evil.example/cb`, "http://127.0.0.1:٨٠/cb",
	"http://127.0.0.2:8080/cb", "http://127.1:8080/cb", "http://2130706433/cb", "http://0x7f000001/cb", "http://0177.0.0.1/cb", "http://0.0.0.0:8080/cb",
	"http://localhost:8080/cb", "http://LOCALHOST/cb", "http://localhost.evil.example/cb", "http://[::1]:8080/other", "http://[::1]x/cb", "http://[::1%25lo]/cb",
	"http://[0:0:0:0:0:0:0:1]/cb", "http://[::ffff:127.0.0.1]/cb", "HTTP://127.0.0.1:8080/cb", "http:127.0.0.1/cb",
	// a native app
	"com.example.app:/callback/", "com.example.app://callback", "com.example.app:callback", "COM.example.app:/callback", "com.example.app.evil:/callback", "com.example:/callback",
}

// native has one redirect URI of each kind.
func native(t testing.TB, localhostPorts bool) *Client {
	t.Helper()
	c, err := New(Metadata{
		ID: "native", AuthMethod: AuthNone, GrantTypes: []string{GrantAuthorizationCode}, AllowLocalhostPorts: localhostPorts,
		RedirectURIs: []string{"https://app.example.com/callback", "http://127.0.0.1/cb", "http://[::1]/cb", "http://localhost/cb", "com.example.app:/callback"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestMatchRedirectURI(t *testing.T) {
	c := native(t, false)
	t.Logf("%d look-alikes", len(lookAlikes))
	for _, uri := range lookAlikes {
		if c.MatchRedirectURI(uri) {
			t.Errorf("%q matches", uri)
		}
		if c.MatchPostLogoutRedirectURI(uri) {
			t.Errorf("%q matches after a logout", uri)
		}
	}
	for _, uri := range append(c.RedirectURIs, "http://127.0.0.1:1/cb", "http://127.0.0.1:65535/cb", "http://[::1]:8080/cb") {
		if !c.MatchRedirectURI(uri) {
			t.Errorf("%q does not match", uri)
		}
	}
	if !native(t, true).MatchRedirectURI("http://localhost:8080/cb") {
		t.Error("localhost has a fixed port, although the client opted out")
	}
}

// A match differs from a registered URI at most in the port of a loopback host.
func FuzzMatchRedirectURI(f *testing.F) {
	for _, uri := range lookAlikes[:40] {
		f.Add(uri, false)
	}
	f.Add("http://127.0.0.1:8080/cb", false)
	f.Add("http://localhost:8080/cb", true)
	f.Add("http://[::1]:8080/cb", true)
	with, without := native(f, true), native(f, false)
	f.Fuzz(func(t *testing.T, raw string, localhostPorts bool) {
		c := without
		if localhostPorts {
			c = with
		}
		if !c.MatchRedirectURI(raw) {
			return
		}
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatalf("%q matches and is no URL: %v", raw, err)
		}
		for _, registered := range c.RedirectURIs {
			if raw == registered {
				return
			}
		}
		port, err := strconv.ParseUint(u.Port(), 10, 16)
		if err != nil {
			t.Fatalf("%q matches with the port %q", raw, u.Port())
		}
		if strconv.FormatUint(port, 10) != u.Port() {
			t.Fatalf("%q matches with an odd spelling of a port", raw)
		}
		plain := strings.Replace(raw, ":"+u.Port()+"/cb", "/cb", 1)
		if plain != "http://127.0.0.1/cb" && plain != "http://[::1]/cb" && !(localhostPorts && plain == "http://localhost/cb") {
			t.Errorf("%q matches", raw)
		}
	})
}

func TestCheckRedirectURI(t *testing.T) {
	for _, uri := range []string{
		"", "/cb", "app.example.com/cb", "//app.example.com/cb", "https:///cb", "https:app", "http://app.example.com/cb", "http://127.0.0.1.evil.example/cb",
		"http://localhost.evil.example/", "http://0.0.0.0/cb", "https://app.example.com/#", "https://app.example.com/#x", "https://user@app.example.com/",
		"https://user:x@app.example.com/", "https://@app.example.com/", `https://app.example.com\@evil.example/`, "https://app.example.com/ x", "https://app.example.com/\nx",
		"https://app.example.com/\x00", "javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd", "about:blank", "blob:x",
		"myapp:/cb", "urn:ietf:wg:oauth:2.0:oob", "https://[::1", "https://app.example.com:port/", "%68ttps://app.example.com/", "ws://127.0.0.1/", "ftp://127.0.0.1/",
		"https://\u0430pp.example.com/", "https://app.example.com/\u202e", "https://%d0%b0pp.example.com/", "https://app%2eexample.com/", "https://app.example.com;evil.example/", `https://app.example.com"/`,
		"https://app.example.com,evil.example/", "https://a!b/", "com.example.app://\u0430/cb", "com.example.app://%d0%b0/cb", "https://app.example.com\u2044.evil.example/", "https://app.example.com\uff0fevil.example/",
	} {
		if err := CheckRedirectURI(uri); err == nil {
			t.Errorf("%q may be registered", uri)
		}
	}
	for _, uri := range native(t, false).RedirectURIs {
		if err := CheckRedirectURI(uri); err != nil {
			t.Errorf("%q: %v", uri, err)
		}
	}
}

func FuzzCheckRedirectURI(f *testing.F) {
	for _, uri := range append(lookAlikes[40:80:80], "com.example.app:/cb", "http://[::1]:80/") {
		f.Add(uri)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if CheckRedirectURI(raw) != nil {
			return
		}
		u, err := url.Parse(raw)
		switch {
		case err != nil || !u.IsAbs() || u.User != nil || strings.ContainsAny(raw, "#\\ \r\n\t\x00"):
			t.Errorf("%q may be registered", raw)
		case strings.ContainsFunc(raw+u.Host, func(r rune) bool { return r > 0x7f }):
			t.Errorf("%q looks like another", raw)
		case (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() == "":
			t.Errorf("%q has no host", raw)
		case u.Scheme == "http" && u.Hostname() != "localhost" && u.Hostname() != "::1" && !strings.HasPrefix(u.Hostname(), "127.") && !weburl.IsLoopback(u.Hostname()):
			t.Errorf("%q is plain http", raw)
		case u.Scheme != "http" && u.Scheme != "https" && !strings.Contains(u.Scheme, "."):
			t.Errorf("%q has a scheme of the browser's", raw)
		}
	})
}

// A fragment is not sent, and says nothing about what is registered.
func TestMatchRequestURI(t *testing.T) {
	c := &Client{Metadata: Metadata{RequestURIs: []string{"https://a.example/r", "https://a.example/s#hash"}}}
	for uri, want := range map[string]bool{
		"https://a.example/r": true, "https://a.example/r#": true, "https://a.example/r#x": true, "https://a.example/s": true, "https://a.example/s#other": true,
		"https://a.example/": false, "https://a.example/r?": false, "https://a.example/R": false, "#": false, "": false, "#hash": false,
	} {
		if got := c.MatchRequestURI(uri); got != want {
			t.Errorf("%q: %v", uri, got)
		}
	}
}
