package dpop

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"
)

// Nothing is ever accepted that the key inside did not sign.
func FuzzVerify(f *testing.F) {
	for _, proofs := range hostile() {
		for _, proof := range proofs {
			if len(proof) <= maxProof {
				f.Add(proof)
			}
		}
	}
	f.Add(proof(goodHeader(), goodClaims()))
	f.Fuzz(func(t *testing.T, proof string) {
		p, err := Verify(proof, here())
		if invalid := (*Error)(nil); err != nil && (p != nil || !errors.As(err, &invalid)) {
			t.Errorf("%q: %v, error %v", proof, p, err)
		}
		if err == nil && !signed(proof) {
			t.Errorf("%q is accepted", proof)
		}
	})
}

// signed checks an ES256 proof with the standard library alone.
func signed(proof string) bool {
	part := strings.Split(proof, ".")
	var h struct {
		JWK struct{ X, Y string }
	}
	if err := json.Unmarshal(decode(part[0]), &h); err != nil {
		return false
	}
	key := must(ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, decode(h.JWK.X), decode(h.JWK.Y))))
	digest, signature := sha256.Sum256([]byte(part[0]+"."+part[1])), decode(part[2])
	r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
	return ecdsa.Verify(key, digest[:], r, s)
}

func decode(text string) []byte { return must(base64.RawURLEncoding.DecodeString(text)) }

func FuzzParseHeader(f *testing.F) {
	for _, key := range []object{jwk(ecKey().Public()), jwk(ecKey()), jwk(rsaKey().Public()), jwk(edKey().Public()), hugeJWK(8192)} {
		for _, alg := range Algorithms() {
			f.Add([]byte(asJSON(goodHeader().with("alg", alg).with("jwk", key))))
		}
	}
	f.Add([]byte(`{"typ":"dpop+jwt","alg":"ES256","jwk":{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := parseHeader(b)
		if err != nil {
			return
		}
		if !h.key.IsPublic() || !fits(h.Algorithm, h.key.Key) {
			t.Errorf("%q is accepted", b)
		}
		if thumbprint, err := h.thumbprint(); err != nil || len(thumbprint) != 43 {
			t.Errorf("%q: thumbprint %q, %v", b, thumbprint, err)
		}
	})
}

func FuzzNormalURI(f *testing.F) {
	for _, uri := range []string{testURL, "HTTPS://H:443/%7e/%2f?x#y", "http://[::1]:80//a/../b/.", "https://h/%2e%2e/..", "https://h::443/", "https://é/é", "https://h/%2525"} {
		f.Add(uri)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		normal, err := normalURI(uri)
		if err != nil {
			return
		}
		if again, err := normalURI(normal); err != nil || again != normal {
			t.Errorf("%q: %q, then %q, %v", uri, normal, again, err)
		}
		if strings.ContainsAny(normal, "?# \x00\\") {
			t.Errorf("%q: %q", uri, normal)
		}
	})
}
