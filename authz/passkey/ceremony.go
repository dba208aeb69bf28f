package passkey

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/authzd/authzd/storage"
)

const (
	// askFor is how long a browser lets a person try, before its dialogue gives up. The page has other ways.
	askFor = 2 * time.Minute

	// Lifetime is how long an answer to a challenge is accepted. A sign-in page waits in a tab, and its
	// browser may offer a passkey at any time.
	Lifetime = time.Hour

	// margin is how much longer a mark is kept than its challenge is valid: clocks of replicas differ.
	margin = 10 * time.Second

	maxAnswer   = 16 << 10 // bytes of JSON
	maxCeremony = 4 << 10  // bytes, sealed
)

// purpose is what a challenge is for.
type purpose string

const (
	toSignIn purpose = "sign in"
	toAdd    purpose = "add"
)

// ceremony is a challenge with all that its answer is checked against.
type ceremony struct {
	Purpose   purpose   `json:"p"`
	Challenge string    `json:"c"`           // base64url
	Browser   string    `json:"b"`           // that got it
	RPID      string    `json:"r"`           // of that time
	UserID    string    `json:"u,omitempty"` // empty: the owner of the key that answers signs in
	Session   string    `json:"s,omitempty"` // sid of the session that adds a key
	Silent    bool      `json:"m,omitempty"` // the browser may add the key without asking
	Begun     time.Time `json:"t"`
}

// seal returns the ceremony for a form.
func (p *Passkeys) seal(c ceremony) string {
	plain, _ := json.Marshal(c) // plain data always encodes
	return base64.RawURLEncoding.EncodeToString(p.Sealer.Seal(plain, nil))
}

// open returns a sealed ceremony, if it is for this purpose and browser and still valid.
func (p *Passkeys) open(sealed string, want purpose, browser string) (c ceremony, err error) {
	if len(sealed) > maxCeremony {
		return c, refuse(Malformed, "", errors.New("the ceremony is too long"))
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil {
		return c, refuse(Malformed, "", err)
	}
	plain, err := p.Sealer.Open(raw, nil)
	if err != nil {
		return c, refuse(Expired, "", err)
	}
	if err := json.Unmarshal(plain, &c); err != nil {
		return c, refuse(Malformed, "", err)
	}
	switch {
	case c.Purpose != want || c.Browser != browser:
		return c, refuse(OtherBrowser, c.UserID, nil)
	case time.Since(c.Begun) > Lifetime, c.RPID != p.RPID: // the configuration has changed meanwhile
		return c, refuse(Expired, c.UserID, nil)
	}
	return c, nil
}

// mark is the key of the mark that the challenge was answered.
func (c ceremony) mark() string {
	sum := sha256.Sum256([]byte(c.Challenge))
	return "passkey/" + base64.RawURLEncoding.EncodeToString(sum[:])
}

// once is the write that sets the mark. It conflicts if another request was faster.
func (c ceremony) once() storage.Write {
	return storage.Marks.Put(c.mark(), &storage.Mark{}, storage.Absent, c.Begun.Add(Lifetime+margin))
}

// checkUnused returns an error if the challenge was answered before.
func (p *Passkeys) checkUnused(ctx context.Context, c ceremony) error {
	_, _, err := storage.Marks.Get(ctx, p.Store, c.mark())
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return nil
	case err == nil:
		return refuse(Used, c.UserID, nil)
	}
	return err
}

// expected returns what the library checks an answer against.
func (c ceremony) expected(owner string) webauthn.SessionData {
	s := webauthn.SessionData{
		Challenge: c.Challenge, RelyingPartyID: c.RPID, UserID: []byte(owner),
		UserVerification: protocol.VerificationRequired, CredParams: webauthn.CredentialParametersDefault(),
	}
	if c.Silent {
		s.Mediation, s.UserVerification = protocol.MediationConditional, protocol.VerificationPreferred
	}
	return s
}
