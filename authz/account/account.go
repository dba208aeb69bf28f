// Package account keeps the users, checks their passwords, and links their upstream identities.
//
//	password  -> Authenticate   throttle -> find -> verify -> nobody learns which step failed
//	                            authenticate.go, failures.go, inrow.go, trust.go, device.go, password.go, queue.go
//	            a failure      -> an answer at the pace                       pace.go, kinds.go
//	upstream  -> SignInWith     (issuer, subject) known? -> that user
//	                            else an address of a user -> *LinkRequiredError
//	                               proven on both sides -> they confirm     -> LinkProven
//	                               otherwise -> they sign in, and confirm   -> Link
//	                            else a new user                       signin.go, address.go
//	identities -> Identities, LinkWrites, UnlinkWrites                identity.go
//	start     -> EnsureUsers    the users of the configuration file   seed.go
//	later     -> Get            is the user still there and enabled?
//	assertion -> ByUsername, ByIdentity
//
// A user is one record. Index records, written in the same Apply, make usernames and e-mail addresses unique
// (package users, index.go). Failed logins are counted in the memory of each process, and those of a login and of
// a user also in the store, for all processes together.
package account

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/authzd/authzd/authz/connect"
	"github.com/authzd/authzd/authz/throttle"
	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/storage"
)

var (
	// ErrInvalidCredentials covers every reason why a password login fails, and does not say which.
	ErrInvalidCredentials = errors.New("wrong username or password")
	// ErrDisabled says that the upstream login succeeded, but the account is disabled.
	ErrDisabled = errors.New("account is disabled")
	// ErrBusy says that too many passwords are being checked at this moment (503, worth a retry).
	ErrBusy error = busyError{}
	// ErrIdentityTaken says that the upstream identity is linked to another user.
	ErrIdentityTaken = errors.New("this identity is linked to another account")
	// ErrOtherIdentity says that the user has another identity of the same upstream. Only one can be linked
	// by an address, because an address may be given to another person one day.
	ErrOtherIdentity = errors.New("the account has another identity of this upstream")
	// ErrTooManyIdentities says that the user has the greatest number of identities.
	ErrTooManyIdentities = fmt.Errorf("the account has %d identities", maxIdentities)
	// ErrLastWayIn says that without this identity the user could not sign in any more.
	ErrLastWayIn = errors.New("it is the only way in: the account has no password, no passkey and no other identity")
)

// ThrottledError refuses a login without checking it, because too many have failed.
type ThrottledError struct {
	RetryAfter time.Duration // at least 1 s
	UserID     string        // only for the operator; empty: nobody's, or unknown
}

func (e *ThrottledError) Error() string {
	return fmt.Sprintf("too many failed logins: try again in %v", e.RetryAfter)
}

// LinkRequiredError says that a user has the e-mail address of an unknown upstream identity. Ask the person
// whether both are theirs; then call Link or LinkProven.
type LinkRequiredError struct {
	UserID string
	Proven bool // the address is verified on both sides; otherwise the user must sign in to the account first
}

func (e *LinkRequiredError) Error() string {
	return "an account with this e-mail address exists"
}

// CredentialsError is ErrInvalidCredentials with the user and the reason. It is only for the operator: nobody
// else may learn whether the account exists.
type CredentialsError struct {
	UserID string // empty: there is no such user
	Reason Reason
}

// Reason is why a password login failed.
type Reason string

const (
	NoSuchUser    Reason = "no_such_user"
	WrongPassword Reason = "wrong_password"
	NoPassword    Reason = "no_password" // the user signs in by an upstream provider alone
	Disabled      Reason = "disabled"
	WrongCode     Reason = "wrong_code" // of an authenticator app, or a recovery code
	Throttled     Reason = "throttled"  // too many wrong passwords of the user, over all their names
)

func (e *CredentialsError) Error() string { return ErrInvalidCredentials.Error() }

func (e *CredentialsError) Unwrap() error { return ErrInvalidCredentials }

// Change is an argument of Directory.Changed.
type Change int

const (
	Created       Change = iota // a user
	Linked                      // an upstream identity to a user
	EmailReplaced               // the identity that the address came from has another one
	EmailRemoved                // the same, but the new address is not free
	EmailDiffers                // an identity has another address than the operator has set
)

// Directory is all users. It is safe for concurrent use.
type Directory struct {
	// Changed returns writes that are made in the same Apply when a user comes from the configuration or an
	// upstream, is linked to an upstream, or has another address there; connector then names the upstream.
	// nil: no writes. Do not change it once the directory is in use.
	Changed func(ctx context.Context, what Change, userID, connector string) []storage.Write
	// Tied returns writes that tell a user that they can sign in with an identity from now on. They are made in the Apply
	// of the link. nil: no writes.
	Tied func(ctx context.Context, user *storage.User, id connect.Identity) []storage.Write
	// HasPasskey reports whether a user can sign in with a passkey. nil: nobody can.
	HasPasskey func(ctx context.Context, userID string) (bool, error)

	// EndPasswordAfter is how many wrong passwords in a row end the password of a user (NIST SP 800-63B-4 section
	// 3.2.2). They can then sign in in other ways, and get a new password. 0: none do. Do not change it once the
	// directory is in use.
	EndPasswordAfter int
	// PasswordEnded returns writes that are made in the same Apply when a password ends so. nil: no writes.
	PasswordEnded func(ctx context.Context, user *storage.User) []storage.Write

	named atomic.Pointer[[]string] // usernames of the configuration

	store     storage.Store
	passwords *Passwords
	failures  *failures
	shared    throttle.Limit // of the failures of a login, and of a user, over all replicas
	trust     *trust
	pace      pace
	kinds     *kinds
}

// New returns the directory kept in store. passwords verifies and hashes passwords.
func New(store storage.Store, passwords *Passwords) *Directory {
	return &Directory{store: store, passwords: passwords, failures: newFailures(), shared: perLogin, trust: newTrust(store), kinds: newKinds(store, passwords)}
}

// Get returns a user by id (the sub claim), or storage.ErrNotFound. The user may be disabled.
func (d *Directory) Get(ctx context.Context, id string) (*storage.User, error) {
	user, _, err := storage.Users.Get(ctx, d.store, id)
	return user, err
}

// ByUsername returns the user with exactly this username, or nil. It does not accept other spellings: an
// issuer that vouches for its users may mean another person by one. The user may be disabled.
func (d *Directory) ByUsername(ctx context.Context, name string) (*storage.User, error) {
	key, err := users.NormalizeUsername(name)
	if err != nil {
		return nil, nil // nobody can have it
	}
	user, err := d.byUsername(ctx, key)
	if err != nil || user == nil || user.Username != name {
		return nil, err
	}
	return user, nil
}

// IsCalled reports whether a hint names a user: by the username or the e-mail address.
func IsCalled(user *storage.User, hint string) bool {
	return strings.EqualFold(user.Username, hint) || user.Profile.Email != "" && strings.EqualFold(user.Profile.Email, hint)
}

// ByIdentity returns the user who is linked to an upstream identity, or nil. The user may be disabled.
func (d *Directory) ByIdentity(ctx context.Context, issuer, subject string) (*storage.User, error) {
	key, err := identityKey(connect.Identity{Issuer: issuer, Subject: subject})
	if err != nil {
		return nil, nil // nobody can have it
	}
	linked, _, err := storage.Identities.Get(ctx, d.store, key)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return d.find(ctx, linked.UserID)
}

// changed returns the writes of Changed.
func (d *Directory) changed(ctx context.Context, what Change, userID, connector string) []storage.Write {
	if d.Changed == nil {
		return nil
	}
	return d.Changed(ctx, what, userID, connector)
}

// busyError is the type of ErrBusy.
type busyError struct{}

func (busyError) Error() string { return "too many password checks at once" }

// Answer returns the error for a client.
func (busyError) Answer() (code, description string) {
	return "temporarily_unavailable", "The server cannot do this now. Try again in a moment."
}
