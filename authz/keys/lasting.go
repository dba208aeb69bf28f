package keys

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/authzd/authzd/storage"
)

// LastingDeriver returns a deriver whose values never change, not even when the server secret does:
// its key is random, made by the first replica that asks, and kept sealed in the store. It is sealed
// again when the current secret is no longer the one that sealed it, so that the earlier secret can
// be dropped afterwards.
func LastingDeriver(ctx context.Context, store storage.Store, secret *Secret, purpose string) (*Deriver, error) {
	sealer := secret.Sealer("lasting secret")
	key, err := lastingKey(ctx, store, sealer, purpose)
	if errors.Is(err, storage.ErrNotFound) {
		err = putLastingKey(ctx, store, sealer, purpose, newLastingKey(), storage.Absent)
		if err == nil {
			key, err = lastingKey(ctx, store, sealer, purpose) // ours, or of a replica that was faster
		}
	}
	if err != nil {
		return nil, fmt.Errorf("secret of %s: %w", purpose, err)
	}
	return &Deriver{keys: [][]byte{key}}, nil
}

// lastingKey reads the key, and seals it anew if that is due. The error is storage.ErrNotFound if
// there is none yet.
func lastingKey(ctx context.Context, store storage.Store, sealer *Sealer, purpose string) ([]byte, error) {
	record, version, err := storage.ServerSecrets.Get(ctx, store, purpose)
	if err != nil {
		return nil, err
	}
	key, err := sealer.Open(record.Sealed, []byte(purpose))
	switch {
	case errors.Is(err, ErrUnknownSecret):
		return nil, fmt.Errorf("%w\nhint: list the secret file that this database was used with in secret_file, after the current one", err)
	case err != nil:
		return nil, err
	case !sealer.SealedNow(record.Sealed):
		return key, putLastingKey(ctx, store, sealer, purpose, key, storage.At(version))
	}
	return key, nil
}

// putLastingKey seals and stores a key. That another replica was faster is no error: it has stored
// one.
func putLastingKey(ctx context.Context, store storage.Store, sealer *Sealer, purpose string, key []byte, cond storage.Condition) error {
	record := &storage.ServerSecret{Sealed: sealer.Seal(key, []byte(purpose))}
	err := store.Apply(ctx, storage.ServerSecrets.Put(purpose, record, cond, time.Time{}))
	if lost := new(storage.ConflictError); errors.As(err, &lost) {
		return nil
	}
	return err
}

func newLastingKey() []byte {
	key := make([]byte, sha256.Size)
	rand.Read(key) // never fails
	return key
}
