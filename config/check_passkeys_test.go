package config

import (
	"strings"
	"testing"
)

// loadPasskeys loads a configuration with these lines below accounts.passkeys.
func loadPasskeys(t *testing.T, issuer, passkeys string) (wrong []string, warned string) {
	t.Helper()
	doc := "issuer: " + issuer + "\naccounts: {passkeys: {" + passkeys + "}}\n"
	if wrong = errorsOf(t, doc); wrong != nil {
		return wrong, ""
	}
	c, err := Parse("f", []byte(doc), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range c.Warnings {
		if strings.HasPrefix(w.Key, "accounts.passkeys") {
			warned += w.Error()
		}
	}
	return nil, warned
}

func TestPasskeysAreRefused(t *testing.T) {
	const issuer = "https://id.example.com"
	for passkeys, want := range map[string]string{
		"rp_id: https://example.com":                             "not a domain",
		"rp_id: example.com:443":                                 "not a domain",
		"rp_id: 192.0.2.1":                                       "",
		"rp_id: Example.com":                                     "not a domain",
		"rp_id: com":                                             "",
		"rp_id: co.uk":                                           "everybody can have a domain below it",
		"related_origins: [https://example.de/]":                 "not an origin",
		"related_origins: [http://example.de]":                   "not an origin",
		"related_origins: [example.de]":                          "not an origin",
		"authenticators: [yubikey]":                              "not an AAGUID",
		"authenticators: [00000000-0000-0000-0000-000000000000]": "not an AAGUID",
		"attestation_roots_file: ./missing.pem":                  "",
		"related_origins: [https://a.de, https://b.de, https://c.de, https://d.de, https://e.de]": "browsers accept 5",
	} {
		if wrong, _ := loadPasskeys(t, issuer, passkeys); len(wrong) != 1 || !strings.Contains(wrong[0], want) {
			t.Errorf("%s: %q, want %q", passkeys, wrong, want)
		}
	}
	if wrong, _ := loadPasskeys(t, "http://127.0.0.1:9010", "enabled: true"); len(wrong) != 1 || !strings.Contains(wrong[0], "passkeys need a domain") {
		t.Errorf("at an IP address: %q", wrong)
	}
}

func TestPasskeysAreAccepted(t *testing.T) {
	for passkeys, warning := range map[string]string{
		"enabled: true":         "",
		"rp_id: example.com":    "",
		"rp_id: id.example.com": "",
		"rp_id: example.org":    "is no domain of the issuer's host",
		"related_origins: [https://example.de, https://example.co.uk, https://example.fr, https://example.it, https://example.es]": "",
		"authenticators: [2fc0579f-8113-47ea-b116-bb5a8db9202a]":                                                                   "honest people only",
	} {
		wrong, warned := loadPasskeys(t, "https://id.example.com", passkeys)
		if wrong != nil || (warned != "") != (warning != "") || !strings.Contains(warned, warning) {
			t.Errorf("%s: %q, warned %q", passkeys, wrong, warned)
		}
	}
	if wrong, _ := loadPasskeys(t, "http://127.0.0.1:9010", "enabled: false"); wrong != nil {
		t.Errorf("off at an IP address: %q", wrong)
	}
}
