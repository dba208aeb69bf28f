package tokenendpoint

import (
	"context"
	"slices"
	"time"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/grant"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/resource"
	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/storage"
)

// openGrant makes the grant of a code or device code, and its first refresh token. grantedAt is when the user
// granted it.
func (ep *Endpoint) openGrant(ctx context.Context, x *exchange, id string, granted storage.Authorization, grantedAt time.Time) error {
	opened := &storage.Grant{
		Authorization: granted,
		Offline:       slices.Contains(granted.Scopes, "offline_access"),
		CreatedAt:     grantedAt,
		ExpiresAt:     x.Now.Add(x.Client.RefreshTokenLifetime.Or(ep.RefreshLifetime)),
	}
	if x.Client.Public() { // confidential clients authenticate at each refresh (RFC 9449 section 5)
		opened.Confirmation = x.confirmation
	}
	if !x.Client.May(client.GrantRefreshToken) {
		opened.ExpiresAt = x.Now.Add(ep.Tokens.Lifetime(x.Client) + oauth.ClockSkew)
	}
	user, browser, err := ep.Grants.Owner(ctx, opened, x.Client)
	if err != nil {
		return grant.Refusal(err)
	}
	if err := ep.useGrant(x, id, opened, user, browser); err != nil {
		return err
	}
	x.writes = append(x.writes, grant.Writes(id, opened)...)
	x.writes = append(x.writes, ep.Events.GrantIssued(ctx, x.issued())...)
	if x.Client.May(client.GrantRefreshToken) {
		first, err := ep.newRefreshToken(ctx, x)
		if err != nil {
			return err
		}
		x.writes = append(x.writes, first)
	}
	return nil
}

// useGrant lets x speak for a grant, whose owner is known, with what was granted as far as the client is still
// registered for it. An online grant counts as the session's activity where refreshes do (sessions.activity).
func (ep *Endpoint) useGrant(x *exchange, id string, used *storage.Grant, user *storage.User, browser *session.Session) error {
	x.GrantID, x.Grant, x.User, x.SignedIn = id, used, user, true
	x.Resources = oauth.Both(ep.Resources.Registered(used.Resources), x.Client.Resources)
	x.Scopes = oauth.Both(used.Scopes, x.Client.Scopes)
	if len(x.Resources) < len(used.Resources) {
		x.Scopes = ep.Resources.ScopesFor(x.Scopes, x.Resources)
	}
	if browser != nil {
		if touch, ok := ep.Sessions.TouchWrite(browser, x.Now, false); ok {
			x.writes = append(x.writes, touch)
		}
	}
	var err error
	x.Details, err = resource.GrantedDetails(used.AuthorizationDetails)
	return err
}
