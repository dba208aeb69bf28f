package bearer

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

func TestMetadataURLs(t *testing.T) {
	for issuer, want := range map[string][]string{
		"https://x": {
			"https://x/.well-known/oauth-authorization-server",
			"https://x/.well-known/openid-configuration",
		},
		"https://x/": {
			"https://x/.well-known/oauth-authorization-server",
			"https://x/.well-known/openid-configuration",
		},
		"https://x:8443/a/b%2Fc": {
			"https://x:8443/.well-known/oauth-authorization-server/a/b%2Fc",
			"https://x:8443/a/b%2Fc/.well-known/openid-configuration",
			"https://x:8443/.well-known/openid-configuration/a/b%2Fc",
		},
	} {
		if got := metadataURLs(issuer); !slices.Equal(got, want) {
			t.Errorf("%s: %q", issuer, got)
		}
	}
}

func TestDiscovery(t *testing.T) {
	const (
		issuer = "https://id.example.com/tenant"
		oauth  = "https://id.example.com/.well-known/oauth-authorization-server/tenant"
		oidc   = "https://id.example.com/tenant/.well-known/openid-configuration"
		mixed  = "https://id.example.com/.well-known/openid-configuration/tenant"
		jwks   = "https://keys.example.net/jwks"
	)
	keys := asJSON(object{"keys": newIssuer().keys})
	metadata := func(iss, jwksURI string) string { return asJSON(object{"issuer": iss, "jwks_uri": jwksURI}) }
	good := metadata(issuer, jwks)
	tests := []struct {
		name  string
		pages map[string]string
		ok    bool
	}{
		{"RFC 8414", map[string]string{oauth: good, jwks: keys}, true},
		{"OpenID Connect", map[string]string{oidc: good, jwks: keys}, true},
		{"OpenID Connect, path last", map[string]string{mixed: good, jwks: keys}, true},
		{"another tenant's first", map[string]string{oauth: metadata("https://id.example.com", jwks), oidc: good, jwks: keys}, true},
		{"garbage first", map[string]string{oauth: "<html>", oidc: good, jwks: keys}, true},
		{"nowhere", map[string]string{jwks: keys}, false},
		{"issuer differs", map[string]string{oauth: metadata("https://id.example.com/Tenant", jwks), jwks: keys}, false},
		{"issuer has a slash more", map[string]string{oauth: metadata(issuer+"/", jwks), jwks: keys}, false},
		{"issuer absent", map[string]string{oauth: `{"jwks_uri":"` + jwks + `"}`, jwks: keys}, false},
		{"no jwks_uri", map[string]string{oauth: metadata(issuer, "")}, false},
		{"jwks_uri over http", map[string]string{oauth: metadata(issuer, "http://keys.example.net/jwks"), "http://keys.example.net/jwks": keys}, false},
		{"jwks_uri on loopback", map[string]string{oauth: metadata(issuer, "http://127.0.0.1/jwks"), "http://127.0.0.1/jwks": keys}, false},
		{"jwks_uri in a file", map[string]string{oauth: metadata(issuer, "file:///etc/keys")}, false},
		{"jwks_uri relative", map[string]string{oauth: metadata(issuer, "/jwks")}, false},
		{"jwks_uri malformed", map[string]string{oauth: metadata(issuer, "https://%zz")}, false},
		{"metadata too large", map[string]string{oauth: good + strings.Repeat(" ", maxDocument), jwks: keys}, false},
		{"keys too large", map[string]string{oauth: good, jwks: keys + strings.Repeat(" ", maxDocument)}, false},
		{"no keys", map[string]string{oauth: good, jwks: `{"keys":[]}`}, false},
		{"keys missing", map[string]string{oauth: good}, false},
	}
	for _, test := range tests {
		is := newIssuer()
		is.answer = func(url string) (int, string, bool) {
			if page, ok := test.pages[url]; ok {
				return 200, page, true
			}
			return 404, "not found", true
		}
		v := is.verifier(t, func(c *Config) { c.Issuer = issuer })
		err := verifies(v, token(header(), goodClaims().with("iss", issuer)))
		if test.ok && err != nil || !test.ok && !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

// A redirect of metadata or keys is not followed, over a real connection.
func TestRedirectIsNotFollowed(t *testing.T) {
	var elsewhere bool
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/.well-known/oauth-authorization-server":
			w.Write([]byte(asJSON(object{"issuer": server.URL, "jwks_uri": server.URL + "/jwks"})))
		case "/jwks":
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		default:
			elsewhere = true
			w.Write([]byte(asJSON(object{"keys": newIssuer().keys})))
		}
	}))
	defer server.Close()
	v := newIssuer().verifier(t, func(c *Config) { c.Issuer, c.Client = server.URL, nil })
	err := verifies(v, token(header(), goodClaims().with("iss", server.URL)))
	if !errors.Is(err, ErrUnavailable) || elsewhere {
		t.Errorf("error %v, redirect followed: %v", err, elsewhere)
	}
}
