package account

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/storage"
)

// A login name is a username or an e-mail address. Two kinds of index records make sure that it leads to only
// one user:
//
//	Usernames  every username
//	Emails     every verified address, and the unverified ones that the operator gave to a user:
//	           those prove nothing, but they tell that an account may exist already
//
// An address that only an upstream claims is not indexed: a claim of somebody else's address must not keep
// that person out. A username in the form of an address and another user's verified address exclude each
// other.

// TakenError refuses a name that belongs to another user.
type TakenError struct {
	What string // "username" or "e-mail address"
}

func (e *TakenError) Error() string { return "this " + e.What + " belongs to another account" }

// byUsername returns the user of a normalised username, or nil.
func (d *Directory) byUsername(ctx context.Context, key string) (*storage.User, error) {
	ref, _, err := storage.Usernames.Get(ctx, d.store, key)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return d.find(ctx, ref.UserID)
}

// byEmail returns the user with a normalised address, or nil, and the condition for a write of the index
// record.
func (d *Directory) byEmail(ctx context.Context, key string) (*storage.User, storage.Condition, error) {
	ref, version, err := storage.Emails.Get(ctx, d.store, key)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, storage.Absent, nil
	} else if err != nil {
		return nil, 0, err
	}
	user, err := d.find(ctx, ref.UserID)
	return user, storage.At(version), err
}

// find is Get, but returns nil if the user does not exist.
func (d *Directory) find(ctx context.Context, id string) (*storage.User, error) {
	user, err := d.Get(ctx, id)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil
	}
	return user, err
}

// verified reports whether a normalised address is proved to be the user's.
func verified(user *storage.User, key string) bool {
	own, err := users.NormalizeEmail(user.Profile.Email)
	return err == nil && own == key && user.Profile.EmailVerified
}

// create stores a new user with their names, and further writes. byOperator means that the operator gave the
// e-mail address. Errors are *TakenError, or *storage.ConflictError if another request took a name at this
// moment.
func (d *Directory) create(ctx context.Context, user *storage.User, byOperator bool, more ...storage.Write) error {
	writes, err := d.createWrites(ctx, user, byOperator)
	if err != nil {
		return err
	}
	return d.store.Apply(ctx, append(more, writes...)...)
}

func (d *Directory) createWrites(ctx context.Context, user *storage.User, byOperator bool) ([]storage.Write, error) {
	username, err := users.NormalizeUsername(user.Username)
	if err != nil {
		return nil, err
	}
	claim, err := d.claimNames(ctx, user, username, byOperator)
	if err != nil {
		return nil, err
	}
	claim = append(claim, markWrites(user.PasswordHash)...)
	return append(claim, storage.Users.Put(user.ID, user, storage.Absent, never),
		storage.Usernames.Put(username, &storage.UserRef{UserID: user.ID}, storage.Absent, never)), nil
}

// claimNames makes the user's e-mail address lead to them, and keeps their username from leading to another
// user. It leaves out the index record of the username itself.
func (d *Directory) claimNames(ctx context.Context, user *storage.User, username string, byOperator bool) ([]storage.Write, error) {
	address, claim, err := d.claimEmail(ctx, user, username, byOperator)
	if err != nil || !strings.Contains(username, "@") || claim != nil && address == username {
		return claim, err
	}
	holder, cond, err := d.byEmail(ctx, username)
	switch {
	case err != nil:
		return nil, err
	case holder != nil && holder.ID == user.ID:
		return claim, nil
	case holder != nil:
		return nil, &TakenError{"username"}
	}
	return append(claim, storage.Emails.Delete(username, cond)), nil // stays free until the commit
}

// claimEmail returns the user's normalised address, and the writes that make it lead to them, if it should.
func (d *Directory) claimEmail(ctx context.Context, user *storage.User, username string, byOperator bool) (address string, claim []storage.Write, err error) {
	if user.Profile.Email == "" {
		return "", nil, nil
	}
	if address, err = users.NormalizeEmail(user.Profile.Email); err != nil {
		return "", nil, err
	}
	holder, cond, err := d.byEmail(ctx, address)
	if err != nil {
		return "", nil, err
	}
	claim = []storage.Write{storage.Emails.Put(address, &storage.UserRef{UserID: user.ID}, cond, never)}
	own := holder != nil && holder.ID == user.ID
	if !user.Profile.EmailVerified {
		if !byOperator || holder != nil && !own {
			claim = nil
		}
		return address, claim, nil
	}
	if holder != nil && !own && verified(holder, address) {
		return "", nil, &TakenError{"e-mail address"}
	}
	if address == username {
		return address, claim, nil
	}
	namesake, err := d.byUsername(ctx, address)
	switch {
	case err != nil:
		return "", nil, err
	case namesake == nil:
		claim = append(claim, storage.Usernames.Delete(address, storage.Absent)) // stays free until the commit
	case namesake.ID != user.ID:
		return "", nil, &TakenError{"e-mail address"}
	}
	return address, claim, nil
}

// never is the expiry of a record that stays.
var never time.Time
