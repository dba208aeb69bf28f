package passkey

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/authzd/authzd/storage"
)

// Offer is what a page needs to ask the browser for a passkey.
type Offer struct {
	Options  string // JSON for the page's script: the options of navigator.credentials
	Ceremony string // for a hidden field of the form that brings the answer
}

// BeginSignIn returns an offer to sign in with a passkey. If user is not nil, only that user's keys are asked for, and
// the offer is nil if none of them can be used here.
func (p *Passkeys) BeginSignIn(ctx context.Context, browser string, user *storage.User) (*Offer, error) {
	c := ceremony{Purpose: toSignIn, Browser: browser, RPID: p.RPID, Begun: storage.Now()}
	var options *protocol.CredentialAssertion
	var session *webauthn.SessionData
	var err error
	if user == nil {
		options, session, err = p.rp.BeginDiscoverableLogin()
	} else {
		var owner person
		if owner, err = p.person(ctx, user); err != nil || len(owner.keys) == 0 {
			return nil, err
		}
		c.UserID = user.ID
		options, session, err = p.rp.BeginLogin(owner)
	}
	if err != nil {
		return nil, err
	}
	options.Response.Timeout = int(askFor.Milliseconds())
	c.Challenge = session.Challenge
	return p.offer(options.Response, c), nil
}

func (p *Passkeys) offer(options any, c ceremony) *Offer {
	shown, _ := json.Marshal(options) // plain data always encodes
	return &Offer{Options: string(shown), Ceremony: p.seal(c)}
}

// person returns a user with their keys that can be used here.
func (p *Passkeys) person(ctx context.Context, user *storage.User) (person, error) {
	found, err := p.Of(ctx, user.ID)
	owner := person{user: user}
	for i := range found {
		if found[i].Usable {
			owner.keys = append(owner.keys, credential(&found[i].Passkey))
		}
	}
	return owner, err
}

// Proof is an accepted sign-in.
type Proof struct {
	User *storage.User
	Key  Passkey
}

// AMR returns the methods of the sign-in (RFC 8176): the key, which is in hardware unless it can be copied to other
// devices, and the presence and verification of its user, which make it two factors.
func (p *Proof) AMR() []string {
	if p.DeviceBound() {
		return []string{"hwk", "user", "mfa"}
	}
	return []string{"swk", "user", "mfa"}
}

// DeviceBound reports whether the key cannot leave its device: its authenticator said at no time that it can.
func (p *Proof) DeviceBound() bool { return !p.Key.BackupEligible }

// SignIn checks the answer to an offer of BeginSignIn, for the browser that sends it. The error is an *Error if the
// answer is not accepted.
func (p *Passkeys) SignIn(ctx context.Context, browser, sealed, answer string) (*Proof, error) {
	c, err := p.open(sealed, toSignIn, browser)
	if err != nil {
		return nil, err
	}
	parsed, err := parseAnswer(c, answer, protocol.ParseCredentialRequestResponseBytes)
	if err != nil {
		return nil, err
	}
	var proof *Proof
	err = storage.Retry(func() error {
		if err := p.checkUnused(ctx, c); err != nil {
			return err
		}
		if proof, err = p.owner(ctx, c, parsed); err != nil {
			return err
		}
		writes, err := p.accept(ctx, c, parsed, proof)
		if err != nil {
			return err
		}
		return p.Store.Apply(ctx, append(writes, c.once())...)
	})
	if err != nil {
		return nil, err
	}
	return proof, nil
}

// parseAnswer reads the JSON of an answer. Only the server and a broken page or authenticator know its form.
func parseAnswer[T any](c ceremony, answer string, parse func([]byte) (T, error)) (T, error) {
	var none T
	if len(answer) > maxAnswer {
		return none, refuse(Malformed, c.UserID, errors.New("the answer is too long"))
	}
	parsed, err := parse([]byte(answer))
	if err != nil {
		return none, refuse(Malformed, c.UserID, err)
	}
	return parsed, nil
}

// owner finds the key of an answer and its user. The user handle, which the authenticator has kept since the key was
// added, is the id of the user.
func (p *Passkeys) owner(ctx context.Context, c ceremony, parsed *protocol.ParsedCredentialAssertionData) (*Proof, error) {
	handle := string(parsed.Response.UserHandle)
	userID := c.UserID
	switch {
	case userID == "" && handle == "":
		return nil, refuse(Malformed, "", errors.New("no user handle"))
	case userID == "":
		userID = handle
	case handle != "" && handle != userID:
		return nil, refuse(OtherUser, userID, nil)
	}
	unknown := &Error{Reason: UnknownKey, UserID: userID, CredentialID: parsed.RawID}
	if len(userID) > maxHandle {
		return nil, &Error{Reason: Malformed}
	}
	user, _, err := storage.Users.Get(ctx, p.Store, userID)
	if errors.Is(err, storage.ErrNotFound) {
		unknown.UserID = ""
		return nil, unknown
	} else if err != nil {
		return nil, err
	}
	record, version, err := storage.Passkeys.Get(ctx, p.Store, recordKey(userID, parsed.RawID))
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return nil, unknown
	case err != nil:
		return nil, err
	case record.RPID != c.RPID:
		return nil, refuse(BadAnswer, userID, errors.New("the key is for another relying party id"))
	case user.Disabled:
		return nil, refuse(Disabled, userID, nil)
	}
	return &Proof{User: user, Key: p.read(userID, record, version)}, nil
}

// accept checks an answer against its key, and returns the writes that a sign-in with it makes.
func (p *Passkeys) accept(ctx context.Context, c ceremony, parsed *protocol.ParsedCredentialAssertionData, proof *Proof) ([]storage.Write, error) {
	key, flags := &proof.Key, parsed.Response.AuthenticatorData.Flags
	if !flags.HasUserPresent() || !flags.HasUserVerified() {
		return nil, refuse(NotVerified, key.UserID, nil)
	}
	known := credential(&key.Passkey)
	known.Flags.BackupEligible = flags.HasBackupEligible() // compared below, and never a reason to lock anybody out
	checked, err := p.rp.ValidateLogin(person{proof.User, []webauthn.Credential{known}}, c.expected(key.UserID), parsed)
	if err != nil {
		return nil, refuse(BadAnswer, key.UserID, err)
	}
	var told []storage.Write
	if checked.Authenticator.CloneWarning {
		if err := p.checkUnused(ctx, c); err != nil { // the same answer came twice at once
			return nil, err
		}
		if !key.BackupEligible {
			return nil, refuse(Copied, key.UserID, nil)
		}
		told = p.changed(ctx, Suspected, proof.User, key)
	}
	if key.BackupEligible != flags.HasBackupEligible() && !key.FlagsChanged {
		told = append(told, p.changed(ctx, FlagsChanged, proof.User, key)...)
	}
	used := &key.Passkey
	used.FlagsChanged = used.FlagsChanged || key.BackupEligible != flags.HasBackupEligible()
	used.BackupEligible = used.BackupEligible || flags.HasBackupEligible() // once it could be copied, it may have been
	used.BackedUp = flags.HasBackupState()
	used.SignCount = checked.Authenticator.SignCount
	used.LastUsedAt = storage.Now()
	return append(told, storage.Passkeys.Put(recordKey(key.UserID, key.CredentialID), used, storage.At(key.version), never)), nil
}

// changed returns the writes of Config.Changed.
func (p *Passkeys) changed(ctx context.Context, what Change, user *storage.User, key *Passkey) []storage.Write {
	if p.Changed == nil {
		return nil
	}
	return slices.Clone(p.Changed(ctx, what, user, key))
}
