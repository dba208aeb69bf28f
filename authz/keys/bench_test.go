package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// accessToken is the payload of a usual access token.
var accessToken = map[string]any{
	"iss": "https://id.example.com", "sub": "0197c0de-0000-7000-8000-000000000000",
	"aud": []string{"https://api.example.com"}, "exp": 1800000900, "iat": 1800000000,
	"client_id": "spa", "scope": "openid profile email orders.read",
	"jti": "0197c0de-0000-7000-8000-000000000001", "gid": "0197c0de-0000-7000-8000-000000000002",
	"roles": []string{"admin"},
}

// BenchmarkToken compares Sign and Verify with the bare operation of crypto/* on the same token:
//
//	go test -run '^$' -bench Token ./authz/keys
func BenchmarkToken(b *testing.B) {
	store, p := newStore(b), testPolicy()
	p.Algs = []jose.SignatureAlgorithm{jose.RS256, jose.ES256}
	r := openRing(b, store, p, time.Now)
	for _, alg := range p.Algs {
		token, err := r.Sign(alg, TypeAccessToken, accessToken)
		if err != nil {
			b.Fatal(err)
		}
		input := []byte(token[:strings.LastIndexByte(token, '.')])
		bareSign, bareVerify := bare(b, privateKey(b, store, alg).Key.(crypto.Signer), input)

		b.Run(string(alg)+"/sign/bare", func(b *testing.B) {
			for b.Loop() {
				bareSign()
			}
		})
		b.Run(string(alg)+"/sign/ring", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Sign(alg, TypeAccessToken, accessToken); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(string(alg)+"/verify/bare", func(b *testing.B) {
			for b.Loop() {
				if !bareVerify() {
					b.Fatal("bare signature does not verify")
				}
			}
		})
		verify := func(b *testing.B) {
			if _, err := r.Verify(token); err != nil {
				b.Fatal(err)
			}
		}
		b.Run(string(alg)+"/verify/ring", func(b *testing.B) {
			b.ReportAllocs()
			f := r.current.Load().forms[headerOf(token)]
			for b.Loop() {
				f.verified = memo{}
				verify(b)
			}
		})
		b.Run(string(alg)+"/verify/again", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				verify(b)
			}
		})
	}
}

// bare returns the least that signing and verifying input can cost.
func bare(b *testing.B, private crypto.Signer, input []byte) (sign func(), verify func() bool) {
	b.Helper()
	hash := func() []byte {
		sum := sha256.Sum256(input)
		return sum[:]
	}
	switch key := private.(type) {
	case *rsa.PrivateKey:
		key.Precompute()
		signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, hash())
		if err != nil {
			b.Fatal(err)
		}
		return func() { rsa.SignPKCS1v15(nil, key, crypto.SHA256, hash()) },
			func() bool { return rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, hash(), signature) == nil }
	case *ecdsa.PrivateKey:
		signature, err := ecdsa.SignASN1(rand.Reader, key, hash())
		if err != nil {
			b.Fatal(err)
		}
		return func() { ecdsa.SignASN1(rand.Reader, key, hash()) },
			func() bool { return ecdsa.VerifyASN1(&key.PublicKey, hash(), signature) }
	}
	b.Fatalf("no bare operation for %T", private)
	return nil, nil
}

// BenchmarkOpen is what the ring adds to a restart.
func BenchmarkOpen(b *testing.B) {
	store, p := newStore(b), testPolicy()
	p.Algs = supported
	openRing(b, store, p, time.Now)
	for b.Loop() {
		openRing(b, store, p, time.Now)
	}
}
