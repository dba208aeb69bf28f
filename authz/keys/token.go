package keys

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// The typ header of the tokens that a ring signs.
const (
	TypeJWT         = "JWT"    // RFC 7519 section 5.1; ID tokens
	TypeAccessToken = "at+jwt" // RFC 9068 section 2.1
)

// ErrInvalidToken: the token is malformed, or no key of the ring signed it.
var ErrInvalidToken = errors.New("invalid token")

// Verified is what a token says whose signature is the ring's. Nothing of its claims has been
// looked at: issuer, audience and expiry are the caller's to check.
type Verified struct {
	Type    string // typ header
	Alg     string
	KeyID   string
	Payload []byte // JSON of the claims, as signed
}

// Sign returns a compact JWS (RFC 7515 section 3.1) of the JSON of claims, with kid and typ in its
// header. alg must be in use by the policy and typ one of the Type constants.
func (r *Ring) Sign(alg jose.SignatureAlgorithm, typ string, claims any) (string, error) {
	signer := r.current.Load().signer(signerID{alg, typ}, r.now())
	if signer == nil {
		return "", fmt.Errorf("no key signs %s tokens with %s", typ, alg)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encode claims: %w", err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return jws.CompactSerialize()
}

// Verify checks the signature of a compact JWS against the ring's keys, retired ones included. A
// token with any character changed is refused, even one that doesn't change what the token decodes
// to. The error is ErrInvalidToken, unless the store failed while an unknown key was looked for.
func (r *Ring) Verify(token string) (*Verified, error) {
	if !canonical(token) {
		return nil, fmt.Errorf("%w: not a canonical compact JWS", ErrInvalidToken)
	}
	jws, err := jose.ParseSignedCompact(token, supported)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidToken, err)
	}
	header := jws.Signatures[0].Protected
	typ, _ := header.ExtraHeaders[jose.HeaderType].(string)
	if typ == "" || len(header.ExtraHeaders) != 1 || header.JSONWebKey != nil || header.Nonce != "" {
		return nil, fmt.Errorf("%w: its header is not one of ours", ErrInvalidToken) // crit, b64, jwk, …
	}
	public, err := r.find(header.KeyID)
	if err != nil {
		return nil, err
	}
	if public == nil {
		return nil, fmt.Errorf("%w: unknown key id", ErrInvalidToken)
	}
	if header.Algorithm != public.Algorithm {
		return nil, fmt.Errorf("%w: its algorithm is not the key's", ErrInvalidToken)
	}
	payload, err := jws.Verify(public)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidToken, err)
	}
	return &Verified{Type: typ, Alg: header.Algorithm, KeyID: header.KeyID, Payload: payload}, nil
}

// canonical tells whether a token is three parts of base64url, each the only text of its bytes.
// The decoder of encoding/base64 ignores line ends and the unused bits of a final character.
func canonical(token string) bool {
	parts := 0
	for part := range strings.SplitSeq(token, ".") {
		if !canonicalBase64URL(part) {
			return false
		}
		parts++
	}
	return parts == 3
}

func canonicalBase64URL(s string) bool {
	for i := range len(s) {
		if sextet(s[i]) < 0 {
			return false
		}
	}
	switch len(s) % 4 {
	case 2: // 12 bits for one byte
		return sextet(s[len(s)-1])&0b1111 == 0
	case 3: // 18 bits for two bytes
		return sextet(s[len(s)-1])&0b11 == 0
	default:
		return len(s) > 0 && len(s)%4 == 0
	}
}

// sextet is the value of a base64url character (RFC 4648 section 5), or -1.
func sextet(c byte) int {
	switch {
	case 'A' <= c && c <= 'Z':
		return int(c - 'A')
	case 'a' <= c && c <= 'z':
		return int(c-'a') + 26
	case '0' <= c && c <= '9':
		return int(c-'0') + 52
	case c == '-':
		return 62
	case c == '_':
		return 63
	default:
		return -1
	}
}
