package config

import (
	"path/filepath"
	"strings"
	"testing"
)

// serve --dev allows loopback, where its own BFF is too: no warning says otherwise.
func TestDevWarnsOfNoLoopback(t *testing.T) {
	file := filepath.Join(t.TempDir(), "authzd.yaml")
	const called = `
clients:
  - client_id: portal
    preset: web
    token_endpoint_auth_method: private_key_jwt
    redirect_uris: [https://a.example/cb]
    jwks_uri: http://localhost:9030/jwks.json
    backchannel_logout_uri: `
	for logout, want := range map[string]int{"http://127.0.0.1:9030/logout": 0, "https://10.20.0.5/logout": 1} {
		writeFile(t, file, "issuer: http://localhost:9010"+called+logout+"\n")
		c, err := LoadDevWithBFF(file, t.TempDir(), "127.0.0.1:9020", nil)
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, warning := range c.Warnings {
			if strings.Contains(warning.Reason, "does not call") {
				found++
			}
		}
		if found != want {
			t.Errorf("%s: %v", logout, c.Warnings)
		}
	}
}
