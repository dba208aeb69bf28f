package tokeninfo

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/token"
	"github.com/authzd/authzd/storage"
)

// Revoke is the revocation endpoint (RFC 7009). It revokes the grant of a token, and so all tokens of the grant.
// If a token is unknown, expired or of another client, nothing happens, and the answer is the same. If the
// revocation can't be stored, the answer is 503.
func (ti *Endpoints) Revoke(w http.ResponseWriter, r *http.Request) error {
	c, presented, err := ti.clientAndToken(w, r)
	if err != nil {
		return err
	}
	return storage.Retry(func() error {
		writes, err := ti.revocationOf(r.Context(), c, presented)
		if err != nil || writes == nil {
			return err // nil: 200, although there was nothing to revoke
		}
		return ti.Store.Apply(r.Context(), writes...)
	})
}

// revocationOf returns the writes that end a token, nil if there is nothing to end.
func (ti *Endpoints) revocationOf(ctx context.Context, c *client.Client, presented string) ([]storage.Write, error) {
	if strings.HasPrefix(presented, oauth.PrefixRefresh) {
		row, _, err := storage.RefreshTokens.Get(ctx, ti.Store, oauth.HashToken(presented))
		if errors.Is(err, storage.ErrNotFound) {
			return nil, nil
		} else if err != nil {
			return nil, err
		}
		return ti.familyRevocation(ctx, c, row.GrantID, nil)
	}
	claims, err := ti.Tokens.Parse(ctx, presented)
	if errors.Is(err, token.ErrInactive) || (err == nil && claims.ClientID != c.ID) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	alone := append(ti.Events.TokenRevokedBy(ctx, c.ID, claims.ID),
		storage.RevokedTokens.Put(claims.ID, &storage.RevokedToken{}, storage.Any, time.Unix(claims.Expires, 0).Add(oauth.MarkMargin)))
	if claims.GrantID == "" {
		return alone, nil
	}
	return ti.familyRevocation(ctx, c, claims.GrantID, alone)
}

// familyRevocation returns the writes that revoke a grant of the client. If the grant is another client's, it
// returns alone: a client that got a token by exchange may revoke this token only.
func (ti *Endpoints) familyRevocation(ctx context.Context, c *client.Client, grantID string, alone []storage.Write) ([]storage.Write, error) {
	grant, _, err := storage.Grants.Get(ctx, ti.Store, grantID)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil
	} else if err != nil || grant.ClientID != c.ID {
		return alone, err
	}
	observe.Event(ctx).SetGrant(grantID)
	write, err := ti.Grants.Revocation(ctx, grantID)
	if err != nil || write == nil {
		return nil, err
	}
	return append(ti.Events.GrantRevokedBy(ctx, c.ID, grant.UserID, grantID), *write), nil
}
