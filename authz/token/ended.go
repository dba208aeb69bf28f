package token

import (
	"context"
	"errors"
	"strings"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/revocation"
	"github.com/authzd/authzd/storage"
)

// Ended returns what a revocation ends, as the claims of tokens name it. Its record names a user or a session once.
// Tokens of pairwise clients have another sub and sid, and tokens of token exchange have no sid: if there may be such
// tokens, the grants are listed too.
func (t *Tokens) Ended(ctx context.Context, r *storage.Revocation) (ended []revocation.Entry, err error) {
	add := func(kind revocation.Kind, id string, before int64) {
		ended = append(ended, revocation.Entry{Kind: kind, ID: revocation.Hash(kind, t.Issuer.ID, id), Before: before})
	}
	switch r.Kind {
	case storage.RevokedGrant:
		add(revocation.Grant, r.ID, r.Before)
	case storage.RevokedJTI:
		add(revocation.Token, r.ID, r.Before)
	case storage.RevokedClient:
		add(revocation.Client, r.ID, r.Before)
	case storage.RevokedConsent:
		err = t.eachGrant(ctx, r.UserID, func(gid string, g *storage.Grant) error {
			if g.ClientID == r.ID {
				add(revocation.Grant, gid, r.Before)
			}
			return nil
		})
	case storage.RevokedUser:
		add(revocation.Subject, r.ID, r.Before)
		if t.nameIndirectly() {
			err = t.eachGrant(ctx, r.ID, func(gid string, _ *storage.Grant) error {
				add(revocation.Grant, gid, r.Before)
				return nil
			})
		}
	case storage.RevokedSession:
		add(revocation.Session, r.ID, r.Before)
		if t.nameIndirectly() {
			err = t.eachGrant(ctx, r.UserID, func(gid string, g *storage.Grant) error {
				if g.SessionID != r.ID {
					return nil
				}
				c, err := t.Clients.AtHand(ctx, g.ClientID)
				if c != nil && c.SubjectType == client.SubjectPairwise {
					add(revocation.Session, t.Sid(c, r.ID), r.Before)
				}
				switch {
				case !g.Offline:
					add(revocation.Grant, gid, 0)
				case t.Grants.EndOffline: // unless the session has reached a limit; then the next refresh brings a token that counts
					add(revocation.Grant, gid, r.Before)
				}
				return err
			})
		}
	}
	return ended, err
}

// nameIndirectly reports whether there may be tokens with another sub or sid than the user's and the session's.
func (t *Tokens) nameIndirectly() bool {
	t.once.Do(func() {
		t.Clients.File.Each(func(c *client.Client) {
			t.indirect = t.indirect || c.SubjectType == client.SubjectPairwise || c.May(client.GrantTokenExchange)
		})
	})
	return t.indirect || t.Clients.Unlisted()
}

// eachGrant calls fn for the grants of a user.
func (t *Tokens) eachGrant(ctx context.Context, userID string, fn func(gid string, g *storage.Grant) error) error {
	for entry, err := range storage.UserGrants.All(ctx, t.Store, userID+"/") {
		if err != nil {
			return err
		}
		gid := strings.TrimPrefix(entry.Key, userID+"/")
		g, _, err := storage.Grants.Get(ctx, t.Store, gid)
		if errors.Is(err, storage.ErrNotFound) {
			continue
		}
		if err == nil {
			err = fn(gid, g)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
