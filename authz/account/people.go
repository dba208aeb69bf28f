package account

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/storage"
)

// What people do with their own accounts is returned as writes too, as an operator's change is (change.go).

// ByAddress returns the user to whom an address leads, or nil: it is proved to be theirs, or an operator has given it
// to them. The user may be disabled.
func (d *Directory) ByAddress(ctx context.Context, address string) (*storage.User, error) {
	key, err := users.NormalizeEmail(address)
	if err != nil {
		return nil, nil
	}
	user, _, err := d.byEmail(ctx, key)
	if err != nil || user == nil || !sameAddress(user.Profile.Email, key) {
		return nil, err
	}
	return user, nil
}

// IsTaken reports whether an address leads to a user, as their address or their username.
func (d *Directory) IsTaken(ctx context.Context, address string) (bool, error) {
	return d.IsTakenFor(ctx, address, "")
}

// IsTakenFor is IsTaken for a user who may have the address already.
func (d *Directory) IsTakenFor(ctx context.Context, address, userID string) (bool, error) {
	key, err := users.NormalizeEmail(address)
	if err != nil {
		return false, err
	}
	free, err := d.isFree(ctx, key, userID)
	return err == nil && !free, err
}

// NewPerson returns a user who has proved an address and chosen a password, to be created by JoinWrites. The address
// is the username, if it can be one.
func NewPerson(address, name, locale, hash string) *storage.User {
	now := time.Now().UTC()
	user := &storage.User{ID: newUserID(), Username: address, EmailFrom: storage.EmailByUser, CreatedAt: now, UpdatedAt: now}
	if _, err := users.NormalizeUsername(address); err != nil { // longer than a username may be
		user.Username = "user-" + strings.ToLower(rand.Text()[:12])
	}
	user.Profile = storage.Profile{Name: name, Email: address, EmailVerified: true, Locale: locale}
	SetHash(user, hash)
	return user
}

// JoinWrites creates a user who has signed up. The error is *TakenError if the address or the username belongs to
// another user by now.
func (d *Directory) JoinWrites(ctx context.Context, user *storage.User) ([]storage.Write, error) {
	taken, err := d.IsTaken(ctx, user.Profile.Email)
	if err == nil && taken {
		err = &TakenError{"e-mail address"}
	}
	if err != nil {
		return nil, err
	}
	return d.createWrites(ctx, user, false)
}

// WithAddress returns a user who has proved another address. A username that is the former address changes too.
func WithAddress(user *storage.User, address string) *storage.User {
	changed := *user
	if sameAddress(user.Username, user.Profile.Email) {
		if _, err := users.NormalizeUsername(address); err == nil {
			changed.Username = address
		}
	}
	changed.Profile.Email, changed.Profile.EmailVerified, changed.EmailFrom = address, true, storage.EmailByUser
	changed.UpdatedAt = time.Now().UTC()
	return &changed
}

// IsNamed reports whether the configuration file names a user with this username.
func (d *Directory) IsNamed(username string) bool {
	key, err := users.NormalizeUsername(username)
	named := d.named.Load()
	if err != nil || named == nil {
		return false
	}
	for _, name := range *named {
		if own, err := users.NormalizeUsername(strings.TrimSpace(name)); err == nil && own == key {
			return true
		}
	}
	return false
}

// LeaveWrites delete a user who wants that, as DeleteWrites do. If the configuration file names the user, a mark stays
// that keeps the file from making them again.
func (d *Directory) LeaveWrites(ctx context.Context, user *storage.User, version uint64) ([]storage.Write, error) {
	writes, err := d.DeleteWrites(ctx, user, version)
	if err != nil || !d.IsNamed(user.Username) {
		return writes, err
	}
	key, err := users.NormalizeUsername(user.Username)
	mark := &storage.DeletedUser{UserID: user.ID, DeletedAt: time.Now().UTC()}
	return append(writes, storage.DeletedUsers.Put(key, mark, storage.Any, never)), err
}

// HasLeft reports whether a user of the configuration file has deleted the account of this username.
func (d *Directory) HasLeft(ctx context.Context, username string) (bool, error) {
	key, err := users.NormalizeUsername(username)
	if err != nil {
		return false, err
	}
	_, _, err = storage.DeletedUsers.Get(ctx, d.store, key)
	if errors.Is(err, storage.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
