// Package dpop checks the proofs by which a client shows that it holds the key that its tokens are bound to
// (RFC 9449): at the authorization server, and at every API.
//
//	request -> FromHeader: one DPoP header, or none
//	              |  Verify: form -> header (typ, alg, jwk) -> signature by that jwk
//	              |             -> claims (jti, htm, htu, nonce or iat, ath)
//	              v
//	            Proof: Thumbprint  what a token must be bound to, or becomes bound to
//	                   ReplayKey   to be remembered until ReplayUntil: a proof counts once
//
// The caller does the rest, which needs its state: whether the proof was used before, and which key the token
// is bound to.
package dpop

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"time"
)

const (
	// MaxAge is how old a proof may be. A client makes one for each request, so this tolerates a slow clock,
	// by as much as Kerberos does. A proof still counts only once.
	MaxAge = 5 * time.Minute

	// MaxAhead is how far in the future a proof may have been made: by FAPI 2.0 Security Profile
	// section 5.3.2.1, 10 seconds must and more than 60 seconds must not be accepted.
	MaxAhead = time.Minute
)

// replayMargin is how much longer a proof is remembered than it is valid. Some time passes between the check
// and the look-up of used proofs, and the clocks of replicas differ: one may have forgotten a proof that
// another still accepts.
const replayMargin = 10 * time.Second

const (
	maxProof = 8 << 10 // bytes: an RSA key of 4096 bits, its signature and a long htu fit well
	maxJTI   = 256     // bytes
	maxURI   = 4 << 10 // bytes
)

// Error is the reason why a proof is refused. The text may be shown to the sender: it contains nothing of the
// proof.
type Error struct{ Reason string }

func (e *Error) Error() string { return "invalid DPoP proof: " + e.Reason }

// ErrNonce says that the proof has no valid nonce of the server. The client may try again with Nonces.Current
// (use_dpop_nonce, section 8).
var ErrNonce = errors.New("the DPoP proof needs a nonce of the server")

// Request is what a proof must have been made for.
type Request struct {
	Method string // compared exactly, as methods are
	URL    string // absolute http or https URL, as clients see it; its query and fragment are ignored
	Alias  string // another URL of the same endpoint (RFC 8705 section 5); empty: there is none

	// AccessToken is the token that comes with the proof, at a resource. Empty: there is none, and no ath is
	// required, as at the token endpoint.
	AccessToken string

	// Nonces are those of the server; the proof must have one. nil: no nonce is required. A nonce shows when
	// the proof was made, so the client's clock no longer matters (section 11.1): iat, exp and nbf may be
	// hours off.
	Nonces *Nonces
}

// Proof is a valid proof for the request, by the key that Thumbprint names.
type Proof struct {
	Thumbprint string    // jkt: RFC 7638 SHA-256 thumbprint of the key, base64url
	ID         string    // jti
	IssuedAt   time.Time // iat
	Nonce      string    // empty: none
	Algorithm  string    // alg

	uri   string    // htu, normalised
	until time.Time // the end of its validity
}

// ReplayKey identifies the proof among all others: by its key, so that nobody can use up another's jti, and
// its target (section 11.1). It is always 43 characters of base64url.
func (p *Proof) ReplayKey() string {
	h := sha256.New()
	for _, s := range []string{p.Thumbprint, p.uri, p.ID} { // the first two can hold no NUL
		h.Write([]byte(s))
		h.Write([]byte{0})
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// ReplayUntil returns until when the proof's ReplayKey must be remembered, about five minutes from now: a
// little longer than the proof is valid.
func (p *Proof) ReplayUntil() time.Time { return p.until.Add(replayMargin) }

// FromHeader returns the unverified proof of a request, or "" if there is none. If there is more than one
// header, the error is an *Error.
func FromHeader(h http.Header) (string, error) {
	switch values := h["Dpop"]; {
	case len(values) == 0:
		return "", nil
	case len(values) > 1: // section 4.3, check 1
		return "", &Error{"there is more than one DPoP header"}
	case values[0] == "":
		return "", &Error{"the DPoP header is empty"}
	default:
		return values[0], nil
	}
}

// Verify checks a proof against its request, by section 4.3. It fails without a proof. The error is ErrNonce
// or an *Error.
func Verify(proof string, want Request) (*Proof, error) {
	switch {
	case proof == "":
		return nil, &Error{"the request has no DPoP header"}
	case len(proof) > maxProof:
		return nil, &Error{"the proof is too long"}
	}
	encoded, ok := parts(proof)
	if !ok {
		return nil, &Error{"the proof is not a signed JWT"}
	}
	h, err := parseHeader(encoded[0])
	if err != nil {
		return nil, err
	}
	payload, err := h.verify(proof)
	if err != nil {
		return nil, err
	}
	c, err := parseClaims(payload)
	if err != nil {
		return nil, err
	}
	p := &Proof{ID: c.ID, IssuedAt: c.IssuedAt.Time, Nonce: c.Nonce, Algorithm: string(h.Algorithm)}
	if p.uri, err = c.checkRequest(want); err != nil {
		return nil, err
	}
	if p.until, err = c.checkTime(want.Nonces, time.Now()); err != nil {
		return nil, err
	}
	if err := c.checkToken(want.AccessToken); err != nil {
		return nil, err
	}
	p.Thumbprint, err = h.thumbprint()
	return p, err
}
