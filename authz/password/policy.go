// Package password says which new passwords are accepted, after NIST SP 800-63B-4 section 3.1.1.2. Every door through
// which a password is set asks it: pages, the admin API, the configuration file. A sign-in never does, and a hash is
// taken as it is.
//
//	file   -> Rule  ----> Check  length -> common? -> who is it? ---------+--> *Refusal: a reason, for people and for
//	API, page -> Judge -> Check ----------------------> leaked elsewhere? -+    operators
//	                                                    leaks.go, by choice
//
// The whole password is compared with what is refused, and not the words in it. No kinds of characters are demanded.
package password

import (
	"context"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/authzd/authzd/authz/commonpass"
	"github.com/authzd/authzd/authz/member"
	"github.com/authzd/authzd/authz/users"
)

const (
	// UsualLength and UsualLengthWithFactor are what the standard demands at least, in code points.
	UsualLength, UsualLengthWithFactor = 15, 8
	// LeastLength is the lowest length that an operator can choose.
	LeastLength = 6
	// MaxLength is for a new password, in code points. A sign-in takes 1,024 bytes.
	MaxLength = 256
)

// Policy says which new passwords are accepted. Its zero value is the standard's, with no look-up of leaks.
type Policy struct {
	// MinLength is the least length where the password is the only factor, in code points; 0: UsualLength.
	MinLength int
	// MinLengthWithFactor is the least length for a user who must show another factor at every sign-in, for any
	// client; 0: UsualLengthWithFactor.
	MinLengthWithFactor int
	// Always reports whether a user with these roles must; nil: nobody must.
	Always func(roles []string) bool
	// Issuer is the URL of this server, whose host is no password.
	Issuer string
	// Leaks knows passwords that leaked elsewhere; nil: nobody is asked.
	Leaks *Leaks
}

// Person is for whom a password is set. Their names are no passwords.
type Person struct {
	Username, Email string
	Names           []string
	Roles           []string
}

// Of returns the person that a description is about.
func Of(u *users.User) Person {
	return Person{
		Username: u.Username, Email: u.Email, Roles: u.Roles,
		Names: []string{u.Name, u.GivenName, u.FamilyName, u.Nickname, u.PreferredUsername},
	}
}

// Reason is why a password is refused.
type Reason string

const (
	TooShort Reason = "too_short"
	TooLong  Reason = "too_long"
	Unusable Reason = "unusable" // characters that can't be compared
	Common   Reason = "common"   // one of those that attackers try first
	Personal Reason = "personal" // a name or an address of the person
	OfServer Reason = "server"   // the name of this server
	Leaked   Reason = "leaked"   // known from a leak elsewhere
)

// Refusal says why a password is refused.
type Refusal struct {
	Reason Reason
	Least  int // code points; with TooShort
	Seen   int // times, in leaks; with Leaked
}

func (r *Refusal) Error() string { return "the password is refused: " + r.Flaw().Reason }

// Flaw returns the refusal in the words for an operator.
func (r *Refusal) Flaw() *member.Flaw {
	const other = "choose another: a few words that do not belong together are easy to remember and hard to guess"
	switch r.Reason {
	case TooShort:
		return member.Flawf("choose a longer one: a few words are easy to remember", "shorter than %d characters", r.Least)
	case TooLong:
		return member.Flawf("choose a shorter one", "longer than %d characters", MaxLength)
	case Unusable:
		return member.Flawf("use text in UTF-8 without control characters", "has a character that is not allowed")
	case Common:
		return member.Flawf(other, "one of the passwords that attackers try first")
	case Personal:
		return member.Flawf(other, "the name or the address of the user")
	case OfServer:
		return member.Flawf(other, "the name of this server")
	}
	return member.Flawf(other, "known from a leak elsewhere, where it was found %d times", r.Seen)
}

// Least returns the least length of a password of a user with these roles.
func (p *Policy) Least(roles []string) int {
	if p.Always != nil && p.Always(roles) {
		return or(p.MinLengthWithFactor, UsualLengthWithFactor)
	}
	return or(p.MinLength, UsualLength)
}

func or(n, usual int) int {
	if n == 0 {
		return usual
	}
	return n
}

// Check returns why a person can't have a password, or nil. It asks nobody about leaks.
func (p *Policy) Check(password string, who Person) *Refusal {
	normal, err := users.NormalizePassword(password)
	length, least := utf8.RuneCount(normal), p.Least(who.Roles)
	switch {
	case password == "":
		return &Refusal{Reason: TooShort, Least: least}
	case len(password) > 4*MaxLength: // of UTF-8, which has four bytes for a code point at most
		return &Refusal{Reason: TooLong}
	case err != nil:
		return &Refusal{Reason: Unusable}
	case length < least:
		return &Refusal{Reason: TooShort, Least: least}
	case length > MaxLength:
		return &Refusal{Reason: TooLong}
	case commonpass.Contains(password):
		return &Refusal{Reason: Common}
	}
	plain := plainOf(password)
	for _, own := range who.own() {
		if own != "" && plain == plainOf(own) {
			return &Refusal{Reason: Personal}
		}
	}
	if issuer, err := url.Parse(p.Issuer); err == nil && issuer.Host != "" && (plain == plainOf(issuer.Host) || plain == plainOf(issuer.Hostname())) {
		return &Refusal{Reason: OfServer}
	}
	return nil
}

// Judge is Check, and asks whether the password leaked elsewhere. If that can't be learned in time, it counts as not
// leaked.
func (p *Policy) Judge(ctx context.Context, password string, who Person) *Refusal {
	if refusal := p.Check(password, who); refusal != nil || p.Leaks == nil {
		return refusal
	}
	normal, err := users.NormalizePassword(password)
	if err != nil {
		return &Refusal{Reason: Unusable}
	}
	if seen := p.Leaks.Seen(ctx, normal); seen > 0 {
		return &Refusal{Reason: Leaked, Seen: seen}
	}
	return nil
}

// Rule is the policy for the password of a description, without a look-up of leaks.
func (p *Policy) Rule(u *users.User) *member.Flaw {
	if refusal := p.Check(string(u.Password), Of(u)); refusal != nil {
		return refusal.Flaw()
	}
	return nil
}

// Judging returns the policy for the password of a description, with a look-up of leaks. who describes the person; nil:
// the description that has the password does.
func (p *Policy) Judging(ctx context.Context, who *users.User) users.PasswordRule {
	return func(u *users.User) *member.Flaw {
		person := Of(u)
		if who != nil {
			person = Of(who)
		}
		if refusal := p.Judge(ctx, string(u.Password), person); refusal != nil {
			return refusal.Flaw()
		}
		return nil
	}
}

// own returns what is known of the person.
func (who Person) own() []string {
	local, _, _ := strings.Cut(who.Email, "@")
	name, _, _ := strings.Cut(who.Username, "@")
	return append([]string{who.Username, who.Email, local, name}, who.Names...)
}

// plainOf returns what is equal for texts that differ in case, or in blanks at their ends.
func plainOf(text string) string { return strings.TrimSpace(commonpass.Fold(text)) }
