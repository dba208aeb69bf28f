package account

import (
	"context"
	"errors"
	"time"

	"github.com/authzd/authzd/authz/connect"
	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/storage"
)

// An upstream may give the address of a person who has left to another person. So an address that came from
// an identity is removed when the identity has another one. An address that the operator has set stays.

// bornWith is how soon after a user the identity that brought them must be written, if the user's record does
// not name the source of the address.
const bornWith = 10 * time.Second

// cameFrom reports whether the address of a user came from an identity.
func cameFrom(user *storage.User, key string, linked *storage.Identity) bool {
	if user.EmailFrom != "" {
		return user.EmailFrom == key
	}
	return user.PasswordHash == "" && sameAddress(user.Profile.Email, linked.Email) && linked.LinkedAt.Sub(user.CreatedAt).Abs() < bornWith
}

func sameAddress(a, b string) bool {
	keyA, errA := users.NormalizeEmail(a)
	keyB, errB := users.NormalizeEmail(b)
	return errA == nil && errB == nil && keyA == keyB
}

// readdress applies the present address of an identity to its user, and returns the changes to be reported.
// linked is the identity as it was before. If the username is the old address, it changes too.
func (d *Directory) readdress(ctx context.Context, user *storage.User, key string, id connect.Identity, linked *storage.Identity) (what []Change, err error) {
	address, err := users.NormalizeEmail(id.Email)
	if err != nil { // no address this time
		return nil, nil
	}
	proven := id.EmailVerified && id.EmailAuthoritative
	from := cameFrom(user, key, linked)
	same := sameAddress(user.Profile.Email, address)
	switch {
	case same && (!from || user.Profile.EmailVerified || !proven):
		return nil, nil
	case !from:
		if user.Profile.Email != "" && !sameAddress(linked.Email, address) {
			what = append(what, EmailDiffers)
		}
		return what, nil
	}
	free, err := d.isFree(ctx, address, user.ID)
	if err != nil || same && !free {
		return nil, err
	}
	was := user.Profile.Email
	user.EmailFrom = key
	if free {
		user.Profile.Email, user.Profile.EmailVerified = id.Email, proven
		what = append(what, EmailReplaced)
	} else {
		user.Profile.Email, user.Profile.EmailVerified = "", false
		if was != "" {
			what = append(what, EmailRemoved)
		}
	}
	if !same && sameAddress(user.Username, was) {
		user.Username, err = d.freeUsername(ctx, id, address, free && proven)
	}
	return what, err
}

// isFree reports whether no other user has an address.
func (d *Directory) isFree(ctx context.Context, address, userID string) (bool, error) {
	holder, _, err := d.byEmail(ctx, address)
	if err == nil && holder == nil {
		holder, err = d.byUsername(ctx, address)
	}
	return err == nil && (holder == nil || holder.ID == userID), err
}

// comeBack is a later login of a known identity.
func (d *Directory) comeBack(ctx context.Context, key string, id connect.Identity, linked *storage.Identity, version uint64) (*storage.User, error) {
	user, userVersion, err := d.enabled(ctx, linked.UserID)
	if err != nil {
		return nil, err
	}
	after := *user
	complete(&after, id)
	what, err := d.readdress(ctx, &after, key, id, linked)
	if err != nil {
		return nil, err
	}
	var writes []storage.Write
	if after.Profile != user.Profile || after.Username != user.Username {
		after.UpdatedAt = time.Now().UTC()
		if writes, err = d.changeWrites(ctx, user, userVersion, &after, false); err != nil {
			return nil, conflicts(err, user.ID)
		}
	}
	if id.Email != "" && id.Email != linked.Email {
		now := *linked
		now.Email = id.Email
		writes = append(writes, storage.Identities.Put(key, &now, storage.At(version), never))
	}
	for _, change := range what {
		writes = append(writes, d.changed(ctx, change, user.ID, id.Connector)...)
	}
	if len(writes) == 0 {
		return user, nil
	}
	return &after, d.store.Apply(ctx, writes...)
}

// conflicts returns a *storage.ConflictError, which makes the caller try again, if a name was taken
// meanwhile.
func conflicts(err error, userID string) error {
	if taken := (*TakenError)(nil); errors.As(err, &taken) {
		return &storage.ConflictError{Table: storage.Users.Table, Key: userID}
	}
	return err
}
