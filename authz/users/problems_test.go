package users

import (
	"slices"
	"testing"

	"github.com/authzd/authzd/authz/member"
)

// TestProblems: everything that is wrong with a user is said at once, each with what to do.
func TestProblems(t *testing.T) {
	u := &User{
		Username: "two words", Password: "$2b$12$abc", Email: "Alice <alice@example.com>", PhoneNumberVerified: true, Birthdate: "1.1.1970",
		Profile: "alice.example.com", Picture: "javascript:0", Website: "https://alice@example.com", Roles: []string{"admin", "admin", ""},
		Groups: []string{" "}, Name: "a\tb", Address: Address{Formatted: "a\nb", Country: "a\nb"},
	}
	var paths []string
	for _, p := range u.Problems(nil) {
		if p.Reason == "" || p.Hint == "" {
			t.Errorf("%v -> %q", p, p.Hint)
		}
		paths = append(paths, p.Pointer())
	}
	slices.Sort(paths)
	want := []string{
		"/address/country", "/birthdate", "/email", "/groups/0", "/name", "/password", "/phone_number_verified", "/picture", "/profile",
		"/roles/1", "/roles/2", "/username", "/website",
	}
	if !slices.Equal(paths, want) {
		t.Errorf("problems at\n%q, want\n%q", paths, want)
	}
	if ps := (&User{EmailVerified: true}).Problems(nil); len(ps) != 2 {
		t.Errorf("no name, and nothing to verify: %v", ps.Err())
	}
	long := func(u *User) *member.Flaw {
		if len(u.Password) < 15 {
			return member.Flawf("choose a longer one", "%s has a short one", u.Username)
		}
		return nil
	}
	if ps := (&User{Username: "alice", Password: "short"}).Problems(long); len(ps) != 1 || ps[0].Path != "password" || ps[0].Reason != "alice has a short one" {
		t.Errorf("a short password: %v", ps.Err())
	}
	for _, exempt := range []member.Secret{"", "$2b$12$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"} {
		if ps := (&User{Username: "alice", Password: exempt}).Problems(func(*User) *member.Flaw { return member.Flawf("", "no") }); len(ps) != 0 {
			t.Errorf("a rule for passwords in plain text, of %q: %v", exempt, ps.Err())
		}
	}
	for _, mark := range []string{"\u2028", "\u2029", "\u202a", "\u202e", "\u2066", "\u2069"} {
		u := &User{Username: "alice", Name: "Al" + mark + "ice", GivenName: mark, Nickname: "A" + mark}
		if ps := u.Problems(nil); len(ps) != 3 || ps[0].Path != "name" || ps[1].Path != "given_name" || ps[2].Path != "nickname" {
			t.Errorf("names with %q: %v", mark, ps.Err())
		}
	}
	if ps := (&User{Username: "ali", Name: "علي\u200f (Ali)\u200e", FamilyName: "می\u200cخواهم"}).Problems(nil); len(ps) != 0 {
		t.Errorf("names with marks that belong there: %v", ps.Err())
	}
	good := &User{Username: "alice", Password: "short", Email: "alice@example.com", EmailVerified: true, Address: Address{Formatted: "1 High Street\nOxford"}}
	if ps := good.Problems(nil); len(ps) != 0 {
		t.Errorf("a good user: %v", ps.Err())
	}
}
