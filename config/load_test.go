package config

import (
	"errors"
	"io/fs"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/member"
)

// mustParse loads a document that is right.

func mustParse(t *testing.T, doc string, environ ...string) *Config {
	t.Helper()
	c, err := Parse("f", []byte(doc), environ)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestFile(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "authzd.yaml"), nil)
	var errs Errors
	if !errors.As(err, &errs) || !errors.Is(err, fs.ErrNotExist) || errs[0].Hint == "" {
		t.Errorf("no file: %v", err)
	}
	_, err = Load(t.TempDir(), nil)
	if !errors.As(err, &errs) || !strings.HasSuffix(err.Error(), ": is a directory") {
		t.Errorf("folder: %v", err)
	}
	name := filepath.Join(t.TempDir(), "authzd.yaml")
	writeFile(t, name, "issuer: https://id.example.com\n#"+strings.Repeat("x", maxFile))
	_, err = Load(name, nil)
	equal(t, "huge file", err.Error(), name+": larger than 1048576 bytes")
	writeFile(t, name, "\xef\xbb\xbfissuer: https://id.example.com\r\nlisten: :1\r\n")
	c, err := Load(name, nil)
	if err != nil {
		t.Fatalf("BOM and CRLF: %v", err)
	}
	equal(t, "listen", c.Listen, ":1")
}

// TestUnquotedColons proves that what is a plain string to YAML is one to us in every position.

// TestSyntaxErrorsKeepSecrets proves that what could not be parsed is not quoted.

// TestEmptyIsNotGiven proves the rule of the manual for every way of saying nothing.

func TestEmptyIsNotGiven(t *testing.T) {
	const doc = `issuer: https://id.example.com
listen:
tls: {cert_file: , key_file: ""}
trusted_proxies: []
admin: {socket: ~, listen: ""}
secret_file: []
lifetimes: {access_token: }
branding: {css: }
clients:
  - {client_id: spa, preset: spa, client_secret: , client_secret_file: , scope: "", grant_types: [], redirect_uris: [https://a.example/cb], allowed_origins: []}
users:
connectors: [{id: google, type: google, client_id: x, client_secret: y, scopes: [], hosted_domains: []}]
`
	c := mustParse(t, doc, "AUTHZD_LISTEN=", "AUTHZD_LIFETIMES_CODE=", "AUTHZD_TRUSTED_PROXIES=", "AUTHZD_NO_SUCH_KEY=")
	equal(t, "listen", c.Listen, ":9010")
	equal(t, "admin.socket", c.Admin.Socket, "./authzd-data/admin.sock")
	equal(t, "secret_file", c.SecretFile, PathList{"./authzd-data/secret"})
	equal(t, "lifetimes.access_token", c.Lifetimes.AccessToken, 15*time.Minute)
	equal(t, "scope", c.Clients[0].Scopes, member.Scopes{"openid"})
	equal(t, "grant_types", c.Clients[0].GrantTypes, []string{"authorization_code", "refresh_token"})
	equal(t, "allowed_origins", c.Clients[0].AllowedOrigins, []string{"https://a.example"})
	equal(t, "scopes", c.Connectors[0].Scopes, []string{"openid", "profile", "email"})
}

func TestPresets(t *testing.T) {
	const redirect = "redirect_uris: [https://a.example/cb]"
	code, refresh, credentials := "authorization_code", "refresh_token", "client_credentials"
	for doc, want := range map[string]client.Metadata{
		"preset: spa, " + redirect:    {AuthMethod: "none", GrantTypes: []string{code, refresh}, RotateRefreshTokens: new(true)},
		"preset: native, " + redirect: {AuthMethod: "none", GrantTypes: []string{code, refresh}, RotateRefreshTokens: new(true)},
		"preset: web, client_secret: a-secret-of-24-characters, " + redirect: {AuthMethod: "client_secret_basic",
			GrantTypes: []string{code, refresh}, RotateRefreshTokens: new(false)},
		"preset: service, client_secret: a-secret-of-24-characters": {AuthMethod: "client_secret_basic", GrantTypes: []string{credentials}, RotateRefreshTokens: new(false)},
		"client_secret: a-secret-of-24-characters, " + redirect:     {AuthMethod: "client_secret_basic", GrantTypes: []string{code}, RotateRefreshTokens: new(false)},
		"preset: web, client_secret: a-secret-of-24-characters, refresh_token_rotation: true, token_endpoint_auth_method: client_secret_post, " + redirect: {
			AuthMethod: "client_secret_post", GrantTypes: []string{code, refresh}, RotateRefreshTokens: new(true)},
		"preset: spa, refresh_token_rotation: false, grant_types: [authorization_code], " + redirect: {
			AuthMethod: "none", GrantTypes: []string{code}, RotateRefreshTokens: new(false)},
	} {
		c := mustParse(t, "issuer: https://id.example.com\nclients: [{client_id: a, "+doc+"}]").Clients[0]
		got := client.Metadata{AuthMethod: c.AuthMethod, GrantTypes: c.GrantTypes, RotateRefreshTokens: c.RotateRefreshTokens}
		equal(t, doc, got, want)
		if pkce := c.RequirePKCE; (pkce != nil && *pkce) != c.Public() {
			t.Errorf("%s: require_pkce: %v", doc, pkce)
		}
		equal(t, doc+": any secret method", c.AnySecretMethod, c.UsesSecret() && !strings.Contains(doc, "token_endpoint_auth_method"))
		equal(t, doc+": client_name", c.Name, "a")
		equal(t, doc+": access_token_lifetime", time.Duration(c.AccessTokenLifetime), 15*time.Minute)
		if c.May(code) {
			equal(t, doc+": response_types", c.ResponseTypes, []string{"code"})
			equal(t, doc+": allowed_origins", c.AllowedOrigins, []string{"https://a.example"})
		} else if c.ResponseTypes != nil || c.Scopes != nil || c.AllowedOrigins != nil {
			t.Errorf("%s: %+v", doc, c)
		}
	}
}

// TestRefreshGrace: a phone needs longer than a browser to come back for an answer that it lost.
func TestRefreshGrace(t *testing.T) {
	for doc, want := range map[string]time.Duration{
		"clients: [{preset: spa}]":                                                               time.Minute,
		"clients: [{preset: native}]":                                                            24 * time.Hour,
		"clients: [{preset: native, refresh_grace: 0s}]":                                         0,
		"clients: [{preset: native, refresh_grace: 5m}]":                                         5 * time.Minute,
		"clients: [{preset: spa, refresh_grace: 2h}]":                                            2 * time.Hour,
		"clients: [{preset: native, refresh_idle_lifetime: 8h}]":                                 8 * time.Hour, // nothing can be refreshed after it
		"clients: [{preset: native}]\nlifetimes: {refresh_grace: 5m}":                            24 * time.Hour,
		"clients: [{preset: spa}]\nlifetimes: {refresh_grace: 5m}":                               5 * time.Minute,
		"clients: [{preset: native}]\nlifetimes: {refresh_grace: 0s}":                            0, // no retries at all
		"clients: [{preset: native, refresh_grace: 1h}]\nlifetimes: {refresh_grace: 0s}":         time.Hour,
		"clients: [{preset: native}]\nlifetimes: {refresh_token: 10m, refresh_idle: 5m}":         5 * time.Minute,
		"clients: [{preset: native, refresh_token_lifetime: 1h}]\nlifetimes: {access_token: 5m}": time.Hour,
	} {
		doc = strings.Replace(doc, "preset", "client_id: a, redirect_uris: [https://a.example/cb], preset", 1)
		equal(t, doc, mustParse(t, "issuer: https://id.example.com\n"+doc).Clients[0].RefreshGrace, new(member.Duration(want)))
	}
}

// TestDefaultsFollow proves that a default never contradicts what was given.

func TestDefaultsFollow(t *testing.T) {
	c := mustParse(t, `issuer: https://id.example.com
storage: {bolt: {path: /data/db}}
lifetimes: {refresh_token: 1h}
sessions: {max: 1h}
signing: {alg: ES256, rotate_every: 1h}
resources: [{resource: "urn:a"}]
clients: [{client_id: a, preset: spa, redirect_uris: [https://a.example/cb], refresh_token_lifetime: 30m}]
connectors: [{id: corp, type: oidc, issuer: https://idp.example/, client_id: x, scopes: [email]}]
`)
	equal(t, "secret_file", c.SecretFile, PathList{"/data/secret"})
	equal(t, "admin.socket", c.Admin.Socket, "/data/admin.sock")
	equal(t, "lifetimes.refresh_idle", c.Lifetimes.RefreshIdle, time.Hour)
	equal(t, "sessions.idle", c.Sessions.Idle, time.Hour)
	equal(t, "signing.announce", c.Signing.Announce, 30*time.Minute)
	equal(t, "resource alg", c.Resources[0].Alg, "ES256")
	equal(t, "resource name", c.Resources[0].Name, "urn:a")
	equal(t, "client alg", c.Clients[0].IDTokenAlg, "ES256")
	equal(t, "client idle", c.Clients[0].RefreshIdleLifetime, member.Duration(30*time.Minute))
	equal(t, "connector name", c.Connectors[0].Name, "corp")
	equal(t, "connector scopes", c.Connectors[0].Scopes, []string{"openid", "email"})
}

// TestEnvironmentNames proves that no two keys have the same variable.

func TestSecretFiles(t *testing.T) {
	name := filepath.Join(t.TempDir(), "secret")
	for content, want := range map[string]string{
		"s3cr3t": "s3cr3t", "s3cr3t\n": "s3cr3t", "s3cr3t\r\n": "s3cr3t", " s p a c e s \n": " s p a c e s ",
		"": "", "\n": "", "two\nlines\n": "", "s3cr3t\n\n": "", "nul\x00": "", strings.Repeat("x", 16<<10+1): "",
	} {
		writeFile(t, name, content)
		secret, p := readSecret(name)
		if string(secret) != want || (p == nil) != (want != "") {
			t.Errorf("%.20q: %q, problem %v", content, string(secret), p)
		}
	}
}

func TestDev(t *testing.T) {
	c, err := LoadDev("", "/data", nil)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "issuer", c.Issuer, "http://localhost:9010")
	equal(t, "listen", c.Listen, "localhost:9010")
	equal(t, "path", c.Storage.Bolt.Path, "/data/authzd.db")
	equal(t, "secret_file", c.SecretFile, PathList{"/data/secret"})
	equal(t, "client", c.Clients[0].ID, DevClientID)
	equal(t, "redirect URI", c.Clients[0].RedirectURIs, []string{"http://localhost:9010/playground"})
	equal(t, "consent can be seen", c.Clients[0].FirstParty, false)
	equal(t, "user", c.Users[0].Username, DevUsername)
	equal(t, "password", string(c.Users[0].Password), DevPassword)
	equal(t, "people can sign up", c.Accounts.Registration, "open")

	c, err = LoadDev("", `/odd "folder"`+"\u00e9", []string{"AUTHZD_ISSUER=http://127.0.0.1:9020/auth", "AUTHZD_CLIENTS_PLAYGROUND_FIRST_PARTY=true"})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "path", c.Storage.Bolt.Path, `/odd "folder"`+"\u00e9/authzd.db")
	equal(t, "listen follows issuer", c.Listen, "127.0.0.1:9020")
	equal(t, "redirect URI follows issuer", c.Clients[0].RedirectURIs, []string{"http://127.0.0.1:9020/auth/playground"})
	equal(t, "demo client by environment", c.Clients[0].FirstParty, true)
}

// TestDevWithFile proves that the file wins where it speaks.

func TestDevWithFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "authzd.yaml")
	writeFile(t, file, `issuer: http://localhost:9020
storage: {bolt: {path: /mine/db}}
clients:
  - {client_id: spa, preset: spa, redirect_uris: [http://localhost:4200/cb]}
users:
  - {username: alice, password: mine}
`)
	c, err := LoadDev(file, "/data", nil)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "listen", c.Listen, "localhost:9020")
	equal(t, "path", c.Storage.Bolt.Path, "/mine/db")
	ids := []string{c.Clients[0].ID, c.Clients[1].ID}
	equal(t, "clients", ids, []string{"spa", "playground"})
	equal(t, "rotation of the demo client", *c.Clients[1].RotateRefreshTokens, true)
	equal(t, "users", len(c.Users), 1)
	equal(t, "password", string(c.Users[0].Password), "mine")
	equal(t, "format", c.Log.Format, "text")

	writeFile(t, file, "issuer: https://id.example.com\nlisten: :1\n")
	c, err = LoadDev(file, "/data", nil)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "listen", c.Listen, ":1")
	equal(t, "users off loopback", len(c.Users), 0)

	writeFile(t, file, "issuer: nonsense\n")
	_, err = LoadDev(file, "/data", nil)
	equal(t, "only the file is to blame", err.Error(), file+`:1:9: issuer "nonsense": not an absolute URI`)
}

// TestErrorsAreTyped proves that a program can find its way in them.

func TestErrorsAreTyped(t *testing.T) {
	_, err := Parse("f", []byte("issuer: https://id.example.com\ntls: {cert_file: /nowhere, key_file: /nowhere}"), nil)
	var one *Error
	if !errors.As(err, &one) || one.Key != "tls.cert_file" || one.Line != 2 || one.Column != 18 || one.Value != `"/nowhere"` {
		t.Errorf("first error %+v", one)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		t.Error("the cause is lost")
	}
}

func TestTLS(t *testing.T) {
	cert, key := newCertificate(t)
	_, otherKey := newCertificate(t)
	dir := t.TempDir()
	for name, content := range map[string]string{"cert": cert, "key": key, "other": otherKey, "not": "PEM"} {
		writeFile(t, filepath.Join(dir, name), content)
	}
	t.Chdir(dir)
	const doc = "issuer: https://id.example.com\ntls: {cert_file: cert, key_file: "
	mustParse(t, doc+"key}")
	compare(t, errorsOf(t, doc+"other}"), []string{"f:2:6: tls: private key does not match public key"})
	compare(t, errorsOf(t, doc+"not}"), []string{"f:2:6: tls: failed to find any PEM data in key input"})
	compare(t, errorsOf(t, strings.Replace(doc, "https://id.example.com", "http://localhost", 1)+"key}"),
		[]string{`f:1:9: issuer "http://localhost": is http, but tls is configured`})
}
