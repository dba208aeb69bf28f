package account

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/connect"
	"github.com/authzd/authzd/storage"
)

const (
	maxIdentities = 20 // of a user
	keptChanges   = 10 // kept for the user to see
)

// LinkedIdentity is an upstream identity of a user.
type LinkedIdentity struct {
	ID      string // unique among the user's identities
	Issuer  string
	Subject string
	storage.Identity

	key     string
	version uint64
}

// Identities returns the upstream identities of a user, the oldest first.
func (d *Directory) Identities(ctx context.Context, userID string) ([]LinkedIdentity, error) {
	entries, err := storage.UserIdentities.Scan(ctx, d.store, userID+"/", "", 2*maxIdentities)
	if err != nil {
		return nil, err
	}
	var found []LinkedIdentity
	for _, entry := range entries {
		linked, version, err := storage.Identities.Get(ctx, d.store, entry.Value.Identity)
		if errors.Is(err, storage.ErrNotFound) || err == nil && linked.UserID != userID {
			continue // unlinked at this moment
		} else if err != nil {
			return nil, err
		}
		issuer, subject, _ := strings.Cut(entry.Value.Identity, " ")
		found = append(found, LinkedIdentity{
			ID: entry.Key[len(userID)+1:], Issuer: issuer, Subject: subject, Identity: *linked,
			key: entry.Value.Identity, version: version,
		})
	}
	slices.SortStableFunc(found, func(a, b LinkedIdentity) int { return a.LinkedAt.Compare(b.LinkedAt) })
	return found, nil
}

// forget are the writes that unlink an identity.
func (l *LinkedIdentity) forget(userID string) []storage.Write {
	return []storage.Write{
		storage.Identities.Delete(l.key, storage.At(l.version)),
		storage.UserIdentities.Delete(storage.UserIdentityKey(userID, l.key), storage.Any),
	}
}

// LinkWrites link an identity to a user, enabled or disabled, for an operator. The errors are
// ErrIdentityTaken and ErrTooManyIdentities. There are no writes if it is already linked.
func (d *Directory) LinkWrites(ctx context.Context, userID string, id connect.Identity) ([]storage.Write, error) {
	key, err := identityKey(id)
	if err != nil {
		return nil, err
	}
	linked, version, err := storage.Identities.Get(ctx, d.store, key)
	cond := storage.Absent
	switch {
	case errors.Is(err, storage.ErrNotFound):
	case err != nil:
		return nil, err
	case linked.UserID == userID:
		return nil, nil
	default:
		if other, err := d.find(ctx, linked.UserID); err != nil || other != nil {
			return nil, errors.Join(err, ErrIdentityTaken)
		}
		cond = storage.At(version) // its user was deleted
	}
	user, userVersion, err := storage.Users.Get(ctx, d.store, userID)
	if err != nil {
		return nil, err
	}
	if _, err := d.roomFor(ctx, userID); err != nil {
		return nil, err
	}
	noteIdentity(user, id.Connector, true, true)
	return append(linkWrites(key, id, user, cond), storage.Users.Put(user.ID, user, storage.At(userVersion), never)), nil
}

// noteIdentity records a change of an identity for the user to see.
func noteIdentity(user *storage.User, connector string, linked, byOperator bool) {
	now := time.Now().UTC()
	changes := append(slices.Clone(user.IdentityChanges), storage.IdentityChange{At: now, Connector: connector, Linked: linked, ByOperator: byOperator})
	user.IdentityChanges, user.UpdatedAt = changes[max(0, len(changes)-keptChanges):], now
}

// roomFor returns a user's identities, or ErrTooManyIdentities.
func (d *Directory) roomFor(ctx context.Context, userID string) ([]LinkedIdentity, error) {
	identities, err := d.Identities(ctx, userID)
	if err == nil && len(identities) >= maxIdentities {
		err = ErrTooManyIdentities
	}
	return identities, err
}

// linkWrites link an identity to a user. The caller must write the user's record too, so that concurrent
// links and unlinks happen one after the other.
func linkWrites(key string, id connect.Identity, user *storage.User, cond storage.Condition) []storage.Write {
	return []storage.Write{
		storage.Identities.Put(key, &storage.Identity{UserID: user.ID, Connector: id.Connector, Email: id.Email, LinkedAt: time.Now().UTC()}, cond, never),
		storage.UserIdentityPut(user.ID, key, storage.Any),
	}
}

// IsLastWayIn reports whether a user with these identities could no longer sign in without one of them. works
// reports whether people can sign in at an upstream.
func (d *Directory) IsLastWayIn(ctx context.Context, user *storage.User, identities []LinkedIdentity, one *LinkedIdentity, works func(issuer string) bool) (bool, error) {
	if user.PasswordHash != "" || !works(one.Issuer) ||
		slices.ContainsFunc(identities, func(l LinkedIdentity) bool { return l.ID != one.ID && works(l.Issuer) }) {
		return false, nil
	}
	if d.HasPasskey == nil {
		return true, nil
	}
	has, err := d.HasPasskey(ctx, user.ID)
	return !has, err
}

// HasOtherWay reports whether a user can sign in without a passkey: by a password, or by an identity at an upstream
// that works.
func (d *Directory) HasOtherWay(ctx context.Context, user *storage.User, works func(issuer string) bool) (bool, error) {
	if user.PasswordHash != "" {
		return true, nil
	}
	identities, err := d.Identities(ctx, user.ID)
	return slices.ContainsFunc(identities, func(l LinkedIdentity) bool { return works(l.Issuer) }), err
}

// Unlink makes UnlinkWrites. In the same Apply it writes the event that tell returns.
func (d *Directory) Unlink(ctx context.Context, userID, identity string, byOperator bool, works func(issuer string) bool, tell func(*LinkedIdentity) []storage.Write) error {
	return storage.Retry(func() error {
		unlinked, writes, err := d.UnlinkWrites(ctx, userID, identity, byOperator, works)
		if err != nil {
			return err
		}
		return d.store.Apply(ctx, append(writes, tell(unlinked)...)...)
	})
}

// UnlinkWrites unlink an identity, by its ID, from a user. The errors are storage.ErrNotFound if the user
// does not have it, and ErrLastWayIn if IsLastWayIn. If only this identity proved an address, the address is
// unverified from then on: it may be given to another person.
func (d *Directory) UnlinkWrites(ctx context.Context, userID, identity string, byOperator bool, works func(issuer string) bool) (unlinked *LinkedIdentity, writes []storage.Write, err error) {
	user, version, err := storage.Users.Get(ctx, d.store, userID)
	if err != nil {
		return nil, nil, err
	}
	identities, err := d.Identities(ctx, userID)
	if err != nil {
		return nil, nil, err
	}
	i := slices.IndexFunc(identities, func(l LinkedIdentity) bool { return l.ID == identity })
	if i < 0 {
		return nil, nil, storage.ErrNotFound
	}
	unlinked = &identities[i]
	if last, err := d.IsLastWayIn(ctx, user, identities, unlinked, works); err != nil {
		return nil, nil, err
	} else if last {
		return nil, nil, ErrLastWayIn
	}
	changed := *user
	if cameFrom(user, unlinked.key, &unlinked.Identity) {
		changed.Profile.EmailVerified = false
	}
	noteIdentity(&changed, unlinked.Connector, false, byOperator)
	writes, err = d.changeWrites(ctx, user, version, &changed, true)
	return unlinked, append(writes, unlinked.forget(userID)...), err
}
