package account

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/passhash"
	"github.com/authzd/authzd/authz/tally"
	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/storage"
)

// An operator's change is returned as writes, for one Apply with everything that belongs to the change: ended
// sessions, messages to clients, the event in the audit log. The writes conflict if a record that they depend
// on has changed. Then the caller computes them again.

// New returns a user to be created, with the password hashed. The description must be valid.
func (d *Directory) New(ctx context.Context, u users.User) (*storage.User, error) {
	hash, err := d.Hash(ctx, string(u.Password))
	if err != nil {
		return nil, err
	}
	user := &storage.User{ID: newUserID(), CreatedAt: time.Now().UTC()}
	SetHash(user, hash)
	user.UpdatedAt = user.CreatedAt
	apply(u, user)
	return user, nil
}

// With returns the user with a description applied, except for the password.
func With(user *storage.User, u users.User) *storage.User {
	changed := *user
	apply(u, &changed)
	changed.UpdatedAt = time.Now().UTC()
	return &changed
}

// Hash returns the hash of a new password, or the password itself if it is a hash. The errors are those of
// Passwords.Hash. An empty password has an empty hash, which matches nothing.
func (d *Directory) Hash(ctx context.Context, password string) (string, error) {
	if password == "" || passhash.Scheme(password) != "" {
		return password, nil
	}
	return d.passwords.Hash(ctx, password)
}

// CreateWrites creates a user. The error is *TakenError if another user has the name.
func (d *Directory) CreateWrites(ctx context.Context, user *storage.User) ([]storage.Write, error) {
	username, err := users.NormalizeUsername(user.Username)
	if err != nil {
		return nil, err
	}
	if namesake, err := d.byUsername(ctx, username); err != nil {
		return nil, err
	} else if namesake != nil {
		return nil, &TakenError{"username"}
	}
	writes, err := d.createWrites(ctx, user, true)
	return append(writes, storage.DeletedUsers.Delete(username, storage.Any)), err
}

// ChangeWrites changes a user that was read with this version. The error is *TakenError if another user has
// the name.
func (d *Directory) ChangeWrites(ctx context.Context, before *storage.User, version uint64, after *storage.User) ([]storage.Write, error) {
	return d.changeWrites(ctx, before, version, after, true)
}

func (d *Directory) changeWrites(ctx context.Context, before *storage.User, version uint64, after *storage.User, byOperator bool) ([]storage.Write, error) {
	writes := []storage.Write{storage.Users.Put(after.ID, after, storage.At(version), never)}
	if after.PasswordHash != before.PasswordHash {
		writes = append(writes, markWrites(after.PasswordHash)...)
	}
	was, err := users.NormalizeUsername(before.Username)
	if err != nil {
		return nil, err
	}
	is, err := users.NormalizeUsername(after.Username)
	if err != nil {
		return nil, err
	}
	if was != is {
		namesake, err := d.byUsername(ctx, is)
		if err != nil {
			return nil, err
		} else if namesake != nil {
			return nil, &TakenError{"username"}
		}
		released, err := d.release(ctx, storage.Usernames, was, after.ID)
		if err != nil {
			return nil, err
		}
		writes = append(append(writes, released...), storage.Usernames.Put(is, &storage.UserRef{UserID: after.ID}, storage.Absent, never))
	}
	if was == is && before.Profile.Email == after.Profile.Email && before.Profile.EmailVerified == after.Profile.EmailVerified {
		return writes, nil
	}
	claim, err := d.claimNames(ctx, after, is, byOperator)
	if err != nil {
		return nil, err
	}
	writes = append(writes, claim...)
	if address, err := users.NormalizeEmail(before.Profile.Email); err == nil && !names(claim, storage.Emails.Table, address) {
		own, err := users.NormalizeEmail(after.Profile.Email)
		if err == nil && own == address {
			return writes, nil
		}
		released, err := d.release(ctx, storage.Emails, address, after.ID)
		return append(writes, released...), err
	}
	return writes, nil
}

// DeclinePasskeys notes that a user does not want to be offered a passkey again.
func (d *Directory) DeclinePasskeys(ctx context.Context, userID string) error {
	return storage.Retry(func() error {
		user, version, err := storage.Users.Get(ctx, d.store, userID)
		if err != nil || user.PasskeysDeclined {
			return err
		}
		user.PasskeysDeclined = true
		return d.store.Apply(ctx, storage.Users.Put(user.ID, user, storage.At(version), never))
	})
}

// DeleteWrites deletes a user with their names, identities, passkeys, factors, consents and records of sign-ins.
func (d *Directory) DeleteWrites(ctx context.Context, user *storage.User, version uint64) ([]storage.Write, error) {
	writes := []storage.Write{storage.Users.Delete(user.ID, storage.At(version)), tally.Forget(tally.UserKey(user.ID)), tally.Forget(tally.InRowKey(user.ID))}
	networks, err := deleteAll(ctx, d.store, storage.TrustedNetworks, user.ID)
	if err != nil {
		return nil, err
	}
	remembered, err := deleteAll(ctx, d.store, storage.RememberedDevices, user.ID)
	if err != nil {
		return nil, err
	}
	writes = append(writes, storage.TOTPs.Delete(user.ID, storage.Any), storage.RecoveryCodeSets.Delete(user.ID, storage.Any))
	writes = append(writes, remembered...)
	devices, err := deleteAll(ctx, d.store, storage.KnownDevices, user.ID)
	if err != nil {
		return nil, err
	}
	var links []storage.Write // with the addresses that they went to
	for entry, err := range storage.LiveProofs.All(ctx, d.store, user.ID+"/") {
		if err != nil {
			return nil, err
		}
		links = append(links, storage.LiveProofs.Delete(entry.Key, storage.At(entry.Version)), storage.Proofs.Delete(entry.Value.Proof, storage.Any))
	}
	writes = slices.Concat(writes, networks, devices, links)
	if username, err := users.NormalizeUsername(user.Username); err == nil {
		released, err := d.release(ctx, storage.Usernames, username, user.ID)
		if err != nil {
			return nil, err
		}
		writes = append(writes, released...)
	}
	if address, err := users.NormalizeEmail(user.Profile.Email); err == nil {
		released, err := d.release(ctx, storage.Emails, address, user.ID)
		if err != nil {
			return nil, err
		}
		writes = append(writes, released...)
	}
	identities, err := d.Identities(ctx, user.ID)
	if err != nil {
		return nil, err
	}
	for _, id := range identities {
		writes = append(writes, id.forget(user.ID)...)
	}
	passkeys, err := deleteAll(ctx, d.store, storage.Passkeys, user.ID)
	if err != nil {
		return nil, err
	}
	consents, err := deleteAll(ctx, d.store, storage.Consents, user.ID)
	return append(append(writes, passkeys...), consents...), err
}

// deleteAll deletes all of a user's records of a kind, whose keys begin with the user's id.
func deleteAll[T any](ctx context.Context, store storage.Store, kind storage.Kind[T], userID string) (writes []storage.Write, err error) {
	for entry, err := range kind.All(ctx, store, userID+"/") {
		if err != nil {
			return nil, err
		}
		writes = append(writes, kind.Delete(entry.Key, storage.Any))
	}
	return writes, nil
}

// release is the write that frees a name, if it leads to this user.
func (d *Directory) release(ctx context.Context, kind storage.Kind[storage.UserRef], key, userID string) ([]storage.Write, error) {
	ref, version, err := kind.Get(ctx, d.store, key)
	if errors.Is(err, storage.ErrNotFound) || err == nil && ref.UserID != userID {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return []storage.Write{kind.Delete(key, storage.At(version))}, nil
}

// names reports whether one of the writes is of this record.
func names(writes []storage.Write, table storage.Table, key string) bool {
	for _, w := range writes {
		if w.Table == table && w.Key == key {
			return true
		}
	}
	return false
}

// Found is a result of a search for users.
type Found struct {
	User    *storage.User
	Version uint64
}

// ByUsernamePrefix returns up to limit users whose normalised usernames begin with prefix, in that order.
// Names without a user are left out, but counted. last is the key to go on after, or "" at the end.
func (d *Directory) ByUsernamePrefix(ctx context.Context, prefix, after string, limit int) (found []Found, last string, err error) {
	return d.search(ctx, storage.Usernames, prefix, after, limit)
}

// ByEmailPrefix finds users by address, as ByUsernamePrefix does by username.
func (d *Directory) ByEmailPrefix(ctx context.Context, prefix, after string, limit int) (found []Found, last string, err error) {
	return d.search(ctx, storage.Emails, prefix, after, limit)
}

func (d *Directory) search(ctx context.Context, kind storage.Kind[storage.UserRef], prefix, after string, limit int) (found []Found, last string, err error) {
	page, err := kind.Scan(ctx, d.store, fold(prefix), after, limit)
	if err != nil {
		return nil, "", err
	}
	for _, entry := range page {
		user, version, err := storage.Users.Get(ctx, d.store, entry.Value.UserID)
		if errors.Is(err, storage.ErrNotFound) {
			continue
		} else if err != nil {
			return nil, "", err
		}
		found = append(found, Found{user, version})
	}
	if len(page) == limit {
		last = page[len(page)-1].Key
	}
	return found, last, nil
}

// fold normalises the beginning of a name, as far as that is possible for a part of one.
func fold(prefix string) string {
	prefix = strings.TrimSpace(prefix)
	if key, err := users.NormalizeUsername(prefix); err == nil {
		return key
	}
	return strings.ToLower(prefix)
}

// All returns up to limit users in the order of their ids.
func (d *Directory) All(ctx context.Context, after string, limit int) (found []Found, last string, err error) {
	page, err := storage.Users.Scan(ctx, d.store, "", after, limit)
	if err != nil {
		return nil, "", err
	}
	for _, entry := range page {
		found = append(found, Found{entry.Value, entry.Version})
	}
	if len(page) == limit {
		last = page[len(page)-1].Key
	}
	return found, last, nil
}
