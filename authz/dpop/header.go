package dpop

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
	josejson "github.com/go-jose/go-jose/v4/json"
)

const (
	headerType = "dpop+jwt" // section 4.2
	minRSABits = 2048
	maxRSABits = 4096 // a longer key only makes its verification slow
)

var algorithms = []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA, jose.PS256, jose.RS256}

// Algorithms returns the signature algorithms of proofs, for dpop_signing_alg_values_supported and for
// challenges.
func Algorithms() []string {
	names := make([]string, len(algorithms))
	for i, alg := range algorithms {
		names[i] = string(alg)
	}
	return names
}

// parts decodes the three parts of a compact JWS. The decoding is strict and compares the length, because
// encoding/base64 ignores line ends and spare bits: each proof has only one spelling.
func parts(proof string) (decoded [3][]byte, ok bool) {
	if strings.Count(proof, ".") != 2 {
		return decoded, false
	}
	i := 0
	for part := range strings.SplitSeq(proof, ".") {
		b, err := base64.RawURLEncoding.Strict().DecodeString(part)
		if err != nil || len(b) == 0 || base64.RawURLEncoding.EncodedLen(len(b)) != len(part) {
			return decoded, false
		}
		decoded[i] = b
		i++
	}
	return decoded, true
}

// header is the JOSE header of a proof. Its kid and its certificates are ignored.
type header struct {
	Type      string                  `json:"typ"`
	Algorithm jose.SignatureAlgorithm `json:"alg"`
	JWK       josejson.RawMessage     `json:"jwk"`
	Critical  josejson.RawMessage     `json:"crit"`
	Unencoded josejson.RawMessage     `json:"b64"`

	key jose.JSONWebKey // JWK, parsed
}

// private are the members of a JWK that only its owner may know (RFC 7518 section 6). go-jose overlooks them
// if there is no "d".
type private struct {
	D   josejson.RawMessage `json:"d"`
	P   josejson.RawMessage `json:"p"`
	Q   josejson.RawMessage `json:"q"`
	DP  josejson.RawMessage `json:"dp"`
	DQ  josejson.RawMessage `json:"dq"`
	QI  josejson.RawMessage `json:"qi"`
	Oth josejson.RawMessage `json:"oth"`
	K   josejson.RawMessage `json:"k"` // of a symmetric key
}

func (p *private) any() bool {
	return slices.ContainsFunc([]josejson.RawMessage{p.D, p.P, p.Q, p.DP, p.DQ, p.QI, p.Oth, p.K},
		func(member josejson.RawMessage) bool { return member != nil })
}

// parseHeader does checks 4, 5 and 7 of section 4.3. It uses go-jose's decoder, which refuses a repeated
// member and doesn't take "ALG" for "alg".
func parseHeader(b []byte) (*header, error) {
	h := new(header)
	if err := josejson.Unmarshal(b, h); err != nil {
		return nil, &Error{"the proof's header is malformed"}
	}
	switch {
	case h.Type != headerType:
		return nil, &Error{"the proof's typ is not dpop+jwt"}
	case !slices.Contains(algorithms, h.Algorithm):
		return nil, &Error{"the proof's signature algorithm is not accepted"}
	case h.Critical != nil: // RFC 7515 section 4.1.11: no extension is supported
		return nil, &Error{"the proof has critical headers"}
	case h.Unencoded != nil: // RFC 7797, which is only valid with crit
		return nil, &Error{"the proof has an unencoded payload"}
	case h.JWK == nil:
		return nil, &Error{"the proof's header has no jwk"}
	}
	var secret private
	if err := josejson.Unmarshal(h.JWK, &secret); err != nil {
		return nil, &Error{"the proof's jwk is malformed"}
	}
	if secret.any() {
		return nil, &Error{"the proof's jwk is not a public key alone"}
	}
	if err := h.key.UnmarshalJSON(h.JWK); err != nil || !h.key.Valid() {
		return nil, &Error{"the proof's jwk is malformed"}
	}
	if !fits(h.Algorithm, h.key.Key) {
		return nil, &Error{"the proof's jwk does not fit its signature algorithm"}
	}
	return h, nil
}

// fits reports whether the algorithm accepts such a public key.
func fits(alg jose.SignatureAlgorithm, key any) bool {
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		return alg == jose.ES256 && key.Curve == elliptic.P256()
	case ed25519.PublicKey:
		return alg == jose.EdDSA && len(key) == ed25519.PublicKeySize
	case *rsa.PublicKey:
		bits := key.N.BitLen()
		return (alg == jose.PS256 || alg == jose.RS256) && bits >= minRSABits && bits <= maxRSABits
	}
	return false
}

// verify returns the payload that the key of the header has signed (check 6).
func (h *header) verify(proof string) ([]byte, error) {
	jws, err := jose.ParseSignedCompact(proof, []jose.SignatureAlgorithm{h.Algorithm})
	if err != nil {
		return nil, &Error{"the proof is not a signed JWT"}
	}
	payload, err := jws.Verify(h.key.Key)
	if err != nil {
		return nil, &Error{"the proof's signature is wrong"}
	}
	return payload, nil
}

func (h *header) thumbprint() (string, error) {
	b, err := h.key.Thumbprint(crypto.SHA256)
	if err != nil {
		return "", &Error{"the proof's jwk is malformed"}
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}
