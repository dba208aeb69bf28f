package account

import (
	"context"
	"errors"
	"time"

	"github.com/authzd/authzd/authz/tally"
	"github.com/authzd/authzd/authz/throttle"
	"github.com/authzd/authzd/storage"
)

const (
	// deviceFor is how long a device is known after a sign-in.
	deviceFor = 180 * 24 * time.Hour
	// maxDevices is how many are known of one user. Another one makes the server forget the one that was not used for
	// the longest time.
	maxDevices = 50
)

// perDevice limits wrong passwords from one known device while others are kept out: the device may be stolen.
var perDevice = throttle.Limit{Burst: 10, Interval: 36 * time.Second}

// KnowsDevice reports whether a user has signed in on a device lately. "" is no device.
func (d *Directory) KnowsDevice(ctx context.Context, userID, device string) (bool, error) {
	if device == "" {
		return false, nil
	}
	_, _, err := storage.KnownDevices.Get(ctx, d.store, userID+"/"+device)
	if errors.Is(err, storage.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// DeviceWrites record that a user signs in on a device; none if that was written lately. It reports whether the device
// was known before.
func (d *Directory) DeviceWrites(ctx context.Context, userID, device string) (writes []storage.Write, known bool, err error) {
	now, key := storage.Now(), userID+"/"+device
	record, _, err := storage.KnownDevices.Get(ctx, d.store, key)
	switch {
	case err == nil && now.Sub(record.SeenAt) < trustAgain:
		return nil, true, nil
	case err == nil:
		return []storage.Write{storage.KnownDevices.Put(key, &storage.KnownDevice{CreatedAt: record.CreatedAt, SeenAt: now}, storage.Any, now.Add(deviceFor))}, true, nil
	case !errors.Is(err, storage.ErrNotFound):
		return nil, false, err
	}
	writes = []storage.Write{storage.KnownDevices.Put(key, &storage.KnownDevice{CreatedAt: now, SeenAt: now}, storage.Any, now.Add(deviceFor))}
	all, err := storage.KnownDevices.Scan(ctx, d.store, userID+"/", "", 2*maxDevices)
	if err != nil || len(all) < maxDevices {
		return writes, false, err
	}
	oldest := all[0]
	for _, other := range all {
		if other.Value.SeenAt.Before(oldest.Value.SeenAt) {
			oldest = other
		}
	}
	return append(writes, storage.KnownDevices.Delete(oldest.Key, storage.Any)), false, nil
}

// roomOnDevice reports whether a user may try a password on a device although others have used up the tries: the user
// has signed in there before, and not too many have failed there. It returns the count that a failure is added to.
func (d *Directory) roomOnDevice(ctx context.Context, userID, device string) (tally.Count, bool, error) {
	known, err := d.KnowsDevice(ctx, userID, device)
	if err != nil || !known {
		return tally.Count{}, false, err
	}
	c, err := tally.Read(ctx, d.store, tally.Charge{Key: tally.Key("device", userID+" "+device), Limit: perDevice})
	return c, err == nil && c.Wait() == 0, err
}

// KnownDevice is a device on which a user has signed in. The ID is a hash of the value of its cookie.
type KnownDevice struct {
	ID      string
	FirstAt time.Time // when the user first signed in there
	SeenAt  time.Time // about when the last sign-in was
	Until   time.Time // when it is no longer known
}

// KnownDevices returns the devices that are known of a user, in the order of their ids.
func (d *Directory) KnownDevices(ctx context.Context, userID string) (found []KnownDevice, err error) {
	for entry, err := range storage.KnownDevices.All(ctx, d.store, userID+"/") {
		if err != nil {
			return nil, err
		}
		v := entry.Value
		found = append(found, KnownDevice{ID: entry.Key[len(userID)+1:], FirstAt: v.CreatedAt, SeenAt: v.SeenAt, Until: v.SeenAt.Add(deviceFor)})
	}
	return found, nil
}

// ForgetDevicesWrites make all devices of a user unknown.
func (d *Directory) ForgetDevicesWrites(ctx context.Context, userID string) ([]storage.Write, error) {
	return deleteAll(ctx, d.store, storage.KnownDevices, userID)
}
