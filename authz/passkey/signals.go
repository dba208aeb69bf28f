package passkey

import (
	"encoding/json"

	"github.com/go-webauthn/webauthn/protocol"

	"github.com/authzd/authzd/storage"
)

// Signals tell the person's password manager what counts here (Web Authentication Level 3 section 5.1.10), so that it
// does not offer keys that are of no use. They are JSON for the page's script.
type Signals struct {
	Unknown  *protocol.SignalUnknownCredential      `json:"unknown,omitempty"`
	Accepted *protocol.SignalAllAcceptedCredentials `json:"accepted,omitempty"`
	Details  *protocol.SignalCurrentUserDetails     `json:"details,omitempty"`
}

// JSON returns the signals for a page.
func (s Signals) JSON() string {
	shown, _ := json.Marshal(s) // plain data always encodes
	return string(shown)
}

// Unknown returns the signal that a key is not known. Anybody may send it.
func (p *Passkeys) Unknown(credentialID []byte) Signals {
	return Signals{Unknown: &protocol.SignalUnknownCredential{CredentialID: credentialID, RPID: p.RPID}}
}

// Current returns the signals that name all keys of a user, and the user. Only a page for that user may have them.
func (p *Passkeys) Current(user *storage.User, found []Passkey) Signals {
	owner := person{user: user}
	accepted := &protocol.SignalAllAcceptedCredentials{RPID: p.RPID, UserID: owner.WebAuthnID(), AllAcceptedCredentialIDs: []protocol.URLEncodedBase64{}}
	for _, key := range found {
		if key.Usable {
			accepted.AllAcceptedCredentialIDs = append(accepted.AllAcceptedCredentialIDs, key.CredentialID)
		}
	}
	return Signals{Accepted: accepted, Details: protocol.NewSignalCurrentUserDetails(p.RPID, owner)}
}
