package client

import (
	"testing"

	"github.com/authzd/authzd/authz/member"
)

func checkFlaw(t *testing.T, what, value string, flaw *member.Flaw, reason string) {
	t.Helper()
	got := ""
	if flaw != nil {
		got = flaw.Reason
		if flaw.Hint == "" {
			t.Errorf("%s %q has no hint", what, value)
		}
	}
	if got != reason {
		t.Errorf("%s %q: %q, want %q", what, value, got, reason)
	}
}

// ofOperator is what is wrong with a redirect URI that an operator writes.
func ofOperator(uri string, native bool) *member.Flaw {
	m := &Metadata{Preset: presetWeb}
	if native {
		m.Preset = presetNative
	}
	return (&check{Description: Describe(m)}).redirectFlaw(uri, nil)
}

func TestRedirectURIOfOperator(t *testing.T) {
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
		checkFlaw(t, tc.kind+" redirect URI", tc.uri, ofOperator(tc.uri, tc.kind == native), tc.reason)
	}
	for _, uri := range []string{
		"javascript:alert(1)", "JavaScript://app.example.com/%0aalert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd",
		"blob:https://a/b", "about:blank", "view-source:https://a", "filesystem:x", "intent://x", "ws://a/", "urn:ietf:wg:oauth:2.0:oob",
	} {
		for _, isNative := range []bool{false, true} {
			if ofOperator(uri, isNative) == nil {
				t.Errorf("redirect URI %q is accepted (native: %v)", uri, isNative)
			}
		}
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
		checkFlaw(t, "origin", origin, originFlaw(origin), reason)
	}
}
