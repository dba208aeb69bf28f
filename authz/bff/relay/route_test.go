package relay_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz/bff/relay"
)

// What leads somewhere is fixed by the operator.
func TestTable(t *testing.T) {
	a, deep := newAPI(t, nil), newAPI(t, nil)
	s := newSite(t, nil,
		relay.Route{Path: "/api/", URL: a.URL + "/v1/", Methods: []string{"GET", "POST"}},
		relay.Route{Path: "/api/deep/", URL: deep.URL + "/"},
		relay.Route{Path: "/one", URL: a.URL + "/only"},
	)
	for path, want := range map[string]string{
		"/api/orders":               "/v1/orders",
		"/api/orders/?a=1&b=%20&;c": "/v1/orders/?a=1&b=%20&;c",
		"/api/":                     "/v1/",
		"/api/a%20b;x=1/c%2Cd":      "/v1/a%20b;x=1/c%2Cd",
		"/%61pi/%6frders":           "/v1/%6frders",
		"/one":                      "/only",
		"/api/http://other.example": "", // an empty segment
	} {
		got := s.get(t, path)
		switch {
		case want == "":
			if got.StatusCode != http.StatusBadRequest {
				t.Errorf("%s: %d", path, got.StatusCode)
			}
		case got.StatusCode != http.StatusOK || a.last(t).RequestURI != want:
			t.Errorf("%s: %d, the API got %s, want %s", path, got.StatusCode, a.last(t).RequestURI, want)
		case a.last(t).Host != strings.TrimPrefix(a.URL, "http://"):
			t.Errorf("%s: the API got the host %s", path, a.last(t).Host)
		}
	}
	if s.get(t, "/api/deep/x"); deep.last(t).RequestURI != "/x" {
		t.Errorf("the longer path does not count: %s", deep.last(t).RequestURI)
	}
	for _, path := range []string{"/", "/api", "/apiary", "/one/more", "/bff2", "/API/x"} {
		s.wantRefusal(t, a, s.request(t, path, nil), http.StatusNotFound, "not_found")
	}
	s.wantRefusal(t, deep, s.request(t, "/api/deep/x", strings.NewReader("x")), http.StatusMethodNotAllowed, "invalid_request")
	if got := s.send(t, s.request(t, "/one", strings.NewReader("x"))); got.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("Allow: %s", got.Header.Get("Allow"))
	}
}

// A request line names no host, and no other program could read its path in another way.
func TestPathsWithTwoReadings(t *testing.T) {
	a := newAPI(t, nil)
	s := newSite(t, nil, relay.Route{Path: "/api/", URL: a.URL + "/base/"}, relay.Route{Path: "/slash/", URL: a.URL + "/", EncodedSlash: true})
	for _, target := range []string{
		`/api/a\b`, "/api//x", "//api/x", "/api/x%00", "/api/%zz", "/api/%", "/api/%2", "/api/a%2fb", "/api/a%2Fb", "/api/a%5cb", "/api/a%5Cb",
		"/api/../x", "/api/..", "/api/./x", "/api/%2e%2e/x", "/api/%2E./x", "/api/.%2e/x", "/api/..;/x", "/api/%252e%252e/x", "/api/x%0d%0ay",
		"/api/%c0%ae%c0%ae/x", "/api/%u002e", "http://other.example/api/x", "https://other.example/api/x", s.url + "/api/x", "/slash/..%2fx", "/slash/a%5cb",
		"/x/..%2fapi/x", "/api/x#y",
	} {
		if status, text := s.raw(t, s.head("GET "+target)+"\r\n"); status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", target, status, text)
		}
	}
	if n := len(a.requests()); n > 0 {
		t.Errorf("the API got %d requests: %s", n, a.last(t).RequestURI)
	}
	if s.get(t, "/slash/a%2Fb%2fc"); a.last(t).RequestURI != "/a%2Fb%2fc" {
		t.Errorf("the API got %s", a.last(t).RequestURI)
	}
}

func TestProblems(t *testing.T) {
	good := relay.Route{Path: "/api/", URL: "https://api.example.com/", Methods: []string{"GET"}, Resource: "https://api.example.com", Token: relay.TokenUser}
	if err := good.Problems().Err(); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		path string
		edit func(*relay.Route)
	}{
		"no path":              {"path", func(r *relay.Route) { r.Path = "" }},
		"a relative path":      {"path", func(r *relay.Route) { r.Path = "api/" }},
		"the root":             {"path", func(r *relay.Route) { r.Path = "/" }},
		"ours":                 {"path", func(r *relay.Route) { r.Path = "/bff/x/" }},
		"an encoded path":      {"path", func(r *relay.Route) { r.Path = "/a%20b/" }},
		"a dot segment":        {"path", func(r *relay.Route) { r.Path = "/a/../" }},
		"an empty segment":     {"path", func(r *relay.Route) { r.Path = "/a//" }},
		"no url":               {"url", func(r *relay.Route) { r.URL = "" }},
		"a scheme":             {"url", func(r *relay.Route) { r.URL = "ftp://api.example.com/" }},
		"ws":                   {"url", func(r *relay.Route) { r.URL = "wss://api.example.com/" }},
		"a query":              {"url", func(r *relay.Route) { r.URL = "https://api.example.com/?x" }},
		"a user":               {"url", func(r *relay.Route) { r.URL = "https://a@api.example.com/" }},
		"one slash":            {"url", func(r *relay.Route) { r.URL = "https://api.example.com/v1" }},
		"no host":              {"url", func(r *relay.Route) { r.URL = "https:///v1/" }},
		"a method":             {"methods[1]", func(r *relay.Route) { r.Methods = []string{"GET", "TRACE"} }},
		"a method in small":    {"methods[0]", func(r *relay.Route) { r.Methods = []string{"get"} }},
		"a token":              {"token", func(r *relay.Route) { r.Token = "users" }},
		"a resource":           {"resource", func(r *relay.Route) { r.Resource = "orders" }},
		"a resource, no token": {"resource", func(r *relay.Route) { r.Token = relay.TokenNone }},
		"a ticket":             {"ticket_in_query", func(r *relay.Route) { r.TicketInQuery = true }},
		"a socket by POST":     {"websocket", func(r *relay.Route) { r.WebSocket, r.Methods = true, []string{"POST"} }},
		"our cookie":           {"cookies[0]", func(r *relay.Route) { r.Cookies = []string{"__host-HTTP-x"} }},
		"no cookie":            {"cookies[0]", func(r *relay.Route) { r.Cookies = []string{"a b"} }},
		"a time":               {"answer_timeout", func(r *relay.Route) { r.AnswerTimeout = 1 }},
	} {
		r := good
		test.edit(&r)
		found := r.Problems()
		if !found.Have(test.path) || len(found) != 1 || found[0].Hint == "" {
			t.Errorf("%s: %v", name, found.Err())
		}
		if _, err := relay.New(relay.Config{URL: "https://app.example.com", Routes: []relay.Route{r}}); err == nil {
			t.Errorf("%s: there is a relay", name)
		}
	}
	both := relay.App{Folder: "x", URL: "http://127.0.0.1:4200"}
	for name, app := range map[string]relay.App{"both": both, "a query": {URL: "http://127.0.0.1:4200/?x"}, "a scheme": {URL: "file:///x"}} {
		if !app.Problems().Have("url") {
			t.Errorf("app, %s: no problem", name)
		}
	}
	for _, url := range []string{"http://127.0.0.1:4200", "http://127.0.0.1:4200/", "http://127.0.0.1:4200/base", "http://127.0.0.1:4200/base/"} {
		if app := (relay.App{URL: url}); app.Problems().Err() != nil {
			t.Errorf("app, %s: %v", url, app.Problems().Err())
		}
	}
	good.Token = relay.TokenNone
	good.Resource = ""
	if _, err := relay.New(relay.Config{URL: "https://app.example.com", Routes: []relay.Route{good}}); err != nil {
		t.Error(err)
	}
	if _, err := relay.New(relay.Config{URL: "https://app.example.com", Routes: []relay.Route{good, good}}); err == nil {
		t.Error("two routes of one path")
	}
	for name, edit := range map[string]func(*relay.Route){
		"no sessions": func(r *relay.Route) { r.Token = relay.TokenUser },
		"no client":   func(r *relay.Route) { r.Token = relay.TokenClient },
		"no store":    func(r *relay.Route) { r.WebSocket = true },
	} {
		r := good
		if edit(&r); r.Problems().Err() != nil {
			t.Fatal(r.Problems().Err())
		}
		if _, err := relay.New(relay.Config{URL: "https://app.example.com", Routes: []relay.Route{r}}); err == nil {
			t.Errorf("%s: there is a relay", name)
		}
	}
	if _, err := relay.New(relay.Config{URL: "https://app.example.com", App: relay.App{Folder: t.TempDir() + "/none"}}); err == nil || errors.Is(err, nil) {
		t.Error("a folder that does not exist")
	}
}

// A frontend with a path has its routes below it.
func TestBelowAPath(t *testing.T) {
	a := newAPI(t, nil)
	s := newSite(t, func(c *relay.Config) { c.URL += "/orders" }, relay.Route{Path: "/api/", URL: a.URL + "/"})
	if s.get(t, "/orders/api/x"); a.last(t).RequestURI != "/x" {
		t.Errorf("the API got %s", a.last(t).RequestURI)
	}
	s.wantRefusal(t, a, s.request(t, "/api/x", nil), http.StatusNotFound, "not_found")
}
