// Package factor keeps what a person proves beside the password: the codes of an authenticator app (RFC 6238), and
// recovery codes for the day when it is lost. It says how strongly a sign-in has proved who the person is, and how
// strongly the operator's policy wants that.
//
//	set up   -> NewSecret -> the app shows a code -> EnrolWrites: counts from now on        totp.go
//	sign-in  -> CheckTOTP, CheckRecovery: one Apply uses the code up, or counts a wrong one totp.go, recovery.go
//	         -> RememberWrites, Remembers: a device on which no code is asked for           device.go
//	loss     -> RemoveWrites, by the person or an operator
//	Policy   -> Demand: the Level that a sign-in must have                                  policy.go
//
// Another factor is a file beside totp.go, its record in Set, Of and DropWrites, and a way through the page of
// interaction/factor.go, as interaction/passkey_factor.go is one. Every factor is named in enrol.go and
// account_factors.go of package interaction, in operator/factors.go, in package events and in authz/account_events.go.
//
// The functions that return writes leave the Apply to the caller, so that a change, its event and its mail are stored
// together. All changes of the factors of a user write the user's record too, with a higher FactorEpoch. So of two
// changes at once one wins, and what was granted under the old factors ends: remembered devices, and sign-ins that wait
// for a factor.
package factor

import (
	"context"
	"errors"
	"time"

	"github.com/authzd/authzd/authz/account"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/storage"
)

// Level is how strongly a person has proved who they are. A higher one includes the lower ones.
type Level int

// The levels. A session of before there were levels has 0, which counts as One.
const (
	One               Level = 1 // one factor: a password, or an upstream
	Two               Level = 2 // two factors
	PhishingResistant Level = 3 // a passkey that has verified its user
	HardwareBound     Level = 4 // such a passkey that can't leave its device
)

// ErrWrong says that a code is wrong, or was used before. It does not say which.
var ErrWrong = errors.New("the code is wrong or was used before")

// ErrNone says that the user has no such factor, or that too many wrong codes in a row have ended it.
var ErrNone = errors.New("the user can't use this factor")

// ThrottledError refuses a code without looking at it, because too many were wrong.
type ThrottledError struct{ RetryAfter time.Duration }

func (e *ThrottledError) Error() string {
	return "too many wrong codes: try again in " + e.RetryAfter.String()
}

// Happening is what a code has done.
type Happening struct {
	User   *storage.User
	Factor string // its name
	Locked bool   // too many wrong codes in a row have ended the factor; otherwise a right one was used up
	Left   int    // recovery codes that are left
}

// Config is the input of New.
type Config struct {
	Store  storage.Store
	Secret *keys.Secret
	// Codes hashes recovery codes. Its values never change.
	Codes *keys.Deriver
	// Happened returns writes that are made in the same Apply when a code was used up, or has ended its factor. nil: no
	// writes.
	Happened func(context.Context, Happening) []storage.Write
	Policy   Policy
}

// Factors are the second factors of all users. It is safe for concurrent use.
type Factors struct {
	Policy
	store    storage.Store
	sealer   *keys.Sealer
	codes    *keys.Deriver
	happened func(context.Context, Happening) []storage.Write
}

// New returns the factors that are kept in a store.
func New(c Config) *Factors {
	if c.Happened == nil {
		c.Happened = func(context.Context, Happening) []storage.Write { return nil }
	}
	return &Factors{Policy: c.Policy, store: c.Store, sealer: c.Secret.Sealer(keys.PurposeTOTP), codes: c.Codes, happened: c.Happened}
}

// Names of factors in the audit log and the admin API.
const (
	NameTOTP     = "totp"
	NameRecovery = "recovery_codes"
)

// Set is what a user has.
type Set struct {
	TOTP     *storage.TOTP          // nil: none
	Recovery *storage.RecoveryCodes // nil: none
}

// Of returns what a user has.
func (f *Factors) Of(ctx context.Context, userID string) (Set, error) {
	var s Set
	app, _, err := storage.TOTPs.Get(ctx, f.store, userID)
	if err == nil {
		s.TOTP = app
	} else if !errors.Is(err, storage.ErrNotFound) {
		return s, err
	}
	codes, _, err := storage.RecoveryCodeSets.Get(ctx, f.store, userID)
	if err == nil {
		s.Recovery = codes
	} else if !errors.Is(err, storage.ErrNotFound) {
		return s, err
	}
	return s, nil
}

// Usable reports whether the authenticator app can prove something.
func (s Set) Usable() bool { return s.TOTP != nil && !locked(s.TOTP.Tries) }

// Codes returns how many recovery codes can be used.
func (s Set) Codes() int {
	if s.Recovery == nil || locked(s.Recovery.Tries) {
		return 0
	}
	return len(s.Recovery.Hashes)
}

// Stamp names what a user's sign-in rests on: the password, the factors and the epoch. What was granted under another
// Stamp does not count any more.
func Stamp(user *storage.User) string { return account.Stamp(user) }

// change returns the write of a user whose factors change. It conflicts if the user has changed since.
func change(user *storage.User, version uint64) storage.Write {
	changed := *user
	changed.FactorEpoch++
	changed.UpdatedAt = storage.Now()
	return storage.Users.Put(user.ID, &changed, storage.At(version), time.Time{})
}

// DropWrites delete all that a user has, without the write of the user. They are for a user who is deleted, or whose
// factors somebody else may have set up.
func (f *Factors) DropWrites(ctx context.Context, userID string) ([]storage.Write, error) {
	writes, err := f.forget(ctx, userID)
	return append(writes, storage.TOTPs.Delete(userID, storage.Any), storage.RecoveryCodeSets.Delete(userID, storage.Any)), err
}

// RemoveWrites delete all factors of a user that was read with this version, and end what rests on them. They conflict
// if the user has changed since.
func (f *Factors) RemoveWrites(ctx context.Context, user *storage.User, version uint64) ([]storage.Write, error) {
	writes, err := f.DropWrites(ctx, user.ID)
	return append(writes, change(user, version)), err
}
