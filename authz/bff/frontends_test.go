package bff_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz/bff"
	"github.com/authzd/authzd/authz/bff/guard"
	"github.com/authzd/authzd/authz/bff/provider"
	"github.com/authzd/authzd/authz/keys"
)

// several is cookie mode for frontends at several hosts and paths.
func several(t *testing.T) *bff.BFF {
	t.Helper()
	secret, err := keys.NewSecret([]byte(strings.Repeat("s", 32)))
	if err != nil {
		t.Fatal(err)
	}
	b, err := bff.New(bff.Config{
		Issuer: "https://id.example.com", ClientID: "a", Authentication: provider.Authentication{Method: provider.AuthBasic, ClientSecret: "a secret"},
		Sealed: true, Secret: secret,
		Frontends: []bff.Frontend{
			{Name: "orders", URL: "https://orders.example.com"}, {Name: "parts", URL: "https://parts.example.com/"},
			{Name: "admin", URL: "https://orders.example.com/admin"}, {Name: "dev", URL: "http://localhost:4200"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func ask(b http.Handler, host, target string, cookie *http.Cookie) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	r.Host = host
	r.Header.Set(guard.Header, guard.Value)
	if cookie != nil {
		r.AddCookie(cookie)
	}
	w := httptest.NewRecorder()
	b.ServeHTTP(w, r)
	return w
}

// TestFrontends: each host and path has its own sessions, and no other host has any.
func TestFrontends(t *testing.T) {
	b := several(t)
	cookies := map[string]*http.Cookie{}
	for _, name := range []string{"orders", "parts", "admin", "dev"} {
		w := httptest.NewRecorder()
		if _, err := b.SessionsOf(name).Start(context.Background(), w, &provider.Grant{User: &provider.User{Subject: name}}); err != nil {
			t.Fatal(err)
		}
		c := w.Result().Cookies()[0]
		if want := "__Host-Http-" + name; c.Name != want && name != "dev" || name == "dev" && (c.Name != "dev" || c.Secure) {
			t.Errorf("%s: %s", name, c)
		}
		cookies[name] = c
	}
	for _, test := range []struct{ host, target, frontend string }{
		{"orders.example.com", "/bff/session", "orders"}, {"ORDERS.example.com:443", "/bff/session", "orders"},
		{"parts.example.com", "/bff/session", "parts"}, {"orders.example.com", "/admin/bff/session", "admin"}, {"localhost:4200", "/bff/session", "dev"},
	} {
		for name, cookie := range cookies {
			got := ask(b, test.host, test.target, cookie)
			if active := strings.Contains(got.Body.String(), `"sub":"`+name+`"`); active != (name == test.frontend) {
				t.Errorf("%s%s, cookie of %s: %d %s", test.host, test.target, name, got.Code, got.Body)
			}
			renamed := *cookie
			renamed.Name = b.SessionsOf(test.frontend).CookieName()
			if got := ask(b, test.host, test.target, &renamed); strings.Contains(got.Body.String(), `"active":true`) != (name == test.frontend) {
				t.Errorf("%s%s, cookie of %s under its own name: %s", test.host, test.target, name, got.Body)
			}
		}
	}
	for _, test := range []struct {
		host, target string
		want         int
	}{
		{"evil.example", "/bff/session", 421}, {"orders.example.com.", "/bff/session", 421}, {"orders.example.com:8443", "/bff/session", 421}, {"", "/bff/session", 421},
		{"orders.example.com", "//bff/session", 400}, {"orders.example.com", "/x/../bff/session", 400}, {"orders.example.com", "/bff/../bff/session", 404},
		{"orders.example.com", "/%62ff/session", 404}, {"orders.example.com", "/bff/session/", 404}, {"orders.example.com", "/BFF/session", 404}, {"orders.example.com", "/adminx/bff/session", 404},
	} {
		if got := ask(b, test.host, test.target, cookies["orders"]); got.Code != test.want || strings.Contains(got.Body.String(), "active") {
			t.Errorf("%s %s: %d %s", test.host, test.target, got.Code, got.Body)
		}
	}
	warnings := b.Warnings().Err().Error()
	for _, want := range []string{"frontends[2].url: shares its origin with the frontend orders", "frontends[3].url: is plain http"} {
		if !strings.Contains(warnings, want) {
			t.Errorf("no warning %q in: %s", want, warnings)
		}
	}
}
