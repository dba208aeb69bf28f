package tokenendpoint

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/grant"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/storage"
)

// errUnknownRefreshToken is the answer to a refresh token that does not count. The cause goes to the log.
var errUnknownRefreshToken = oauth.Refuse(oauth.InvalidGrant, "The refresh token is unknown, expired, revoked, or of another client.")

// redeemRefreshToken follows RFC 6749 section 6 and RFC 9700 section 4.14. Its rotation survives lost answers, so a
// bad network does not end the grant:
//
//	unused                        -> used; its successor is derived from it and stored by hash
//	used, successor unused, grace -> a retry: the same successor again, nothing written
//	used otherwise                -> theft: the whole grant is revoked
func (ep *Endpoint) redeemRefreshToken(ctx context.Context, x *exchange, form url.Values) error {
	presented := form.Get("refresh_token")
	if presented == "" {
		return oauth.Refuse(oauth.InvalidRequest, "The parameter refresh_token is missing.")
	}
	key := oauth.HashToken(presented)
	token, version, err := recordOf(x, storage.RefreshTokens)
	if errors.Is(err, storage.ErrNotFound) {
		return errUnknownRefreshToken
	} else if err != nil {
		return err
	}
	granted, _, err := storage.Grants.Get(ctx, ep.Store, token.GrantID)
	if errors.Is(err, storage.ErrNotFound) {
		return errUnknownRefreshToken.Because(errors.New("the grant has expired"))
	} else if err != nil {
		return err
	}
	switch {
	case granted.ClientID != x.Client.ID: // before anything can happen to the grant
		return errUnknownRefreshToken.Because(errors.New("refresh token of another client"))
	case granted.RevokedAt != nil:
		return errUnknownRefreshToken.Because(errors.New("the grant is revoked"))
	}
	if err := x.mustHold(granted.Confirmation, "refresh token"); err != nil {
		return err
	}
	user, browser, err := ep.Grants.Owner(ctx, granted, x.Client)
	if err != nil {
		return grant.Refusal(err)
	}
	if err := ep.useGrant(x, token.GrantID, granted, user, browser); err != nil {
		return err
	}
	if err := narrowScope(x, form); err != nil {
		return err
	}
	if token.UsedAt == nil {
		return ep.rotate(ctx, x, key, presented, token, version)
	}
	successor, err := ep.successorOf(ctx, x, presented, token)
	if err != nil {
		return err
	}
	if successor == "" {
		observe.Event(ctx).SetGrant(x.GrantID)
		observe.Alarm(ctx, observe.RefreshTokenReuse)
		if err := ep.revokeReused(ctx, x, audit.RefreshReused, x.GrantID, &granted.Authorization); err != nil {
			return err
		}
		return errUnknownRefreshToken.Because(errors.New("refresh token used again"))
	}
	x.refreshToken = successor
	return nil
}

// renewals is how often, within its idle limit, the last use of a token that is not rotated is recorded at most.
// Otherwise every refresh would write.
const renewals = 100

// rotate replaces the presented token by its successor. If the client authenticates at every refresh, rotation
// would add no safety: then the token stays, and its idle limit starts again.
func (ep *Endpoint) rotate(ctx context.Context, x *exchange, key, presented string, token *storage.RefreshToken, version uint64) error {
	if !x.Client.RotatesRefreshTokens() {
		x.refreshToken = presented
		if x.Now.Sub(token.RenewedAt) >= ep.refreshIdle(x)/renewals {
			renewed := storage.RefreshToken{GrantID: token.GrantID, RenewedAt: x.Now}
			x.writes = append(x.writes, storage.RefreshTokens.Put(key, &renewed, storage.At(version), ep.refreshExpiry(x)))
		}
		return nil
	}
	x.rotated, x.salt = presented, oauth.NewSalt()
	successor, err := ep.newRefreshToken(ctx, x)
	if err != nil {
		return err
	}
	used := storage.RefreshToken{GrantID: token.GrantID, RenewedAt: token.RenewedAt, UsedAt: &x.Now, Next: successor.Key, Salt: x.salt}
	x.writes = append(x.writes, storage.RefreshTokens.Put(key, &used, storage.At(version), ep.refreshExpiry(x)), successor)
	return nil
}

// successorOf returns the successor of a used token if this request can be an honest retry, and "" otherwise. The
// successor may have been derived under an earlier server secret.
func (ep *Endpoint) successorOf(ctx context.Context, x *exchange, presented string, token *storage.RefreshToken) (string, error) {
	if x.Now.Sub(*token.UsedAt) >= ep.refreshGrace(x.Client) {
		return "", nil
	}
	next, _, err := storage.RefreshTokens.Get(ctx, ep.Store, token.Next)
	if errors.Is(err, storage.ErrNotFound) {
		return "", nil
	} else if err != nil || next.UsedAt != nil {
		return "", err
	}
	for _, successor := range ep.Tokens.Successors(presented, token.Salt) {
		if oauth.HashToken(successor) == token.Next {
			return successor, nil
		}
	}
	return "", errUnknownRefreshToken.Because(errors.New("the secret that derived its successor is no longer configured"))
}

// newRefreshToken makes the refresh token of the answer by fosite's strategy, and returns the write that stores it by
// its hash.
func (ep *Endpoint) newRefreshToken(ctx context.Context, x *exchange) (storage.Write, error) {
	refreshToken, signature, err := ep.strategy.GenerateRefreshToken(ctx, x.requester)
	x.refreshToken = refreshToken
	row := storage.RefreshToken{GrantID: x.GrantID, RenewedAt: x.Now}
	return storage.RefreshTokens.Put(signature, &row, storage.Absent, ep.refreshExpiry(x)), err
}

// refreshExpiry returns when a refresh token expires: by its idle limit, or with the grant if that is earlier.
func (ep *Endpoint) refreshExpiry(x *exchange) time.Time {
	idle := x.Now.Add(ep.refreshIdle(x))
	if idle.After(x.Grant.ExpiresAt) {
		return x.Grant.ExpiresAt
	}
	return idle
}

func (ep *Endpoint) refreshIdle(x *exchange) time.Duration {
	return x.Client.RefreshIdleLifetime.Or(ep.RefreshIdle)
}

// refreshGrace returns how long a rotated refresh token of a client may be sent again.
func (ep *Endpoint) refreshGrace(c *client.Client) time.Duration {
	if c.RefreshGrace != nil {
		return time.Duration(*c.RefreshGrace)
	}
	return ep.RefreshGrace
}
