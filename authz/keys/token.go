package keys

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz/revocation"
)

// The typ header of the tokens that a ring signs.
const (
	TypeJWT         = "JWT"        // RFC 7519 section 5.1; ID tokens
	TypeAccessToken = "at+jwt"     // RFC 9068 section 2.1
	TypeLogoutToken = "logout+jwt" // OpenID Connect Back-Channel Logout 1.0 section 2.4

	TypeGate = "gate+jwt" // what a gate tells a site about its user; ours

	TypeIntrospection = "token-introspection+jwt" // RFC 9701 section 5
	TypeRevocations   = revocation.Type           // the documents of the revocation feed
)

// ErrInvalidToken says that the token is malformed, or that no key of the ring signed it.
var ErrInvalidToken = errors.New("invalid token")

// Verified is the content of a token with a valid signature of the ring. Its claims are not checked: the
// caller must check issuer, audience and expiry.
type Verified struct {
	Type    string // typ header
	Alg     string
	KeyID   string
	Payload []byte // JSON of the claims, as signed
}

// Sign returns a compact JWS (RFC 7515 section 3.1) of the JSON of claims, with kid and typ in its
// header. alg must be in use by the policy and typ one of the Type constants.
func (r *Ring) Sign(alg jose.SignatureAlgorithm, typ string, claims any) (string, error) {
	f := r.current.Load().form(formID{alg, typ}, r.now())
	if f == nil {
		return "", fmt.Errorf("no key signs %s tokens with %s", typ, alg)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encode claims: %w", err)
	}
	r.signers <- struct{}{}
	defer func() { <-r.signers }()
	return f.sign(payload)
}

// Verify checks the signature of a compact JWS with the ring's keys, including retired ones. Its header must
// be, character for character, one of the few that the ring uses, which excludes another alg, kid, jwk, x5c,
// b64 or crit. Its payload and signature must be in canonical base64url. The error is ErrInvalidToken, unless
// the store failed during the search for an unknown header.
func (r *Ring) Verify(token string) (*Verified, error) {
	header, rest, _ := strings.Cut(token, ".")
	payloadText, signatureText, _ := strings.Cut(rest, ".")
	payload, ok := decodeCanonical(payloadText)
	if !ok {
		return nil, fmt.Errorf("%w: malformed payload", ErrInvalidToken)
	}
	signature, ok := decodeCanonical(signatureText)
	if !ok {
		return nil, fmt.Errorf("%w: malformed signature", ErrInvalidToken)
	}
	f, err := r.find(header)
	if err != nil {
		return nil, err
	}
	if f == nil {
		return nil, fmt.Errorf("%w: unknown key or header", ErrInvalidToken)
	}
	if d := digest(sha256.Sum256([]byte(token))); !f.verified.has(d) {
		if err := f.verify(payload, signature); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrInvalidToken, err)
		}
		f.verified.add(d)
	}
	return &Verified{Type: f.typ, Alg: f.public.Algorithm, KeyID: f.public.KeyID, Payload: payload}, nil
}

// form is one key with one typ, and so one JWS header, prepared for signing and verifying.
type form struct {
	typ      string
	public   *jose.JSONWebKey
	signer   jose.Signer
	header   string         // as it is in a token
	parsed   jose.Signature // the header as parsed by go-jose, so that Verify need not parse it again
	verified memo
}

// newForm signs a sample to learn the header, and verifies it, so that a key that can't do both is found now
// and not by a user.
func newForm(alg jose.SignatureAlgorithm, typ string, private, public *jose.JSONWebKey) (*form, error) {
	opts := (&jose.SignerOptions{}).WithType(jose.ContentType(typ))
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: private}, opts)
	if err != nil {
		return nil, fmt.Errorf("make %s signer: %w", alg, err)
	}
	f := &form{typ: typ, public: public, signer: signer}
	sample, err := f.sign([]byte("{}"))
	if err != nil {
		return nil, err
	}
	jws, err := jose.ParseSignedCompact(sample, []jose.SignatureAlgorithm{alg})
	if err != nil {
		return nil, fmt.Errorf("parse sample token: %w", err)
	}
	if _, err := jws.Verify(public); err != nil {
		return nil, fmt.Errorf("verify sample token: %w", err)
	}
	f.header, _, _ = strings.Cut(sample, ".")
	f.parsed = jws.Signatures[0]
	return f, nil
}

func (f *form) sign(payload []byte) (string, error) {
	jws, err := f.signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return jws.CompactSerialize()
}

func (f *form) verify(payload, signature []byte) error {
	signed := f.parsed
	signed.Signature = signature
	jws := jose.JSONWebSignature{Signatures: []jose.Signature{signed}}
	return jws.DetachedVerify(payload, f.public)
}

// decodeCanonical decodes base64url in its only valid spelling. encoding/base64 ignores line ends and, unless
// it is strict, the unused bits of the last character.
func decodeCanonical(text string) ([]byte, bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return b, err == nil && base64.RawURLEncoding.EncodedLen(len(b)) == len(text)
}
