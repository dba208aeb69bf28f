package client

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/authz/member"
)

func TestNewRefuses(t *testing.T) {
	for name, m := range map[string]Metadata{
		"no id":                                {AuthMethod: AuthNone},
		"a public client with a secret":        {ID: "a", AuthMethod: AuthNone, Secret: "x"},
		"a public client without a user":       {ID: "a", AuthMethod: AuthNone, GrantTypes: []string{GrantClientCredentials}},
		"a confidential client, but how":       {ID: "a", AuthMethod: AuthBasic},
		"no method":                            {ID: "a"},
		"a method that is not offered":         {ID: "a", AuthMethod: "client_secret_jwt", Secret: "x"},
		"a redirect URI with a fragment":       {ID: "a", AuthMethod: AuthNone, RedirectURIs: []string{"https://a.example/#"}},
		"a logout redirect URI of a browser's": {ID: "a", AuthMethod: AuthNone, PostLogoutRedirectURIs: []string{"javascript:alert(1)"}},
	} {
		if _, err := New(m); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

// A public client is held to its duties with any registration (RFC 9700 sections 2.1.1 and 2.2.2).
func TestPublicClient(t *testing.T) {
	c, err := New(Metadata{ID: "a", AuthMethod: AuthNone})
	if err != nil {
		t.Fatal(err)
	}
	if !c.MustUsePKCE() || !c.RotatesRefreshTokens() {
		t.Errorf("PKCE %v, rotation %v", c.MustUsePKCE(), c.RotatesRefreshTokens())
	}
	if c.CheckSecret("", time.Now()) {
		t.Error("the empty secret proves something")
	}
}

func TestCheckSecret(t *testing.T) {
	secret := strings.Repeat("s", 100)
	c, err := New(Metadata{ID: "a", AuthMethod: AuthBasic, Secret: member.Secret(secret)})
	if err != nil {
		t.Fatal(err)
	}
	if c.Secret != "" {
		t.Error("the secret is kept")
	}
	for presented, want := range map[string]bool{secret: true, "": false, secret[1:]: false, secret + "s": false, strings.ToUpper(secret): false} {
		if c.CheckSecret(presented, time.Now()) != want {
			t.Errorf("%q: %v", presented, !want)
		}
	}
	if (*Client)(nil).CheckSecret(secret, time.Now()) {
		t.Error("nobody has a secret")
	}
}

// Origins are what browsers send (RFC 6454 section 6.2): lower case, without the default port.
func TestOriginsOfRedirectURIs(t *testing.T) {
	c, err := New(Metadata{ID: "a", AuthMethod: AuthNone, RedirectURIs: []string{
		"https://APP.example.com:443/a", "https://app.example.com/b", "https://app.example.com:8443/", "http://localhost:4200/", "http://[::1]:80/", "com.example.app:/cb",
	}})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"https://app.example.com", "https://app.example.com:8443", "http://localhost:4200", "http://[::1]"}; !slices.Equal(c.AllowedOrigins, want) {
		t.Errorf("%q, want %q", c.AllowedOrigins, want)
	}
}

// Each secret counts until it expires, so that a new one can be rolled out before the old one ends.
func TestSeveralSecrets(t *testing.T) {
	now := time.Now()
	c, err := New(Metadata{ID: "a", AuthMethod: AuthBasic, Secrets: []Secret{
		{Value: "old", ExpiresAt: &now}, {Value: "current", ExpiresAt: new(now.Add(time.Second))}, {Value: "new"}, {Value: "new"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if c.Secrets != nil {
		t.Error("the secrets are kept")
	}
	for presented, want := range map[string]bool{"old": false, "current": true, "new": true, "": false, "newest": false} {
		if c.CheckSecret(presented, now) != want {
			t.Errorf("%q: %v", presented, !want)
		}
	}
	if c.CheckSecret("current", now.Add(time.Second)) {
		t.Error("an expired secret counts")
	}
}

func TestRegistry(t *testing.T) {
	a, err := New(Metadata{ID: "a", AuthMethod: AuthNone, RedirectURIs: []string{"https://a.example/"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewRegistry(a, a); err == nil {
		t.Error("two clients of one id")
	}
	r, err := NewRegistry(a)
	if err != nil {
		t.Fatal(err)
	}
	if r.Get("a") != a || r.Get("A") != nil || r.Get("") != nil || !r.HasOrigin("https://a.example") || r.HasOrigin("https://a.example:443") || r.HasOrigin("null") {
		t.Error("the registry finds too much or too little")
	}
}
