package mail

import (
	"errors"
	netmail "net/mail"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// ErrAddress says that something is no address that mail can be sent to.
var ErrAddress = errors.New("not an address that mail can be sent to")

// ParseAddress returns an address as it is sent to, with its domain in ASCII (RFC 5891). The error is ErrAddress if it
// is anything but a plain address of at most 254 bytes, as in SMTP commands: nothing in it can end a line or a header.
func ParseAddress(s string) (string, error) {
	const most = 254 // bytes: RFC 5321 section 4.5.3.1.3, without the angle brackets
	if len(s) > most || !utf8.ValidString(s) || strings.ContainsFunc(s, unfit) {
		return "", ErrAddress
	}
	parsed, err := netmail.ParseAddress("<" + s + ">")
	if err != nil || parsed.Address != s {
		return "", ErrAddress
	}
	at := strings.LastIndexByte(s, '@')
	domain, err := idna.Lookup.ToASCII(s[at+1:])
	if err != nil || domain == "" {
		return "", ErrAddress
	}
	return s[:at+1] + domain, nil
}

// unfit reports whether a rune has no place in an address: what is not printed, and what quotes or delimits.
func unfit(r rune) bool {
	return !unicode.IsGraphic(r) || unicode.IsSpace(r) || strings.ContainsRune(`<>"(),;:\[]`, r)
}

// maxValue bounds, in runes, a text that a person has chosen.
const maxValue = 100

// clean returns a text that a person has chosen, as it may stand in a mail: one line, without controls, marks that
// change the direction of text, and other characters that are not seen.
func clean(s string) string {
	var b strings.Builder
	n, space := 0, false
	for _, r := range s {
		if unicode.IsSpace(r) || unicode.In(r, unicode.Zl, unicode.Zp) {
			space = n > 0
			continue
		}
		if !unicode.IsGraphic(r) || r == utf8.RuneError {
			continue
		}
		if n == maxValue {
			b.WriteRune('…')
			break
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		b.WriteRune(r)
		n++
	}
	return b.String()
}
