// Package passkey keeps the passkeys of users, and checks what an authenticator answers (Web Authentication Level 3).
// It knows the store, and no page:
//
//	account page ─> BeginAdd    ─> options, ceremony ─> browser ─> answer ─> Add      add.go
//	sign-in page ─> BeginSignIn ─> options, ceremony ─> browser ─> answer ─> SignIn   signin.go
//	account page ─> Of, Rename, Remove; Signals for the person's password manager     list.go, signals.go
//
// The options are JSON for the page's script. The ceremony is sealed: it holds the challenge, what it is for, the
// browser and the user, and the page sends it back with the answer (ceremony.go). So a page that nobody answers costs
// no record. An answer that is accepted leaves a mark in the same Apply, so a challenge counts once over all replicas.
//
// A passkey is discoverable, and its user was verified by the device at each sign-in. So it is two factors. Each has
// the relying party id that it was made for: another id in the configuration never makes a key seem broken, and the
// account page says that the key belongs to another address.
package passkey

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
	"github.com/google/uuid"

	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/storage"
)

// MaxOfUser is how many passkeys a user can have.
const MaxOfUser = 20

// Config says for whom passkeys are, and which.
type Config struct {
	Store  storage.Store
	Sealer *keys.Sealer // seals ceremonies, in forms of our pages

	// Issuer is the URL of the issuer. Answers count only from its origin.
	Issuer *url.URL
	// RPID is the relying party id, a domain. Empty: the host of Issuer.
	RPID string
	// RPName is shown by the browser when a passkey is made.
	RPName string
	// Authenticators are the AAGUIDs of the models that may be added. Empty: all models.
	Authenticators []uuid.UUID
	// Roots are the makers' certificates. With them, a new key must prove its model by an attestation that leads
	// to one of them. nil: an authenticator is believed what it is.
	Roots *x509.CertPool

	// OtherWay reports whether a user can sign in without any passkey.
	OtherWay func(ctx context.Context, user *storage.User) (bool, error)
	// Changed returns writes that are made in the same Apply as a change of a user's passkeys. nil: no writes.
	Changed func(ctx context.Context, what Change, user *storage.User, key *Passkey) []storage.Write
}

// Change is what happened to a passkey.
type Change int

// The changes of passkeys.
const (
	Added Change = iota
	Renamed
	Removed
	Suspected    // its counter went back, and it may be copied to other devices: it was accepted
	FlagsChanged // the authenticator says something else than before about backups
)

// Passkeys are the passkeys of all users. It is safe for concurrent use.
type Passkeys struct {
	Config
	rp *webauthn.WebAuthn
}

// Passkey is one passkey of a user, as it was read.
type Passkey struct {
	ID     string // names it among the keys of its user; not a secret
	UserID string
	storage.Passkey
	Usable bool // it was made for the relying party id of today

	version uint64
}

// ErrNoDomain says that passkeys cannot be used at an issuer whose host is an IP address.
var ErrNoDomain = errors.New("passkeys need a domain, and the issuer's host is an IP address")

// New checks the configuration. The error is ErrNoDomain if the issuer can have no passkeys.
func New(c Config) (*Passkeys, error) {
	if c.RPID == "" {
		c.RPID = c.Issuer.Hostname()
		if _, err := netip.ParseAddr(c.RPID); err == nil {
			return nil, ErrNoDomain
		}
	}
	origin := c.Issuer.Scheme + "://" + c.Issuer.Host
	required := true
	config := &webauthn.Config{
		RPID: c.RPID, RPDisplayName: c.RPName, RPOrigins: []string{origin},
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, RequireResidentKey: &required,
			UserVerification: protocol.VerificationRequired,
		},
		AttestationPreference: protocol.PreferNoAttestation,
		// Password managers and drivers add outputs of extensions that nobody asked for. Nothing here reads them.
		ExtensionsUnsolicitedOutputPolicy: protocol.UnsolicitedOutputPolicyIgnore,
	}
	if made := (&Passkeys{Config: c}); made.Selects() {
		config.AttestationPreference = protocol.PreferDirectAttestation
	}
	rp, err := webauthn.New(config)
	if err != nil {
		return nil, fmt.Errorf("passkeys: %w", err)
	}
	return &Passkeys{Config: c, rp: rp}, nil
}

// Reason is why an answer was not accepted. It goes to the audit log.
type Reason string

// The reasons. Only those with a sentence of their own on a page are told apart there.
const (
	Malformed    Reason = "malformed"
	Expired      Reason = "expired"       // the challenge is too old, or no challenge of this server and secret
	Used         Reason = "used"          // the challenge was answered before
	OtherBrowser Reason = "other_browser" // the challenge was given to another browser, or for something else
	UnknownKey   Reason = "unknown_key"   // the user has no such key; it may have been removed
	OtherUser    Reason = "other_user"    // the key is not the one of the user who was asked
	NotVerified  Reason = "not_verified"  // by the device: the person's presence, PIN or fingerprint is missing
	BadAnswer    Reason = "bad_answer"    // signature, origin, relying party id or flags are wrong
	Copied       Reason = "copied"        // the counter of a key that cannot be copied went back
	Disabled     Reason = "disabled"      // the account
	NotPermitted Reason = "not_permitted" // the model is not in Config.Authenticators
	TooMany      Reason = "too_many"      // the user has MaxOfUser keys
	AlreadyAdded Reason = "already_added"
)

// Error says that an answer was not accepted.
type Error struct {
	Reason       Reason
	UserID       string // of the key's owner; empty: nobody's, or unknown
	CredentialID []byte // of an UnknownKey
	cause        error
}

func (e *Error) Error() string {
	if e.cause != nil {
		return fmt.Sprintf("passkey: %s: %v", e.Reason, e.cause)
	}
	return "passkey: " + string(e.Reason)
}

func (e *Error) Unwrap() error { return e.cause }

// refuse returns an Error. The library's own details are kept for the log.
func refuse(reason Reason, userID string, cause error) *Error {
	if detailed := new(protocol.Error); errors.As(cause, &detailed) {
		cause = fmt.Errorf("%s: %s", detailed.Details, detailed.DevInfo)
	}
	return &Error{Reason: reason, UserID: userID, cause: cause}
}

// person is a user as the library wants one, with the keys that count for the ceremony.
type person struct {
	user *storage.User
	keys []webauthn.Credential
}

func (p person) WebAuthnID() []byte                         { return []byte(p.user.ID) }
func (p person) WebAuthnName() string                       { return p.user.Username }
func (p person) WebAuthnCredentials() []webauthn.Credential { return p.keys }

func (p person) WebAuthnDisplayName() string {
	if p.user.Profile.Name != "" {
		return p.user.Profile.Name
	}
	return p.user.Username
}

// credential returns a record in the library's form.
func credential(r *storage.Passkey) webauthn.Credential {
	c := webauthn.Credential{ID: r.CredentialID, PublicKey: r.PublicKey}
	c.Flags.BackupEligible, c.Flags.BackupState, c.Flags.UserVerified = r.BackupEligible, r.BackedUp, true
	c.Authenticator.SignCount = r.SignCount
	if id, err := uuid.Parse(r.AAGUID); err == nil {
		c.Authenticator.AAGUID = id[:]
	}
	for _, transport := range r.Transports {
		c.Transport = append(c.Transport, protocol.AuthenticatorTransport(transport))
	}
	return c
}

// Selects reports whether only some models may be added. Then a browser cannot be left to make a key by itself.
func (p *Passkeys) Selects() bool { return len(p.Authenticators) > 0 || p.Roots != nil }

// permits reports whether a model may be added. Without a list, every model may.
func (p *Passkeys) permits(aaguid []byte) bool {
	if len(p.Authenticators) == 0 {
		return true
	}
	id, err := uuid.FromBytes(aaguid)
	return err == nil && slices.Contains(p.Authenticators, id)
}
