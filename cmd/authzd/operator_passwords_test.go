package main

import (
	"strings"
	"testing"

	"github.com/authzd/authzd/authz/admin"
)

// A hash that can't be verified, and a password that is too short, get through none of the operator's
// doors, and nothing is stored.
func TestOperatorPasswords(t *testing.T) {
	o := operate(t, nil)
	created, err := o.admin.CreateUser(t.Context(), admin.NewUser{UserData: admin.UserData{Username: "carol"}, Password: "pass phrase"})
	if err != nil {
		t.Fatal(err)
	}
	before := o.everything(t)
	for password, name := range map[string]string{
		"pbkdf2_sha256$1000000$q7LkV2sT9wYx0aRbE4nMdu$XM9GyEvZNXBjb/njklFQJrWMuXp6XJhIQUy5vrvtECo=": "Django",
		"{SSHA}4b92DxImZB+NgCt/4KlAdPuc39Blmz7XgWoDWw==":                                            "{ssha}",
		"$P$BhUteioam0PrakQfde9W1I7RAgDASu.":                                                        "phpass",
		"5f4dcc3b5aa765d61d8327deb882cf99":                                                          "MD5",
		"abYH7TYgEKz2Q":                                                                             "DES",
		"$2b$14$" + strings.Repeat("a", 53):                                                         "ceiling",
		"$2b$10$" + strings.Repeat("a", 52):                                                         "bcrypt",
		"short":                                                                                     "shorter than 8",
		"\u00e9\u00e9\u00e9\u00e9\u00e9e\u0301":                                                     "shorter than 8", // characters, not bytes
	} {
		_, err := o.admin.CreateUser(t.Context(), admin.NewUser{UserData: admin.UserData{Username: "dave"}, Password: password})
		if err == nil || !strings.Contains(err.Error(), name) || len(password) > 13 && strings.Contains(err.Error(), password) {
			t.Errorf("create with %s: %v", password, err)
		}
		err = o.admin.SetUserPassword(t.Context(), created.Sub, admin.SetPassword{Password: password})
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("set-password with %s: %v", password, err)
		}
	}
	if o.everything(t) != before {
		t.Error("something was stored")
	}
	err = o.admin.SetUserPassword(t.Context(), created.Sub, admin.SetPassword{Password: "$2b$10$y7pASUxZGF7vOMjkEtF77.X4foi7jLvGwfrW3f3JzgYbAmge4UlUK"})
	if err != nil {
		t.Errorf("a hash that can be verified: %v", err)
	}
}
