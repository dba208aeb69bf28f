package session

import (
	"context"
	"fmt"

	"github.com/authzd/authzd/storage"
)

// End ends the session with this sid, of any user, and makes the other writes in the same Apply. It returns
// the session as it was. If there was none any more, it returns nil and writes nothing.
func (m *Sessions) End(ctx context.Context, sid string, also ...storage.Write) (*Session, error) {
	var s *Session
	err := storage.Retry(func() (err error) {
		if s, err = m.LoadByID(ctx, sid); err != nil || s == nil {
			return err
		}
		writes, err := m.EndWrites(ctx, s)
		if err != nil {
			return err
		}
		return m.store.Apply(ctx, append(writes, also...)...)
	})
	if err != nil {
		return nil, fmt.Errorf("end session: %w", err)
	}
	return s, nil
}

// EndWrites are the writes that end a session, including the messages to its clients. They conflict if the
// session has changed since it was loaded.
func (m *Sessions) EndWrites(ctx context.Context, s *Session) ([]storage.Write, error) {
	writes := m.DropWrites(s)
	if m.config.Ended == nil {
		return writes, nil
	}
	told, err := m.config.Ended(ctx, s)
	return append(writes, told...), err
}

// DropWrites are EndWrites without the messages to clients, which the caller adds.
func (m *Sessions) DropWrites(s *Session) []storage.Write {
	return []storage.Write{
		storage.Sessions.Delete(s.ID, storage.At(s.version)),
		storage.UserSessions.Delete(indexKey(s), storage.Any),
	}
}

// OfUser returns the live sessions of a user, in no particular order. It includes those that no longer belong
// to the user by BelongsTo.
func (m *Sessions) OfUser(ctx context.Context, userID string) ([]*Session, error) {
	var sessions []*Session
	for entry, err := range storage.UserSessions.All(ctx, m.store, userID+"/") {
		if err != nil {
			return nil, err
		}
		s, err := m.LoadByID(ctx, entry.Key[len(userID)+1:])
		if err != nil {
			return nil, err
		}
		if s != nil && s.UserID == userID {
			sessions = append(sessions, s)
		}
	}
	return sessions, nil
}

// index is the write that lets OfUser find s.
func (m *Sessions) index(s *Session) storage.Write {
	_, absolute := m.Limits(s)
	return storage.UserSessions.Put(indexKey(s), &storage.UserSession{}, storage.Any, absolute)
}

func indexKey(s *Session) string { return s.UserID + "/" + s.ID }
