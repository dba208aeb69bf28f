package provider_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/authzd/authzd/authz/bff/provider"
)

// silent is a provider that tells what it is, and does not answer any other request.
type silent map[string]any

func (s silent) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(r.URL.Path, "/openid-configuration") {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	text, err := json.Marshal(s)
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(string(text))), Request: r}, err
}

// TestHangs: no request waits longer than 15 seconds, even if the HTTP client allows more. The error says that the
// provider is away, not that it refuses.
func TestHangs(t *testing.T) {
	const issuer = "https://id.example.com"
	key, err := provider.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	for name, limit := range map[string]time.Duration{"no limit": 0, "a long one": time.Hour, "a short one": 3 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			transport := silent{"issuer": issuer, "authorization_endpoint": issuer + "/authorize", "token_endpoint": issuer + "/token",
				"jwks_uri": issuer + "/jwks", "revocation_endpoint": issuer + "/revoke"}
			p := provider.New(provider.Config{Issuer: issuer, ClientID: clientID, Authentication: provider.Authentication{Key: key},
				HTTPClient: &http.Client{Transport: transport, Timeout: limit}})
			want := 15 * time.Second
			if limit > 0 && limit < want {
				want = limit
			}
			for what, ask := range map[string]func() error{
				"refresh":  func() error { _, err := p.Refresh(t.Context(), "the refresh token", ""); return err },
				"token":    func() error { _, err := p.ClientToken(t.Context(), ""); return err },
				"revoke":   func() error { return p.Revoke(t.Context(), "the refresh token") },
				"activity": func() error { return p.Activity(t.Context(), "the access token") },
			} {
				began := time.Now()
				err := ask()
				if err == nil || !provider.Unavailable(err) || strings.Contains(err.Error(), "the refresh token") {
					t.Errorf("%s, %s: %v", name, what, err)
				}
				if took := time.Since(began); took != want {
					t.Errorf("%s, %s: it took %s", name, what, took)
				}
			}
		})
	}
}
