package connect_test

import (
	"strings"
	"testing"

	"github.com/authzd/authzd/authz/connect"
)

func TestNew(t *testing.T) {
	oidcConfig := func(change func(*connect.Config)) connect.Config {
		cfg := connect.Config{
			ID: "corp", Type: connect.TypeOIDC, Issuer: "https://idp.example",
			ClientID: clientID, ClientSecret: clientSecret, RedirectURI: redirectURI,
		}
		change(&cfg)
		return cfg
	}
	for _, test := range []struct {
		name   string
		change func(*connect.Config)
		errs   []string // none: it is fine
	}{
		{"plain", func(*connect.Config) {}, nil},
		{"public client", func(c *connect.Config) { c.ClientSecret = "" }, nil},
		{"slash at the end", func(c *connect.Config) { c.Issuer += "/" }, nil},
		{"loopback", func(c *connect.Config) { c.Issuer = "http://127.0.0.1:8080" }, nil},
		{"loopback, IPv6", func(c *connect.Config) { c.Issuer = "http://[::1]:8080/tenant" }, nil},
		{"loopback by name", func(c *connect.Config) { c.Issuer = "http://localhost:8080" }, nil},
		{"google", func(c *connect.Config) {
			c.Type, c.Issuer, c.HostedDomains = connect.TypeGoogle, "", []string{"a-1.Example.com"}
		}, nil},
		{"nothing", func(c *connect.Config) { *c = connect.Config{} },
			[]string{"type", "id is missing", "client id", "issuer", "redirect uri"}},
		{"plain http", func(c *connect.Config) { c.Issuer = "http://idp.example" }, []string{"not https"}},
		{"look-alike of loopback", func(c *connect.Config) { c.Issuer = "http://localhost.example" }, []string{"not https"}},
		{"no URL", func(c *connect.Config) { c.Issuer = "idp.example" }, []string{"issuer"}},
		{"query", func(c *connect.Config) { c.Issuer += "?a=b" }, []string{"issuer"}},
		{"fragment", func(c *connect.Config) { c.Issuer += "/#" }, []string{"issuer"}},
		{"user", func(c *connect.Config) { c.Issuer = "https://a@idp.example" }, []string{"issuer"}},
		{"space", func(c *connect.Config) { c.Issuer += "/a b" }, []string{"issuer"}},
		{"callback is relative", func(c *connect.Config) { c.RedirectURI = "/callback" }, []string{"redirect uri"}},
		{"hosted domains elsewhere", func(c *connect.Config) { c.HostedDomains = []string{"example.com"} }, []string{"hosted domains"}},
		{"google without secret, with what is not its own", func(c *connect.Config) {
			c.Type, c.ClientSecret, c.EmailAuthoritative = connect.TypeGoogle, "", true
			c.HostedDomains = []string{"example.com", "@example.com", "*", "", "https://example.com"}
		}, []string{"client secret", "email authoritative", `"@example.com"`, `"*"`, `""`, `"https://example.com"`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := connect.New(oidcConfig(test.change))
			if (err != nil) != (len(test.errs) > 0) {
				t.Fatalf("error is %v", err)
			}
			for _, want := range test.errs {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in %v", want, err)
				}
			}
			if err == nil && (c.ID() != "corp" || c.Name() == "" || c.Type() == "") {
				t.Errorf("id %q, name %q, type %q", c.ID(), c.Name(), c.Type())
			}
		})
	}
}
