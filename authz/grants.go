package authz

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/client/directory"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/resource"
	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/storage"
)

// openGrant makes the grant that a code becomes, and its first refresh token. grantedAt is when the
// user granted it.
func (s *Server) openGrant(ctx context.Context, x *exchange, id string, granted storage.Authorization, grantedAt time.Time) error {
	grant := &storage.Grant{
		Authorization: granted,
		Offline:       slices.Contains(granted.Scopes, "offline_access"),
		CreatedAt:     grantedAt,
		ExpiresAt:     x.now.Add(cmp.Or(x.client.RefreshTokenLifetime, s.config.Lifetimes.RefreshToken)),
	}
	if x.client.Public() { // others prove who they are at each refresh (RFC 9449 section 5)
		grant.Confirmation = x.confirmation
	}
	if !x.client.May(client.GrantRefreshToken) {
		grant.ExpiresAt = x.now.Add(s.accessTokenLifetime(x.client) + oauth.ClockSkew)
	}
	if err := s.useGrant(ctx, x, id, grant); err != nil {
		return err
	}
	x.writes = append(x.writes, newGrant(id, grant)...)
	x.writes = append(x.writes, s.events.GrantIssued(ctx, x.issued()))
	if x.client.May(client.GrantRefreshToken) {
		x.refreshToken = oauth.NewToken(oauth.PrefixRefresh)
		x.writes = append(x.writes, s.newRefreshToken(x, x.refreshToken))
	}
	return nil
}

// newGrant are the writes that store a grant where it is found by its id and by its user.
func newGrant(id string, grant *storage.Grant) []storage.Write {
	return []storage.Write{
		storage.Grants.Put(id, grant, storage.Absent, grant.ExpiresAt),
		storage.UserGrants.Put(grant.UserID+"/"+id, &storage.UserGrant{}, storage.Any, grant.ExpiresAt),
	}
}

// useGrant lets x speak for a grant, if the resource owner still stands behind it, with what was
// granted as far as the client is still registered for it. An online grant counts as the session's
// activity where refreshes do (sessions.activity).
func (s *Server) useGrant(ctx context.Context, x *exchange, id string, grant *storage.Grant) error {
	x.grantID, x.grant, x.signedIn = id, grant, true
	x.resources = oauth.Both(s.resources.Registered(grant.Resources), x.client.Resources)
	x.scopes = oauth.Both(grant.Scopes, x.client.Scopes)
	if len(x.resources) < len(grant.Resources) {
		x.scopes = s.resources.ScopesFor(x.scopes, x.resources)
	}
	var err error
	if x.details, err = resource.GrantedDetails(grant.AuthorizationDetails); err != nil {
		return err
	}
	user, browser, err := s.owner(ctx, grant)
	if err != nil {
		return grantEnded(err)
	}
	x.user = user
	if browser != nil {
		if touch, ok := s.sessions.TouchWrite(browser, x.now, false); ok {
			x.writes = append(x.writes, touch)
		}
	}
	return nil
}

// owner returns the user behind a grant and, for an online grant, the browser session that it lives
// and dies with. The error is *ownerGone if any of them has ended since. What it reads it reads at once:
// from a database on another machine that takes one round trip.
func (s *Server) owner(ctx context.Context, grant *storage.Grant) (*storage.User, *session.Session, error) {
	var user *storage.User
	var consent *storage.Consent
	var browser *session.Session
	var userErr, consentErr, browserErr error
	var reads sync.WaitGroup
	reads.Go(func() { consent, _, consentErr = s.consentOf(ctx, grant.UserID, grant.ClientID) })
	if grant.Offline {
		browserErr = s.loggedOut(ctx, grant)
	} else {
		reads.Go(func() { browser, browserErr = s.sessions.LoadByID(ctx, grant.SessionID) })
	}
	user, userErr = s.accounts.Get(ctx, grant.UserID)
	reads.Wait()

	if errors.Is(userErr, storage.ErrNotFound) {
		return nil, nil, &ownerGone{"the account is deleted"}
	} else if err := cmp.Or(userErr, consentErr); err != nil {
		return nil, nil, err
	}
	switch {
	case user.Disabled:
		return nil, nil, &ownerGone{"the account is disabled"}
	case grant.UserEpoch != user.Epoch:
		return nil, nil, &ownerGone{"the user has signed out everywhere"}
	}
	c, err := s.clients.Get(ctx, grant.ClientID)
	if directory.Gone(c, err) { // a token that was exchanged for another client goes with it
		return nil, nil, &ownerGone{"the client is gone"}
	} else if err != nil {
		return nil, nil, err
	}
	if grant.CreatedAt.Before(c.Since) {
		return nil, nil, &ownerGone{"the client is another one, with the id of one that was deleted"}
	}
	needed := !c.FirstParty && grant.Issuer == ""
	if (needed && !inForce(consent)) || grant.Withdrawals != consent.Withdrawals {
		return nil, nil, &ownerGone{"the consent was withdrawn"}
	}
	if browserErr != nil || grant.Offline {
		return user, nil, browserErr
	}
	return user, browser, lives(browser, user)
}

// liveSession returns a browser session of the user's. The error is *ownerGone if it has ended.
func (s *Server) liveSession(ctx context.Context, sid string, user *storage.User) (*session.Session, error) {
	browser, err := s.sessions.LoadByID(ctx, sid)
	if err != nil {
		return nil, err
	}
	return browser, lives(browser, user)
}

// lives returns *ownerGone if there is no such session of the user's any more.
func lives(browser *session.Session, user *storage.User) error {
	if browser == nil || !browser.BelongsTo(user) {
		return &ownerGone{"the browser session has ended"}
	}
	return nil
}

// ownerGone tells why a grant is no longer backed.
type ownerGone struct{ reason string }

func (e *ownerGone) Error() string { return e.reason }

// grantEnded is the answer to a client whose grant is no longer backed; other errors stay what they are.
func grantEnded(err error) error {
	if gone := new(ownerGone); errors.As(err, &gone) {
		return oauth.Refuse(oauth.InvalidGrant, "The user's consent, session or account has ended.").Because(err)
	}
	return err
}

// revocation returns the write that revokes a grant, nil if there is nothing left to revoke.
func (s *Server) revocation(ctx context.Context, id string) (*storage.Write, error) {
	grant, version, err := storage.Grants.Get(ctx, s.store, id)
	if errors.Is(err, storage.ErrNotFound) || (err == nil && grant.RevokedAt != nil) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	now := storage.Now()
	grant.RevokedAt = &now
	write := storage.Grants.Put(id, grant, storage.At(version), grant.ExpiresAt)
	return &write, nil
}
