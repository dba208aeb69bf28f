package config

import (
	"errors"
	"fmt"
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
	for _, demand := range []string{
		"accounts: {factors: passkey}", "connectors: [{id: a, type: google, client_id: x, client_secret: y, factors: passkey}]",
	} {
		if wrong := errorsOf(t, "issuer: http://127.0.0.1:9010\n"+demand); len(wrong) != 1 || !strings.Contains(wrong[0], "demands a passkey, and there are none: the issuer's host is an IP address") {
			t.Errorf("%s at an IP address: %q", demand, wrong)
		}
		if wrong := errorsOf(t, "issuer: https://id.example.com\n"+demand); wrong != nil {
			t.Errorf("%s: %q", demand, wrong)
		}
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

// Where there are no passkeys, none is demanded: nobody could sign in.
func TestPasskeysAreNotDemandedWhereThereAreNone(t *testing.T) {
	const demands = `
accounts:
  passkeys: {%s}
  factors_of_roles: {admin: passkey, staff: required}
  acr_classes: [{name: "urn:example:2", needs: two_factors}, {name: "urn:example:3", needs: passkey}]
clients:
  - {client_id: bank, preset: spa, redirect_uris: ["https://bank.example.com/cb"], factors: passkey}
  - {client_id: shop, preset: spa, redirect_uris: ["https://shop.example.com/cb"], factors: required, default_acr_values: ["urn:example:2", phr, phrh]}
connectors:
  - {id: corp, type: oidc, issuer: "https://corp.example.com", client_id: a, client_secret: "0123456789012345678901234567890123456789", factors: required}
`
	doc := func(issuer, passkeys string) string { return "issuer: " + issuer + fmt.Sprintf(demands, passkeys) }
	want := []string{
		`f:4:29: accounts.factors_of_roles.admin "passkey": demands a passkey, and there are none: WHY`,
		`f:5:93: accounts.acr_classes[1].needs "passkey": demands a passkey, and there are none: WHY`,
		`f:7:93: clients[0].factors "passkey": demands a passkey, and there are none: WHY`,
		`f:8:141: clients[1].default_acr_values[1] "phr": demands a passkey, and there are none: WHY`,
		`f:8:146: clients[1].default_acr_values[2] "phrh": demands a passkey, and there are none: WHY`,
	}
	for _, tt := range []struct{ issuer, passkeys, why, hint string }{
		{"https://id.example.com", "enabled: false", "accounts.passkeys.enabled is false", "set accounts.passkeys.enabled to true, or "},
		{"http://127.0.0.1:9010", "", "the issuer's host is an IP address", "give the issuer a domain, or localhost, or "},
		{`"http://[::1]:9010"`, "", "the issuer's host is an IP address", "give the issuer a domain, or localhost, or "},
	} {
		var wanted []string
		for _, line := range want {
			wanted = append(wanted, strings.Replace(line, "WHY", tt.why, 1))
		}
		compare(t, errorsOf(t, doc(tt.issuer, tt.passkeys)), wanted)
		var errs Errors
		if _, err := Parse("f", []byte(doc(tt.issuer, tt.passkeys)), nil); errors.As(err, &errs) {
			for _, e := range errs {
				if !strings.HasPrefix(e.Hint, tt.hint) {
					t.Errorf("%v: hint %q", e, e.Hint)
				}
			}
		}
	}
	for _, issuer := range []string{"https://id.example.com", "http://localhost:9010"} {
		compare(t, errorsOf(t, doc(issuer, "")), nil)
	}
}

// Where every sign-in of a user needs another factor, or a passkey, a password of eight characters is enough.
func TestFactorsOfEverybodyAllowShorterPasswords(t *testing.T) {
	const user = "\nusers: [{username: alice, password: k7#mQ2!x, roles: [admin]}]"
	for accounts, enough := range map[string]bool{
		"factors: optional": false, "factors: required": true, "factors: passkey": true,
		"factors_of_roles: {admin: passkey}": true, "factors_of_roles: {staff: passkey}": false,
	} {
		wrong := errorsOf(t, "issuer: https://id.example.com\naccounts: {"+accounts+"}"+user)
		if (wrong == nil) != enough || !enough && (len(wrong) != 1 || !strings.Contains(wrong[0], "shorter than 15 characters")) {
			t.Errorf("%s: %q", accounts, wrong)
		}
	}
}
