package provider_test

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz/bff/provider"
)

// newTLSIssuer is an issuer on https, which asks for a certificate and has another token endpoint for those who show
// one (RFC 8705 section 5). token sees each form.
func newTLSIssuer(t *testing.T, token func(w http.ResponseWriter, r *http.Request)) *issuer {
	t.Helper()
	i := newIssuer(t)
	i.Server = httptest.NewUnstartedServer(i)
	i.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	i.StartTLS()
	t.Cleanup(i.Close)
	i.metadata = map[string]any{
		"issuer": i.URL, "authorization_endpoint": i.URL + "/authorize", "token_endpoint": i.URL + "/token", "jwks_uri": i.URL + "/jwks",
		"revocation_endpoint":   i.URL + "/revoke",
		"mtls_endpoint_aliases": map[string]string{"token_endpoint": i.URL + "/mtls/token", "revocation_endpoint": i.URL + "/mtls/revoke"},
	}
	i.token = token
	return i
}

// TestAuthentication: each method proves the client in its own place, and nowhere else. No error has the secret.
func TestAuthentication(t *testing.T) {
	const id, secret = "orders bff+ü", "top:secret/+%&ü"
	other := httptest.NewTLSServer(http.NotFoundHandler()) // for its certificate
	defer other.Close()
	certificate := &other.TLS.Certificates[0]
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret)))
	for method, want := range map[string]struct {
		authorization string
		members       []string // of the form, of those that prove a client
		path          string   // before token and revoke
		certificate   bool
	}{
		provider.AuthPrivateKeyJWT: {"", []string{"client_assertion", "client_assertion_type", "client_id"}, "/", false},
		provider.AuthBasic:         {basic, nil, "/", false}, // RFC 6749 section 2.3.1
		provider.AuthPost:          {"", []string{"client_id", "client_secret"}, "/", false},
		provider.AuthTLS:           {"", []string{"client_id"}, "/mtls/", true}, // RFC 8705 section 2
		provider.AuthSelfSignedTLS: {"", []string{"client_id"}, "/mtls/", true},
	} {
		t.Run(method, func(t *testing.T) {
			var seen []*http.Request
			refuses := false
			i := newTLSIssuer(t, func(w http.ResponseWriter, r *http.Request) {
				seen = append(seen, r)
				if refuses {
					w.WriteHeader(http.StatusUnauthorized)
					_, _ = w.Write([]byte(`{"error":"invalid_client","error_description":"` + r.PostForm.Get("client_secret") + `"}`))
					return
				}
				_, _ = w.Write([]byte(`{"access_token":"a","token_type":"Bearer"}`))
			})
			a := provider.Authentication{Method: method}
			switch {
			case a.UsesSecret():
				a.ClientSecret = secret
			case a.UsesCertificate():
				a.Certificate = certificate
			case a.UsesKey():
				key, err := provider.NewKey()
				if err != nil {
					t.Fatal(err)
				}
				a.Key = key
			}
			if flaws := a.Problems(); len(flaws) > 0 {
				t.Fatal(flaws)
			}
			p := provider.New(provider.Config{Issuer: i.URL, ClientID: id, Authentication: a, HTTPClient: i.Client()})
			asks := map[string]func() error{
				"refresh": func() error { _, err := p.Refresh(t.Context(), "the refresh token", ""); return err },
				"client":  func() error { _, err := p.ClientToken(t.Context(), ""); return err },
				"revoke":  func() error { return p.Revoke(t.Context(), "the refresh token") },
			}
			for name, ask := range asks {
				seen = nil
				if err := ask(); err != nil || len(seen) != 1 {
					t.Fatalf("%s: %d requests, %v", name, len(seen), err)
				}
				r := seen[0]
				if got := r.Header.Get("Authorization"); got != want.authorization {
					t.Errorf("%s: Authorization is %q, want %q", name, got, want.authorization)
				}
				var members []string
				for _, member := range []string{"client_assertion", "client_assertion_type", "client_id", "client_secret"} {
					if r.PostForm.Has(member) {
						members = append(members, member)
					}
				}
				if !slices.Equal(members, want.members) {
					t.Errorf("%s: the form has %q, want %q", name, members, want.members)
				}
				if slices.Contains(members, "client_id") && r.PostForm.Get("client_id") != id || slices.Contains(members, "client_secret") && r.PostForm.Get("client_secret") != secret {
					t.Errorf("%s: %v", name, r.PostForm)
				}
				endpoint := map[bool]string{true: "revoke", false: "token"}[name == "revoke"]
				if r.URL.Path != want.path+endpoint || r.URL.RawQuery != "" {
					t.Errorf("%s: sent to %s", name, r.URL)
				}
				shown := len(r.TLS.PeerCertificates) == 1 && slices.Equal(r.TLS.PeerCertificates[0].Raw, certificate.Certificate[0])
				if shown != want.certificate || !want.certificate && len(r.TLS.PeerCertificates) > 0 {
					t.Errorf("%s: %d certificates, the client's: %t", name, len(r.TLS.PeerCertificates), shown)
				}
			}
			refuses = true
			for name, ask := range asks {
				var refusal *provider.Refusal
				if err := ask(); !errors.As(err, &refusal) || refusal.Code != "invalid_client" || hasSecret(err, secret) {
					t.Errorf("%s, refused: %v", name, err)
				}
			}
			i.CloseClientConnections()
			i.Close()
			for name, ask := range asks {
				if err := ask(); err == nil || hasSecret(err, secret) {
					t.Errorf("%s, no connection: %v", name, err)
				}
			}
		})
	}
}

func hasSecret(err error, secret string) bool {
	return strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), url.QueryEscape(secret)) ||
		strings.Contains(err.Error(), "the refresh token") || strings.Contains(err.Error(), "Basic ")
}
