package config

import (
	"testing"

	"github.com/authzd/authzd/authz/member"
)

func check(t *testing.T, what, value string, p *member.Flaw, reason string) {
	t.Helper()
	got := ""
	if p != nil {
		got = p.Reason
	}
	if got != reason {
		t.Errorf("%s %q: %q, want %q", what, value, got, reason)
	}
}

func TestRedirectURI(t *testing.T) {
	const (
		web    = "web"
		native = "native"
		odd    = "a URI can't have the character at "
	)
	for _, tc := range []struct{ kind, uri, reason string }{
		{web, "https://app.example.com/callback", ""},
		{web, "https://app.example.com", ""},
		{web, "https://app.example.com:8443/callback?tenant=1", ""},
		{web, "https://[2001:db8::1]/callback", ""},
		{web, "http://localhost:4200/callback", ""},
		{web, "http://127.0.0.1/callback", ""},
		{web, "http://[::1]:3000/", ""},
		{native, "com.example.app:/callback", ""},
		{native, "com.example.app://callback/x", ""},
		{native, "https://app.example.com/callback", ""},

		{web, "com.example.app:/callback", "only native apps may use a private-use scheme"},
		{native, "myapp://callback", "the scheme myapp is not allowed"},
		{web, "", "not an absolute URI"},
		{web, "/callback", "not an absolute URI"},
		{web, "//app.example.com/callback", "not an absolute URI"},
		{web, "app.example.com/callback", "not an absolute URI"},
		{web, "localhost:4200/callback", "the scheme localhost is not allowed"},
		{web, "https:app.example.com", "has no host"},
		{web, "https:///callback", "has no host"},
		{web, "https://:443/callback", "has no host"},
		{web, "https:", "nothing follows the scheme"},
		{web, "https://app.example.com/#", "has a fragment"},
		{web, "https://app.example.com/#/callback", "has a fragment"},
		{native, "com.example.app:/callback#x", "has a fragment"},
		{web, "https://user@app.example.com/", "has a user name"},
		{web, "https://good.example:pw@evil.example/", "has a user name"},
		{web, "https://@evil.example/", "has a user name"},
		{web, "https://*.example.com/callback", "has a wildcard"},
		{web, "https://app.example.com/*", "has a wildcard"},
		{web, "https://app.example.com/a/../b", "has . or .. in its path, which browsers resolve"},
		{web, "https://app.example.com/%2e%2e/b", "has . or .. in its path, which browsers resolve"},
		{web, "https://app.example.com/.", "has . or .. in its path, which browsers resolve"},
		{web, `https://app.example.com\@evil.example/`, odd + "24"},
		{web, "https://app.example.com/a b", odd + "26"},
		{web, "https://app.example.com/\x00", odd + "25"},
		{web, "https://app.example.com/\r\nSet-Cookie: x", odd + "25"},
		{web, "https://exämple.com/", odd + "11"},
		{web, "https://app.example.com/<script>", odd + "25"},
		{web, "https://app.example.com/%zz", "not a URI"},
		{web, "https://app.example.com:65536/", "not a port"},
		{web, "https://app.example.com:0/", "not a port"},
		{web, "https://app.example.com:080/", "not a port"},
		{web, "https://app.example.com:/", "not a port"},
		{web, "https://-a.example.com/", "not a host name or address"},
		{web, "https://a..example.com/", "not a host name or address"},
		{web, "https://a.example.com./", "not a host name or address"},
		{web, "http://app.example.com/callback", "must be https"},
		{web, "http://localhost.evil.example/", "must be https"},
		{web, "http://127.0.0.1.evil.example/", "must be https"},
		{web, "http://LOCALHOST:4200/", "must be https"},
		{web, "http://127.0.0.2/", "must be https"},
		{web, "http://0x7f000001/", "must be https"},
		{web, "http://2130706433/", "must be https"},
		{web, "http://0.0.0.0/", "must be https"},
		{web, "http://[::ffff:127.0.0.1]/", "must be https"},
		{web, "http://[::1%25lo]/", "must be https"},
		{web, "ftp://app.example.com/", "the scheme ftp is not allowed"},
	} {
		check(t, tc.kind+" redirect URI", tc.uri, checkRedirectURI(tc.uri, tc.kind == native, nil), tc.reason)
	}
	for _, uri := range []string{
		"javascript:alert(1)", "JavaScript://app.example.com/%0aalert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd",
		"blob:https://a/b", "about:blank", "view-source:https://a", "filesystem:x", "intent://x", "ws://a/", "urn:ietf:wg:oauth:2.0:oob",
	} {
		for _, isNative := range []bool{false, true} {
			if checkRedirectURI(uri, isNative, nil) == nil {
				t.Errorf("redirect URI %q is accepted (native: %v)", uri, isNative)
			}
		}
	}
}

func TestIssuer(t *testing.T) {
	for issuer, reason := range map[string]string{
		"https://id.example.com":             "",
		"https://id.example.com:8443":        "",
		"https://example.com/auth/v1":        "",
		"http://localhost:9010":              "",
		"http://127.0.0.1:9010/tenant_1":     "",
		"http://[::1]:9010":                  "",
		"https://id.example.com/":            "ends with a slash",
		"https://id.example.com//":           "ends with a slash",
		"https://id.example.com/a/":          "ends with a slash",
		"https://id.example.com?":            "an issuer has neither query nor fragment",
		"https://id.example.com#":            "an issuer has neither query nor fragment",
		"https://id.example.com/?a=b":        "an issuer has neither query nor fragment",
		"https://id.example.com:443":         "names the port that is the default",
		"http://localhost:80":                "names the port that is the default",
		"https://ID.example.com":             "clients compare an issuer character by character, and this one has other spellings",
		"HTTPS://id.example.com":             "clients compare an issuer character by character, and this one has other spellings",
		"https://id.example.com/%61":         "clients compare an issuer character by character, and this one has other spellings",
		"https://id.example.com/a//b":        "unusable path",
		"https://id.example.com/a;b":         "unusable path",
		"http://id.example.com":              "must be https",
		"http://localhost.example.com":       "must be https",
		"ftp://id.example.com":               "the scheme ftp is not allowed",
		"https://user:secret@id.example.com": "has a user name",
		"id.example.com":                     "not an absolute URI",
		"https://":                           "nothing follows the scheme",
	} {
		check(t, "issuer", issuer, checkIssuer(issuer), reason)
	}
}

func TestOrigin(t *testing.T) {
	for origin, reason := range map[string]string{
		"https://app.example.com":      "",
		"https://app.example.com:8443": "",
		"http://localhost:4200":        "",
		"http://[::1]:4200":            "",
		"capacitor://localhost":        "",
		"*":                            "stands for any page",
		"null":                         "stands for any page",
		"https://*.example.com":        "has a wildcard",
		"https://app.example.com/":     "not the form in which browsers send an origin",
		"https://app.example.com/x":    "not the form in which browsers send an origin",
		"https://app.example.com?x":    "not the form in which browsers send an origin",
		"https://App.example.com":      "not the form in which browsers send an origin",
		"https://app.example.com:443":  "not the form in which browsers send an origin",
		"http://app.example.com":       "must be https",
		"file:///x":                    "the scheme file is not allowed",
		"app.example.com":              "not an absolute URI",
		"com.example.app:/callback":    "has no host",
	} {
		check(t, "origin", origin, checkOrigin(origin), reason)
	}
}

func TestListenFollowsIssuer(t *testing.T) {
	for issuer, want := range map[string]string{
		"http://localhost:9020":      "localhost:9020",
		"http://127.0.0.1:1/path":    "127.0.0.1:1",
		"http://[::1]:9020":          "[::1]:9020",
		"http://localhost":           "localhost:80",
		"https://localhost":          "localhost:443",
		"https://id.example.com":     ":443",
		"https://id.example.com:444": ":444",
	} {
		got := listenFor(issuer)
		if got != want || checkListen(got) != nil {
			t.Errorf("issuer %s: listen %q, want %q", issuer, got, want)
		}
	}
}
