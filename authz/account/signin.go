package account

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/connect"
	"github.com/authzd/authzd/storage"
)

// SignInWith returns the user of an upstream identity, which is known by (issuer, subject) alone.
//
//	known identity                            its user; unknown again if the user was deleted
//	address verified here, and proven there   that user, linked from now on
//	address of a user, anything less certain  *LinkRequiredError
//	otherwise                                 a new user without a password
//
// A proven address is one that the upstream has verified and is authoritative for. What a user
// already has in their profile stays; only missing values are taken from the identity. ErrDisabled
// if the user may not sign in.
func (d *Directory) SignInWith(ctx context.Context, id connect.Identity) (user *storage.User, err error) {
	key, err := identityKey(id)
	if err != nil {
		return nil, err
	}
	err = retry(func() error {
		linked, version, err := storage.Identities.Get(ctx, d.store, key)
		switch {
		case errors.Is(err, storage.ErrNotFound):
			user, err = d.arrive(ctx, key, id)
		case err == nil:
			user, err = d.comeBack(ctx, key, id, linked, version)
		}
		if errors.Is(err, errDeleted) { // the identity is unknown again
			if err = d.store.Apply(ctx, storage.Identities.Delete(key, storage.At(version))); err == nil {
				user, err = d.arrive(ctx, key, id)
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return user, nil
}

// Link adds an upstream identity to a user who has just signed in for this purpose, knowing which
// identity it is. A session from earlier is not enough: somebody else may have sent the browser
// through the upstream login. Linking twice is no error; ErrIdentityTaken and ErrDisabled are.
func (d *Directory) Link(ctx context.Context, userID string, id connect.Identity) error {
	key, err := identityKey(id)
	if err != nil {
		return err
	}
	return retry(func() error {
		linked, _, err := storage.Identities.Get(ctx, d.store, key)
		switch {
		case errors.Is(err, storage.ErrNotFound):
			_, err = d.link(ctx, key, id, userID)
			return err
		case err == nil && linked.UserID != userID:
			return ErrIdentityTaken
		}
		return err
	})
}

// comeBack is the login of a known identity.
func (d *Directory) comeBack(ctx context.Context, key string, id connect.Identity, linked *storage.Identity, version uint64) (*storage.User, error) {
	user, userVersion, err := d.enabled(ctx, linked.UserID)
	if err != nil {
		return nil, err
	}
	var writes []storage.Write
	if complete(user, id) {
		writes = append(writes, storage.Users.Put(user.ID, user, storage.At(userVersion), never))
	}
	if id.Email != "" && id.Email != linked.Email {
		linked.Email = id.Email
		writes = append(writes, storage.Identities.Put(key, linked, storage.At(version), never))
	}
	if len(writes) == 0 {
		return user, nil
	}
	return user, d.store.Apply(ctx, writes...)
}

// arrive is the first login of an identity.
func (d *Directory) arrive(ctx context.Context, key string, id connect.Identity) (*storage.User, error) {
	proven := id.EmailVerified && id.EmailAuthoritative
	address, err := NormalizeEmail(id.Email)
	if err != nil { // none, or none that could be anybody's here
		return d.welcome(ctx, key, id, "", false)
	}
	holder, _, err := d.byEmail(ctx, address)
	if err != nil {
		return nil, err
	}
	if holder != nil && proven && verified(holder, address) {
		return d.link(ctx, key, id, holder.ID)
	}
	if holder == nil {
		if holder, err = d.byUsername(ctx, address); err != nil {
			return nil, err
		}
	}
	if holder != nil {
		return nil, &LinkRequiredError{UserID: holder.ID}
	}
	return d.welcome(ctx, key, id, address, proven)
}

// link ties an identity to a user. Writing the user too makes sure that they exist at the commit.
func (d *Directory) link(ctx context.Context, key string, id connect.Identity, userID string) (*storage.User, error) {
	user, version, err := d.enabled(ctx, userID)
	if err != nil {
		return nil, err
	}
	complete(user, id)
	return user, d.store.Apply(ctx, append(d.changed(ctx, Linked, user.ID, id.Connector),
		storage.Users.Put(user.ID, user, storage.At(version), never),
		storage.Identities.Put(key, identityOf(id, user), storage.Absent, never))...)
}

// welcome creates the user of an identity. The address is normalised, or empty.
func (d *Directory) welcome(ctx context.Context, key string, id connect.Identity, address string, proven bool) (*storage.User, error) {
	now := time.Now().UTC()
	user := &storage.User{ID: newUserID(), CreatedAt: now, UpdatedAt: now}
	if address != "" {
		user.Profile.Email, user.Profile.EmailVerified = id.Email, proven
	}
	complete(user, id)
	var err error
	if user.Username, err = d.freeUsername(ctx, id, address, proven); err != nil {
		return nil, err
	}
	err = d.create(ctx, user, false, append(d.changed(ctx, Created, user.ID, id.Connector),
		storage.Identities.Put(key, identityOf(id, user), storage.Absent, never))...)
	if taken := (*TakenError)(nil); errors.As(err, &taken) { // since arrive looked: let it look again
		err = &storage.ConflictError{Table: storage.Users.Table, Key: user.ID}
	}
	return user, err
}

// freeUsername returns preferred_username or the proven address, whichever is free first, else a
// random name. An address that is not proven could be somebody else's login name.
func (d *Directory) freeUsername(ctx context.Context, id connect.Identity, address string, proven bool) (string, error) {
	for _, name := range []string{id.PreferredUsername, address} {
		key, err := NormalizeUsername(name)
		if err != nil || strings.Contains(key, "@") && !(proven && key == address) {
			continue
		}
		if holder, err := d.byUsername(ctx, key); err != nil {
			return "", err
		} else if holder == nil {
			return strings.TrimSpace(name), nil
		}
	}
	return "user-" + strings.ToLower(rand.Text()[:12]), nil
}

// errDeleted: the user of a known identity is no more.
var errDeleted = fmt.Errorf("the account is deleted: %w", ErrDisabled)

// enabled returns a user who may sign in, or ErrDisabled; errDeleted is one.
func (d *Directory) enabled(ctx context.Context, id string) (*storage.User, uint64, error) {
	user, version, err := storage.Users.Get(ctx, d.store, id)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return nil, 0, errDeleted
	case err == nil && user.Disabled:
		return nil, 0, ErrDisabled
	}
	return user, version, err
}

// complete fills what is missing in a profile, and tells whether there was anything. The address is
// left alone: it is a login name, and preferred_username is the username here.
func complete(user *storage.User, id connect.Identity) bool {
	changed := false
	for _, value := range []struct {
		own  *string
		told string
	}{
		{&user.Profile.Name, id.Name},
		{&user.Profile.GivenName, id.GivenName},
		{&user.Profile.FamilyName, id.FamilyName},
		{&user.Profile.Picture, id.Picture},
		{&user.Profile.Locale, id.Locale},
	} {
		if *value.own == "" && value.told != "" {
			*value.own, changed = value.told, true
		}
	}
	if changed {
		user.UpdatedAt = time.Now().UTC()
	}
	return changed
}

func identityOf(id connect.Identity, user *storage.User) *storage.Identity {
	return &storage.Identity{UserID: user.ID, Connector: id.Connector, Email: id.Email, LinkedAt: time.Now().UTC()}
}

// identityKey is unambiguous because an issuer, being a URL, has no space.
func identityKey(id connect.Identity) (string, error) {
	key := id.Issuer + " " + id.Subject
	if id.Issuer == "" || id.Subject == "" || strings.Contains(id.Issuer, " ") || len(key) > storage.MaxKey {
		return "", fmt.Errorf("connector %s: unusable issuer or subject", id.Connector)
	}
	return key, nil
}
