package connect_test

import (
	"strings"
	"testing"

	"github.com/authzd/authzd/authz/connect"
)

func TestHostedDomains(t *testing.T) {
	one, two := []string{"example.com"}, []string{"Example.com", "example.org"}
	for _, test := range []struct {
		name    string
		allowed []string
		hd      any
		want    string // hosted domain of the identity
		ok      bool
	}{
		{"anybody", nil, "example.com", "example.com", true},
		{"anybody, consumer account", nil, nil, "", true},
		{"the domain", one, "example.com", "example.com", true},
		{"in other letters", one, "EXAMPLE.Com", "example.com", true},
		{"one of several", two, "example.org", "example.org", true},
		{"the other of several", two, "example.com", "example.com", true},
		{"another domain", one, "example.org", "", false},
		{"subdomain", one, "a.example.com", "", false},
		{"longer domain", one, "example.com.evil.example", "", false},
		{"consumer account", one, nil, "", false},
		{"consumer account, empty claim", one, "", "", false},
		{"look-alike letter", []string{"kexample.com"}, "\u212aexample.com", "", false}, // Kelvin sign
		{"list", one, []string{"example.com"}, "", false},
		{"wildcard", one, "*", "", false},
		{"wildcard, anybody", nil, "*", "", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			u := newUpstream(t)
			u.setUser(map[string]any{"hd": test.hd}, map[string]any{"hd": "example.com"})
			c := newConnector(t, u.googleConfig(test.allowed...))
			callback, a := u.login(t, c)
			id, err := c.Finish(t.Context(), callback, a)
			if !test.ok {
				wantCode(t, err, connect.AccessDenied)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if id.HostedDomain != test.want {
				t.Errorf("hosted domain is %q", id.HostedDomain)
			}
		})
	}
}

// Userinfo is not signed, so it can't make somebody a member of a domain.
func TestHostedDomainOfUserinfo(t *testing.T) {
	u := newUpstream(t)
	u.setUser(map[string]any{"email": nil}, map[string]any{"email": "alice@example.com", "hd": "example.com"})
	c := newConnector(t, u.googleConfig("example.com"))
	callback, a := u.login(t, c)
	_, err := c.Finish(t.Context(), callback, a)
	wantCode(t, err, connect.AccessDenied)
	if u.count(userinfoPath) != 1 {
		t.Error("userinfo was not asked")
	}
}

func TestGoogleIsAuthoritativeForItsOwn(t *testing.T) {
	for _, test := range []struct {
		email    string
		verified any
		hd       any
		want     bool
	}{
		{"alice@gmail.com", true, nil, true},
		{"alice@GoogleMail.com", true, nil, true},
		{"alice@example.com", true, "example.com", true},
		{"alice@example.com", true, nil, false}, // a Google account with a foreign address
		{"alice@gmail.com.example.com", true, nil, false},
		{"alice@notgmail.com", true, nil, false},
		{"alice@gmail.com", false, nil, false},
		{"alice@gmail.com", nil, nil, false},
		{"alice@example.com", false, "example.com", false},
		{"", true, "example.com", false},
	} {
		t.Run(test.email, func(t *testing.T) {
			u := newUpstream(t)
			u.SetDisableUserInfo(true)
			u.setUser(map[string]any{"email": test.email, "email_verified": test.verified, "hd": test.hd}, nil)
			c := newConnector(t, u.googleConfig())
			callback, a := u.login(t, c)
			id, err := c.Finish(t.Context(), callback, a)
			if err != nil {
				t.Fatal(err)
			}
			if id.EmailAuthoritative != test.want {
				t.Errorf("authoritative is %t", id.EmailAuthoritative)
			}
		})
	}
}

// Google's older tokens name the issuer without its scheme. The identity is the same.
func TestLegacyIssuer(t *testing.T) {
	u := newUpstream(t)
	legacy := strings.TrimPrefix(u.Addr(), "https://")
	c := newConnector(t, u.googleConfig())
	for _, issuer := range []string{u.Addr(), legacy} {
		u.setUser(map[string]any{"iss": issuer}, nil)
		callback, a := u.login(t, c)
		callback.Set("iss", issuer)
		id, err := c.Finish(t.Context(), callback, a)
		if err != nil {
			t.Fatal(err)
		}
		if id.Issuer != u.Addr() {
			t.Errorf("%s: issuer of the identity is %s", issuer, id.Issuer)
		}
	}

	// An override of the issuer does not let another server speak for Google.
	for _, issuer := range []string{"accounts.google.com", "https://accounts.google.com", "http://" + legacy} {
		u.setUser(map[string]any{"iss": issuer}, nil)
		callback, a := u.login(t, c)
		_, err := c.Finish(t.Context(), callback, a)
		wantCode(t, err, connect.ServerError)
	}
}
