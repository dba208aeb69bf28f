package account

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/authzd/authzd/authz/throttle"
	"github.com/authzd/authzd/storage"
)

// maxCounts bounds how often a failure starts over that another replica's came between. Each replica
// checks only so many passwords at once.
const maxCounts = 20

// sharedFailures counts the wrong passwords for one login on all replicas together, in the store: what is
// in the memory of each would allow so many times as many guesses as there are replicas.
type sharedFailures struct {
	store storage.Store
	limit throttle.Limit
}

// wait returns how long there may be no more attempts with a login, and 0 if there may be one.
func (f sharedFailures) wait(ctx context.Context, now time.Time, login string) (time.Duration, error) {
	record, _, err := f.read(ctx, login)
	if err != nil {
		return 0, err
	}
	full := now.Add(time.Duration(f.limit.Burst-1) * f.limit.Interval)
	return max(0, record.DrainedAt.Sub(full)), nil
}

// count adds a failure.
func (f sharedFailures) count(ctx context.Context, login string) error {
	for range maxCounts {
		record, version, err := f.read(ctx, login)
		if err != nil {
			return err
		}
		if now := time.Now().UTC().Truncate(time.Millisecond); record.DrainedAt.Before(now) {
			record.DrainedAt = now
		}
		record.DrainedAt = record.DrainedAt.Add(f.limit.Interval)
		err = f.store.Apply(ctx, storage.LoginFailures.Put(failuresKey(login), record, storage.At(version), record.DrainedAt))
		if lost := new(storage.ConflictError); !errors.As(err, &lost) {
			return err
		}
	}
	return fmt.Errorf("count failed login: %w", storage.ErrUnavailable)
}

// read returns an empty count, of version 0, if there is none.
func (f sharedFailures) read(ctx context.Context, login string) (*storage.FailureCount, uint64, error) {
	record, version, err := storage.LoginFailures.Get(ctx, f.store, failuresKey(login))
	if errors.Is(err, storage.ErrNotFound) {
		return &storage.FailureCount{}, 0, nil
	}
	return record, version, err
}

func failuresKey(login string) string {
	sum := sha256.Sum256([]byte(login))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
