package session

import (
	"context"
	"strings"

	"github.com/authzd/authzd/storage"
)

// List reads up to limit sessions, of one user or, if userID is empty, of all, in the order of their ids, and
// returns the live ones. next is the key to go on after, or "" at the end.
func (m *Sessions) List(ctx context.Context, userID, after string, limit int) (sessions []*Session, next string, err error) {
	var sids []string
	if userID == "" {
		page, err := storage.Sessions.Scan(ctx, m.store, "", after, limit)
		if err != nil {
			return nil, "", err
		}
		for _, entry := range page {
			sids, next = append(sids, entry.Key), entry.Key
		}
	} else {
		page, err := storage.UserSessions.Scan(ctx, m.store, userID+"/", after, limit)
		if err != nil {
			return nil, "", err
		}
		for _, entry := range page {
			sids, next = append(sids, strings.TrimPrefix(entry.Key, userID+"/")), entry.Key
		}
	}
	if len(sids) < limit {
		next = ""
	}
	for _, sid := range sids {
		s, err := m.LoadByID(ctx, sid)
		if err != nil {
			return nil, "", err
		}
		if s != nil && (userID == "" || s.UserID == userID) {
			sessions = append(sessions, s)
		}
	}
	return sessions, next, nil
}
