package gate_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/authzd/authzd/authz/bff/assertion"
	"github.com/authzd/authzd/authz/bff/gate"
	"github.com/authzd/authzd/authz/bff/provider"
	"github.com/authzd/authzd/authz/keys"
)

// Every configured header is in every answer that allows, empty if there is nothing to say: a proxy that copies only what
// is there leaves the client's in place otherwise (CVE-2026-30851).
func TestIdentityHeaders(t *testing.T) {
	f := newFixture(t)
	cookie, _ := f.signIn(t, alice(), "app.example.com")
	poor, _ := f.signIn(t, bob(), "app.example.com")
	for _, c := range []struct {
		what, path string
		cookie     *http.Cookie
		want       map[string]string
	}{
		{"alice", "/users", cookie, map[string]string{
			"X-Auth-User": "alice", "X-Auth-Roles": "admin,dev%2C ops", "X-Auth-Groups": "staff", "X-Auth-Email": "alice@example.com"}},
		{"bob", "/users", poor, map[string]string{"X-Auth-User": "bob", "X-Auth-Roles": "", "X-Auth-Groups": "", "X-Auth-Email": ""}},
		{"nobody", "/public", nil, map[string]string{"X-Auth-User": "", "X-Auth-Roles": "", "X-Auth-Groups": "", "X-Auth-Email": "", "X-Auth-Token": ""}},
		{"alice, where it does not matter", "/public", cookie, map[string]string{"X-Auth-User": "", "X-Auth-Roles": "", "X-Auth-Token": ""}},
	} {
		for name, ask := range contracts {
			r := ask("GET", appURL+c.path, nil)
			r.Header["X-Auth-User"] = []string{"root"} // what a client says
			if c.cookie != nil {
				r.AddCookie(c.cookie)
			}
			res := f.ask(r)
			for header, want := range c.want {
				if got := res.Header[header]; len(got) != 1 || got[0] != want {
					t.Errorf("%s: %s: %s is %q, want %q", name, c.what, header, got, want)
				}
			}
		}
	}
}

// Values are what every program reads alike: no control characters, no bytes above ASCII, no comma that is none.
func TestIdentityIsEscaped(t *testing.T) {
	f := newFixture(t, func(c *gate.Config) {
		c.Headers = map[string]string{"X-Auth-User": "sub", "X-Auth-Roles": "roles", "X-Auth-Name": "name", "X-Auth-Odd": "odd", "X-Auth-List": "list"}
	})
	u := &provider.User{
		Subject: "a\r\nX-Auth-Roles: root\x00\x7f%é", Roles: []string{"a,b", " c ", "d\n"},
		Claims: json.RawMessage(`{"name":"Zoë Ω","odd":{"a":1},"list":["x,y","z"]}`),
	}
	cookie, _ := f.signIn(t, u, "app.example.com")
	res := f.ask(contracts["caddy"]("GET", appURL+"/users", nil), cookie)
	for name, want := range map[string]string{
		"X-Auth-User":  "a%0D%0AX-Auth-Roles: root%00%7F%25%C3%A9",
		"X-Auth-Roles": "a%2Cb,%20c%20,d%0A",
		"X-Auth-Name":  "Zo%C3%AB %CE%A9",
		"X-Auth-Odd":   "",
		"X-Auth-List":  "x%2Cy,z",
	} {
		if got := res.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

// What would not fit into a proxy's buffers is refused here, with a reason in the log, and not there without one.
func TestIdentityTooLong(t *testing.T) {
	f := newFixture(t)
	u := bob()
	for range 400 {
		u.Roles = append(u.Roles, "role-of-some-length")
	}
	cookie, _ := f.signIn(t, u, "app.example.com")
	for name, want := range map[string]int{"nginx": 403, "caddy": 503} {
		res := f.ask(contracts[name]("GET", appURL+"/users", nil), cookie)
		if res.StatusCode != want || res.Header.Get("X-Auth-User") != "" {
			t.Errorf("%s: %d %q", name, res.StatusCode, res.Header.Get("X-Auth-User"))
		}
	}
}

// A client's header that CGI programs would take for an identity header is refused (CVE-2025-64484, CVE-2026-52845).
func TestAliasesAreRefused(t *testing.T) {
	f := newFixture(t)
	cookie, _ := f.signIn(t, bob(), "app.example.com")
	for _, path := range []string{"/users", "/public"} {
		for _, alias := range []string{"X_auth_user", "X_Auth_User", "X_AUTH_USER", "X-Auth_user", "x_auth_roles", "X_Auth-Token", "X.Auth.User", "X.Auth-User", "X~auth~user"} {
			for name, ask := range contracts {
				r := ask("GET", appURL+path, nil)
				r.Header[alias] = []string{"root"}
				if res := f.ask(r, cookie); res.StatusCode != 403 {
					t.Errorf("%s: %s: %s: %d", name, path, alias, res.StatusCode)
				}
			}
		}
		r := contracts["caddy"]("GET", appURL+path, nil)
		r.Header["X_Other"] = []string{"x"}
		if res := f.ask(r, cookie); res.StatusCode != 200 {
			t.Errorf("another header: %d", res.StatusCode)
		}
	}
}

// assertion returns the token for a user at a site.
func (f *fixture) assertion(t testing.TB, u *provider.User, rawURL string) string {
	t.Helper()
	_, host, _ := split(rawURL)
	cookie, _ := f.signIn(t, u, host)
	res := f.ask(contracts["nginx"]("GET", rawURL+"/users", nil), cookie)
	if token := res.Header.Get("X-Auth-Token"); token != "" {
		return token
	}
	t.Fatalf("%d: no assertion", res.StatusCode)
	return ""
}

// check is what a site does with an assertion.
func (f *fixture) check(token, host string) (*assertion.Assertion, error) {
	v := assertion.New(assertion.Config{Gate: gateURL, Host: host, Client: &http.Client{Transport: f}})
	return v.Verify(context.Background(), token)
}

// RoundTrip calls the gate without a network.
func (f *fixture) RoundTrip(r *http.Request) (*http.Response, error) {
	asked := httptest.NewRequest(r.Method, r.URL.RequestURI(), nil)
	w := httptest.NewRecorder()
	f.ServeHTTP(w, asked)
	return w.Result(), nil
}

func TestAssertion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		token := f.assertion(t, alice(), appURL)
		got, err := f.check(token, "app.example.com")
		if err != nil {
			t.Fatal(err)
		}
		if got.Subject != "alice" || got.SID != "sid-1" || strings.Join(got.Roles, " ") != "admin dev, ops" || got.Issuer != gateURL || got.Expires-got.IssuedAt != 60 {
			t.Errorf("%+v", got)
		}
		if _, err := f.check(token, "other.example.com:8443"); err == nil {
			t.Error("taken at another host")
		}
		if _, err := f.check(token[:len(token)-3]+"AAA", "app.example.com"); err == nil {
			t.Error("taken with another signature")
		}
		time.Sleep(61 * time.Second)
		if _, err := f.check(token, "app.example.com"); err == nil {
			t.Error("taken after 61 s")
		}
	})
}

// An assertion is used again for a while, and never says what is true no longer.
func TestAssertionIsFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		cookie, session := f.signIn(t, alice(), "app.example.com")
		get := func() (string, *assertion.Assertion) {
			t.Helper()
			token := f.ask(contracts["nginx"]("GET", appURL+"/users", nil), cookie).Header.Get("X-Auth-Token")
			a, err := f.check(token, "app.example.com")
			if err != nil {
				t.Fatal(err)
			}
			return token, a
		}
		first, _ := get()
		time.Sleep(14 * time.Second)
		if again, _ := get(); again != first {
			t.Error("another one after 14 s")
		}
		changeRoles(t, f, session.ID, []string{"reader"})
		changed, a := get()
		if changed == first || strings.Join(a.Roles, " ") != "reader" {
			t.Errorf("after a change of roles: %+v", a)
		}
		for range 10 {
			time.Sleep(10 * time.Second)
			if _, a := get(); a.Expires-time.Now().Unix() < 45 {
				t.Errorf("%d s are left", a.Expires-time.Now().Unix())
			}
		}
		other, _ := f.signIn(t, alice(), "other.example.com:8443")
		token := f.ask(contracts["nginx"]("GET", otherURL+"/", nil), other).Header.Get("X-Auth-Token")
		if _, err := f.check(token, "other.example.com:8443"); err != nil {
			t.Error(err)
		}
	})
}

// An access token is no assertion, even if it is signed by a key of the gate and says the same.
func TestOtherTokensAreNoAssertion(t *testing.T) {
	cfg := config(t)
	f := newFixture(t, func(c *gate.Config) { *c = cfg })
	f.assertion(t, alice(), appURL) // the ring has its key
	ring, err := keys.Open(t.Context(), cfg.Store, cfg.Secret, keys.Policy{
		Algs: []jose.SignatureAlgorithm{jose.ES256}, RotateEvery: time.Hour, Announce: time.Minute, Retain: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	claims := map[string]any{
		"iss": gateURL, "aud": "app.example.com", "sub": "alice", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix()}
	sign := func(typ string, change ...string) string {
		mine := map[string]any{}
		for name, value := range claims {
			mine[name] = value
		}
		for i := 0; i < len(change); i += 2 {
			mine[change[i]] = change[i+1]
		}
		token, err := ring.Sign(jose.ES256, typ, mine)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	if _, err := f.check(sign(keys.TypeGate), "app.example.com"); err != nil {
		t.Fatal(err)
	}
	for what, token := range map[string]string{
		"an access token": sign(keys.TypeAccessToken), "an ID token": sign(keys.TypeJWT), "another issuer": sign(keys.TypeGate, "iss", "https://id.example.com"),
		"another audience": sign(keys.TypeGate, "aud", "app.example.com.evil"), "no subject": sign(keys.TypeGate, "sub", ""), "empty": "", "garbage": "a.b.c",
		"none": "eyJhbGciOiJub25lIiwidHlwIjoiZ2F0ZStqd3QifQ." + strings.Split(sign(keys.TypeGate), ".")[1] + ".",
	} {
		if _, err := f.check(token, "app.example.com"); err == nil {
			t.Errorf("%s is taken", what)
		}
	}
	hmac, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: []byte(strings.Repeat("k", 32))}, (&jose.SignerOptions{}).WithType("gate+jwt"))
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(hmac).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.check(token, "app.example.com"); err == nil {
		t.Error("HS256 is taken")
	}
}

// The document of keys may be cached for half the time that a new key is announced.
func TestJWKS(t *testing.T) {
	f := newFixture(t)
	w := httptest.NewRecorder()
	f.ServeHTTP(w, httptest.NewRequest("GET", "/gate/jwks.json", nil))
	res := w.Result()
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "application/json" || res.Header.Get("Cache-Control") != "public, max-age=3600" {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
	if strings.Contains(w.Body.String(), `"d"`) || !strings.Contains(w.Body.String(), `"kid"`) {
		t.Error(w.Body.String())
	}
	w = httptest.NewRecorder()
	f.ServeHTTP(w, httptest.NewRequest("POST", "/gate/jwks.json", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", w.Code)
	}
}
