// Package tally counts in the store what must not happen too often: wrong passwords of a login, mails to an address,
// tries of a code. All replicas share the counts. With counts in memory, N replicas would allow N times as much.
//
//	Charge = Key (what, to whom) + Limit
//	  |-- Take    counts one event in each, or none and says how long to wait    one read of each, one Apply
//	  |-- Read -> Count -> Wait; later Add                                       for what counts only if it fails
//	  +-- Unlock  forgives, and lets replicas know
//
// A count is a leaky bucket, one record with a time. It expires when the bucket has drained.
package tally

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

// unlockFor is how long replicas can learn that a count was forgiven. It is longer than their own counts take to drain.
const unlockFor = 2 * time.Hour

// Charge is one event: whose count it belongs to, and how many may happen.
type Charge struct {
	Key   string
	Limit throttle.Limit
}

// Key returns the key of a kind of event that happens to a name. It hashes the name: the store has no list of what
// strangers have typed. A kind has no slash.
func Key(kind, name string) string { return kind + "/" + hash(name) }

// LoginKey returns the key of a login as it is typed, normalised.
func LoginKey(login string) string { return hash(login) }

// UserKey returns the key of a user over all their names. No other key begins like it.
func UserKey(userID string) string { return "user/" + userID }

// InRowKey returns the key of the wrong passwords of a user since the last right one. It has no limit here.
func InRowKey(userID string) string { return "row/" + userID }

func hash(name string) string {
	sum := sha256.Sum256([]byte(name))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Take counts an event in each charge and returns 0. If one is full, it counts nothing, and returns how long it takes
// until there is room for all. Many at once, at any replicas, can't slip through.
func Take(ctx context.Context, store storage.Store, charges ...Charge) (wait time.Duration, err error) {
	err = storage.Retry(func() error {
		wait = 0
		var writes []storage.Write
		for _, charge := range charges {
			c, err := Read(ctx, store, charge)
			if err != nil {
				return err
			}
			wait = max(wait, c.Wait())
			writes = append(writes, c.one())
		}
		if wait > 0 {
			return nil
		}
		return store.Apply(ctx, writes...)
	})
	if err != nil {
		return 0, fmt.Errorf("count: %w", err)
	}
	return wait, nil
}

// Forget returns the write that empties a count.
func Forget(key string) storage.Write { return storage.LoginFailures.Delete(key, storage.Any) }

// Count is a count as it was read.
type Count struct {
	Charge
	UnlockedAt time.Time // when it was forgiven lately; zero: it was not

	record  *storage.FailureCount // nil: not read yet
	version uint64                // 0: there is no record
}

// Unread returns a count that Add reads first.
func Unread(charge Charge) Count { return Count{Charge: charge} }

// Read reads the count of a charge. It may be empty.
func Read(ctx context.Context, store storage.Store, charge Charge) (Count, error) {
	record, version, err := storage.LoginFailures.Get(ctx, store, charge.Key)
	if errors.Is(err, storage.ErrNotFound) {
		return Count{Charge: charge, record: &storage.FailureCount{}}, nil
	} else if err != nil {
		return Count{}, err
	}
	return Count{charge, record.UnlockedAt, record, version}, nil
}

// Wait returns how long nothing may happen, or 0.
func (c Count) Wait() time.Duration {
	full := time.Now().Add(time.Duration(c.Limit.Burst-1) * c.Limit.Interval)
	return max(0, c.record.DrainedAt.Sub(full))
}

// one is the write that counts one more event.
func (c Count) one() storage.Write {
	record := *c.record
	if now := storage.Now(); record.DrainedAt.Before(now) {
		record.DrainedAt = now
	}
	record.DrainedAt = record.DrainedAt.Add(c.Limit.Interval)
	return storage.LoginFailures.Put(c.Key, &record, storage.At(c.version), later(record.DrainedAt, record.UnlockedAt.Add(unlockFor)))
}

// Add counts an event in counts that were read before, full or not, in one Apply.
func Add(ctx context.Context, store storage.Store, counts ...Count) error {
	err := storage.Retry(func() error {
		var writes []storage.Write
		for i := range counts {
			if counts[i].record == nil {
				var err error
				if counts[i], err = Read(ctx, store, counts[i].Charge); err != nil {
					return err
				}
			}
			writes = append(writes, counts[i].one())
		}
		err := store.Apply(ctx, writes...)
		for i := range counts {
			counts[i].record = nil // another replica may have counted meanwhile
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("count: %w", err)
	}
	return nil
}

// Unlock returns the write that forgives the events of a count.
func Unlock(key string, at time.Time) storage.Write {
	return storage.LoginFailures.Put(key, &storage.FailureCount{UnlockedAt: at}, storage.Any, at.Add(unlockFor))
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
