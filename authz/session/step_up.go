package session

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/authzd/authzd/storage"
)

// StepUp records that the user of a live session has proved more: amr is added to the session's (RFC 8176), and level
// counts if it is higher. The session keeps its sid, limits and grants, and gets a new secret, because a value that was
// stolen before must not have more power now. If nothing has proved the time of the sign-in, it is now.
//
// It returns nil if the session has ended meanwhile, or is not the user's any more.
func (m *Sessions) StepUp(ctx context.Context, w http.ResponseWriter, r *http.Request, old *Session, user *storage.User, amr []string, level int) (*Session, error) {
	var s *Session
	secret := random(secretBytes)
	err := storage.Retry(func() error { // another request may touch the session, or end it
		current, err := m.LoadByID(ctx, old.ID)
		if s = current; err != nil || current == nil {
			return err
		}
		if !current.BelongsTo(user) {
			s = nil
			return nil
		}
		current.SecretHash = hash(secret)
		for _, method := range amr {
			if !slices.Contains(current.AMR, method) {
				current.AMR = append(current.AMR, method)
			}
		}
		current.Level, current.LastActive = max(current.Level, level), time.Now().UTC()
		if current.Unproven {
			current.Unproven, current.AuthTime = false, current.LastActive
		}
		return m.store.Apply(ctx, m.put(current, storage.At(current.version)))
	})
	if err != nil {
		return nil, fmt.Errorf("step up session: %w", err)
	}
	if s != nil {
		m.renew(w, r, s, secret)
	}
	return s, nil
}
