package bearer

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// maxToken is the longest accepted token, in bytes. net/http's own limit is higher.
const maxToken = 16 << 10

// ErrUnavailable says that the issuer's keys could not be fetched, and no stored key fits. The token may be
// good; the caller should try again later.
var ErrUnavailable = errors.New("the issuer's keys are not available")

// TokenError is the reason why a token is refused. The text may be shown to the sender: it contains nothing
// of the token.
type TokenError struct{ Reason string }

func (e *TokenError) Error() string { return "invalid token: " + e.Reason }

// Verify checks a JWT access token (RFC 9068 section 4) and returns its principal. It refuses a token that is
// bound to a key, because the token alone does not prove its sender; Protect accepts those. The error is a
// *TokenError, or wraps ErrUnavailable.
func (v *Verifier) Verify(ctx context.Context, token string) (*Principal, error) {
	p, err := v.verify(ctx, token)
	if err == nil && p.bound() {
		return nil, &TokenError{"the token is bound to a key"}
	}
	return p, err
}

// verify is Verify, but leaves the check of the sender to the caller.
func (v *Verifier) verify(ctx context.Context, token string) (*Principal, error) {
	if err := checkForm(token); err != nil {
		return nil, err
	}
	jws, err := jose.ParseSignedCompact(token, v.algorithms)
	if alg := (*jose.ErrUnexpectedSignatureAlgorithm)(nil); errors.As(err, &alg) {
		return nil, &TokenError{"the token's signature algorithm is not accepted"}
	} else if err != nil {
		return nil, &TokenError{"the token is not a signed JWT"}
	}
	header := jws.Signatures[0].Protected
	if err := v.checkHeader(header); err != nil {
		return nil, err
	}

	key, err := v.keys.find(ctx, header.KeyID, header.Algorithm)
	if err != nil {
		return nil, err
	}
	payload, err := jws.Verify(key)
	if err != nil {
		return nil, &TokenError{"the token's signature is wrong"}
	}

	c, err := parseClaims(payload)
	if err != nil {
		return nil, err
	}
	if err := v.checkClaims(c, time.Now()); err != nil {
		return nil, err
	}
	return c.principal(payload)
}

// checkForm accepts three parts of canonical base64url. Decoders ignore the spare bits of the last character.
// With them a token could be changed without breaking its signature: it would have many spellings, and a list
// of revoked tokens only one of them.
func checkForm(token string) error {
	if len(token) > maxToken {
		return &TokenError{"the token is too long"}
	}
	if strings.Count(token, ".") != 2 {
		return &TokenError{"the token is not a signed JWT"}
	}
	for part := range strings.SplitSeq(token, ".") {
		if !canonicalBase64URL(part) {
			return &TokenError{"the token is not a signed JWT"}
		}
	}
	return nil
}

const base64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// base64Value maps a character to its six bits, or to 0xff.
var base64Value = func() (values [256]byte) {
	for i := range values {
		values[i] = 0xff
	}
	for i, c := range []byte(base64URL) {
		values[c] = byte(i)
	}
	return values
}()

func canonicalBase64URL(s string) bool {
	for i := range len(s) {
		if base64Value[s[i]] == 0xff {
			return false
		}
	}
	switch len(s) % 4 {
	case 1:
		return false
	case 2: // 12 bits hold one byte and 4 spare bits
		return base64Value[s[len(s)-1]]&0x0f == 0
	case 3: // 18 bits hold two bytes and 2 spare bits
		return base64Value[s[len(s)-1]]&0x03 == 0
	}
	return len(s) > 0
}

// checkHeader checks the rest of the header after the algorithm. It ignores keys that the token brings (jwk,
// jku, x5c, x5u): a token can't vouch for itself.
func (v *Verifier) checkHeader(h jose.Header) error {
	if _, ok := h.ExtraHeaders["crit"]; ok { // RFC 7515 section 4.1.11: we understand no extension
		return &TokenError{"the token has critical headers"}
	}
	if _, ok := h.ExtraHeaders["b64"]; ok { // RFC 7797, which is only valid with crit
		return &TokenError{"the token has an unencoded payload"}
	}
	if typ, _ := h.ExtraHeaders[jose.HeaderType].(string); !v.types[mediaType(typ)] {
		return &TokenError{"the token is not an access token of an accepted type"}
	}
	if h.KeyID == "" {
		return &TokenError{"the token names no key"}
	}
	return nil
}

// mediaType returns the typ header in the compared form: lower case, and without "application/", which RFC
// 7515 section 4.1.9 lets an issuer leave out.
func mediaType(typ string) string {
	return strings.TrimPrefix(strings.ToLower(typ), "application/")
}

// checkClaims follows RFC 9068 sections 2.2 and 4.
func (v *Verifier) checkClaims(c *claims, now time.Time) error {
	switch {
	case c.Issuer != v.issuer:
		return &TokenError{"the token is from another issuer"}
	case len(c.Audience) == 0:
		return &TokenError{"the token has no audience"}
	case v.audience != "" && !slices.Contains(c.Audience, v.audience):
		return &TokenError{"the token is for another audience"}
	case c.Expires.IsZero():
		return &TokenError{"the token has no expiry time"}
	case !now.Before(c.Expires.Add(v.leeway)):
		return &TokenError{"the token has expired"}
	case c.IssuedAt.IsZero():
		return &TokenError{"the token has no time of issue"}
	case now.Add(v.leeway).Before(c.IssuedAt.Time):
		return &TokenError{"the token is from the future"}
	case now.Add(v.leeway).Before(c.NotBefore.Time):
		return &TokenError{"the token is not valid yet"}
	case c.Subject == "":
		return &TokenError{"the token has no subject"}
	case c.ClientID == "":
		return &TokenError{"the token has no client_id"}
	case c.ID == "":
		return &TokenError{"the token has no jti"}
	case c.notAccess():
		return &TokenError{"the token is not an access token"}
	case c.Confirmation != nil && c.Confirmation.JKT == "" && c.Confirmation.X5T == "":
		return &TokenError{"the token is bound to a key in a way that is not known here"}
	}
	return nil
}
