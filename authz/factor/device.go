package factor

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"time"

	"github.com/authzd/authzd/storage"
)

// RememberFor is how long a device is remembered.
const RememberFor = 30 * 24 * time.Hour

const deviceBytes = 32

// RememberWrite remembers a device for a user: it returns the value of the device's cookie, and the write. The value is
// new each time, so that nobody can plant one.
func (f *Factors) RememberWrite(user *storage.User) (value string, write storage.Write) {
	raw := make([]byte, deviceBytes)
	rand.Read(raw) // never fails
	value = base64.RawURLEncoding.EncodeToString(raw)
	now := storage.Now()
	device := &storage.RememberedDevice{Stamp: Stamp(user), CreatedAt: now}
	return value, storage.RememberedDevices.Put(deviceKey(user.ID, value), device, storage.Any, now.Add(RememberFor))
}

// ForgetWrites forget all devices of a user that was read with this version. They conflict if the user has changed since.
func (f *Factors) ForgetWrites(ctx context.Context, user *storage.User, version uint64) ([]storage.Write, error) {
	writes, err := f.forget(ctx, user.ID)
	return append(writes, change(user, version)), err
}

// Device is a device that a user wants to be remembered. The ID is a hash of the value of its cookie.
type Device struct {
	ID           string
	Since, Until time.Time
}

// Devices returns the devices that are remembered of a user, and whose remembering nothing has ended.
func (f *Factors) Devices(ctx context.Context, user *storage.User) (found []Device, err error) {
	stamp := Stamp(user)
	for entry, err := range storage.RememberedDevices.All(ctx, f.store, user.ID+"/") {
		if err != nil {
			return nil, err
		}
		if v := entry.Value; v.Stamp == stamp {
			found = append(found, Device{ID: entry.Key[len(user.ID)+1:], Since: v.CreatedAt, Until: v.CreatedAt.Add(RememberFor)})
		}
	}
	return found, nil
}

func (f *Factors) forget(ctx context.Context, userID string) (writes []storage.Write, err error) {
	for entry, err := range storage.RememberedDevices.All(ctx, f.store, userID+"/") {
		if err != nil {
			return nil, err
		}
		writes = append(writes, storage.RememberedDevices.Delete(entry.Key, storage.Any))
	}
	return writes, nil
}

// Remembers reports whether the value of a cookie is of a device that a user wants to be remembered, and nothing has
// ended that: no change of the password or a factor, and no sign-out everywhere.
func (f *Factors) Remembers(ctx context.Context, user *storage.User, value string) (bool, error) {
	if len(value) != base64.RawURLEncoding.EncodedLen(deviceBytes) {
		return false, nil
	}
	device, _, err := storage.RememberedDevices.Get(ctx, f.store, deviceKey(user.ID, value))
	if errors.Is(err, storage.ErrNotFound) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	return device.Stamp == Stamp(user), nil
}

// deviceKey begins with the user's id, so the device of one user is unknown for another.
func deviceKey(userID, value string) string {
	sum := sha256.Sum256([]byte(value))
	return userID + "/" + base64.RawURLEncoding.EncodeToString(sum[:])
}
