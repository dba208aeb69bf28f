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
