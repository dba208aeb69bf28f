package main

import (
	"strings"
	"testing"

	"github.com/authzd/authzd/authz/admin"
	"github.com/authzd/authzd/authz/users"
)

// A hash that can't be verified, and a password that the policy refuses, get through none of the operator's
// doors, and nothing is stored.
func TestOperatorPasswords(t *testing.T) {
	o := operate(t, nil)
	carol := users.User{Username: "carol", Name: "Carol is my name", Email: "carol.of@oxford.example"}
	dave := carol
	dave.Username = "dave"
	created, err := o.admin.CreateUser(t.Context(), admin.NewUser{User: carol, Password: "a phrase to pass"})
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
		"$2b$13$" + strings.Repeat("a", 53):                                                         "ceiling",
		"$2b$10$" + strings.Repeat("a", 52):                                                         "bcrypt",
		"short":                                                                                     "shorter than 15",
		"14 characters.":                                                                            "shorter than 15",
		"\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9e\u0301":                                   "shorter than 15", // characters, not bytes
		"1qaz2wsx3edc4rfv":                                                                          "attackers try first",
		"1QAZ2wsx3edc4rfv":                                                                          "attackers try first", // in any case
		"carol is my name":                                                                          "name or the address",
		"CAROL.OF@oxford.example":                                                                   "name or the address",
	} {
		_, err := o.admin.CreateUser(t.Context(), admin.NewUser{User: dave, Password: password})
		if err == nil || !strings.Contains(err.Error(), name) || len(password) > 16 && strings.Contains(err.Error(), password) {
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

// A new password ends the user's sessions and grants, unless they are to be kept. Neither is listed as live
// after that.
func TestOperatorSetPasswordEndsSessions(t *testing.T) {
	o := operate(t, nil)
	sub, sid, gid := o.signedIn(t)
	listed := func() (n int) {
		t.Helper()
		for s, err := range o.admin.Sessions(t.Context(), sub) {
			if err != nil || s.SID != sid || s.Username != "alice" {
				t.Fatalf("%+v, %v", s, err)
			}
			n++
		}
		for _, which := range []admin.GrantQuery{{Sub: sub}, {ClientID: "web"}, {}} {
			for g, err := range o.admin.Grants(t.Context(), which) {
				if err != nil || g.GID != gid || g.Username != "alice" {
					t.Fatalf("%+v, %v", g, err)
				}
				n++
			}
		}
		return n
	}
	if err := o.admin.SetUserPassword(t.Context(), sub, admin.SetPassword{Password: "another one of some words", KeepSessions: true}); err != nil {
		t.Fatal(err)
	}
	if n := listed(); n != 4 {
		t.Errorf("kept: the session and the grant are listed %d times", n)
	}
	if err := o.admin.SetUserPassword(t.Context(), sub, admin.SetPassword{Password: "the third one of some words"}); err != nil {
		t.Fatal(err)
	}
	if n := listed(); n != 0 {
		t.Errorf("ended: the session and the grant are listed %d times", n)
	}
	g, err := o.admin.GetGrant(t.Context(), gid)
	if err != nil || g.Ended == "" || g.RevokedAt != nil {
		t.Errorf("the grant: %+v, %v", g, err)
	}
}

// The grants of a disabled user and of a session that has ended are not listed as live.
func TestOperatorListsLiveGrants(t *testing.T) {
	for name, end := range map[string]func(o *operated, sub, sid string) error{
		"disabled": func(o *operated, sub, _ string) error {
			_, err := o.admin.UpdateUser(t.Context(), sub, "", map[string]any{"disabled": true})
			return err
		},
		"session ended": func(o *operated, _, sid string) error { return o.admin.RevokeSession(t.Context(), sid) },
	} {
		t.Run(name, func(t *testing.T) {
			o := operate(t, nil)
			o.userToken(t, "alice", "correct horse battery", "openid") // an online grant
			var sub, sid string
			for s, err := range o.admin.Sessions(t.Context(), "") {
				if err != nil {
					t.Fatal(err)
				}
				sub, sid = s.Sub, s.SID
			}
			count := func() (n int) {
				for _, err := range o.admin.Grants(t.Context(), admin.GrantQuery{Sub: sub}) {
					if err != nil {
						t.Fatal(err)
					}
					n++
				}
				return n
			}
			if n := count(); n != 1 {
				t.Fatalf("%d grants", n)
			}
			if err := end(o, sub, sid); err != nil {
				t.Fatal(err)
			}
			if n := count(); n != 0 {
				t.Errorf("%d grants are listed", n)
			}
		})
	}
}
