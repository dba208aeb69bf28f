package relay_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz/bff/relay"
)

// An API hears of the client what the relay says, and nothing that the client says of itself.
func TestRequestHeaders(t *testing.T) {
	a := newAPI(t, nil)
	s := newSite(t, nil, relay.Route{Path: "/api/", URL: a.URL + "/", Cookies: []string{"theme", "orders"}}, relay.Route{Path: "/open/", URL: a.URL + "/", Token: relay.TokenNone})
	forged := []string{
		"Authorization", "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Prefix", "X-Forwarded-User",
		"X-Forwarded-Email", "X-Forwarded", "X-Real-IP", "X-Client-IP", "True-Client-IP", "CF-Connecting-IP", "X-Remote-User", "Remote-User", "Remote-Groups",
		"X-Auth-Request-User", "X-authentik-username", "X-Pomerium-Jwt-Assertion", "X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method-Override",
		"X-User", "X-Email", "X-Groups", "X-Roles", "Proxy", "X-Goog-IAP-JWT-Assertion", "X-Client-Cert", "Proxy-Authorization", "Via",
	}
	for _, path := range []string{"/api/x", "/open/x"} {
		r := s.request(t, path, nil, "Cookie", "theme=dark; other=1; __Host-Http-orders=x; __HOST-HTTP-b=y", "Accept-Language", "de", "X-Csrf", "kept", "Traceparent", "00-1-2-3")
		for _, name := range forged {
			r.Header[name] = []string{"forged"}
			r.Header[strings.ReplaceAll(name, "-", "_")] = []string{"forged"}
			r.Header[strings.ToLower(name)] = []string{"forged"}
		}
		r.Header["Authorization"] = []string{"Bearer forged"}
		if got := s.send(t, r); got.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %s", path, got.StatusCode, got.body)
		}
		got := a.last(t)
		for name, values := range got.Header {
			if strings.Contains(strings.Join(values, ""), "forged") || strings.Contains(name, "_") {
				t.Errorf("%s: the API got %s: %s", path, name, values)
			}
		}
		want := map[string]string{
			"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": strings.TrimPrefix(s.url, "http://"), "X-Forwarded-Proto": "http",
			"Authorization": "Bearer user-token-0", "Cookie": "theme=dark", "Accept-Language": "de", "X-Csrf": "kept", "Traceparent": "00-1-2-3",
			"X-Authzd-Bff": "", "X-Real-Ip": "", "Forwarded": "",
		}
		if path == "/open/x" {
			want["Authorization"], want["Cookie"] = "", ""
		}
		for name, value := range want {
			if strings.Join(got.Header.Values(name), "|") != value {
				t.Errorf("%s: the API got %s: %q, want %q", path, name, got.Header.Values(name), value)
			}
		}
	}
}

// Connection names no header that somebody in front has set, or that is judged here.
func TestConnectionHeader(t *testing.T) {
	a := newAPI(t, nil)
	s := newSite(t, nil, relay.Route{Path: "/api/", URL: a.URL + "/"})
	for _, option := range []string{"X-Forwarded-Host", "X-Authzd-BFF", "Authorization", "close, cookie", "Sec-Fetch-Site", "x"} {
		if status, text := s.raw(t, s.head("GET /api/x")+"Connection: "+option+"\r\n\r\n"); status != http.StatusBadRequest {
			t.Errorf("Connection: %s: %d %s", option, status, text)
		}
	}
	for _, more := range []string{
		"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
		"Connection: Upgrade\r\nUpgrade: h2c\r\n", "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n", "Upgrade: TLS/1.0\r\nConnection: upgrade\r\n",
		"Upgrade: websocket\r\n", "Connection: Upgrade\r\nUpgrade: websocket\r\n", "HTTP2-Settings: AAMAAABkAAQAAP__\r\n",
	} {
		status, text := s.raw(t, s.head("GET /api/x")+more+"\r\n")
		if status != http.StatusBadRequest || strings.Contains(text, "101") {
			t.Errorf("%q: %d %s", more, status, text)
		}
	}
	if n := len(a.requests()); n > 0 {
		t.Errorf("the API got %d requests", n)
	}
}

// The whole origin, its cookies and its users are not an API's to decide about.
func TestAnswerHeaders(t *testing.T) {
	a := newAPI(t, func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		for _, line := range []string{
			"theme=dark; Path=/", "theme=x; Domain=example.com", "theme=x; Domain=ex\u00e4mple.com", "orders=stolen; Path=/", "orders=stolen; Domain=example.com; Path=/", "__Host-Http-orders=x; Secure; Path=/",
			"__HOST-http-orders=x", "other=1", "\u2000__Host-Http-orders=x", "=__Host-Http-orders=x", "tx-1=x",
		} {
			h.Add("Set-Cookie", line)
		}
		h.Set("Clear-Site-Data", "*")
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Access-Control-Allow-Credentials", "true")
		h.Set("Www-Authenticate", `Basic realm="x"`)
		h.Set("Service-Worker-Allowed", "/")
		h.Set("Strict-Transport-Security", "max-age=0")
		h.Set("Etag", `"kept"`)
		h.Set("X-Total", "7")
		if r.URL.Path == "/early" {
			h.Set("Link", "</x>")
			w.WriteHeader(http.StatusEarlyHints)
		}
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, "body")
	})
	s := newSite(t, func(c *relay.Config) { c.OwnCookies = []string{"tx-"} }, relay.Route{Path: "/api/", URL: a.URL + "/", Cookies: []string{"theme", "orders", "tx-1"}})
	for _, path := range []string{"/api/x", "/api/early"} {
		got := s.get(t, path)
		if got.StatusCode != http.StatusTeapot || got.body != "body" || got.Header.Get("X-Total") != "7" || got.Header.Get("Etag") != `"kept"` {
			t.Errorf("%s: %d %q %v", path, got.StatusCode, got.body, got.Header)
		}
		if !slices.Equal(got.Header["Set-Cookie"], []string{"theme=dark; Path=/"}) {
			t.Errorf("%s: Set-Cookie %q", path, got.Header["Set-Cookie"])
		}
		for _, name := range []string{"Clear-Site-Data", "Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Www-Authenticate", "Service-Worker-Allowed", "Strict-Transport-Security"} {
			if got.Header[name] != nil {
				t.Errorf("%s: %s: %s", path, name, got.Header[name])
			}
		}
	}
	if _, text := s.raw(t, s.head("GET /api/early")+"Connection: close\r\n\r\n"); strings.Contains(text, " 103 ") || strings.Contains(text, "stolen") {
		t.Errorf("an early answer passed: %s", text)
	}
}

// A page of another site reaches no API, and reads no answer.
func TestForeignPages(t *testing.T) {
	a := newAPI(t, nil)
	s := newSite(t, nil, relay.Route{Path: "/api/", URL: a.URL + "/", Methods: []string{"GET", "POST", "OPTIONS"}}, relay.Route{Path: "/events/", URL: a.URL + "/", EventStream: true})
	bare := func(path string, body io.Reader, header ...string) *http.Request {
		r := s.request(t, path, body, header...)
		r.Header.Del("X-Authzd-BFF")
		return r
	}
	for name, r := range map[string]*http.Request{
		"no header":              bare("/api/x", nil),
		"no header, POST":        bare("/api/x", strings.NewReader("x")),
		"no header, same-origin": bare("/api/x", nil, "Sec-Fetch-Site", "same-origin"),
		"another value":          bare("/api/x", nil, "X-Authzd-BFF", "0"),
		"twice":                  s.request(t, "/api/x", nil, "X-Authzd-BFF", "1"),
		"cross-site":             s.request(t, "/api/x", nil, "Sec-Fetch-Site", "cross-site"),
		"same-site":              s.request(t, "/api/x", nil, "Sec-Fetch-Site", "same-site"),
		"none":                   s.request(t, "/api/x", nil, "Sec-Fetch-Site", "none"),
		"origin":                 s.request(t, "/api/x", strings.NewReader("x"), "Origin", "https://evil.example"),
		"null":                   s.request(t, "/api/x", strings.NewReader("x"), "Origin", "null"),
		"stream, nothing":        bare("/events/x", nil),
		"stream, same-site":      bare("/events/x", nil, "Sec-Fetch-Site", "same-site"),
		"stream, origin":         bare("/events/x", nil, "Sec-Fetch-Site", "same-origin", "Origin", "https://evil.example"),
	} {
		t.Run(name, func(t *testing.T) { s.wantRefusal(t, a, r, http.StatusForbidden, "foreign_request") })
	}
	preflight := bare("/api/x", nil, "Origin", "https://evil.example", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "x-authzd-bff")
	preflight.Method = http.MethodOptions
	s.wantRefusal(t, a, preflight, http.StatusForbidden, "foreign_request")
	if got := s.send(t, bare("/events/x", nil, "Sec-Fetch-Site", "same-origin")); got.StatusCode != http.StatusOK {
		t.Errorf("a stream: %d %s", got.StatusCode, got.body)
	}
	if got := s.send(t, s.request(t, "/api/x", strings.NewReader("x"), "Sec-Fetch-Site", "same-origin", "Origin", s.url)); got.StatusCode != http.StatusOK {
		t.Errorf("the own page: %d %s", got.StatusCode, got.body)
	}
}

// A request whose end two programs see in different places is answered with 400, and no request hides in it.
func TestSmuggling(t *testing.T) {
	a := newAPI(t, nil)
	s := newSite(t, nil, relay.Route{Path: "/api/", URL: a.URL + "/", Methods: []string{"GET", "POST"}})
	for name, rest := range map[string]string{
		"both lengths":  "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"two codings":   "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
		"a folded line": "X-A: b\r\n X-B: c\r\nContent-Length: 0\r\n\r\n",
		"two lengths":   "Content-Length: 0\r\nContent-Length: 4\r\n\r\n",
	} {
		status, text := s.raw(t, s.head("POST /api/x")+rest+s.head("GET /api/hidden")+"\r\n")
		if status != http.StatusBadRequest || strings.Count(text, "HTTP/1.1") != 1 {
			t.Errorf("%s: %s", name, text)
		}
	}
	if n := len(a.requests()); n > 0 {
		t.Errorf("the API got %d requests", n)
	}
}

// Trailers come after the headers were cleaned.
func TestAnswerTrailers(t *testing.T) {
	a := newAPI(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "Set-Cookie, X-Checksum")
		_, _ = io.WriteString(w, "body")
		w.Header().Set("Set-Cookie", "orders=stolen; Path=/")
		w.Header().Set("X-Checksum", "7")
		w.Header().Set(http.TrailerPrefix+"Clear-Site-Data", "*") // not announced
	})
	s := newSite(t, nil, relay.Route{Path: "/api/", URL: a.URL + "/"})
	got := s.get(t, "/api/x")
	if got.body != "body" || got.Trailer.Get("X-Checksum") != "7" {
		t.Errorf("%q %v", got.body, got.Trailer)
	}
	for _, name := range []string{"Set-Cookie", "Clear-Site-Data"} {
		if got.Trailer[name] != nil || got.Header[name] != nil {
			t.Errorf("%s: %v", name, got.Trailer)
		}
	}
}
