package users

import (
	"net/mail"
	"regexp"
	"strings"

	"github.com/authzd/authzd/authz/member"
)

// PasswordRule returns why a user can't have the password of their description, which is in plain text and not empty,
// or nil.
type PasswordRule func(u *User) *member.Flaw

// Problems returns everything that is wrong with the description of a user. A nil rule allows any password.
func (u *User) Problems(rule PasswordRule) member.Problems {
	found := member.Forms(u)
	if u.Username == "" {
		found.Add("username", nil, member.Flawf("give the name that the user signs in with", "is required"))
	} else {
		found.Add("username", u.Username, usernameFlaw(u.Username))
	}
	if u.Password != "" {
		found.Add("password", u.Password, u.passwordFlaw(rule))
	}
	if u.Email != "" {
		found.Add("email", u.Email, emailFlaw(u.Email))
	}
	if u.EmailVerified && u.Email == "" {
		found.Add("email_verified", true, member.Flawf("set email", "there is no email"))
	}
	if u.PhoneNumberVerified && u.PhoneNumber == "" {
		found.Add("phone_number_verified", true, member.Flawf("set phone_number", "there is no phone_number"))
	}
	if u.Birthdate != "" && !birthdate.MatchString(u.Birthdate) {
		found.Add("birthdate", u.Birthdate, member.Flawf("write YYYY-MM-DD, 0000-MM-DD or YYYY", "not a date"))
	}
	for _, page := range []struct{ member, uri string }{{"profile", u.Profile}, {"picture", u.Picture}, {"website", u.Website}} {
		if page.uri != "" {
			found.Add(page.member, page.uri, pageFlaw(page.uri))
		}
	}
	for _, name := range []struct{ member, text string }{
		{"name", u.Name}, {"given_name", u.GivenName}, {"family_name", u.FamilyName}, {"middle_name", u.MiddleName},
		{"nickname", u.Nickname}, {"preferred_username", u.PreferredUsername},
	} {
		if strings.ContainsFunc(name.text, disturbs) {
			found.Add(name.member, name.text, member.Flawf("remove the marks that are not seen", "has marks that change the lines or the order of the text around it"))
		}
	}
	for _, list := range []struct {
		member string
		values []string
	}{{"roles", u.Roles}, {"groups", u.Groups}} {
		for i, value := range list.values {
			if strings.TrimSpace(value) == "" {
				found.Add(member.Element(list.member, i), value, member.Flawf("remove it", "is empty"))
			}
		}
	}
	return found
}

// disturbs reports whether a character separates lines, or embeds, overrides or isolates a direction of writing (Unicode
// Standard Annex 9). Marks of direction alone, such as U+200F, are part of names.
func disturbs(r rune) bool {
	return r == '\u2028' || r == '\u2029' || '\u202a' <= r && r <= '\u202e' || '\u2066' <= r && r <= '\u2069'
}

var birthdate = regexp.MustCompile(`^[0-9]{4}(-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01]))?$`)

func usernameFlaw(name string) *member.Flaw {
	if name != strings.TrimSpace(name) || len(name) > 255 {
		return member.Flawf("use up to 255 bytes without spaces around them", "not a user name")
	}
	if _, err := NormalizeUsername(name); err != nil {
		reason, _, _ := strings.Cut(strings.TrimPrefix(err.Error(), "username "), ": ") // what follows is a library's
		return member.Flawf("use up to 128 bytes of letters, digits and signs such as . _ - without spaces, or an e-mail address", "%s", reason)
	}
	return nil
}

func emailFlaw(address string) *member.Flaw {
	const hint = "write name@example.com"
	if parsed, err := mail.ParseAddress(address); err != nil || parsed.Address != address || parsed.Name != "" {
		return member.Flawf(hint, "not an e-mail address")
	}
	if _, err := NormalizeEmail(address); err != nil {
		return member.Flawf(hint, "%s", strings.TrimPrefix(err.Error(), "e-mail address "))
	}
	return nil
}

// pageFlaw admits http too: it is where a person's page happens to be.
func pageFlaw(uri string) *member.Flaw {
	u, flaw := member.ParseURI(uri)
	if flaw == nil && (u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		return member.Flawf("write http:// or https:// and a host", "not a web address")
	}
	return flaw
}
