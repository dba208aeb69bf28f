package account

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/authzd/authzd/authz/tally"
	"github.com/authzd/authzd/storage"
)

// countInRow counts a wrong password of a user. If there were too many since the last right one, it ends the password,
// and nothing else of the account.
func (d *Directory) countInRow(ctx context.Context, user *storage.User) error {
	if d.EndPasswordAfter == 0 {
		return nil
	}
	err := storage.Retry(func() error {
		current, version, err := storage.Users.Get(ctx, d.store, user.ID)
		if errors.Is(err, storage.ErrNotFound) || err == nil && current.PasswordHash != user.PasswordHash {
			return nil // it was another password
		} else if err != nil {
			return err
		}
		row, rowVersion, err := d.row(ctx, current)
		if err != nil {
			return err
		}
		row.InRow++
		if row.InRow < d.EndPasswordAfter {
			return d.store.Apply(ctx, storage.LoginFailures.Put(tally.InRowKey(user.ID), row, storage.At(rowVersion), never))
		}
		changed := *current
		SetHash(&changed, "")
		changed.PasswordEndedAt, changed.UpdatedAt = storage.Now(), time.Now().UTC()
		writes := []storage.Write{storage.Users.Put(user.ID, &changed, storage.At(version), never), tally.Forget(tally.InRowKey(user.ID))}
		if d.PasswordEnded != nil {
			writes = append(writes, d.PasswordEnded(ctx, &changed)...)
		}
		return d.store.Apply(ctx, writes...)
	})
	if err != nil {
		return fmt.Errorf("count wrong password: %w", err)
	}
	return nil
}

// row returns the count of wrong passwords for the present password of a user, and the version of its record.
func (d *Directory) row(ctx context.Context, user *storage.User) (*storage.FailureCount, uint64, error) {
	of := digest(user.PasswordHash)
	row, version, err := storage.LoginFailures.Get(ctx, d.store, tally.InRowKey(user.ID))
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return &storage.FailureCount{Of: of}, 0, nil
	case err != nil:
		return nil, 0, err
	case row.Of != of: // of an earlier password
		return &storage.FailureCount{Of: of}, version, nil
	}
	return row, version, nil
}

// endRow forgets the wrong passwords before a right one.
func (d *Directory) endRow(ctx context.Context, user *storage.User) error {
	if d.EndPasswordAfter == 0 {
		return nil
	}
	row, version, err := d.row(ctx, user)
	if err != nil || row.InRow == 0 {
		return err
	}
	err = d.store.Apply(ctx, storage.LoginFailures.Delete(tally.InRowKey(user.ID), storage.At(version)))
	if conflict := (*storage.ConflictError)(nil); errors.As(err, &conflict) { // another wrong one came meanwhile
		return nil
	}
	return err
}
