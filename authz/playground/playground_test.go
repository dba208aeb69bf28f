package playground_test

import (
	"encoding/json"
	"io/fs"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/playground"
)

func newPlayground(t *testing.T, c playground.Config) http.Handler {
	t.Helper()
	h, err := playground.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// get asks for a path; header is name, value, name, value.
func get(h http.Handler, method, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	for pair := range slices.Chunk(header, 2) {
		r.Header.Set(pair[0], pair[1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestNewRefuses(t *testing.T) {
	for _, issuer := range []string{"", "://", "http://id.example.com", "https://id.example.com?x"} {
		if _, err := playground.New(playground.Config{Issuer: issuer, ClientID: "spa", Resource: "https://api.example.com"}); err == nil {
			t.Errorf("issuer %q was taken", issuer)
		}
	}
}

func TestPage(t *testing.T) {
	h := newPlayground(t, playground.Config{
		Issuer: "https://id.example.com/auth", ClientID: `"><script>alert(1)</script>`, Resource: "https://id.example.com/auth/playground/api",
	})
	w := get(h, "GET", "/auth/playground")
	if w.Code != http.StatusOK {
		t.Fatalf("status %d", w.Code)
	}
	for name, want := range map[string]string{
		"Content-Type":    "text/html; charset=utf-8",
		"Cache-Control":   "no-store",
		"Referrer-Policy": "no-referrer",
		"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; " +
			"frame-src 'self'; frame-ancestors 'self'; base-uri 'none'; form-action 'none'",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if strings.Contains(w.Body.String(), "<script>") {
		t.Error("the client's identifier became markup")
	}
	for _, want := range []string{`data-issuer="https://id.example.com/auth"`, `src="/auth/playground/app.js"`, `href="/auth/playground/app.css"`} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("the page lacks %s", want)
		}
	}
}

// Everything that a script or the page asks for is served, with a type that nosniff lets through.
func TestFiles(t *testing.T) {
	h := newPlayground(t, playground.Config{Issuer: "https://id.example.com", ClientID: "spa", Resource: "https://api.example.com"})
	entries, err := os.ReadDir("assets")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() == "index.html" {
			continue
		}
		w := get(h, "GET", "/playground/"+e.Name())
		contentType, _, _ := mime.ParseMediaType(w.Header().Get("Content-Type"))
		if w.Code != http.StatusOK || (contentType != "text/javascript" && contentType != "text/css") {
			t.Errorf("%s: status %d, type %q", e.Name(), w.Code, contentType)
		}
		if again := get(h, "GET", "/playground/"+e.Name(), "If-None-Match", w.Header().Get("ETag")); again.Code != http.StatusNotModified {
			t.Errorf("%s: status %d for a copy that is still good", e.Name(), again.Code)
		}
	}
}

// The policy would block inline code, and a page that makes markup of what it is told is one
// careless server away from running it.
func TestScriptsPutInTextOnly(t *testing.T) {
	bad := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|localStorage|\son[a-z]+=`)
	for _, folder := range []string{"assets", "cookiemode"} {
		err := fs.WalkDir(os.DirFS(folder), ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			content, err := os.ReadFile(folder + "/" + name)
			for _, found := range bad.FindAll(content, -1) {
				t.Errorf("%s/%s has %s", folder, name, found)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestUnknown(t *testing.T) {
	h := newPlayground(t, playground.Config{Issuer: "https://id.example.com/auth", ClientID: "spa", Resource: "https://api.example.com"})
	for _, test := range []struct {
		method, path string
		want         int
	}{
		{"POST", "/auth/playground", http.StatusMethodNotAllowed},
		{"PUT", "/auth/playground/api/orders", http.StatusMethodNotAllowed},
		{"GET", "/playground", http.StatusNotFound},
		{"GET", "/auth/playground/index.html", http.StatusNotFound},
		{"GET", "/auth/playground/assets/app.js", http.StatusNotFound},
		{"GET", "/auth/playground/api/", http.StatusNotFound},
	} {
		if w := get(h, test.method, test.path); w.Code != test.want {
			t.Errorf("%s %s: status %d, want %d", test.method, test.path, w.Code, test.want)
		}
	}
}

// The Orders API behaves as any API behind the middleware does.
func TestOrders(t *testing.T) {
	s := authztest.Start(t, authz.Config{}, nil)
	h := newPlayground(t, playground.Config{Issuer: s.URL, ClientID: authztest.SPA, Resource: authztest.API})
	const path = "/playground/api/orders"

	reader := s.SignIn(t, authztest.SPA, "", url.Values{"scope": {"openid orders.read"}})
	writer := s.SignIn(t, authztest.SPA, "", url.Values{"scope": {"openid orders.read orders.write"}})
	nobody := s.SignIn(t, authztest.SPA, "", url.Values{"scope": {"openid"}})
	worker := s.Token(t, authztest.Worker, authztest.Secret, url.Values{"grant_type": {"client_credentials"}, "scope": {"orders.read"}})

	for _, test := range []struct {
		name, method, token string
		want                int
		challenge           []string // parts of it
	}{
		{"no token", "GET", "", http.StatusUnauthorized, []string{`Bearer realm="` + authztest.API + `"`}},
		{"no token, to write", "POST", "", http.StatusUnauthorized, []string{"Bearer realm="}},
		{"no token of ours", "GET", "abc", http.StatusUnauthorized, []string{`error="invalid_token"`}},
		{"an ID token", "GET", reader.IDToken, http.StatusUnauthorized, []string{`error="invalid_token"`}},
		{"a refresh token", "GET", reader.RefreshToken, http.StatusUnauthorized, []string{`error="invalid_token"`}},
		{"a spoiled token", "GET", reader.AccessToken[:len(reader.AccessToken)-20] + strings.Repeat("A", 20), http.StatusUnauthorized, []string{`error="invalid_token"`}},
		{"without scopes", "GET", nobody.AccessToken, http.StatusForbidden, []string{`error="insufficient_scope"`, `scope="orders.read"`}},
		{"reading only", "POST", reader.AccessToken, http.StatusForbidden, []string{`error="insufficient_scope"`, `scope="orders.write"`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var header []string
			if test.token != "" {
				header = []string{"Authorization", "Bearer " + test.token}
			}
			w := get(h, test.method, path, header...)
			if w.Code != test.want {
				t.Fatalf("status %d, want %d", w.Code, test.want)
			}
			for _, part := range test.challenge {
				if got := w.Header().Get("WWW-Authenticate"); !strings.Contains(got, part) {
					t.Errorf("challenge %q lacks %q", got, part)
				}
			}
		})
	}

	list := func(token string) []map[string]string {
		w := get(h, "GET", path, "Authorization", "Bearer "+token)
		var orders []map[string]string
		if err := json.Unmarshal(w.Body.Bytes(), &orders); w.Code != http.StatusOK || err != nil {
			t.Fatalf("status %d, %v: %s", w.Code, err, w.Body)
		}
		return orders
	}
	if orders := list(reader.AccessToken); orders == nil || len(orders) != 0 {
		t.Fatalf("orders before there are any: %v", orders)
	}
	var newest map[string]string
	for range 30 {
		w := get(h, "POST", path, "Authorization", "Bearer "+writer.AccessToken)
		if w.Code != http.StatusCreated || json.Unmarshal(w.Body.Bytes(), &newest) != nil {
			t.Fatalf("status %d: %s", w.Code, w.Body)
		}
	}
	orders := list(reader.AccessToken)
	if len(orders) != 20 || orders[19]["id"] != newest["id"] {
		t.Errorf("%d orders are kept, the last is %v, want the newest 20", len(orders), orders[len(orders)-1])
	}
	if orders := list(worker.AccessToken); len(orders) != 0 {
		t.Errorf("the worker sees the orders of Alice: %v", orders)
	}
}
