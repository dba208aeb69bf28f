package proof

import "time"

// Kind is what a proof is for.
type Kind string

// The kinds of proofs.
const (
	SignUp Kind = "signup" // the address of an account that is yet to be made
	Reset  Kind = "reset"  // a new password
	Invite Kind = "invite" // the first password of an account that an operator has made
	Email  Kind = "email"  // another address of an account
	Stop   Kind = "stop"   // that change, by the one who reads the mail of the former address
)

// Lifetime returns how long a link of the kind works.
func (k Kind) Lifetime() time.Duration {
	switch k {
	case SignUp:
		return 24 * time.Hour
	case Invite:
		return 7 * 24 * time.Hour
	}
	return time.Hour
}
