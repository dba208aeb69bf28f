package storage

import "time"

// Proof is a link, and a code to type, that a mail carries: the one who uses it reads the mail of the address. A decoy
// is one whose mail was never sent.
type Proof struct {
	Kind     string `json:"kind"`
	UserID   string `json:"user_id,omitempty"` // empty: there is no account yet
	Email    string `json:"email"`
	LinkHash string `json:"link_hash"`
	CodeMAC  []byte `json:"code_mac,omitempty"` // empty: there is no code
	Tries    int    `json:"tries,omitempty"`    // codes that were typed
	// ProvedAt is when the right code was typed in the browser that asked.
	ProvedAt time.Time `json:"proved_at,omitzero"`
	Browser  string    `json:"browser,omitempty"` // that asked; empty: an operator did
	Remote   string    `json:"remote,omitempty"`  // network address that asked
	ClientID string    `json:"client_id,omitempty"`
	Flow     string    `json:"flow,omitempty"` // the sign-in that waits in that browser, sealed; empty: none does
	Pin      string    `json:"pin,omitempty"`  // of the user's state; void once that has another
	SignUp   *SignUp   `json:"signup,omitempty"`

	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

// SignUp is an account that is made once its address is proved. It reserves no name.
type SignUp struct {
	Name         string `json:"name,omitempty"`
	PasswordHash string `json:"password_hash"`
	Locale       string `json:"locale,omitempty"`
}

// LiveProof names the only proof of its kind that works for a user, or for an address that has none.
type LiveProof struct {
	Proof string `json:"proof"` // its key
	// DrainedAt is when the bucket that limits the mails to them is empty.
	DrainedAt time.Time `json:"drained_at,omitzero"`
}

// Passkey is a WebAuthn credential of a user (Web Authentication Level 3 section 4, "credential record").
type Passkey struct {
	CredentialID []byte   `json:"id"`
	PublicKey    []byte   `json:"public_key"` // COSE_Key
	RPID         string   `json:"rp_id"`      // relying party id that it was made for
	Name         string   `json:"name,omitempty"`
	AAGUID       string   `json:"aaguid,omitempty"` // model of the authenticator; empty: it does not say
	Transports   []string `json:"transports,omitempty"`
	// BackupEligible: the key can be copied to other devices of its owner, or could once.
	BackupEligible bool      `json:"backup_eligible,omitempty"`
	BackedUp       bool      `json:"backed_up,omitempty"`
	FlagsChanged   bool      `json:"flags_changed,omitempty"` // the authenticator has once said something else about backups
	SignCount      uint32    `json:"sign_count,omitempty"`
	CreatedAt      time.Time `json:"created_at"`
	LastUsedAt     time.Time `json:"last_used_at,omitzero"`
}

// TOTP is a user's authenticator app (RFC 6238).
type TOTP struct {
	Sealed    []byte    `json:"sealed"`              // the secret
	LastStep  int64     `json:"last_step,omitempty"` // the newest time step whose code was used
	CreatedAt time.Time `json:"created_at"`
	UsedAt    time.Time `json:"used_at,omitzero"`
	Tries
}

// Tries counts wrong codes. They are slowed like a leaky bucket, and too many in a row end the factor.
type Tries struct {
	InARow    int       `json:"wrong_in_a_row,omitempty"`
	DrainedAt time.Time `json:"wrong_drained_at,omitzero"`
}

// RecoveryCodes are the codes that a user keeps for the day when the other factors are lost.
type RecoveryCodes struct {
	Hashes    []string  `json:"hashes"` // of those that are unused
	CreatedAt time.Time `json:"created_at"`
	Tries
}

// RememberedDevice is a browser in which a user has proved a second factor, and wants to be asked for it no more. It
// counts only as long as the user has the same Stamp, and expires.
type RememberedDevice struct {
	Stamp     string    `json:"stamp"` // of the user's password, factors and epoch
	CreatedAt time.Time `json:"created_at"`
}

// KnownDevice is a browser in which a user has signed in. It expires when it is no longer known.
type KnownDevice struct {
	CreatedAt time.Time `json:"created_at"`
	SeenAt    time.Time `json:"seen_at"`
}

// DeletedUser says that a user of the configuration file has deleted the account, so that the file does not make it
// again.
type DeletedUser struct {
	UserID    string    `json:"user_id"`
	DeletedAt time.Time `json:"deleted_at"`
}

// HashKind says that some password hashes are of a kind: what they cost. Its key says all.
type HashKind struct{}

// HashSurveyKey is the key of the record that says that the kinds of all hashes are known. It expires when they are to be
// surveyed again.
const HashSurveyKey = "surveyed"

// FailedDeliveries is the prefix of the keys of deliveries that were given up. They are kept for the operator to see.
const FailedDeliveries = "failed/"

// Delivery is something that must still be sent to another server, and is tried until it arrives or is given up. It
// has one of Logout and Mail.
type Delivery struct {
	QueuedAt time.Time `json:"queued_at"`
	Attempts int       `json:"attempts,omitempty"`
	Outcome  string    `json:"outcome,omitempty"` // why it was given up; empty: it was not
	Cause    string    `json:"cause,omitempty"`   // of the last failure

	Logout *Logout `json:"logout,omitempty"`
	Mail   *Mail   `json:"mail,omitempty"`
}

// Logout is a logout token (OpenID Connect Back-Channel Logout 1.0).
type Logout struct {
	ClientID string    `json:"client_id"`
	UserID   string    `json:"user_id"`
	Session  string    `json:"sid,omitempty"` // empty: all of the user's sessions
	EndedAt  time.Time `json:"ended_at"`
}

// Mail is a mail to a person.
type Mail struct {
	UserID   string    `json:"user_id,omitempty"`  // empty: the address is nobody's, or nobody's yet
	To       string    `json:"to"`                 // the address
	Message  string    `json:"message"`            // what it says, such as reset_password
	Sealed   []byte    `json:"sealed,omitempty"`   // the values in it, as JSON: they may have a link that works once; empty in a failed delivery
	Until    time.Time `json:"until,omitzero"`     // it is of no use later; zero: it always is
	Language string    `json:"language,omitempty"` // of the user
	Zone     string    `json:"zone,omitempty"`     // of the times in it, such as Europe/Berlin; empty: UTC

	AcceptLanguage string `json:"accept_language,omitempty"` // of the browser, for a user without a language
}
