package session

import (
	"cmp"
	"context"
	"slices"

	"github.com/authzd/authzd/storage"
)

const (
	// MaxOfUser is how many sessions a user can have. When another begins, the one that was unused for the
	// longest time ends.
	MaxOfUser = 100
	// mostAtOnce bounds how many end when one begins. Usually one does; more only if a user had too many.
	mostAtOnce = 50
)

// bound ends the sessions of a user beyond MaxOfUser, except for kept, as End does. Call it after the new
// session is stored: if many begin at once, the last one sees all.
func (m *Sessions) bound(ctx context.Context, userID, kept string) error {
	index, err := storage.UserSessions.Scan(ctx, m.store, userID+"/", "", MaxOfUser+1)
	if err != nil || len(index) <= MaxOfUser {
		return err
	}
	all, _, err := m.List(ctx, userID, "", MaxOfUser+mostAtOnce)
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b *Session) int { return cmp.Or(a.LastActive.Compare(b.LastActive), cmp.Compare(a.ID, b.ID)) })
	all = slices.DeleteFunc(all, func(s *Session) bool { return s.ID == kept })
	for _, s := range all[:max(0, len(all)+1-MaxOfUser)] {
		var also []storage.Write
		if m.config.Crowded != nil {
			also = m.config.Crowded(ctx, s)
		}
		if _, err := m.End(ctx, s.ID, also...); err != nil {
			return err
		}
	}
	return nil
}
