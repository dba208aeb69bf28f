package password_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/authzd/authzd/authz/member"
	"github.com/authzd/authzd/authz/password"
	"github.com/authzd/authzd/authz/users"
)

var alice = password.Person{
	Username: "alice.liddell", Email: "Alice-of-Oxford@Example.com", Names: []string{"Alice Pleasance Liddell", ""}, Roles: []string{"staff"},
}

func TestCheck(t *testing.T) {
	usual := &password.Policy{Issuer: "https://login.wonderland.example:8443/sso"}
	atEight := &password.Policy{MinLength: 8}
	for _, tt := range []struct {
		policy   *password.Policy
		password string
		want     password.Reason // "": accepted
	}{
		{usual, "14 characters.", password.TooShort},
		{usual, "15 characters..", ""},
		{usual, "", password.TooShort},
		{usual, "ääääääääääääää", password.TooShort},       // 14 of two bytes
		{usual, "ein Päßwörtchen", ""},                     // 15
		{usual, "aaaaaaaaaaaaaae\u0301", ""},               // 15 as hashed, whatever the keyboard sends
		{usual, "aaaaaaaaaaaaae\u0301", password.TooShort}, // and 14
		{usual, "🔑🚪🐇⏰🫖🎩♠♥♦♣👑🦩🔑🚪", password.TooShort},
		{usual, "🔑🚪🐇⏰🫖🎩♠♥♦♣👑🦩🔑🚪🐇", ""},
		{usual, "               ", ""}, // no rule about the characters
		{usual, "1qaz2wsx3edc4rfv", password.Common},
		{usual, strings.Repeat("ab c", 64), ""}, // 256
		{usual, strings.Repeat("ab c", 64) + "d", password.TooLong},
		{usual, strings.Repeat("🔑", 256), ""},
		{usual, strings.Repeat("🔑", 257), password.TooLong},
		{usual, strings.Repeat("a", 1<<20), password.TooLong},
		{usual, "a NUL \x00 in the midst", password.Unusable},
		{usual, "no UTF-8 \xff\xfe at all", password.Unusable},
		{usual, "mailcreated5240", password.Common},
		{usual, "MailCreated5240", password.Common},
		{usual, "mailcreated5240 and more", ""}, // no words inside
		{usual, "alice pleasance liddell", password.Personal},
		{usual, "ALICE-OF-OXFORD@example.com", password.Personal},
		{usual, "alice-of-oxford", password.Personal},
		{usual, " Alice Pleasance Liddell ", password.Personal},
		{usual, "alice pleasance liddell of Oxford", ""},
		{usual, "Login.Wonderland.Example", password.OfServer},
		{usual, "login.wonderland.example:8443", password.OfServer},
		{atEight, "password", password.Common},
		{atEight, "PASSWORD", password.Common},
		{atEight, "passw0rd", password.Common},
		{atEight, "1234567", password.TooShort},
		{atEight, "alice.liddell", password.Personal},
		{atEight, "ALICE.LIDDELL", password.Personal},
		{atEight, "k7#mQ2!x", ""},
	} {
		got := tt.policy.Check(tt.password, alice)
		if got == nil && tt.want != "" || got != nil && got.Reason != tt.want {
			t.Errorf("%.40q of %d: %v, want %q", tt.password, utf8.RuneCountInString(tt.password), got, tt.want)
		}
		if got == nil {
			continue
		}
		if flaw := got.Flaw(); flaw.Reason == "" || flaw.Hint == "" || len(tt.password) > 8 && strings.Contains(got.Error(), tt.password) {
			t.Errorf("%.40q: %q, hint %q", tt.password, got.Error(), flaw.Hint)
		}
	}
}

// Eight are enough only where another factor is demanded of this very user at every sign-in.
func TestCheckWithFactor(t *testing.T) {
	p := &password.Policy{Always: func(roles []string) bool { return len(roles) > 0 && roles[0] == "admin" }}
	for _, tt := range []struct {
		role, password string
		least          int // 0: accepted
	}{
		{"admin", "k7#mQ2!x", 0}, {"admin", "k7#mQ2!", 8}, {"admin", "iloveyou", -1},
		{"staff", "k7#mQ2!x", 15}, {"", "k7#mQ2!x", 15},
	} {
		got := p.Check(tt.password, password.Person{Roles: []string{tt.role}})
		switch {
		case tt.least == 0 && got == nil, tt.least < 0 && got != nil && got.Reason == password.Common,
			tt.least > 0 && got != nil && got.Reason == password.TooShort && got.Least == tt.least:
		default:
			t.Errorf("%q of a user with the role %q: %+v", tt.password, tt.role, got)
		}
	}
	lower := &password.Policy{MinLength: 10, MinLengthWithFactor: 6, Always: p.Always}
	if lower.Least([]string{"admin"}) != 6 || lower.Least(nil) != 10 {
		t.Error("an operator's lengths do not count")
	}
}

func TestRule(t *testing.T) {
	p := &password.Policy{}
	for text, want := range map[string]bool{"14 characters.": false, "Alice Pleasance Liddell": false, "correct horse battery staple": true} {
		u := &users.User{Username: "alice", Name: "Alice Pleasance Liddell", Password: member.Secret(text)}
		if got := u.Problems(p.Rule); (len(got) == 0) != want {
			t.Errorf("%q: %v", text, got.Err())
		}
	}
}

func FuzzCheck(f *testing.F) {
	for _, seed := range []string{"", "password", "a\x00b", "\xff", strings.Repeat("🔑", 300), "correct horse battery staple", "e\u0301", "\u202e"} {
		f.Add(seed, seed)
	}
	p := &password.Policy{Issuer: "https://id.example.com"}
	f.Fuzz(func(t *testing.T, text, name string) {
		got := p.Check(text, password.Person{Username: name, Email: name, Names: []string{name}})
		if got != nil {
			got.Flaw()
			return
		}
		normal, err := users.NormalizePassword(text)
		if n := utf8.RuneCount(normal); err != nil || n < 15 || n > 256 || text == name {
			t.Errorf("%q is accepted: %d characters, %v", text, n, err)
		}
	})
}
