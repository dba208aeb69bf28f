package users

import (
	"slices"
	"testing"
)

// TestProblems: everything that is wrong with a user is said at once, each with what to do.
func TestProblems(t *testing.T) {
	u := &User{
		Username: "two words", Password: "$2b$12$abc", Email: "Alice <alice@example.com>", PhoneNumberVerified: true, Birthdate: "1.1.1970",
		Profile: "alice.example.com", Picture: "javascript:0", Website: "https://alice@example.com", Roles: []string{"admin", "admin", ""},
		Groups: []string{" "}, Name: "a\tb", Address: Address{Formatted: "a\nb", Country: "a\nb"},
	}
	var paths []string
	for _, p := range u.Problems(false) {
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
	if ps := (&User{EmailVerified: true}).Problems(false); len(ps) != 2 {
		t.Errorf("no name, and nothing to verify: %v", ps.Err())
	}
	if ps := (&User{Username: "alice", Password: "short"}).Problems(false); len(ps) != 1 || ps[0].Path != "password" {
		t.Errorf("a short password: %v", ps.Err())
	}
	good := &User{Username: "alice", Password: "short", Email: "alice@example.com", EmailVerified: true, Address: Address{Formatted: "1 High Street\nOxford"}}
	if ps := good.Problems(true); len(ps) != 0 {
		t.Errorf("a good user: %v", ps.Err())
	}
}
