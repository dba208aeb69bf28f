package client

import (
	"strings"
	"testing"

	"github.com/authzd/authzd/authz/weburl"
)

// RFC 8252 section 7.1: a scheme without a dot is allowed by the operator's word alone, letter by letter, and
// one that browsers know by nobody's.
func TestRedirectSchemes(t *testing.T) {
	for _, scheme := range weburl.ForeignSchemes {
		for _, written := range []string{scheme, strings.ToUpper(scheme), strings.ToUpper(scheme[:1]) + scheme[1:]} {
			if CheckScheme(written) == nil {
				t.Errorf("%s can be allowed", written)
			}
			for _, rest := range []string{":x", ":/x", "://x/y"} {
				if CheckRedirectURI(written+rest, written, scheme) == nil {
					t.Errorf("%s%s is a redirect URI", written, rest)
				}
			}
		}
	}
	for _, bad := range []string{"", "my app", "myapp:", "myapp://", "1app", "http", "HTTPS", "-a", strings.Repeat("a", 65)} {
		if CheckScheme(bad) == nil {
			t.Errorf("%q can be allowed", bad)
		}
	}
	for uri, want := range map[string]bool{
		"myapp:/callback": true, "myapp://callback": true, "myapp:callback": true, "myapp://": true,
		"MyApp:/callback": false, "MYAPP:/callback": false, "myapp2:/callback": false, "other:/callback": false, "Loud:/callback": true, "loud:/callback": false,
		"com.example.app:/callback": true,
	} {
		if got := CheckRedirectURI(uri, "myapp", "Loud") == nil; got != want {
			t.Errorf("%s: %v", uri, got)
		}
		if got := CheckRedirectURI(uri) == nil; got != strings.Contains(uri, ".") {
			t.Errorf("%s, without the operator's word: %v", uri, got)
		}
	}
}

// A redirect URI of a scheme without a dot is compared as it was registered.
func TestRedirectSchemeMatch(t *testing.T) {
	m := Metadata{ID: "a", AuthMethod: AuthNone, RedirectURIs: []string{"myapp://callback"}, PostLogoutRedirectURIs: []string{"myapp://bye"}}
	if _, err := New(m); err == nil {
		t.Error("without the operator's word")
	}
	m.RedirectSchemes = []string{"myapp"}
	c, err := New(m)
	if err != nil {
		t.Fatal(err)
	}
	for _, other := range []string{"MYAPP://callback", "myapp://Callback", "myapp:/callback", "myapp://callback/", "myapp:callback", "myapp://callback?"} {
		if c.MatchRedirectURI(other) {
			t.Errorf("%s matches", other)
		}
	}
	if !c.MatchRedirectURI("myapp://callback") || !c.MatchPostLogoutRedirectURI("myapp://bye") {
		t.Error("does not match itself")
	}
	m.RedirectSchemes = []string{"javascript"}
	if _, err := New(m); err == nil {
		t.Error("javascript is allowed")
	}
}

// RFC 8252 section 7.3: an application that listens on any port for its code does so for its logout.
func TestPostLogoutPorts(t *testing.T) {
	for _, localhost := range []bool{false, true} {
		c, err := New(Metadata{
			ID: "a", AuthMethod: AuthNone, AllowLocalhostPorts: localhost,
			PostLogoutRedirectURIs: []string{"http://127.0.0.1/bye", "http://[::1]/bye", "http://localhost/bye", "https://a.example/bye"},
		})
		if err != nil {
			t.Fatal(err)
		}
		for uri, want := range map[string]bool{
			"http://127.0.0.1:5000/bye": true, "http://[::1]:1/bye": true, "http://localhost:5000/bye": localhost, "http://localhost/bye": true,
			"http://127.0.0.1:5000/other": false, "http://127.0.0.1:5000/bye?x": false, "http://127.0.0.1:99999/bye": false, "https://a.example:5000/bye": false,
			"http://127.0.0.1:5000@evil.example/bye": false,
		} {
			if c.MatchPostLogoutRedirectURI(uri) != want {
				t.Errorf("%s, localhost %v: %v", uri, localhost, !want)
			}
		}
	}
}

// Cursor's registration (2026-07): it says web, and the scheme says native.
const cursor = `{"client_name":"Cursor","application_type":"web","token_endpoint_auth_method":"none","grant_types":["authorization_code","refresh_token"],
	"redirect_uris":["cursor://anysphere.cursor-mcp/oauth/callback","https://www.cursor.com/agents/mcp/oauth/callback","http://localhost:8787/callback"]}`

func TestNativeSchemes(t *testing.T) {
	complete := func(body string, schemes ...string) (*Registration, error) {
		info, err := ParseRegistration([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		o := anOffer(Registered)
		o.NativeSchemes = schemes
		if err := info.Complete(o); err != nil {
			return nil, err
		}
		_, err = info.Client("id", nil, o)
		return &info.Registration, err
	}
	r, err := complete(cursor, "cursor")
	if err != nil || r.ApplicationType != applicationNative {
		t.Fatalf("%+v, %v", r, err)
	}
	_, err = complete(cursor)
	if refused, ok := err.(*RegistrationError); !ok || refused.Code != ErrInvalidRedirectURI ||
		!strings.Contains(refused.Description, "cursor://anysphere.cursor-mcp/oauth/callback") || !strings.Contains(refused.Description, "needs a dot") {
		t.Errorf("without the operator's word: %v", err)
	}
	if _, err = complete(cursor, "vscode"); err == nil {
		t.Error("another scheme was allowed")
	}
	for _, bad := range []string{"Cursor://x/y", "CURSOR:/x", "javascript:alert(1)"} {
		if _, err := complete(strings.Replace(cursor, "cursor://anysphere.cursor-mcp/oauth/callback", bad, 1), "cursor"); err == nil {
			t.Errorf("%s is registered", bad)
		}
	}
	for _, web := range []string{`{"redirect_uris":["http://localhost:1/cb"],"application_type":"web"}`, `{"redirect_uris":["com.example.app:/cb"],"application_type":"web"}`, `{"redirect_uris":["com.example.app://"]}`} {
		if _, err := complete(web, "cursor"); err == nil {
			t.Errorf("%s is registered", web)
		}
	}
}

// Each fault of a registration names the member that has it.
func TestRegistrationNamesTheMember(t *testing.T) {
	for change, want := range map[string]struct{ member, reason string }{
		`"redirect_uris":["https://a.example/#x"]`:                    {"redirect_uris", "has a fragment"},
		`"redirect_uris":["/cb"]`:                                     {"redirect_uris", "not absolute"},
		`"redirect_uris":["https://a.example/", "http://b.example/"]`: {"http://b.example/", "plain http"},
		`"redirect_uris":["https://a.example/*"]`:                     {"redirect_uris", "wildcard"},
		`"redirect_uris":["myapp://cb"]`:                              {"myapp://cb", "needs a dot"},
		`"post_logout_redirect_uris":["ftp://a.example/"]`:            {"post_logout_redirect_uris", "never allowed"},
		`"token_endpoint_auth_method":"private_key_jwt"`:              {"token_endpoint_auth_method", "needs jwks or jwks_uri"},
		`"jwks":{"keys":[]}`:                                          {"jwks", "no key that can be used"},
		`"jwks":[]`:                                                   {"jwks", "not a JWK Set"},
		`"jwks":{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}`:       {"jwks", "RSA key"},
		`"jwks":{"keys":[{"kty":"oct","k":"AAAA"}]}`:                  {"jwks", "private key"},
		`"token_endpoint_auth_method":"private_key_jwt","jwks_uri":"https://a.example/","jwks":{"keys":[]}`: {"jwks_uri", "exclude"},
		`"token_endpoint_auth_signing_alg":"HS256"`:                                                         {"token_endpoint_auth_signing_alg", "must be one of"},
		`"request_object_signing_alg":"HS256"`:                                                              {"request_object_signing_alg", "must be one of"},
		`"id_token_signed_response_alg":"HS256"`:                                                            {"id_token_signed_response_alg", "must be one of"},
		`"subject_type":"secret"`:                                                                           {"subject_type", "public or pairwise"},
		`"subject_type":"pairwise","redirect_uris":["https://a.example/","https://b.example/"]`:             {"sector_identifier_uri", "several hosts"},
		`"frontchannel_logout_uri":"https://b.example/"`:                                                    {"frontchannel_logout_uri", "redirect URI"},
		`"frontchannel_logout_uri":"https://a.example/#x"`:                                                  {"frontchannel_logout_uri", "fragment"},
		`"initiate_login_uri":"http://a.example/"`:                                                          {"initiate_login_uri", "https"},
		`"token_endpoint_auth_method":"tls_client_auth"`:                                                    {"token_endpoint_auth_method", "exactly one of"},
		`"token_endpoint_auth_method":"tls_client_auth","tls_client_auth_san_ip":"x"`:                       {"tls_client_auth_san_ip", "not an address"},
		`"token_endpoint_auth_method":"tls_client_auth","tls_client_auth_subject_dn":"x"`:                   {"tls_client_auth_subject_dn", "distinguished name"},
		`"application_type":"desktop"`:                                                                      {"application_type", "neither web nor native"},
		`"grant_types":["password"]`:                                                                        {"grant_types", "on offer"},
		`"response_types":["token"]`:                                                                        {"response_types", "on offer"},
		`"scope":"nothing"`:                                                                                 {"scope", "none"},
		`"client_uri":"javascript:0"`:                                                                       {"client_uri", "https"},
		`"default_max_age":"x"`:                                                                             {"default_max_age", "whole number"},
	} {
		info, err := ParseRegistration([]byte(`{"redirect_uris":["https://a.example/"],` + change + `}`))
		if strings.HasPrefix(change, `"redirect_uris"`) {
			info, err = ParseRegistration([]byte(`{` + change + `}`))
		} else if strings.Contains(change, `"redirect_uris"`) {
			info, err = ParseRegistration([]byte(`{` + change + `}`))
		}
		o := anOffer(Registered)
		o.AuthMethods = append(o.AuthMethods, AuthTLS)
		if err == nil {
			err = info.Complete(o)
		}
		if err == nil {
			secret := []byte(nil)
			if usesSecret(info.AuthMethod) {
				secret = make([]byte, 32)
			}
			_, err = info.Client("id", secret, o)
		}
		refused, ok := err.(*RegistrationError)
		if !ok {
			t.Errorf("%s: %v", change, err)
			continue
		}
		text := refused.Description
		if !strings.Contains(text, want.member) || !strings.Contains(strings.ToLower(text), strings.ToLower(want.reason)) {
			t.Errorf("%s: %s", change, text)
		}
		if strings.ContainsAny(text, "\"\\") || strings.Contains(text, "..") || strings.Contains(text, "contradicts") {
			t.Errorf("%s: %s", change, text)
		}
	}
}

func usesSecret(method string) bool { return method == AuthBasic || method == AuthPost }
