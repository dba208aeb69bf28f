// Package account knows the users: who they are, how they prove it, and which upstream identities
// are theirs.
//
//	password  -> Authenticate   throttle -> find -> verify -> nobody learns which step failed
//	                            authenticate.go, failures.go, shared.go, trust.go, password.go, queue.go
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
// A user is one record; usernames and e-mail addresses are unique by index records that are written
// with it in one Apply (names.go, index.go). Failed logins are counted in the memory of
// each process, and in the store for all of them.
package account

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/authzd/authzd/authz/connect"
	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/storage"
)

var (
	// ErrInvalidCredentials is every way of failing a password login: it does not tell which.
	ErrInvalidCredentials = errors.New("wrong username or password")
	// ErrDisabled: the upstream login succeeded, but the account is disabled.
	ErrDisabled = errors.New("account is disabled")
	// ErrBusy: too many passwords are being checked at this moment (503, worth a retry).
	ErrBusy error = busyError{}
	// ErrIdentityTaken: the upstream identity is linked to another user.
	ErrIdentityTaken = errors.New("this identity is linked to another account")
	// ErrOtherIdentity: the user has another identity of the same upstream, and may have only one by
	// an address: addresses are given to other people one day.
	ErrOtherIdentity = errors.New("the account has another identity of this upstream")
	// ErrTooManyIdentities: the user has as many as there can be.
	ErrTooManyIdentities = fmt.Errorf("the account has %d identities", maxIdentities)
	// ErrLastWayIn: without this identity the user could not sign in any more.
	ErrLastWayIn = errors.New("it is the only way in: the account has no password and no other identity")
)

// ThrottledError refuses a login without checking it, because too many have failed.
type ThrottledError struct {
	RetryAfter time.Duration // at least 1 s
	UserID     string        // for the operator alone; empty: nobody's, or not known
}

func (e *ThrottledError) Error() string {
	return fmt.Sprintf("too many failed logins: try again in %v", e.RetryAfter)
}

// LinkRequiredError: a user already has the e-mail address of an unknown upstream identity. A person is
// asked whether both are theirs; then Link or LinkProven may be called.
type LinkRequiredError struct {
	UserID string
	Proven bool // the address is verified on both sides; otherwise the user signs in to the account first
}

func (e *LinkRequiredError) Error() string {
	return "an account with this e-mail address exists"
}

// CredentialsError is ErrInvalidCredentials with the user who was meant, and the reason. It is for the
// operator: nobody else may learn whether there is such an account.
type CredentialsError struct {
	UserID string // empty: nobody's
	Reason Reason
}

// Reason is why a password login failed.
type Reason string

const (
	NoSuchUser    Reason = "no_such_user"
	WrongPassword Reason = "wrong_password"
	NoPassword    Reason = "no_password" // the user signs in by an upstream provider alone
	Disabled      Reason = "disabled"
	Throttled     Reason = "throttled" // too many wrong passwords of the user, over all their names
)

func (e *CredentialsError) Error() string { return ErrInvalidCredentials.Error() }

func (e *CredentialsError) Unwrap() error { return ErrInvalidCredentials }

// Change is what Directory.Changed hears of.
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
	// Changed returns what else is written when a user comes from the configuration or from an upstream,
	// whose connector is then named, or is linked to one, or has another address there; in the same
	// Apply. nil: nothing. Not to be changed once the directory is in use.
	Changed func(ctx context.Context, what Change, userID, connector string) []storage.Write

	named atomic.Pointer[[]string] // usernames of the configuration

	store     storage.Store
	passwords *Passwords
	failures  *failures
	shared    sharedFailures
	trust     *trust
	pace      *pace
}

// New returns the directory kept in store. Passwords are verified, and hashed anew, by passwords.
func New(store storage.Store, passwords *Passwords) *Directory {
	return &Directory{store: store, passwords: passwords, failures: newFailures(), shared: sharedFailures{store, perLogin}, trust: newTrust(store), pace: &pace{unit: failurePace}}
}

// Get returns a user by id (the sub claim), or storage.ErrNotFound. The user may be disabled.
func (d *Directory) Get(ctx context.Context, id string) (*storage.User, error) {
	user, _, err := storage.Users.Get(ctx, d.store, id)
	return user, err
}

// ByUsername returns the user whose username is spelled so, or nil. Another spelling, good enough for
// people who type their own, may be another person's name for whoever vouches for them. The user may
// be disabled.
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

// ByIdentity returns the user whom an upstream identity is linked to, or nil. The user may be disabled.
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

// changed are the writes that Changed asks for.
func (d *Directory) changed(ctx context.Context, what Change, userID, connector string) []storage.Write {
	if d.Changed == nil {
		return nil
	}
	return d.Changed(ctx, what, userID, connector)
}

// busyError is the type of ErrBusy.
type busyError struct{}

func (busyError) Error() string { return "too many password checks at once" }

// Answer returns what a client is told.
func (busyError) Answer() (code, description string) {
	return "temporarily_unavailable", "The server cannot do this now. Try again in a moment."
}
