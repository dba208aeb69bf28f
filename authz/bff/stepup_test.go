package bff_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// An API that demands a fresh sign-in gets one: no refresh, one redirect, and then the call succeeds (RFC 9470).
func TestStepUp(t *testing.T) {
	s := start(t, options{})
	b := s.browser(t)
	b.signIn("/")
	var first atomic.Value
	s.api.mu.Lock()
	s.api.answer = func(w http.ResponseWriter, r *http.Request) {
		token := r.Header.Get("Authorization")
		if first.CompareAndSwap(nil, token) || first.Load() == token {
			w.Header().Set("Www-Authenticate", `Bearer error="insufficient_user_authentication", max_age="0"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
	}
	s.api.mu.Unlock()

	got := b.call(http.MethodGet, "/api/orders")
	location, _ := got.json(t)["location"].(string)
	if got.StatusCode != http.StatusUnauthorized || got.json(t)["error"] != "insufficient_user_authentication" || location != "/bff/login?max_age=0" {
		t.Fatalf("%d %s", got.StatusCode, got.body)
	}
	if again := b.call(http.MethodGet, "/api/orders"); again.StatusCode != http.StatusUnauthorized || s.api.count() != 2 {
		t.Errorf("%d after %d requests: there was a refresh", again.StatusCode, s.api.count())
	}
	login := b.open(location + "&return_to=/orders")
	target := login.Header.Get("Location")
	if login.StatusCode != http.StatusSeeOther || !strings.HasPrefix(target, s.issuer.URL+"/authorize?") || !strings.Contains(target, "max_age=0") {
		t.Fatalf("%d %s", login.StatusCode, target)
	}
	if back := b.follow(b.consent(target)); back.StatusCode != http.StatusSeeOther || back.Header.Get("Location") != "/orders" {
		t.Fatalf("%d %s %s", back.StatusCode, back.Header.Get("Location"), back.body)
	}
	if got := b.call(http.MethodGet, "/api/orders"); got.StatusCode != http.StatusOK {
		t.Errorf("after the sign-in: %d %s", got.StatusCode, got.body)
	}
}
