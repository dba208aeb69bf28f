package users

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/secure/precis"
	"golang.org/x/text/unicode/norm"
)

const (
	maxUsername = 128 // bytes, normalised
	maxEmail    = 254 // bytes (RFC 5321 section 4.5.3.1.3)
	maxLocal    = 64  // bytes (RFC 5321 section 4.5.3.1.1)
)

// domains is idna.Lookup that also refuses empty and over-long labels.
var domains = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(true), idna.VerifyDNSLength(true))

// NormalizeUsername returns the form of a username under which it is unique: trimmed, then the
// UsernameCaseMapped profile of RFC 8265 section 3.3, which folds case and width and refuses spaces,
// control characters and symbols outside ASCII. A username in the form of an e-mail address is
// normalised as one, so that the two can be compared.
func NormalizeUsername(name string) (string, error) {
	if len(name) > 4*maxUsername { // folding never shortens a name by that much
		return "", errors.New("username is too long")
	}
	if address, err := NormalizeEmail(name); err == nil && len(address) <= maxUsername {
		return address, nil
	}
	key, err := precis.UsernameCaseMapped.String(strings.TrimSpace(name))
	switch {
	case err != nil:
		return "", fmt.Errorf("username has a character that is not allowed: %w", err)
	case key == "":
		return "", errors.New("username is empty")
	case len(key) > maxUsername:
		return "", fmt.Errorf("username is longer than %d bytes", maxUsername)
	}
	if address, err := NormalizeEmail(key); err == nil { // a full-width @
		return address, nil
	}
	return key, nil
}

// NormalizeEmail returns the form of an e-mail address under which it is unique: lower case, the
// domain as A-labels (RFC 5890). Addresses with quotes, comments or domain literals are refused.
//
// Only ASCII letters of the local part are folded: other foldings map different mailboxes to one
// (the Kelvin sign to k), and a look-alike must never pass for a user's address.
func NormalizeEmail(address string) (string, error) {
	address = strings.TrimSpace(address)
	at := strings.LastIndexByte(address, '@')
	if at <= 0 || at > maxLocal || len(address) > maxEmail || !utf8.ValidString(address) {
		return "", errors.New("not an e-mail address")
	}
	local, domain := address[:at], address[at+1:]
	if !norm.NFC.IsNormalString(local) || strings.ContainsFunc(local, notInLocalPart) {
		return "", errors.New("e-mail address has a character that is not allowed")
	}
	domain, ok := canonicalDomain(domain)
	if !ok {
		return "", errors.New("e-mail address has no valid domain")
	}
	key := strings.Map(lowerASCII, local) + "@" + domain
	if len(key) > maxEmail {
		return "", errors.New("e-mail address is too long")
	}
	return key, nil
}

// canonicalDomain returns a domain as A-labels, in lower case. The second pass refuses what the first
// maps to something that is no domain.
func canonicalDomain(domain string) (string, bool) {
	ascii, err := domains.ToASCII(domain)
	if err != nil || strings.HasSuffix(ascii, ".") {
		return "", false
	}
	again, err := domains.ToASCII(ascii)
	return ascii, err == nil && again == ascii
}

// notInLocalPart tells which characters an unquoted local part can't have (RFC 5322 section 3.2.3,
// RFC 6531 section 3.3), nor those that can't be seen.
func notInLocalPart(r rune) bool {
	return r == ' ' || !unicode.IsPrint(r) || strings.ContainsRune(`"(),:;<>@[\]`, r)
}

func lowerASCII(r rune) rune {
	if 'A' <= r && r <= 'Z' {
		return r + 'a' - 'A'
	}
	return r
}
