package token

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/authzd/authzd/authz/client/directory"
	"github.com/authzd/authzd/authz/grant"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/resource"
	"github.com/authzd/authzd/storage"
)

// ErrInactive says that a token is not, or no longer, a valid access token of this server.
var ErrInactive = errors.New("the access token is not active")

// Active is a valid token, with its grant and user. Both are nil for a token of the grant type
// client_credentials.
type Active struct {
	Claims
	TokenType string
	Grant     *storage.Grant
	User      *storage.User
}

// Active checks an access token in full, as introspection and userinfo need it: Parse accepts it, it was not
// revoked, and its grant, user and session still count. A change of the user's roles or groups ends their older tokens.
// If not, the error is ErrInactive; other errors are the store's.
func (t *Tokens) Active(ctx context.Context, token string) (*Active, error) {
	claims, err := t.Parse(ctx, token)
	if err != nil {
		return nil, err
	}
	active := &Active{Claims: *claims, TokenType: typeOf(claims.Confirmation)}
	if claims.GrantID != "" { // a token that another client got by exchange can also be revoked alone
		err := t.LoadGrant(ctx, claims.GrantID, active)
		switch {
		case err != nil:
			return nil, err
		case active.User != nil && claims.IssuedAt <= active.User.NotBefore: // the revocation feed says the same
			return nil, ErrInactive
		case active.Grant.ClientID == claims.ClientID:
			return active, nil
		}
	}
	switch _, _, err := storage.RevokedTokens.Get(ctx, t.Store, claims.ID); {
	case errors.Is(err, storage.ErrNotFound):
		return active, nil
	case err != nil:
		return nil, err
	}
	return nil, ErrInactive
}

// LoadGrant fills in the grant of a token, and its user. It returns ErrInactive if they no longer count.
func (t *Tokens) LoadGrant(ctx context.Context, id string, active *Active) error {
	found, _, err := storage.Grants.Get(ctx, t.Store, id)
	if errors.Is(err, storage.ErrNotFound) || (err == nil && found.RevokedAt != nil) {
		return ErrInactive
	} else if err != nil {
		return err
	}
	user, _, err := t.Grants.Owner(ctx, found, nil)
	if gone := new(grant.OwnerGone); errors.As(err, &gone) {
		return ErrInactive
	}
	active.Grant, active.User = found, user
	return err
}

// Parse reads the claims of an access token and checks its signature or, if it is opaque, its record, its type,
// issuer and expiry, and that its client still exists. If one is wrong, the error is ErrInactive. It does not
// look at the grant: Active does.
func (t *Tokens) Parse(ctx context.Context, token string) (*Claims, error) {
	var payload []byte
	if strings.HasPrefix(token, oauth.PrefixAccess) {
		row, _, err := storage.AccessTokens.Get(ctx, t.Store, oauth.HashToken(token))
		if errors.Is(err, storage.ErrNotFound) {
			return nil, ErrInactive
		} else if err != nil {
			return nil, err
		}
		payload = row.Claims
	} else {
		verified, err := t.Keys.Verify(token)
		switch {
		case errors.Is(err, keys.ErrInvalidToken):
			return nil, ErrInactive
		case err != nil:
			return nil, err
		case verified.Type != resource.TokenTypeAT && verified.Type != resource.TokenTypeJWT:
			return nil, ErrInactive
		}
		payload = verified.Payload
	}
	claims := new(Claims)
	switch err := json.Unmarshal(payload, claims); {
	case err != nil, claims.ID == "", claims.ClientID == "": // an ID token may have the type JWT too, but no client_id
		return nil, ErrInactive
	case claims.Issuer != t.Issuer.ID, storage.Now().Unix() >= claims.Expires:
		return nil, ErrInactive
	}
	c, err := t.Clients.Get(ctx, claims.ClientID)
	if directory.Gone(c, err) || err == nil && claims.IssuedAt < c.Since.Unix() {
		return nil, ErrInactive
	}
	return claims, err
}
