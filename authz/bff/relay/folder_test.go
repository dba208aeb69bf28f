package relay_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/authzd/authzd/authz/bff/relay"
)

// writeFiles makes a folder with files, by their names.
func writeFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFolder(t *testing.T) {
	outside := writeFiles(t, map[string]string{"secret.txt": "secret"})
	dir := writeFiles(t, map[string]string{
		"index.html": "<p>app", "assets/main-1a2b.js": "script", "docs/index.html": "<p>docs", "empty/x.txt": "x", ".env": "secret", ".git/config": "secret",
		".well-known/security.txt": "contact", "data.bin": "\x00\x01", "a b.txt": "blank",
	})
	for link, to := range map[string]string{"out.txt": filepath.Join(outside, "secret.txt"), "outdir": outside, "up": "../", "in.txt": "data.bin"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	a := newAPI(t, nil)
	s := newSite(t, func(c *relay.Config) { c.App.Folder = dir }, relay.Route{Path: "/api/", URL: a.URL + "/"})
	s.cookie = &http.Cookie{Name: "other", Value: "1"} // the files are public
	bare := func(method, path string, header ...string) *answered {
		r := s.request(t, path, nil, header...)
		r.Method = method
		r.Header.Del("X-Authzd-BFF")
		return s.send(t, r)
	}
	for path, want := range map[string]string{
		"/": "<p>app", "/index.html": "<p>app", "/assets/main-1a2b.js": "script", "/docs/": "<p>docs", "/.well-known/security.txt": "contact", "/a%20b.txt": "blank", "/in.txt": "\x00\x01",
		"/?code=x": "<p>app",
		"/assets/": "", "/assets": "", "/empty/": "", "/none.js": "", "/.env": "", "/.git/config": "", "/out.txt": "", "/outdir/secret.txt": "", "/up/secret.txt": "", "/index.html/x": "", "/data.bin/": "",
	} {
		got := bare("GET", path)
		switch {
		case want == "" && got.StatusCode != http.StatusNotFound, want != "" && (got.StatusCode != http.StatusOK || got.body != want):
			t.Errorf("%s: %d %q, want %q", path, got.StatusCode, got.body, want)
		case got.Header.Get("X-Content-Type-Options") != "nosniff" || got.Header.Get("Cache-Control") == "" || len(got.Header["Set-Cookie"]) > 0:
			t.Errorf("%s: %v", path, got.Header)
		}
	}
	for path, want := range map[string]string{"/": "text/html; charset=utf-8", "/assets/main-1a2b.js": "text/javascript; charset=utf-8", "/data.bin": "application/octet-stream"} {
		if got := bare("GET", path); got.Header.Get("Content-Type") != want {
			t.Errorf("%s: %s", path, got.Header.Get("Content-Type"))
		}
	}

	// A path of the app's own is a page only for a browser that navigates.
	for _, header := range [][]string{{"Sec-Fetch-Mode", "navigate"}, {"Accept", "text/html,*/*;q=0.8"}} {
		for _, path := range []string{"/orders/7", "/assets/", "/orders/7.html"} {
			if got := bare("GET", path, header...); got.StatusCode != http.StatusOK || got.body != "<p>app" {
				t.Errorf("%s %v: %d %s", path, header, got.StatusCode, got.body)
			}
		}
		for _, path := range []string{"/.env", "/.git/", "/.git/config"} {
			if got := bare("GET", path, header...); got.StatusCode != http.StatusNotFound {
				t.Errorf("%s %v: %d %s", path, header, got.StatusCode, got.body)
			}
		}
	}
	if got := bare("GET", "/orders/7", "Sec-Fetch-Mode", "cors", "Accept", "text/html"); got.StatusCode != http.StatusNotFound {
		t.Errorf("a fetch: %d %s", got.StatusCode, got.body)
	}
	for _, path := range []string{"/docs/..%2findex.html", "/%2e%2e/x", "/a//b", `/a\b`, "/x%00"} {
		if status, text := s.raw(t, "GET "+path+" HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\n\r\n"); status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"} {
		if got := bare(method, "/index.html"); got.StatusCode != http.StatusMethodNotAllowed || got.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %d", method, got.StatusCode)
		}
	}

	// A file is asked for again, and sent if it has changed, although its time has not.
	first := bare("GET", "/")
	if got := bare("GET", "/", "If-None-Match", first.Header.Get("Etag")); got.StatusCode != http.StatusNotModified {
		t.Errorf("the same: %d", got.StatusCode)
	}
	if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte("<p>new app"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := bare("GET", "/", "If-None-Match", first.Header.Get("Etag")); got.StatusCode != http.StatusOK || got.body != "<p>new app" {
		t.Errorf("another: %d %s", got.StatusCode, got.body)
	}
	if n := len(a.requests()); n > 0 {
		t.Errorf("the API got %d requests", n)
	}
}

// A development server stands behind the same origin, and learns nothing of the session.
func TestDevelopmentServer(t *testing.T) {
	a := newAPI(t, func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "orders", Value: "stolen"})
		_, _ = io.WriteString(w, "dev "+r.RequestURI)
	})
	s := newSite(t, func(c *relay.Config) { c.App.URL = a.URL + "/base/" })
	r := s.request(t, "/src/main.ts?t=1", nil, "Authorization", "Bearer x")
	r.Header.Del("X-Authzd-BFF")
	got := s.send(t, r)
	if got.body != "dev /base/src/main.ts?t=1" || len(got.Header["Set-Cookie"]) > 0 {
		t.Errorf("%d %s %v", got.StatusCode, got.body, got.Header)
	}
	if seen := a.last(t); seen.Header.Get("Cookie")+seen.Header.Get("Authorization") != "" || seen.Host != strings.TrimPrefix(a.URL, "http://") {
		t.Errorf("it got %s %v", seen.Host, seen.Header)
	}
	s.wantRefusal(t, a, s.request(t, "/x", strings.NewReader("x")), http.StatusMethodNotAllowed, "invalid_request")
}

// A page of a development server reloads itself by a WebSocket of its own, for which nobody has to sign in.
func TestDevelopmentSocket(t *testing.T) {
	a, _ := echo(t, "vite-hmr")
	s := newSite(t, func(c *relay.Config) { c.App.URL = a.URL })
	c, _, err := s.dial(t, "/", []string{"vite-hmr"})
	if err != nil {
		t.Fatal(err)
	}
	say(t, c, "update")
	s.Relay.Close()
	wantClose(t, c, websocket.StatusGoingAway)
}
