package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/config"
)

// TestRedirectURIsAgree: the file, the admin API and the registration endpoint take the same redirect URIs of a
// native app, with the word of the operator and without.
func TestRedirectURIsAgree(t *testing.T) {
	for _, scheme := range []string{
		"about", "blob", "content", "data", "file", "ftp", "intent", "javascript", "mailto", "tel", "urn", "vbscript", "view-source", "ws", "wss",
		"sms", "myapp", "cursor", "com.example.app", "MyApp", "JavaScript", "DATA",
	} {
		for _, rest := range []string{":/cb", "://cb", "://", ":cb"} {
			uri := scheme + rest
			for _, schemes := range [][]string{nil, {"myapp", "cursor"}} {
				entry := map[string]any{"client_id": "a", "preset": "native", "redirect_uris": []string{uri}, "redirect_schemes": schemes}
				text, err := json.Marshal(map[string]any{"issuer": "https://id.example.com", "clients": []any{entry}})
				if err != nil {
					t.Fatal(err)
				}
				cfg, fileErr := config.Parse("f", text, nil)
				document, _ := json.Marshal(entry) // what the line above could encode
				empty, err := config.Parse("f", []byte("issuer: https://id.example.com"), nil)
				if err != nil {
					t.Fatal(err)
				}
				var managed client.Metadata
				if err := json.Unmarshal(document, &managed); err != nil {
					t.Fatal(err)
				}
				apiErr := managed.Manage(empty.ClientServer()).Err()
				info, err := client.ParseRegistration([]byte(fmt.Sprintf(`{"application_type":"native","token_endpoint_auth_method":"none","redirect_uris":[%q]}`, uri)))
				if err != nil {
					t.Fatal(err)
				}
				registrationErr := info.Complete(&client.Offer{
					Source: client.Registered, GrantTypes: []string{client.GrantAuthorizationCode}, AuthMethods: []string{client.AuthNone},
					Algs: []string{"RS256"}, NativeSchemes: schemes,
				})
				if (fileErr == nil) != (apiErr == nil) || (fileErr == nil) != (registrationErr == nil) {
					t.Errorf("%s, schemes %q: file %v, admin API %v, registration %v", uri, schemes, fileErr, apiErr, registrationErr)
				}
				if fileErr == nil {
					if _, err := client.New(cfg.Clients[0]); err != nil {
						t.Errorf("%s: %v", uri, err)
					}
				} else if invalid := (config.Errors)(nil); !errors.As(fileErr, &invalid) {
					t.Error(fileErr)
				}
			}
		}
	}
}
