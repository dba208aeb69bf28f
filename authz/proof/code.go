package proof

import (
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"math/big"
	"strings"
	"unicode"
)

func (p *Proofs) isCode(id, code string, stored []byte) bool {
	for _, mac := range p.c.MAC(codeMessage(id, code)) {
		if subtle.ConstantTimeCompare(mac[:], stored) == 1 {
			return true
		}
	}
	return false
}

func codeMessage(id, code string) []byte { return []byte("code " + id + " " + code) }

func newCode() string {
	n, _ := rand.Int(rand.Reader, big.NewInt(100_000_000)) // never fails
	return fmt.Sprintf("%0*d", CodeDigits, n)
}

// digits returns the ASCII digits of a code. It takes those of all scripts, and leaves out spaces and dashes. If there
// is anything else, the code is wrong.
func digits(typed string) string {
	var code strings.Builder
	for _, r := range typed {
		switch {
		case unicode.IsSpace(r) || unicode.Is(unicode.Dash, r) || unicode.Is(unicode.Cf, r):
		case unicode.IsDigit(r):
			code.WriteByte('0' + digitValue(r))
		default:
			return ""
		}
		if code.Len() > CodeDigits {
			return ""
		}
	}
	return code.String()
}

// digitValue returns the value of a decimal digit: in Unicode, the digits of a script follow one another.
func digitValue(r rune) byte {
	for _, t := range unicode.Nd.R16 {
		if rune(t.Lo) <= r && r <= rune(t.Hi) {
			return byte((r - rune(t.Lo)) % 10)
		}
	}
	for _, t := range unicode.Nd.R32 {
		if rune(t.Lo) <= r && r <= rune(t.Hi) {
			return byte((r - rune(t.Lo)) % 10)
		}
	}
	return 0
}
