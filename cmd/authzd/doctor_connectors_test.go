package main

import (
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/authzd/authzd/config"
)

// TestDoctorTestsConnectors: what is wrong with a provider, or with what was written down of it, is found before
// a user finds it.
func TestDoctorTestsConnectors(t *testing.T) {
	for name, c := range map[string]struct {
		change func(document map[string]any) // what the provider publishes
		config func(*config.Connector)
		keys   string
		method string // the one that it takes, and names first
		want   string // empty: all is well
	}{
		"all is well":            {},
		"secret in the body":     {method: "client_secret_post"},
		"wrong secret":           {config: func(c *config.Connector) { c.ClientSecret = "hunter2" }, want: "it refuses the client: invalid_client"},
		"wrong id":               {config: func(c *config.Connector) { c.ClientID = "hunter2" }, want: "it refuses the client: invalid_client"},
		"another issuer":         {change: func(d map[string]any) { d["issuer"] = "https://other.example" }, want: `issuer is "https://other.example"`},
		"a slash too many":       {config: func(c *config.Connector) { c.Issuer += "/" }, want: "issuer is"},
		"no such place":          {config: func(c *config.Connector) { c.Issuer += "/nowhere" }, want: "404"},
		"nobody there":           {config: func(c *config.Connector) { c.Issuer = "https://127.0.0.1:1" }, want: "refused"},
		"no keys":                {keys: `{"keys":[]}`, want: "no usable signing key"},
		"keys of no use":         {keys: `{"keys":[{"kty":"EC"}]}`, want: "no usable signing key"},
		"keys that are a page":   {keys: "<html>", want: "keys: invalid character"},
		"no token endpoint":      {change: func(d map[string]any) { delete(d, "token_endpoint") }, want: "token_endpoint: "},
		"another token endpoint": {change: func(d map[string]any) { d["token_endpoint"] = d["jwks_uri"] }, want: "missing access_token"},
		"a page":                 {change: func(d map[string]any) { d["token_endpoint"] = d["issuer"].(string) + "/page" }, want: "status 405, no error code"},
		"moved":                  {change: func(d map[string]any) { d["token_endpoint"] = d["issuer"].(string) + "/moved" }, want: "redirect of a POST request refused"},
	} {
		t.Run(name, func(t *testing.T) {
			mux := http.NewServeMux()
			provider := httptest.NewTLSServer(mux)
			defer provider.Close()
			document := map[string]any{
				"issuer": provider.URL, "authorization_endpoint": provider.URL + "/authorize", "token_endpoint": provider.URL + "/token", "jwks_uri": provider.URL + "/keys",
			}
			if c.method != "" {
				document["token_endpoint_auth_methods_supported"] = []string{c.method, "client_secret_basic"}
			}
			if c.change != nil {
				c.change(document)
			}
			mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(document) })
			mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
				if c.keys == "" {
					c.keys = `{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`
				}
				_, _ = w.Write([]byte(c.keys))
			})
			mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
				id, secret, _ := r.BasicAuth()
				if c.method == "client_secret_post" {
					id, secret = r.FormValue("client_id"), r.FormValue("client_secret")
				}
				w.WriteHeader(http.StatusBadRequest)
				if id != "authzd" || secret != "s" {
					_, _ = w.Write([]byte(`{"error":"invalid_client"}`))
					return
				}
				_, _ = w.Write([]byte(`{"error":"invalid_grant"}`))
			})
			mux.HandleFunc("GET /page", func(http.ResponseWriter, *http.Request) {})
			mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "/token", http.StatusTemporaryRedirect)
			})
			connector := config.Connector{ID: "corp", Type: "oidc", Issuer: provider.URL, ClientID: "authzd", ClientSecret: "s"}
			if c.config != nil {
				c.config(&connector)
			}
			roots := x509.NewCertPool()
			roots.AddCert(provider.Certificate())
			e := &examination{issuer: "https://id.example.com", connectors: newConnectors([]config.Connector{connector}, roots)}
			e.checkConnectors(t.Context())
			f := e.findings[0]
			if (c.want == "") != (f.Result == "ok") || !strings.Contains(f.Detail, c.want) || !strings.HasPrefix(f.Detail, "corp: ") {
				t.Errorf("found %+v, want %q", f, c.want)
			}
		})
	}
}
