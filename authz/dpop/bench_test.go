package dpop

import (
	"bytes"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

func BenchmarkVerify(b *testing.B) {
	c := goodClaims()
	for name, proof := range map[string]string{
		"ES256": proof(goodHeader(), c),
		"EdDSA": joseProof(jose.EdDSA, edKey(), c),
		"RS256": joseProof(jose.RS256, rsaKey(), c),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Verify(proof, here()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRefuse is what the costliest forgery costs, and a cheap one.
func BenchmarkRefuse(b *testing.B) {
	h, c := goodHeader(), goodClaims()
	for name, proof := range map[string]string{
		"forged":  es256(otherKey(), asJSON(h), asJSON(c)),
		"garbage": string(bytes.Repeat([]byte("A"), maxProof)),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Verify(proof, here()); err == nil {
					b.Fatal("accepted")
				}
			}
		})
	}
}

func BenchmarkNonceValid(b *testing.B) {
	n := must(NewNonces(bytes.Repeat([]byte{1}, 32)))
	nonce := n.Current()
	b.ReportAllocs()
	for b.Loop() {
		if !n.Valid(nonce) {
			b.Fatal("not valid")
		}
	}
}
