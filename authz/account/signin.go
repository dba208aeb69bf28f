package account

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/connect"
	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/storage"
)

// SignInWith returns the user of an upstream identity. Only (issuer, subject) identify it.
//
//	known identity                  its user; unknown again if the user was deleted
//	address of a user               *LinkRequiredError
//	address of a user who has an    a new user without that address: it was given to somebody
//	identity of this upstream       else, and the identity that had it is another person
//	otherwise                       a new user without a password
//
// A profile keeps its values, except for an address that came from this identity (address.go). Missing values
// are taken from the identity. The error is ErrDisabled if the user may not sign in.
func (d *Directory) SignInWith(ctx context.Context, id connect.Identity) (user *storage.User, err error) {
	key, err := identityKey(id)
	if err != nil {
		return nil, err
	}
	err = storage.Retry(func() error {
		linked, version, err := storage.Identities.Get(ctx, d.store, key)
		switch {
		case errors.Is(err, storage.ErrNotFound):
			user, err = d.arrive(ctx, key, id)
		case err == nil:
			user, err = d.comeBack(ctx, key, id, linked, version)
		}
		if errors.Is(err, errDeleted) { // the identity is unknown again
			if err = d.store.Apply(ctx, storage.Identities.Delete(key, storage.At(version)),
				storage.UserIdentities.Delete(storage.UserIdentityKey(linked.UserID, key), storage.Any)); err == nil {
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

// Link adds an upstream identity to a user who has signed in for this purpose and confirmed it on a page that
// names the identity. An earlier session is not enough, because somebody else may have sent the browser
// through the upstream login. Linking twice is no error. Errors are ErrIdentityTaken, ErrOtherIdentity,
// ErrTooManyIdentities and ErrDisabled.
func (d *Directory) Link(ctx context.Context, userID string, id connect.Identity) error {
	return d.tie(ctx, userID, id, "")
}

// tie links an identity to a user. If address is not empty, it must be a verified address of the user.
func (d *Directory) tie(ctx context.Context, userID string, id connect.Identity, address string) error {
	key, err := identityKey(id)
	if err != nil {
		return err
	}
	return storage.Retry(func() error {
		linked, _, err := storage.Identities.Get(ctx, d.store, key)
		switch {
		case errors.Is(err, storage.ErrNotFound):
			return d.link(ctx, key, id, userID, address)
		case err == nil && linked.UserID != userID:
			return ErrIdentityTaken
		}
		return err
	})
}

// LinkProven is Link for a user who has confirmed it without signing in, because the address is verified on
// both sides. It checks that again, and returns the user.
func (d *Directory) LinkProven(ctx context.Context, userID string, id connect.Identity) (*storage.User, error) {
	address, err := users.NormalizeEmail(id.Email)
	if err != nil || !id.EmailVerified || !id.EmailAuthoritative {
		return nil, &LinkRequiredError{UserID: userID}
	}
	user, _, err := d.enabled(ctx, userID)
	if err != nil {
		return nil, err
	}
	if !proves(user, address, id.Connector) {
		return nil, &LinkRequiredError{UserID: userID}
	}
	return user, d.tie(ctx, userID, id, address)
}

// arrive is the first login of an identity.
func (d *Directory) arrive(ctx context.Context, key string, id connect.Identity) (*storage.User, error) {
	proven := id.EmailVerified && id.EmailAuthoritative
	address, err := users.NormalizeEmail(id.Email)
	if err != nil { // no address, or one that no user could have
		return d.welcome(ctx, key, id, "", false)
	}
	holder, _, err := d.byEmail(ctx, address)
	if err != nil {
		return nil, err
	}
	if holder == nil {
		if holder, err = d.byUsername(ctx, address); err != nil {
			return nil, err
		}
	}
	if holder == nil {
		return d.welcome(ctx, key, id, address, proven)
	}
	if other, err := d.hasOther(ctx, holder.ID, id.Issuer); err != nil {
		return nil, err
	} else if other { // the address was theirs
		return d.welcome(ctx, key, id, "", false)
	}
	proven = proven && proves(holder, address, id.Connector)
	if proven && holder.Disabled {
		return nil, ErrDisabled
	}
	return nil, &LinkRequiredError{UserID: holder.ID, Proven: proven}
}

// proves reports whether a verified address is enough to link an identity at a connector to a user. It is not
// enough after an identity of that connector was unlinked: another person may have the address there by now.
// The user has another way in, because the last one can't be unlinked.
func proves(user *storage.User, address, connector string) bool {
	return verified(user, address) && !slices.ContainsFunc(user.IdentityChanges, func(c storage.IdentityChange) bool {
		return !c.Linked && c.Connector == connector
	})
}

// hasOther reports whether a user has an identity of an upstream.
func (d *Directory) hasOther(ctx context.Context, userID, issuer string) (bool, error) {
	identities, err := d.Identities(ctx, userID)
	return slices.ContainsFunc(identities, func(l LinkedIdentity) bool { return l.Issuer == issuer }), err
}

// link ties an identity to a user. It also writes the user: so at the commit the user exists, has the address
// that proves the link, and gets no other link at the same time.
func (d *Directory) link(ctx context.Context, key string, id connect.Identity, userID, address string) error {
	user, version, err := d.enabled(ctx, userID)
	if err != nil {
		return err
	}
	if address != "" && !proves(user, address, id.Connector) {
		return &LinkRequiredError{UserID: userID}
	}
	identities, err := d.roomFor(ctx, userID)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(identities, func(l LinkedIdentity) bool { return l.Issuer == id.Issuer }) {
		return ErrOtherIdentity
	}
	complete(user, id)
	noteIdentity(user, id.Connector, true, false)
	writes := append(linkWrites(key, id, user, storage.Absent), storage.Users.Put(user.ID, user, storage.At(version), never))
	writes = append(writes, d.changed(ctx, Linked, user.ID, id.Connector)...)
	if d.Tied != nil {
		writes = append(writes, d.Tied(ctx, user, id)...)
	}
	return d.store.Apply(ctx, writes...)
}

// welcome creates the user of an identity. The address is normalised, or empty.
func (d *Directory) welcome(ctx context.Context, key string, id connect.Identity, address string, proven bool) (*storage.User, error) {
	now := time.Now().UTC()
	user := &storage.User{ID: newUserID(), EmailFrom: key, CreatedAt: now, UpdatedAt: now}
	if address != "" {
		user.Profile.Email, user.Profile.EmailVerified = id.Email, proven
	}
	complete(user, id)
	var err error
	if user.Username, err = d.freeUsername(ctx, id, address, proven); err != nil {
		return nil, err
	}
	err = d.create(ctx, user, false, append(d.changed(ctx, Created, user.ID, id.Connector), linkWrites(key, id, user, storage.Absent)...)...)
	return user, conflicts(err, user.ID)
}

// freeUsername returns the first free name of these: preferred_username, the proven address, and the part
// before the @ if preferred_username is another address; otherwise a random name. An unproven address could
// be somebody else's login name. Reserved names are not free.
func (d *Directory) freeUsername(ctx context.Context, id connect.Identity, address string, proven bool) (string, error) {
	local := ""
	if key, err := users.NormalizeUsername(id.PreferredUsername); err == nil && strings.Contains(key, "@") {
		local = key[:strings.LastIndexByte(key, '@')]
	}
	for _, name := range []string{id.PreferredUsername, address, local} {
		key, err := users.NormalizeUsername(name)
		if err != nil {
			continue
		}
		own := proven && key == address
		if strings.Contains(key, "@") && !own || !own && d.isReserved(key) {
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

// errDeleted says that the user of a known identity was deleted.
var errDeleted = fmt.Errorf("the account is deleted: %w", ErrDisabled)

// enabled returns a user who may sign in, or an error that is ErrDisabled; errDeleted is one.
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

// complete fills missing members of a profile. It leaves the address alone, which is a login name.
// preferred_username is the username here.
func complete(user *storage.User, id connect.Identity) {
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
		*value.own = cmp.Or(*value.own, value.told)
	}
}

// identityKey is unambiguous: an issuer is a URL and has no space.
func identityKey(id connect.Identity) (string, error) {
	key := id.Issuer + " " + id.Subject
	if id.Issuer == "" || id.Subject == "" || strings.Contains(id.Issuer, " ") || len(key) > storage.MaxKey {
		return "", fmt.Errorf("connector %s: unusable issuer or subject", id.Connector)
	}
	return key, nil
}
