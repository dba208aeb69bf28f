package logout

import (
	"context"
	"errors"
	"slices"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/storage"
)

// Bounds of the apps on the page after a logout: how many it names, and how many grants are read to find them.
const (
	maxShownApps  = 10
	maxReadGrants = 50
)

// Apps returns the names of the apps that the user of sessions is signed out of, as far as they are known: those that are
// told of the end, and those whose grants end with a session. Apps that registered themselves have no name here, because
// they could have taken any. A session may be nil.
func (lo *Logout) Apps(ctx context.Context, ended ...*session.Session) ([]string, error) {
	var names []string
	for _, e := range ended {
		if e == nil {
			continue
		}
		granted, err := lo.grantedIn(ctx, e)
		if err != nil {
			return nil, err
		}
		for _, id := range slices.Concat(e.Clients, granted) {
			c, err := lo.Clients.AtHand(ctx, id)
			if err != nil {
				return nil, err
			}
			if c != nil && c.Source == client.Configured && !slices.Contains(names, c.Name) && len(names) < maxShownApps {
				names = append(names, c.Name)
			}
		}
	}
	return names, nil
}

// grantedIn returns the clients of the grants that end with a session.
func (lo *Logout) grantedIn(ctx context.Context, ended *session.Session) (clients []string, err error) {
	entries, err := storage.UserGrants.Scan(ctx, lo.Store, ended.UserID+"/", "", maxReadGrants)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		g, _, err := storage.Grants.Get(ctx, lo.Store, entry.Key[len(ended.UserID)+1:])
		if errors.Is(err, storage.ErrNotFound) {
			continue
		} else if err != nil {
			return nil, err
		}
		if g.SessionID == ended.ID && g.RevokedAt == nil && (!g.Offline || lo.EndOffline) {
			clients = append(clients, g.ClientID)
		}
	}
	return clients, nil
}
