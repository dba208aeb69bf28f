package gate_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz/bff/gate"
)

// program is a Go program that serves its own files behind the middleware.
type program struct {
	*fixture
	handler http.Handler
	seen    *http.Request // the last one that got through
}

func newProgram(t *testing.T) *program {
	p := &program{fixture: newFixture(t, func(c *gate.Config) { c.TrustedProxies, c.Embedded = nil, true })}
	p.handler = p.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.seen = r
		w.WriteHeader(http.StatusNoContent)
	}))
	return p
}

// get asks the program itself, over TLS.
func (p *program) get(target string, h http.Header, cookies ...*http.Cookie) *http.Response {
	r := httptest.NewRequest("GET", "/", nil)
	r.Host, r.RequestURI, r.TLS = "app.example.com", target, &tls.ConnectionState{}
	u, err := r.URL.Parse(appURL + target)
	if err != nil {
		panic(err)
	}
	r.URL.Path, r.URL.RawPath, r.URL.RawQuery = u.Path, u.RawPath, u.RawQuery
	if h != nil {
		r.Header = h.Clone()
	}
	for _, c := range cookies {
		r.AddCookie(c)
	}
	p.seen = nil
	w := httptest.NewRecorder()
	p.handler.ServeHTTP(w, r)
	return w.Result()
}

// The middleware decides as the gate does for a proxy, and the program behind it gets the user, and no cookie of the gate.
func TestMiddleware(t *testing.T) {
	p := newProgram(t)
	cookie, _ := p.signIn(t, alice(), "app.example.com")
	if res := p.get("/users", browser()); res.StatusCode != http.StatusFound || p.seen != nil {
		t.Errorf("signed out: %d", res.StatusCode)
	}
	if res := p.get("/users", nil); res.StatusCode != http.StatusUnauthorized || len(res.Cookies()) != 0 || p.seen != nil {
		t.Errorf("a script: %d", res.StatusCode)
	}
	if res := p.get("/closed", browser(), cookie); res.StatusCode != http.StatusForbidden || p.seen != nil {
		t.Errorf("closed: %d", res.StatusCode)
	}
	lies := http.Header{"X-Auth-User": {"root"}, "X_auth_user": {"root"}, "X-Auth_Roles": {"root"}, "X-Auth-Email": {"root"}}
	for path, user := range map[string]string{"/users": "alice", "/public/x": ""} {
		res := p.get(path, lies, cookie, &http.Cookie{Name: "__Host-Http-gate-tx-a", Value: "b"}, &http.Cookie{Name: "theme", Value: "dark"})
		if res.StatusCode != http.StatusNoContent || p.seen == nil {
			t.Fatalf("%s: %d", path, res.StatusCode)
		}
		if got := p.seen.Header["X-Auth-User"]; len(got) != 1 || got[0] != user {
			t.Errorf("%s: user %q", path, got)
		}
		for name, values := range p.seen.Header {
			if strings.Contains(strings.Join(values, ""), "root") || strings.Contains(name, "_") {
				t.Errorf("%s: %s: %q", path, name, values)
			}
		}
		if got := p.seen.Header.Get("Cookie"); got != "theme=dark" {
			t.Errorf("%s: cookies %q", path, got)
		}
		if session := gate.SessionOf(p.seen.Context()); (session != nil) != (user != "") || session != nil && session.Subject != user {
			t.Errorf("%s: session %+v", path, session)
		}
	}
}

func TestMiddlewareHandsOver(t *testing.T) {
	p, j := newProgram(t), jar{}
	res := p.get("/users/1", browser())
	j.keep("app.example.com", res)
	own, _ := p.ownCookie(t, alice())
	j["gate.example.com"] = map[string]string{own.Name: own.Value}
	enter := p.visit(j, res.Header.Get("Location")).Header.Get("Location")
	var cookies []*http.Cookie
	for name, value := range j["app.example.com"] {
		cookies = append(cookies, &http.Cookie{Name: name, Value: value})
	}
	res = p.get(strings.TrimPrefix(enter, appURL), browser(), cookies...)
	if res.Header.Get("Location") != appURL+"/users/1" {
		t.Errorf("%d %s", res.StatusCode, res.Header.Get("Location"))
	}
}

// What a program serves is what was decided about: a handler before it may have changed one form of the path only
// (GHSA-6jwx-7vp4-9847), and no spelling is let through.
func TestMiddlewareReadsWhatIsServed(t *testing.T) {
	p := newProgram(t)
	r := httptest.NewRequest("GET", "/public/x", nil)
	r.Host, r.TLS = "app.example.com", &tls.ConnectionState{}
	for path, raw := range map[string]string{"/admin": "/public/%78", "/public/../admin": "", "/public/a/b": "/public/a%2fb", "/public\\x": "/public%5cx"} {
		r.URL.Path, r.URL.RawPath = path, raw
		w := httptest.NewRecorder()
		p.seen = nil
		p.handler.ServeHTTP(w, r)
		if p.seen != nil {
			t.Errorf("%s, %s: let through", path, raw)
		}
	}
	for _, change := range []func(*http.Request){
		func(r *http.Request) { r.TLS = nil },
		func(r *http.Request) { r.TLS = nil; r.Header.Set("X-Forwarded-Proto", "https") }, // of no trusted proxy
		func(r *http.Request) { r.Host = "evil.example" },
		func(r *http.Request) { r.Host = "" },
	} {
		r := httptest.NewRequest("GET", "/public/x", nil)
		r.Host, r.TLS = "app.example.com", &tls.ConnectionState{}
		change(r)
		w := httptest.NewRecorder()
		p.seen = nil
		p.handler.ServeHTTP(w, r)
		if p.seen != nil || w.Code != http.StatusForbidden {
			t.Errorf("%d", w.Code)
		}
	}
}
