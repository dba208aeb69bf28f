package authz_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/operator"
)

// TestRoundTrips: a request waits for the store once for each read that builds on another, and once for its commit.
// The client is read with what it presents; the user, the consent and the session behind a grant are read at
// once. So a client of the store costs no more than one of the file, and a request of a page no more than others.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	config := func(c authz.Config) authz.Config {
		c.Store, c.Operator = blackbox.NewDistant(t), &operator.Config{Server: &client.Server{}}
		return c
	}
	named := authztest.Start(t, config(authz.Config{}), nil)
	open := authztest.Start(t, config(blackbox.OpenRegistration()), nil) // any origin may call it
	managed := map[string]any{
		"client_id": "managed", "redirect_uris": []string{"https://managed.example.com/callback"}, "first_party": true,
		"grant_types": []string{"authorization_code", "refresh_token"}, "token_endpoint_auth_method": "none",
		"scope": "openid profile offline_access", "refresh_token_rotation": true,
	}
	for _, s := range []*authztest.Server{named, open} {
		if got := callAdmin(t, s, http.MethodPost, "/v1/clients", managed); got.Code != http.StatusCreated {
			t.Fatalf("%d %s", got.Code, got.Body)
		}
	}
	named.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, named.URL+"/.well-known/openid-configuration", nil)) // the first request after a change reads all clients
	registered := blackbox.Register(t, open, blackbox.WebClient(map[string]any{"scope": "openid profile offline_access"})).Text("client_id")

	const online, offline = "openid profile", "openid offline_access"
	for _, c := range []struct {
		name       string
		s          *authztest.Server
		id, origin string
	}{
		{"file", named, authztest.SPA, "https://app.example.com"},
		{"managed", named, "managed", "https://managed.example.com"},
		{"managed, others register", open, "managed", "https://managed.example.com"},
		{"registered", open, registered, "https://app.example.com"},
	} {
		s, id := c.s, c.id
		code := func(scope string) url.Values {
			redirectURI := c.origin + "/callback"
			form := authztest.CodeForm(s.NewBrowser(t).Code(t, id, url.Values{"scope": {scope}, "redirect_uri": {redirectURI}}))
			form.Set("redirect_uri", redirectURI)
			return form
		}
		refresh := func(scope string) url.Values {
			return authztest.RefreshForm(s.Token(t, id, "", code(scope)).RefreshToken)
		}
		for _, from := range []string{"", c.origin} {
			for name, r := range map[string]struct {
				form  url.Values
				trips int
			}{
				"code, online: it, owner, commit":                {code(online), 3},
				"code, offline: it, owner, the session, commit":  {code(offline), 4},
				"refresh, online: it, the grant, owner, commit":  {refresh(online), 4},
				"refresh, offline: it, the grant, owner, commit": {refresh(offline), 4},
			} {
				t.Run(c.name+"/from "+from+"/"+name, func(t *testing.T) {
					r.form.Set("client_id", id)
					if trips := tripsOf(t, s, r.form, from); trips != r.trips {
						t.Errorf("%d round trips, want %d", trips, r.trips)
					}
				})
			}
		}
	}
}

// tripsOf returns how often a token request waits for the store. It comes from a page of the origin, if there is one.
func tripsOf(t *testing.T, s *authztest.Server, form url.Values, origin string) (trips int) {
	now := time.Now()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(now)) // the bubble begins in another century
		r := httptest.NewRequestWithContext(context.WithValue(t.Context(), blackbox.FromAfar{}, true), http.MethodPost, s.URL+"/token", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		w := httptest.NewRecorder()
		start := time.Now()
		s.ServeHTTP(w, r)
		if w.Code != http.StatusOK || w.Header().Get("Access-Control-Allow-Origin") != origin {
			t.Fatalf("%d %v %s", w.Code, w.Header(), w.Body)
		}
		trips = int(time.Since(start) / blackbox.Distance)
	})
	return trips
}

// callAdmin sends JSON to the admin API through its socket.
func callAdmin(t *testing.T, s *authztest.Server, method, target string, body any) *httptest.ResponseRecorder {
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(method, "http://localhost"+target, bytes.NewReader(raw))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	s.AdminSocket().ServeHTTP(w, r)
	return w
}
