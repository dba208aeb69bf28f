package interaction

import (
	"crypto/rand"
	"strings"
	"unicode"
)

// userCodeLetters make no words and are not mistaken for one another (RFC 8628 section 6.1): eight of
// them are 34 bits.
const userCodeLetters = "BCDFGHJKLMNPQRSTVWXZ"

const (
	userCodeLength = 8
	maxUserCode    = 64 // bytes of what a person types
)

// newUserCode returns a code as a device shows it: XXXX-XXXX.
func newUserCode() string {
	code := make([]byte, 0, userCodeLength+1)
	for len(code) < userCodeLength+1 {
		if len(code) == userCodeLength/2 {
			code = append(code, '-')
		}
		code = append(code, randomLetter())
	}
	return string(code)
}

// randomLetter draws until a byte falls below a multiple of the letters, so that all are as likely.
func randomLetter() byte {
	const fair = 256 - 256%len(userCodeLetters)
	var b [1]byte
	for {
		rand.Read(b[:]) // never fails
		if int(b[0]) < fair {
			return userCodeLetters[int(b[0])%len(userCodeLetters)]
		}
	}
}

// normalUserCode is a code as it is stored, from whatever a person has typed for it: case, blanks and
// punctuation make no difference. ok is false for what can't be a code.
func normalUserCode(typed string) (code string, ok bool) {
	if len(typed) > maxUserCode {
		return "", false
	}
	var b strings.Builder
	for _, r := range typed {
		switch {
		case unicode.IsSpace(r), unicode.IsPunct(r):
		case r < unicode.MaxASCII && strings.ContainsRune(userCodeLetters, unicode.ToUpper(r)):
			b.WriteRune(unicode.ToUpper(r))
		default:
			return "", false
		}
	}
	return b.String(), b.Len() == userCodeLength
}
