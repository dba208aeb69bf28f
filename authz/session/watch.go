package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/authzd/authzd/storage"
)

// watchEvery is how often Run looks for sessions that have ended by themselves.
const watchEvery = 10 * time.Second

// Run ends sessions at their limits: one that was idle for too long, or has reached its absolute limit, is
// found within watchEvery, and its clients are told. It returns ctx's error when ctx ends. Several replicas
// may run it: each session is ended once. Failures are logged and tried again.
func (m *Sessions) Run(ctx context.Context, logger *slog.Logger) error {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		if err := m.watch(ctx); err != nil && ctx.Err() == nil {
			logger.Error("sessions that have ended could not be looked at", "error", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// watch looks at every session that is due.
func (m *Sessions) watch(ctx context.Context) error {
	now := time.Now()
	for entry, err := range storage.SessionEnds.All(ctx, m.store, "") {
		if err != nil {
			return err
		}
		if entry.Key >= storage.DueKey(now, "") {
			return nil
		}
		err := m.look(ctx, entry)
		if err != nil && !storage.IsConflict(err) {
			return err
		} // otherwise another replica has looked, or the session was touched: next time
	}
	return nil
}

// look ends a session that is over. For one that lives, it sets the next look.
func (m *Sessions) look(ctx context.Context, entry storage.Entry[storage.SessionEnd]) error {
	_, sid, _ := strings.Cut(entry.Key, "/")
	record, version, err := storage.Sessions.Get(ctx, m.store, sid)
	gone := errors.Is(err, storage.ErrNotFound) // another request has ended it
	if err != nil && !gone {
		return err
	}
	writes := []storage.Write{storage.SessionEnds.Delete(entry.Key, storage.At(entry.Version))}
	if !gone {
		s := &Session{ID: sid, Session: *record, version: version}
		if m.lives(s) {
			writes = append(writes, m.lookAt(s))
		} else {
			ended, err := m.EndWrites(ctx, s)
			if err != nil {
				return err
			}
			writes = append(writes, ended...)
		}
	}
	if err := m.store.Apply(ctx, writes...); err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	return nil
}

// lookAt is the write that makes Run look at s when it would end without further activity.
func (m *Sessions) lookAt(s *Session) storage.Write {
	ends, _ := m.Limits(s)
	due := ends.Add(time.Millisecond) // the precision of keys
	return storage.SessionEnds.Put(storage.DueKey(due, s.ID), &storage.SessionEnd{}, storage.Any, time.Time{})
}
