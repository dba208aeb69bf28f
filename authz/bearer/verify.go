package bearer

import (
	"context"
	"errors"
	"strings"
	"time"
)

// maxToken is the longest accepted token, in bytes. net/http's own limit is higher.
const maxToken = 16 << 10

// ErrUnavailable says that a token can't be checked now: the issuer's keys could not be fetched, and no stored
// key fits, or the issuer does not answer an introspection. The token may be good; the caller should try again
// later.
var ErrUnavailable = errors.New("the issuer is not available")

// unavailable is an ErrUnavailable that says when to try again.
type unavailable struct {
	cause error
	after time.Duration
}

func (e *unavailable) Error() string   { return ErrUnavailable.Error() + ": " + e.cause.Error() }
func (e *unavailable) Unwrap() []error { return []error{ErrUnavailable, e.cause} }

// TokenError is the reason why a token is refused. The text may be shown to the sender: it contains nothing
// of the token.
type TokenError struct{ Reason string }

func (e *TokenError) Error() string { return "invalid token: " + e.Reason }

// Verify checks a JWT access token (RFC 9068 section 4), or an opaque one with Introspection, and returns its
// principal. It refuses a token that is
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
	if a := v.introspecting(token); a != nil {
		return a.asks.principal(ctx, token)
	}
	if v.cache != nil {
		return v.cache.verify(ctx, v, token)
	}
	t, err := v.verifyJWT(ctx, token)
	if err != nil {
		return nil, err
	}
	if err := t.authority.honours(t.principal); err != nil {
		return nil, err
	}
	return t.principal, nil
}

// verifyJWT checks a JWT, except for its sender and the feed.
func (v *Verifier) verifyJWT(ctx context.Context, token string) (*verified, error) {
	if err := checkForm(token); err != nil {
		return nil, err
	}
	a, err := v.authorityOf(token)
	if err != nil {
		return nil, err
	}
	return a.verify(ctx, token)
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
