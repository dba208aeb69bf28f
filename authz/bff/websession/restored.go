package websession

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/authzd/authzd/storage"
)

// DoubtCopy looks whether a store is a copy, such as a restored backup, in which sessions may live that have ended since.
// No session of such a store is used before its tokens were refreshed: the provider knows which have ended. Call it before
// the first request is served.
//
// A copy lacks the record of storage.FeedEpochKey, which every store of a BFF has otherwise.
func DoubtCopy(ctx context.Context, store storage.Store) error {
	_, _, err := storage.FeedStates.Get(ctx, store, storage.FeedEpochKey)
	if !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	for entry, err := range storage.BFFSessions.All(ctx, store, "") {
		if err == nil {
			err = storage.Retry(func() error { return doubt(ctx, store, entry.Key) })
		}
		if err != nil {
			return fmt.Errorf("doubt the sessions of a copy: %w", err)
		}
	}
	known := storage.FeedStates.Put(storage.FeedEpochKey, &storage.FeedState{Epoch: rand.Text()}, storage.Absent, time.Time{})
	if err := store.Apply(ctx, known); err != nil && !storage.IsConflict(err) { // another replica was faster
		return err
	}
	return nil
}

// doubt marks a session.
func doubt(ctx context.Context, store storage.Store, id string) error {
	rec, err := store.Get(ctx, storage.BFFSessions.Table, id)
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	entry, err := storage.BFFSessions.Entry(rec)
	if err != nil || entry.Value.Doubted {
		return err
	}
	entry.Value.Doubted = true
	return store.Apply(ctx, storage.BFFSessions.Put(id, entry.Value, storage.At(rec.Version), rec.Expires))
}

// Doubted reports whether the session comes from a copy, and its tokens were not refreshed since: see DoubtCopy.
func (s *Session) Doubted() bool { return s.record.Doubted }
