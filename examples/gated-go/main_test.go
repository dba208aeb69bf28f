package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/authz/bff/assertion"
	"github.com/authzd/authzd/authz/bff/gate"
	"github.com/authzd/authzd/authz/bff/provider"
	"github.com/authzd/authzd/authz/bff/websession"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/storage/bolt"
)

// The site greets the user that a gate names, and nobody else.
func TestSite(t *testing.T) {
	var g http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { g.ServeHTTP(w, r) }))
	defer server.Close()
	secret, err := keys.NewSecret([]byte(strings.Repeat("s", 32)))
	if err != nil {
		t.Fatal(err)
	}
	store, err := bolt.Open(filepath.Join(t.TempDir(), "bff.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	sessions := websession.New(websession.Config{Frontend: "gate", ClientID: "gate", Insecure: true, Idle: time.Hour, Max: time.Hour, Store: store, Secret: secret,
		Revoke: func(context.Context, string) error { return nil }})
	g, err = gate.New(t.Context(), gate.Config{
		Settings: gate.Settings{
			URL: server.URL, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, Headers: map[string]string{"X-Auth-Token": "assertion"},
			Hosts: []gate.Host{{URL: "https://app.example.com", Rules: []gate.Rule{{Path: "/", Allow: gate.SignedIn}}}},
		},
		Sessions: sessions, Store: store, Secret: secret,
	})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	session, err := sessions.Start(t.Context(), w, &provider.Grant{User: &provider.User{Subject: "alice", Roles: []string{"admin"}}, IssuedAt: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	w = httptest.NewRecorder()
	if err := sessions.Lend(t.Context(), w, session, "app.example.com"); err != nil {
		t.Fatal(err)
	}
	question, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/gate/caddy", nil)
	if err != nil {
		t.Fatal(err)
	}
	question.AddCookie(w.Result().Cookies()[0])
	for name, value := range map[string]string{"Method": "GET", "Proto": "https", "Host": "app.example.com", "Uri": "/"} {
		question.Header.Set("X-Forwarded-"+name, value)
	}
	answer, err := http.DefaultClient.Do(question)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	token := answer.Header.Get("X-Auth-Token")

	get := func(host, token string) (int, string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("X-Auth-Token", token)
		w := httptest.NewRecorder()
		site(assertion.New(assertion.Config{Gate: server.URL, Host: host})).ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	if code, body := get("app.example.com", token); code != http.StatusOK || body != "Hello alice, your roles are [\"admin\"].\n" {
		t.Errorf("%d %q", code, body)
	}
	for what, c := range map[string][2]string{
		"none": {"app.example.com", ""}, "garbage": {"app.example.com", "a.b.c"}, "another host's": {"other.example.com", token}, "cut": {"app.example.com", token[:len(token)-2]},
	} {
		if code, body := get(c[0], c[1]); code != http.StatusUnauthorized || strings.Contains(body, "alice") {
			t.Errorf("%s: %d %q", what, code, body)
		}
	}
	server.Close()
	if code, _ := get("app.example.com", token); code != http.StatusServiceUnavailable {
		t.Errorf("without the gate: %d", code)
	}
}
