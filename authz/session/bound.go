package session

import (
	"cmp"
	"context"
	"slices"

	"github.com/authzd/authzd/storage"
)

const (
	// MaxOfUser is how many sessions a user has, at most: the one that was unused longest ends when another
	// begins.
	MaxOfUser = 100
	// mostAtOnce is how many end when one begins. It is one, but for a user who had more than there may be.
	mostAtOnce = 50
)

// bound ends those sessions of a user that are beyond MaxOfUser, but for kept, as End does. It comes after the
// session that has begun is stored: of many that begin at once, the last sees all.
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
