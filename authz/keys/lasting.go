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

// LastingDeriver returns a deriver whose values never change, not even with the server secret. Its key is
// random. The first replica that needs it makes it, and the store keeps it sealed.
func LastingDeriver(ctx context.Context, store storage.Store, secret *Secret, purpose string) (*Deriver, error) {
	sealer := secret.Sealer(purposeLasting)
	key, err := lastingKey(ctx, store, sealer, purpose)
	if errors.Is(err, storage.ErrNotFound) {
		err = putLastingKey(ctx, store, sealer, purpose)
		if err == nil {
			key, err = lastingKey(ctx, store, sealer, purpose) // ours, or of a replica that was faster
		}
	}
	if err != nil {
		return nil, fmt.Errorf("secret of %s: %w", purpose, err)
	}
	return &Deriver{keys: [][]byte{key}}, nil
}

// lastingKey reads the key. The error is storage.ErrNotFound if there is none yet.
func lastingKey(ctx context.Context, store storage.Store, sealer *Sealer, purpose string) ([]byte, error) {
	record, _, err := storage.ServerSecrets.Get(ctx, store, purpose)
	if err != nil {
		return nil, err
	}
	return sealer.Open(record.Sealed, []byte(purpose))
}

// putLastingKey seals and stores a new key. It is no error if another replica was faster and has stored one.
func putLastingKey(ctx context.Context, store storage.Store, sealer *Sealer, purpose string) error {
	record := &storage.ServerSecret{Sealed: sealer.Seal(newLastingKey(), []byte(purpose))}
	err := store.Apply(ctx, storage.ServerSecrets.Put(purpose, record, storage.Absent, time.Time{}))
	if storage.IsConflict(err) {
		return nil
	}
	return err
}

func newLastingKey() []byte {
	key := make([]byte, sha256.Size)
	rand.Read(key) // never fails
	return key
}
