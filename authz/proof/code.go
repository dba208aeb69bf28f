package proof

import (
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"math/big"

	"github.com/authzd/authzd/authz/typed"
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

// digits returns the ASCII digits of a code. If it has anything else but spaces and dashes, it is wrong.
func digits(code string) string { return typed.Digits(code, CodeDigits) }
