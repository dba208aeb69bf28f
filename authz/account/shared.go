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

// sharedFailures counts the wrong passwords for one login, and for one user, in the store, for all replicas
// together. With counts in memory, N replicas would allow N times as many guesses.
type sharedFailures struct {
	store storage.Store
	limit throttle.Limit
}

// count is one count, as it was read.
type count struct {
	key     string
	record  *storage.FailureCount // nil: not read yet
	version uint64                // 0: there is no record
}

// wait returns how long no attempt is allowed, or 0 if one is.
func (f sharedFailures) wait(c count) time.Duration {
	full := time.Now().Add(time.Duration(f.limit.Burst-1) * f.limit.Interval)
	return max(0, c.record.DrainedAt.Sub(full))
}

// read returns the count. If there is none, it is empty and has version 0.
func (f sharedFailures) read(ctx context.Context, key string) (count, error) {
	record, version, err := storage.LoginFailures.Get(ctx, f.store, key)
	if errors.Is(err, storage.ErrNotFound) {
		return count{key, &storage.FailureCount{}, 0}, nil
	}
	return count{key, record, version}, err
}

// add adds a failure to counts, in one Apply.
func (f sharedFailures) add(ctx context.Context, counts ...count) error {
	err := storage.Retry(func() error {
		var writes []storage.Write
		for i := range counts {
			if counts[i].record == nil {
				var err error
				if counts[i], err = f.read(ctx, counts[i].key); err != nil {
					return err
				}
			}
			c := counts[i]
			record := *c.record
			if now := storage.Now(); record.DrainedAt.Before(now) {
				record.DrainedAt = now
			}
			record.DrainedAt = record.DrainedAt.Add(f.limit.Interval)
			writes = append(writes, storage.LoginFailures.Put(c.key, &record, storage.At(c.version), later(record.DrainedAt, record.UnlockedAt.Add(unlockFor))))
		}
		err := f.store.Apply(ctx, writes...)
		for i := range counts {
			counts[i].record = nil // another replica may have counted meanwhile
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("count failed login: %w", err)
	}
	return nil
}

// unlockFor is how long replicas can learn that a login was unlocked. It is longer than their own counts take
// to drain.
const unlockFor = 2 * time.Hour

// unlock is the write that forgives the failures of a count.
func (f sharedFailures) unlock(key string, at time.Time) storage.Write {
	return storage.LoginFailures.Put(key, &storage.FailureCount{UnlockedAt: at}, storage.Any, at.Add(unlockFor))
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// countOfLogin is the key of the count of a login as it is typed, normalised.
func countOfLogin(login string) string {
	sum := sha256.Sum256([]byte(login))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// countOfUser is the key of the count of a user over all their names. No key of a login has a slash.
func countOfUser(userID string) string { return "user/" + userID }
