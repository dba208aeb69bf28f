package config

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/member"
)

// FuzzParse feeds a file and a variable. Whatever they are, Parse returns in time either a
// configuration that prints and loads as itself, or errors that say where and what, and that keep
// the secret.
func FuzzParse(f *testing.F) {
	const secret = "hunter2hunter2"
	example, err := os.ReadFile("example.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(example), "AUTHZD_ISSUER=http://localhost")
	for _, doc := range []string{
		"issuer: http://localhost", "clients: [{client_id: a, preset: spa, redirect_uris: [http://a:80/]}]",
		"a: &a [*a]", "{", "- ", "a: |\n b\n", "issuer: [{a: b}]", "users: [{username: a, password: [x]}]", "branding: {css: {a: 1, a: 2}}",
		"{a: [b:c]}", "? a", "--- a\n---", "%YAML", "lifetimes: {code: 1h, code: }", "\ufeffissuer:\r\n", "trusted_proxies: [2001:db8::/32]",
	} {
		f.Add(doc, "AUTHZD_CLIENTS_A_SCOPE=openid")
	}
	const aClient = "issuer: http://localhost\nclients: [{client_id: a, preset: service, "
	f.Add(aClient+"token_endpoint_auth_method: private_key_jwt, jwks: {keys: [{kty: OKP, crv: Ed25519, x: eA, kid: 1}]}}]", "AUTHZD_LISTEN=:1")
	f.Add(aClient+`token_endpoint_auth_method: private_key_jwt, jwks: '{"keys":[{"kty":"OKP","crv":"Ed25519","x":"eA","kid":[null,1.0,true]}]}'}]`, "")
	f.Add(aClient+"client_secrets: [{secret: a, expires_at: 2030-01-31T00:00:00.5+01:00}]}]", "AUTHZD_CLIENTS_A_CLIENT_SECRETS_0_SECRET=x")
	for _, members := range []string{
		"preset: native, redirect_uris: ['com.example.app://a/cb']", "preset: spa, redirect_uris: ['http://localhost:80/', 'https://[::1]:1/a?b']",
		"preset: web, client_secret: a, redirect_uris: ['https://a.example/'], subject_type: pairwise, frontchannel_logout_uri: 'https://a.example/x', jwks_uri: 'https://a/'",
		"grant_types: ['urn:ietf:params:oauth:grant-type:device_code'], token_endpoint_auth_method: none",
	} {
		f.Add("issuer: http://localhost\nclients: [{client_id: a, "+members+"}]", "AUTHZD_CLIENTS_A_REDIRECT_URIS=http://127.0.0.1/")
	}
	f.Add("secret_file: [a, b]", "AUTHZD_SECRET_FILE=a,,a")
	f.Fuzz(func(t *testing.T, doc, variable string) {
		if strings.Contains(doc, "_file") || strings.Contains(variable, "_FILE") {
			return // it would read files that happen to be there
		}
		environ := []string{variable, "AUTHZD_CLIENTS_FUZZ_CLIENT_SECRET=" + secret}
		c, err := Parse("f", []byte(doc+"\nusers: [{username: fuzz, password: "+secret+", email: x}]"), environ)
		var errs Errors
		if c != nil || !errors.As(err, &errs) || len(errs) == 0 {
			t.Fatalf("%v, %v: the e-mail address was wrong", c, err)
		}
		for _, e := range errs {
			if e.Reason == "" || e.Key == "" && e.Variable == "" && e.File == "" {
				t.Errorf("error %#v", e)
			}
			if strings.Contains(e.Error()+e.Hint, secret) && !strings.Contains(doc+variable, secret) {
				t.Errorf("the secret is in %v", e)
			}
		}

		c, err = Parse("f", []byte(doc), []string{variable})
		if err != nil {
			return
		}
		for _, m := range c.Clients {
			if _, err := client.New(m); err != nil {
				t.Errorf("the server refuses what was accepted: %v", err)
			}
		}
		text, err := c.YAML()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse("again", []byte(restore(string(text))), nil)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		c.hide()
		again.hide()
		if !reflect.DeepEqual(c, again) {
			t.Errorf("%+v\nprinted as\n%s\nand loaded as\n%+v", c, text, again)
		}
	})
}

// restore puts a secret of its own in the place of each mask.
func restore(text string) string {
	parts := strings.Split(text, member.Mask)
	for i := range parts[1:] {
		parts[i] += fmt.Sprintf("restored-%032d", i)
	}
	return strings.Join(parts, "")
}

// hide makes what printing changes equal.
func (c *Config) hide() {
	for i := range c.Clients {
		c.Clients[i].Secret = ""
		for j := range c.Clients[i].Secrets {
			c.Clients[i].Secrets[j].Value = ""
		}
	}
	for i := range c.Users {
		c.Users[i].Password = ""
	}
	for i := range c.Connectors {
		c.Connectors[i].ClientSecret = ""
	}
	for i := range c.Registration.InitialAccessTokens {
		c.Registration.InitialAccessTokens[i].Token = ""
	}
	normalize(reflect.ValueOf(c).Elem())
}
