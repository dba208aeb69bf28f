package interaction

import (
	"crypto/rand"
	"strings"
	"unicode"
)

// userCodeLetters form no words and do not look alike (RFC 8628 section 6.1). Eight of them have 34 bits.
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

// randomLetter returns a random letter. It drops bytes above a multiple of the number of letters, so that all
// letters are equally likely.
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

// normalUserCode returns a code as it is stored, from the text that a person has typed: it ignores case, blanks
// and punctuation. ok is false if the text can't be a code.
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
