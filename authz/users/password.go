package users

import (
	"errors"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/authzd/authzd/authz/member"
	"github.com/authzd/authzd/authz/passhash"
)

const maxPassword = 1024 // bytes, as typed

// NormalizePassword returns the form of a password that is hashed, or says why it can't be one: Unicode
// normalisation form C, so that it does not depend on the keyboard (RFC 8265 section 4.2). Nothing is cut off or
// trimmed. No error holds the password.
func NormalizePassword(password string) ([]byte, error) {
	switch {
	case password == "":
		return nil, errors.New("password is empty")
	case len(password) > maxPassword:
		return nil, errors.New("password is longer than 1024 bytes")
	case !utf8.ValidString(password) || strings.ContainsRune(password, 0):
		return nil, errors.New("password has a character that is not allowed")
	}
	return norm.NFC.Bytes([]byte(password)), nil
}

// passwordFlaw returns why an operator can't set a password, in plain text or as a hash. It refuses what looks like
// a hash but is none that can be verified: taken for plain text, the hash itself would sign in.
func (u *User) passwordFlaw(rule PasswordRule) *member.Flaw {
	password := string(u.Password)
	switch {
	case len(password) > maxPassword:
		return member.Flawf("choose a shorter one", "longer than %d bytes", maxPassword)
	case passhash.Scheme(password) != "":
		if err := passhash.Check(password); err != nil {
			return member.Flawf("set a password in plain text, or a hash of argon2id, bcrypt, scrypt or pbkdf2; put quotes around it, and look that nothing is cut off", "%v", err)
		}
		return nil
	}
	if _, err := NormalizePassword(password); err != nil {
		return member.Flawf("use text in UTF-8 without control characters", "has a character that is not allowed")
	}
	if rule == nil {
		return nil
	}
	return rule(u)
}
