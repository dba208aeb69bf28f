package operator

import (
	"context"
	"errors"
	"strings"

	"github.com/authzd/authzd/authz/admin"
	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/feed"
	"github.com/authzd/authzd/authz/grant"
	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/storage"
)

func (api *API) listSessions(ctx context.Context, c *admin.Call, page admin.Slice) (sessions []admin.Session, next string, err error) {
	found, next, err := api.Sessions.List(ctx, c.Query.Get("sub"), page.After, page.Size)
	if err != nil {
		return nil, "", err
	}
	names := api.usernames()
	for _, f := range found {
		shown := api.shownSession(f)
		if shown.Username, err = names(ctx, f.UserID); err != nil {
			return nil, "", err
		}
		sessions = append(sessions, shown)
	}
	return sessions, next, nil
}

// usernames returns a function that finds the name of a user, once for each; "" if they are deleted.
func (api *API) usernames() func(ctx context.Context, id string) (string, error) {
	known := map[string]string{}
	return func(ctx context.Context, id string) (string, error) {
		if name, ok := known[id]; ok || id == "" {
			return name, nil
		}
		user, err := api.Accounts.Get(ctx, id)
		if errors.Is(err, storage.ErrNotFound) {
			user, err = &storage.User{}, nil
		}
		if err != nil {
			return "", err
		}
		known[id] = user.Username
		return user.Username, nil
	}
}

func (api *API) shownSession(f *session.Session) admin.Session {
	expires, _ := api.Sessions.Limits(f)
	return admin.Session{
		SID: f.ID, Sub: f.UserID, AuthTime: f.AuthTime, AMR: f.AMR, ACR: f.ACR, Connector: f.Connector, RememberMe: f.Remember,
		CreatedAt: f.CreatedAt, LastActiveAt: f.LastActive, ExpiresAt: expires, Clients: f.Clients,
		Browser: f.Device.Browser, System: f.Device.System, Address: f.Device.Address,
	}
}

func (api *API) readSession(ctx context.Context, c *admin.Call) (*admin.Session, error) {
	found, err := api.Sessions.LoadByID(ctx, c.Path("sid"))
	if err != nil {
		return nil, err
	} else if found == nil {
		return nil, storage.ErrNotFound
	}
	shown := api.shownSession(found)
	shown.Username, err = api.usernames()(ctx, found.UserID)
	return &shown, err
}

func (api *API) revokeSession(ctx context.Context, c *admin.Call) error {
	found, err := api.Sessions.LoadByID(ctx, c.Path("sid"))
	if err != nil {
		return err
	}
	if found != nil {
		found, err = api.Logout.EndSession(ctx, found.ID,
			api.did(ctx, c, audit.Event{Type: audit.SessionEnded, SessionID: found.ID, UserID: found.UserID}, feed.Session(found.ID, found.UserID))...)
	}
	if err == nil && found == nil {
		return storage.ErrNotFound
	}
	return err
}

// looksPerPage is how many grants one page reads at most, to find those of a client: there is no index, and a
// request must not read millions.
const looksPerPage = 5 * admin.MaxPageSize

func (api *API) listGrants(ctx context.Context, c *admin.Call, page admin.Slice) ([]admin.Grant, string, error) {
	sub, clientID := c.Query.Get("sub"), c.Query.Get("client_id")
	if sub != "" {
		return api.grantsOfUser(ctx, sub, clientID, page)
	}
	var grants []admin.Grant
	names := api.usernames()
	after := page.After
	for looked := 0; looked < looksPerPage; {
		wanted := page.Size - len(grants)
		found, err := storage.Grants.Scan(ctx, api.Store, "", after, wanted)
		if err != nil {
			return nil, "", err
		}
		for _, entry := range found {
			if clientID != "" && entry.Value.ClientID != clientID {
				continue
			}
			shown, err := api.shownGrant(ctx, names, entry.Key, entry.Value)
			if err != nil {
				return nil, "", err
			}
			if shown.Ended == "" {
				grants = append(grants, *shown)
			}
		}
		if len(found) < wanted {
			return grants, "", nil
		}
		after = found[len(found)-1].Key
		if looked += len(found); len(grants) == page.Size {
			break
		}
	}
	return grants, after, nil
}

func (api *API) grantsOfUser(ctx context.Context, sub, clientID string, page admin.Slice) ([]admin.Grant, string, error) {
	found, err := storage.UserGrants.Scan(ctx, api.Store, sub+"/", page.After, page.Size)
	if err != nil {
		return nil, "", err
	}
	var grants []admin.Grant
	names := api.usernames()
	next := ""
	for _, entry := range found {
		gid := strings.TrimPrefix(entry.Key, sub+"/")
		grant, _, err := storage.Grants.Get(ctx, api.Store, gid)
		if gone := errors.Is(err, storage.ErrNotFound); err != nil && !gone {
			return nil, "", err
		} else if !gone && (clientID == "" || grant.ClientID == clientID) {
			shown, err := api.shownGrant(ctx, names, gid, grant)
			if err != nil {
				return nil, "", err
			}
			if shown.Ended == "" {
				grants = append(grants, *shown)
			}
		}
		next = entry.Key
	}
	if len(found) < page.Size {
		next = ""
	}
	return grants, next, nil
}

// shownGrant returns a grant with the name of its user and, unless it was revoked, the reason why it has ended.
func (api *API) shownGrant(ctx context.Context, names func(context.Context, string) (string, error), gid string, g *storage.Grant) (*admin.Grant, error) {
	shown := grantOf(gid, g)
	var err error
	if shown.Username, err = names(ctx, g.UserID); err != nil || g.RevokedAt != nil {
		return &shown, err
	}
	_, _, err = api.Grants.Owner(ctx, g, nil)
	if gone := new(grant.OwnerGone); errors.As(err, &gone) {
		shown.Ended, err = gone.Reason, nil
	}
	return &shown, err
}

func grantOf(gid string, g *storage.Grant) admin.Grant {
	return admin.Grant{
		GID: gid, ClientID: g.ClientID, Sub: g.UserID, SID: g.SessionID, Scope: strings.Join(g.Scopes, " "), Resources: g.Resources,
		Offline: g.Offline, CreatedAt: g.CreatedAt, ExpiresAt: g.ExpiresAt, RevokedAt: g.RevokedAt,
	}
}

func (api *API) readGrant(ctx context.Context, c *admin.Call) (*admin.Grant, error) {
	grant, _, err := storage.Grants.Get(ctx, api.Store, c.Path("gid"))
	if err != nil {
		return nil, err
	}
	return api.shownGrant(ctx, api.usernames(), c.Path("gid"), grant)
}

// revokeGrantOf revokes a grant. It does nothing if the grant is revoked already.
func (api *API) revokeGrantOf(ctx context.Context, c *admin.Call) error {
	gid := c.Path("gid")
	return storage.Retry(func() error {
		grant, _, err := storage.Grants.Get(ctx, api.Store, gid)
		if err != nil {
			return err
		}
		write, err := api.Grants.Revocation(ctx, gid)
		if err != nil || write == nil {
			return err
		}
		event := audit.Event{Type: audit.GrantRevoked, GrantID: gid, ClientID: grant.ClientID, UserID: grant.UserID}
		return api.Store.Apply(ctx, append(api.did(ctx, c, event, feed.Grant(gid, grant.UserID)), *write)...)
	})
}
