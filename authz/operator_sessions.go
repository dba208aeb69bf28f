package authz

import (
	"context"
	"strings"

	"github.com/authzd/authzd/authz/admin"
	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/storage"
)

func (s *Server) listSessions(ctx context.Context, c *admin.Call, page admin.Slice) (sessions []admin.Session, next string, err error) {
	found, next, err := s.sessions.List(ctx, c.Query.Get("sub"), page.After, page.Size)
	for _, f := range found {
		sessions = append(sessions, s.shownSession(f))
	}
	return sessions, next, err
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
	return &shown, nil
}

func (s *Server) revokeSession(ctx context.Context, c *admin.Call) error {
	found, err := s.sessions.LoadByID(ctx, c.Path("sid"))
	if err != nil {
		return err
	}
	if found != nil {
		found, err = s.endSession(ctx, found.ID, s.did(ctx, c, audit.Event{Type: audit.SessionEnded, SessionID: found.ID, UserID: found.UserID}))
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
	after := page.After
	for looked := 0; looked < looksPerPage; {
		wanted := page.Size - len(grants)
		found, err := storage.Grants.Scan(ctx, s.store, "", after, wanted)
		if err != nil {
			return nil, "", err
		}
		for _, entry := range found {
			if clientID == "" || entry.Value.ClientID == clientID {
				grants = append(grants, grantOf(entry.Key, entry.Value))
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
	next := ""
	for _, entry := range found {
		gid := strings.TrimPrefix(entry.Key, sub+"/")
		grant, _, err := storage.Grants.Get(ctx, s.store, gid)
		if gone := notFound(err); err != nil && !gone {
			return nil, "", err
		} else if !gone && (clientID == "" || grant.ClientID == clientID) {
			grants = append(grants, grantOf(gid, grant))
		}
		next = entry.Key
	}
	if len(found) < page.Size {
		next = ""
	}
	return grants, next, nil
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
	shown := grantOf(c.Path("gid"), grant)
	return &shown, nil
}

// revokeGrantOf is done if the grant is revoked already.
func (s *Server) revokeGrantOf(ctx context.Context, c *admin.Call) error {
	gid := c.Path("gid")
	return raced(func() error {
		grant, _, err := storage.Grants.Get(ctx, s.store, gid)
		if err != nil {
			return err
		}
		write, err := s.revocation(ctx, gid)
		if err != nil || write == nil {
			return err
		}
		event := audit.Event{Type: audit.GrantRevoked, GrantID: gid, ClientID: grant.ClientID, UserID: grant.UserID}
		return s.store.Apply(ctx, *write, s.did(ctx, c, event))
	})
}
