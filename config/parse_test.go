package config

import (
	"errors"
	"strings"
	"testing"
)

func TestSyntax(t *testing.T) {
	for doc, want := range map[string]string{
		"issuer: [":                            "f:1:9: not YAML: sequence end token ']' not found",
		"issuer: 'x":                           "f:1:9: not YAML: could not find end character of single-quoted text",
		"issuer: https://a.example: b":         "f:1:9: not YAML: mapping value is not allowed in this context",
		"issuer: \xff":                         "f: not UTF-8 text",
		"issuer: &a x\nlisten: *a":             "f:1:9: anchors and aliases are not supported\nf:2:9: anchors and aliases are not supported",
		"a: &a [x]\nb: &b [*a, *a]\nc: [*b]":   "f:1:4: anchors and aliases are not supported\nf:2:4: anchors and aliases are not supported\nf:2:8: anchors and aliases are not supported\nf:2:12: anchors and aliases are not supported\nf:3:5: anchors and aliases are not supported",
		"log:\n  <<: {level: info}":            "f:2:3: anchors and aliases are not supported",
		"issuer: !!str x":                      "f:1:9: tags are not supported",
		"%YAML 1.2\n---\nissuer: x":            "f:1:1: directives are not supported",
		"? issuer\n: x":                        "f:1:1: keys with a question mark are not supported",
		"issuer: https://a.example\n---\na: 1": "f:2:1: a second document",
		"just text":                            "f:1:1: expected a mapping, found a single value",
		"- list":                               "f:1:1: expected a mapping, found a list",
		strings.Repeat("[", 100_000):           "f:1:33: too many keys, or too deep",
		strings.Repeat("{a: ", 100_000):        "f:1:129: too many keys, or too deep",
		strings.Repeat("- ", 100_000):          "f:1:65: too many keys, or too deep",
		"{" + strings.Repeat("a,", 100_000):    "f:1:50003: too many keys, or too deep",
		strings.Repeat("a: 1\n", 100_000):      "f:25001:2: too many keys, or too deep",
	} {
		_, err := Parse("f", []byte(doc), nil)
		if err == nil || err.Error() != want {
			t.Errorf("%.40q: %v\nwant %s", doc, err, want)
		}
	}
}

func TestUnquotedColons(t *testing.T) {
	for list, want := range map[string][]string{
		"[http://localhost:4200/cb]":                               {"http://localhost:4200/cb"},
		"[ http://localhost:80/a ,https://b:443/c, http://[::1]/]": nil, // brackets need quotes
		"[https://a:1/x, 'https://b:2/y',\n  https://c:3/z]":       {"https://a:1/x", "https://b:2/y", "https://c:3/z"},
		"[https://a/x: y]":                                         nil, // a pair
		"[{https://a:1/x}]":                                        nil,
	} {
		for _, doc := range []string{
			"issuer: https://id.example.com\nclients:\n- {client_id: a, preset: spa, redirect_uris: " + list + "}",
			"issuer: https://id.example.com\nclients:\n- client_id: a\n  preset: spa\n  redirect_uris: " + list,
			"{issuer: https://id.example.com, clients: [{client_id: a, preset: spa, redirect_uris: " + list + "}]}",
		} {
			c, err := Parse("f", []byte(doc), nil)
			switch {
			case want == nil && err == nil:
				t.Errorf("%s: accepted as %q", doc, c.Clients[0].RedirectURIs)
			case want != nil && err != nil:
				t.Errorf("%s: %v", doc, err)
			case want != nil:
				equal(t, doc, c.Clients[0].RedirectURIs, want)
			}
		}
	}
	c := mustParse(t, "{issuer: https://id.example.com, trusted_proxies: [2001:db8::/32, fd00::/8]}")
	equal(t, "networks", len(c.TrustedProxies), 2)
}

func TestSyntaxErrorsKeepSecrets(t *testing.T) {
	for _, doc := range []string{
		"client_secret: 'hunter2\nb: c",
		"client_secret: \"hunter2\nb: c",
		"client_secret: \"\\xhunter2\"",
		"client_secret: {hunter2",
		"client_secret: [hunter2",
		"client_secret: hunter2: x",
		"client_secret: @hunter2",
		"client_secret: !hunter2 x",
		"client_secret: *hunter2",
		"client_secret: hunter2\n  x: y",
		"client_secret: [hunter2]",
		"client_secrets: hunter2",
		"users: [{username: a, password: {hunter2: x}}]",
		"users: [{username: a, password: [hunter2]}]",
		"users: [{username: a, password: \"hunter2\\n\"}]",
		"users: [{username: a, pasword: hunter2}]",
		"issuer: https://alice:hunter2@id.example.com",
	} {
		_, err := Parse("f", []byte(doc), nil)
		var errs Errors
		if !errors.As(err, &errs) {
			t.Errorf("%q is accepted", doc)
		}
		for _, e := range errs {
			// A key that is itself a secret can't be told from one that is misspelt.
			if strings.Contains(e.Error()+e.Hint, "hunter2") {
				t.Errorf("%q: %v\nhint: %s", doc, e, e.Hint)
			}
		}
	}
}
