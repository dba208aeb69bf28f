package authz

import (
	"context"
	"errors"
	"strings"

	"github.com/authzd/authzd/authz/admin"
	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/grant"
	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/storage"
)

func (s *Server) listSessions(ctx context.Context, c *admin.Call, page admin.Slice) (sessions []admin.Session, next string, err error) {
	found, next, err := s.sessions.List(ctx, c.Query.Get("sub"), page.After, page.Size)
	if err != nil {
		return nil, "", err
	}
	names := s.usernames()
	for _, f := range found {
		shown := s.shownSession(f)
		if shown.Username, err = names(ctx, f.UserID); err != nil {
			return nil, "", err
		}
		sessions = append(sessions, shown)
	}
	return sessions, next, nil
}

// usernames returns a function that finds the name of a user, once for each; "" if they are deleted.
func (s *Server) usernames() func(ctx context.Context, id string) (string, error) {
	known := map[string]string{}
	return func(ctx context.Context, id string) (string, error) {
		if name, ok := known[id]; ok || id == "" {
			return name, nil
		}
		user, err := s.accounts.Get(ctx, id)
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

func (s *Server) shownSession(f *session.Session) admin.Session {
	expires, _ := s.sessions.Limits(f)
	return admin.Session{
		SID: f.ID, Sub: f.UserID, AuthTime: f.AuthTime, AMR: f.AMR, ACR: f.ACR, Connector: f.Connector, RememberMe: f.Remember,
		CreatedAt: f.CreatedAt, LastActiveAt: f.LastActive, ExpiresAt: expires, Clients: f.Clients,
	}
}

func (s *Server) readSession(ctx context.Context, c *admin.Call) (*admin.Session, error) {
	found, err := s.sessions.LoadByID(ctx, c.Path("sid"))
	if err != nil {
		return nil, err
	} else if found == nil {
		return nil, storage.ErrNotFound
	}
	shown := s.shownSession(found)
	shown.Username, err = s.usernames()(ctx, found.UserID)
	return &shown, err
}

func (s *Server) revokeSession(ctx context.Context, c *admin.Call) error {
	found, err := s.sessions.LoadByID(ctx, c.Path("sid"))
	if err != nil {
		return err
	}
	if found != nil {
		found, err = s.logout.EndSession(ctx, found.ID, s.did(ctx, c, audit.Event{Type: audit.SessionEnded, SessionID: found.ID, UserID: found.UserID}))
	}
	if err == nil && found == nil {
		return storage.ErrNotFound
	}
	return err
}

// looksPerPage is how many grants a page of those of a client looks at, at most: there is no index, and
// nobody shall wait for millions to be read.
const looksPerPage = 5 * admin.MaxPageSize

func (s *Server) listGrants(ctx context.Context, c *admin.Call, page admin.Slice) ([]admin.Grant, string, error) {
	sub, clientID := c.Query.Get("sub"), c.Query.Get("client_id")
	if sub != "" {
		return s.grantsOfUser(ctx, sub, clientID, page)
	}
	var grants []admin.Grant
	names := s.usernames()
	after := page.After
	for looked := 0; looked < looksPerPage; {
		wanted := page.Size - len(grants)
		found, err := storage.Grants.Scan(ctx, s.store, "", after, wanted)
		if err != nil {
			return nil, "", err
		}
		for _, entry := range found {
			if clientID != "" && entry.Value.ClientID != clientID {
				continue
			}
			shown, err := s.shownGrant(ctx, names, entry.Key, entry.Value)
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

func (s *Server) grantsOfUser(ctx context.Context, sub, clientID string, page admin.Slice) ([]admin.Grant, string, error) {
	found, err := storage.UserGrants.Scan(ctx, s.store, sub+"/", page.After, page.Size)
	if err != nil {
		return nil, "", err
	}
	var grants []admin.Grant
	names := s.usernames()
	next := ""
	for _, entry := range found {
		gid := strings.TrimPrefix(entry.Key, sub+"/")
		grant, _, err := storage.Grants.Get(ctx, s.store, gid)
		if gone := errors.Is(err, storage.ErrNotFound); err != nil && !gone {
			return nil, "", err
		} else if !gone && (clientID == "" || grant.ClientID == clientID) {
			shown, err := s.shownGrant(ctx, names, gid, grant)
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

// shownGrant is a grant with the name of its user and, unless it was revoked, whether it lives.
func (s *Server) shownGrant(ctx context.Context, names func(context.Context, string) (string, error), gid string, g *storage.Grant) (*admin.Grant, error) {
	shown := grantOf(gid, g)
	var err error
	if shown.Username, err = names(ctx, g.UserID); err != nil || g.RevokedAt != nil {
		return &shown, err
	}
	_, _, err = s.grants.Owner(ctx, g)
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

func (s *Server) readGrant(ctx context.Context, c *admin.Call) (*admin.Grant, error) {
	grant, _, err := storage.Grants.Get(ctx, s.store, c.Path("gid"))
	if err != nil {
		return nil, err
	}
	return s.shownGrant(ctx, s.usernames(), c.Path("gid"), grant)
}

// revokeGrantOf is done if the grant is revoked already.
func (s *Server) revokeGrantOf(ctx context.Context, c *admin.Call) error {
	gid := c.Path("gid")
	return storage.Retry(func() error {
		grant, _, err := storage.Grants.Get(ctx, s.store, gid)
		if err != nil {
			return err
		}
		write, err := s.grants.Revocation(ctx, gid)
		if err != nil || write == nil {
			return err
		}
		event := audit.Event{Type: audit.GrantRevoked, GrantID: gid, ClientID: grant.ClientID, UserID: grant.UserID}
		return s.store.Apply(ctx, *write, s.did(ctx, c, event))
	})
}
