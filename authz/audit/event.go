package audit

import (
	"slices"
	"time"

	"github.com/authzd/authzd/authz/observe"
)

// Event is one line of the log. It holds no token, secret, password or code, and only ids of a person: names
// and addresses would have to be forgotten some day, and the log can't forget.
type Event struct {
	ID        string    `json:"id"`   // UUIDv7
	Time      time.Time `json:"time"` // UTC, whole milliseconds
	Type      Type      `json:"type"`
	Outcome   Outcome   `json:"outcome"`
	Actor     Actor     `json:"actor"`
	ClientID  string    `json:"client_id,omitempty"` // of the client that it is about
	UserID    string    `json:"user_id,omitempty"`   // of the user whom it is about
	GrantID   string    `json:"gid,omitempty"`
	SessionID string    `json:"sid,omitempty"`
	Remote    string    `json:"remote,omitempty"`     // address that the request came from
	RequestID string    `json:"request_id,omitempty"` // under which the server's log has the request

	// Details are further values. Their names are constants of the program.
	Details map[string]string `json:"details,omitempty"`
}

// Type says what happened. The names are part of the contract with readers of the log: they never change, and
// later versions may add some.
type Type string

// The types of events.
const (
	SignedIn     Type = "user.signed_in"      // details: method, a connector's id, "password" or "passkey"
	SignInFailed Type = "user.sign_in_failed" // details: method, reason
	SignedOut    Type = "user.signed_out"
	SessionEnded Type = "session.ended" // by a limit, by another sign-in, by the user elsewhere, by an operator

	ConsentGiven     Type = "consent.given"
	ConsentWithdrawn Type = "consent.withdrawn"

	GrantIssued   Type = "grant.issued" // details: grant_type, scope
	GrantRevoked  Type = "grant.revoked"
	TokenIssued   Type = "token.issued" // without a grant: client credentials, token exchange
	TokenRevoked  Type = "token.revoked"
	CodeReused    Type = "code.reused"
	RefreshReused Type = "refresh_token.reused"
	Refused       Type = "request.refused" // details: endpoint, error

	TicketRefused Type = "ticket.refused" // of a WebSocket in cookie mode; details: frontend

	ClientCreated       Type = "client.created" // by an operator, or by itself (RFC 7591)
	ClientUpdated       Type = "client.updated"
	ClientDeleted       Type = "client.deleted"
	ClientSecretRotated Type = "client.secret_rotated"

	UserCreated     Type = "user.created"
	UserUpdated     Type = "user.updated"
	UserDisabled    Type = "user.disabled"
	UserEnabled     Type = "user.enabled"
	UserDeleted     Type = "user.deleted"
	UserPasswordSet Type = "user.password_set"
	UserUnlocked    Type = "user.unlocked" // wrong passwords were forgiven

	PasswordEnded      Type = "user.password_ended"       // by too many wrong ones in a row: an alarm
	UserExported       Type = "user.exported"             // the user has downloaded their data
	EmailChanged       Type = "user.email_changed"        // by the user, who has proved the new address
	EmailChangeStopped Type = "user.email_change_stopped" // by the person who reads the mail of the former address
	SignUpDeclined     Type = "user.sign_up_declined"     // by the person who reads the mail of the address
	ProofRequested     Type = "proof.requested"           // a link by mail; details: kind, mail
	ProofFailed        Type = "proof.failed"              // details: kind, reason

	NetworksForgotten Type = "user.networks_forgotten" // no network is trusted any more

	FactorAdded   Type = "user.factor_added"   // details: factor, totp or recovery_codes
	FactorRemoved Type = "user.factor_removed" // details: factor
	FactorUsed    Type = "user.factor_used"    // details: factor
	FactorLocked  Type = "user.factor_locked"  // by too many wrong codes; details: factor
	FactorsReset  Type = "user.factors_reset"  // by an operator

	DevicesForgotten Type = "user.devices_forgotten" // the second factor is asked for on all devices again

	IdentityLinked   Type = "user.identity_linked"   // details: connector
	IdentityUnlinked Type = "user.identity_unlinked" // details: connector
	PasskeyAdded     Type = "user.passkey_added"     // details: passkey, model
	PasskeyRenamed   Type = "user.passkey_renamed"   // details: passkey
	PasskeyRemoved   Type = "user.passkey_removed"   // details: passkey, model
	PasskeyCopied    Type = "user.passkey_copied"    // its counter went back: an alarm; details: passkey, model, and whether it was refused
	PasskeyChanged   Type = "user.passkey_changed"   // its authenticator says something else about backups; details: passkey, model

	EmailReplaced Type = "user.email_replaced" // by the new address of its identity; details: connector
	EmailRemoved  Type = "user.email_removed"  // the new address of its identity is not free; details: connector
	EmailDiffers  Type = "user.email_differs"  // from an identity's; the operator has set it, so it stays; details: connector

	MailTested      Type = "mail.tested"      // an operator sent a mail to see whether mail works; details: result, sent or failed
	MailUndelivered Type = "mail.undelivered" // a mail to a user was given up; details: mail, outcome, status

	KeyRotated    Type = "key.rotated"    // details: alg, kid
	SecretRotated Type = "secret.rotated" // the server's
	BackupTaken   Type = "backup.taken"
	StoreCompact  Type = "store.compaction_begun"

	Omitted   Type = "audit.omitted"   // details: how many events of each type a flood has left out
	Tampered  Type = "audit.tampered"  // details: what was found in the store that the server did not leave there
	Disclosed Type = "audit.disclosed" // the log was read or exported
)

// Outcome is the result.
type Outcome string

// The outcomes of events.
const (
	Success Outcome = "success"
	Failure Outcome = "failure" // it was tried, and did not work
	Denied  Outcome = "denied"  // it was not allowed
	Alarm   Outcome = "alarm"   // somebody may be attacking
)

// Actor is the author of an event.
type Actor struct {
	Kind ActorKind `json:"kind"`
	ID   string    `json:"id,omitempty"`
}

// ActorKind says what an actor's ID names.
type ActorKind string

// The kinds of actors.
const (
	ByUser     ActorKind = "user"     // user id
	ByClient   ActorKind = "client"   // client_id
	ByOperator ActorKind = "operator" // through the admin API: subject of the token, or uid: and the user id of the process at the socket
	ByServer   ActorKind = "server"   // by itself: no ID
	Anonymous  ActorKind = "anonymous"
)

// ByOperator returns the event as one that an operator has done, with success. If they used a client, the event names it.
func (e Event) ByOperator(id, client string) Event {
	e.Outcome, e.Actor = Success, Actor{Kind: ByOperator, ID: id}
	if client != "" && client != id {
		if e.Details == nil {
			e.Details = map[string]string{}
		}
		e.Details["by_client"] = client
	}
	return e
}

const (
	maxID      = 256  // bytes
	maxDetail  = 1024 // bytes
	maxDetails = 16

	// maxLine is the greatest length of an event, in bytes: a value of which everything is escaped gets six
	// times as long.
	maxLine = 6*(maxDetails*(maxID+maxDetail)+7*maxID) + 1024
)

// clean returns the event with every value cleaned for a log.
func (e Event) clean() Event {
	for _, id := range []*string{&e.Actor.ID, &e.ClientID, &e.UserID, &e.GrantID, &e.SessionID, &e.Remote, &e.RequestID} {
		*id = observe.Clean(*id, maxID)
	}
	var names []string
	for name := range e.Details {
		names = append(names, name)
	}
	slices.Sort(names)
	details := map[string]string{}
	for _, name := range names[:min(len(names), maxDetails)] {
		details[observe.Clean(name, maxID)] = observe.Clean(e.Details[name], maxDetail)
	}
	e.Details = details
	return e
}
