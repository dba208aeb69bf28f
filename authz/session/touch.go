package session

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/authzd/authzd/storage"
)

// maxTouchInterval bounds how long activity is not recorded.
const maxTouchInterval = time.Minute

// TouchWrite returns the write that records activity in a session, and whether there is one to make. A touch
// is written only if the last one is older than a twentieth of the idle limit, at most a minute, so that
// reading a page costs no commit. byUser is true for a user's own act (a page of ours, the app's activity
// beacon) and false for what runs by itself (a refreshed token, prompt=none), which counts only without
// Config.ActivityBeacon.
//
// The write is conditional: it never revives a session that has ended. So in the caller's Apply it may lose
// to another request, with a *storage.ConflictError on the sessions table. Then the caller loads the session
// again and, if it lives, tries again without the touch.
func (m *Sessions) TouchWrite(s *Session, now time.Time, byUser bool) (storage.Write, bool) {
	if !m.touchDue(s, now, byUser) {
		return storage.Write{}, false
	}
	touched := *s
	touched.LastActive = now.UTC()
	return m.put(&touched, storage.At(s.version)), true
}

func (m *Sessions) touchDue(s *Session, now time.Time, byUser bool) bool {
	switch {
	case !byUser && m.config.ActivityBeacon:
		return false
	case s.version == 0: // from Start: it is fully active, and version 0 would mean "create it"
		return false
	}
	return now.Sub(s.LastActive) >= min(m.config.Idle/20, maxTouchInterval)
}

// maxClients bounds how many clients a session remembers. When there are more, it forgets the one that joined
// first.
const maxClients = 100

// JoinWrites is TouchWrite for a client that gets a code in the session and must be told of its end. The
// first time, the session's record is always written: if the session ends at this moment, either the client
// is told or its code fails.
func (m *Sessions) JoinWrites(s *Session, clientID string, now time.Time, byUser bool) []storage.Write {
	if slices.Contains(s.Clients, clientID) {
		if touch, due := m.TouchWrite(s, now, byUser); due {
			return []storage.Write{touch}
		}
		return nil
	}
	joined := *s
	if m.touchDue(s, now, byUser) {
		joined.LastActive = now.UTC()
	}
	joined.Clients = append(slices.Clone(s.Clients), clientID)
	if len(joined.Clients) > maxClients {
		joined.Clients = joined.Clients[1:]
	}
	writes := []storage.Write{m.put(&joined, storage.At(s.version))}
	if len(s.Clients) == 0 {
		writes = append(writes, m.lookAt(&joined))
	}
	return writes
}

// Touch records that the user is active, with a separate Apply. A lost race is no error: the winner has
// touched the session too, or ended it.
func (m *Sessions) Touch(ctx context.Context, s *Session) error {
	now := time.Now()
	write, due := m.TouchWrite(s, now, true)
	if !due {
		return nil
	}
	err := m.store.Apply(ctx, write)
	if storage.IsConflict(err) {
		return nil
	} else if err != nil {
		return fmt.Errorf("touch session: %w", err)
	}
	s.LastActive = now.UTC()
	return nil
}
