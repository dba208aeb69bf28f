package passkey

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
	"github.com/google/uuid"

	"github.com/authzd/authzd/authz/typed"
	"github.com/authzd/authzd/storage"
)

// By is the session in which a key is added. Both must be the same for the offer and for the answer.
type By struct {
	Browser string
	Session string // sid
	Device  string // names the key if its authenticator has no name, such as iPhone; may be empty
}

// BeginAdd returns an offer to add a passkey to a user who has just signed in. If silent is set, the browser may make
// the key without asking, right after its password manager has filled in the password ("conditional create"): then
// the person's presence is not demanded. The offer is nil if the user has MaxOfUser keys.
func (p *Passkeys) BeginAdd(ctx context.Context, by By, user *storage.User, silent bool) (*Offer, error) {
	found, err := p.Of(ctx, user.ID)
	if err != nil || len(found) >= MaxOfUser {
		return nil, err
	}
	var known []protocol.CredentialDescriptor
	for i := range found {
		c := credential(&found[i].Passkey)
		known = append(known, c.Descriptor())
	}
	options, session, err := p.rp.BeginRegistration(person{user: user}, webauthn.WithExclusions(known))
	if err != nil {
		return nil, err
	}
	options.Response.Timeout = int(askFor.Milliseconds())
	if silent {
		options.Response.AuthenticatorSelection.UserVerification = protocol.VerificationPreferred
	}
	return p.offer(options.Response, ceremony{
		Purpose: toAdd, Challenge: session.Challenge, Browser: by.Browser, RPID: p.RPID, UserID: user.ID, Session: by.Session,
		Silent: silent, Begun: storage.Now(),
	}), nil
}

// Add checks the answer to an offer of BeginAdd, and adds the key. The caller makes sure that the sign-in is fresh,
// and that the user is the one of the session. The error is an *Error if the answer is not accepted.
func (p *Passkeys) Add(ctx context.Context, by By, userID, sealed, answer string) (*Passkey, error) {
	c, err := p.open(sealed, toAdd, by.Browser)
	if err != nil {
		return nil, err
	}
	if c.UserID != userID || c.Session != by.Session {
		return nil, refuse(OtherUser, userID, nil)
	}
	parsed, err := parseAnswer(c, answer, protocol.ParseCredentialCreationResponseBytes)
	if err != nil {
		return nil, err
	}
	record, err := p.checkNew(c, parsed)
	if err != nil {
		return nil, err
	}
	name := cmp.Or(names()[record.AAGUID], by.Device)
	var added Passkey
	err = storage.Retry(func() error {
		user, version, found, err := p.ownerWithKeys(ctx, userID)
		switch {
		case err != nil:
			return err
		case user.Disabled:
			return refuse(Disabled, userID, nil)
		case len(found) >= MaxOfUser:
			return refuse(TooMany, userID, nil)
		}
		if err := p.checkUnused(ctx, c); err != nil {
			return err
		}
		if holds(found, record.CredentialID) {
			return refuse(AlreadyAdded, userID, nil)
		}
		record.Name = freeName(found, name)
		added = p.read(userID, record, 0)
		return p.Store.Apply(ctx, append(p.changed(ctx, Added, user, &added), c.once(), touchUser(user, version),
			storage.Passkeys.Put(recordKey(userID, record.CredentialID), record, storage.Absent, never))...)
	})
	if err != nil {
		return nil, err
	}
	return &added, nil
}

// checkNew checks a new key, and returns its record.
func (p *Passkeys) checkNew(c ceremony, parsed *protocol.ParsedCredentialCreationData) (*storage.Passkey, error) {
	owner := person{user: &storage.User{ID: c.UserID}}
	data := parsed.Response.AttestationObject.AuthData
	if !c.Silent && !(data.Flags.HasUserPresent() && data.Flags.HasUserVerified()) {
		return nil, refuse(NotVerified, c.UserID, nil)
	}
	made, err := p.rp.CreateCredential(owner, c.expected(c.UserID), parsed)
	if err != nil {
		return nil, refuse(BadAnswer, c.UserID, err)
	}
	if len(made.ID) > maxCredentialID || len(made.PublicKey) > maxPublicKey {
		return nil, refuse(BadAnswer, c.UserID, errors.New("the credential id or the public key is too long"))
	}
	if rk := made.Extensions.RK; rk != nil && !*rk {
		return nil, refuse(BadAnswer, c.UserID, errors.New("the key is not discoverable"))
	}
	if !p.permits(made.Authenticator.AAGUID) {
		return nil, refuse(NotPermitted, c.UserID, fmt.Errorf("model %s", model(made.Authenticator.AAGUID)))
	}
	if p.Roots != nil {
		if err := p.checkChain(parsed.Response.AttestationObject.AttStatement); err != nil {
			return nil, refuse(NotPermitted, c.UserID, err)
		}
	}
	record := &storage.Passkey{
		CredentialID: made.ID, PublicKey: made.PublicKey, RPID: c.RPID, AAGUID: model(made.Authenticator.AAGUID),
		BackupEligible: made.Flags.BackupEligible, BackedUp: made.Flags.BackupState, SignCount: made.Authenticator.SignCount,
		CreatedAt: storage.Now(),
	}
	for _, t := range made.Transport[:min(len(made.Transport), maxTransports)] {
		if len(t) <= maxTransport {
			record.Transports = append(record.Transports, string(t))
		}
	}
	return record, nil
}

// checkChain returns an error unless the certificates of an attestation lead to one of the Roots. The library has
// checked that the attestation is signed by the first of them.
func (p *Passkeys) checkChain(statement map[string]any) error {
	raw, _ := statement["x5c"].([]any)
	if len(raw) == 0 || len(raw) > maxChain {
		return errors.New("the authenticator proves its model by no certificate")
	}
	var chain []*x509.Certificate
	for _, entry := range raw {
		der, _ := entry.([]byte)
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return err
		}
		// The certificate of a TPM has its model in a critical subject alternative name, which the library checks.
		certificate.UnhandledCriticalExtensions = nil
		chain = append(chain, certificate)
	}
	more := x509.NewCertPool()
	for _, certificate := range chain[1:] {
		more.AddCert(certificate)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{Roots: p.Roots, Intermediates: more, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	return err
}

const (
	maxHandle       = 64   // bytes, by the standard
	maxCredentialID = 1023 // bytes, by the standard
	maxPublicKey    = 1200 // bytes: RSA of 8192 bits. A greater one would make each sign-in dear
	maxTransports   = 8
	maxTransport    = 32 // bytes
	maxChain        = 8  // certificates
	maxName         = 60 // characters
)

// model returns an AAGUID as text, "" if the authenticator does not say what it is.
func model(aaguid []byte) string {
	id, err := uuid.FromBytes(aaguid)
	if err != nil || id == uuid.Nil {
		return ""
	}
	return id.String()
}

// CleanName returns a name that a person has chosen for a key, and whether it is one.
func CleanName(name string) (string, bool) {
	name, ok := typed.Name(strings.Join(strings.Fields(name), " "), maxName)
	return name, ok && name != ""
}

// freeName returns a name that no other of the user's keys has: "Bitwarden", then "Bitwarden (2)". An empty name stays:
// the page shows a text for it.
func freeName(found []Passkey, name string) string {
	if name == "" {
		return ""
	}
	taken := map[string]bool{}
	for _, key := range found {
		taken[key.Name] = true
	}
	free := name
	for n := 2; taken[free]; n++ {
		free = fmt.Sprintf("%s (%d)", name, n)
	}
	return free
}
