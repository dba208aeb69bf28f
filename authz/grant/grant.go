// Package grant knows what stands behind a token: what a user, or the issuer of an assertion, has granted a
// client.
//
//	code, assertion -> Writes      a grant begins
//	token           -> Owner       the account, the consent, the client and the session still stand behind it
//	user, operator  -> Withdraw    a consent ends, and with it its grants
//	theft, /revoke  -> Revocation  one grant ends
package grant

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/authzd/authzd/authz/account"
	"github.com/authzd/authzd/authz/client/directory"
	"github.com/authzd/authzd/authz/events"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/storage"
)

// Grants finds grants and who stands behind them.
type Grants struct {
	Store      storage.Store
	Clients    *directory.Clients
	Accounts   *account.Directory
	Sessions   *session.Sessions
	Events     *events.Recorder
	Logger     *slog.Logger
	EndOffline bool // logging out of a session ends the offline grants too that came from it
}

// Writes are the writes that store a grant where it is found by its id and by its user.
func Writes(id string, grant *storage.Grant) []storage.Write {
	return []storage.Write{
		storage.Grants.Put(id, grant, storage.Absent, grant.ExpiresAt),
		storage.UserGrants.Put(grant.UserID+"/"+id, &storage.UserGrant{}, storage.Any, grant.ExpiresAt),
	}
}

// Owner returns the user behind a grant and, for an online grant, the browser session that it lives
// and dies with. The error is *OwnerGone if any of them has ended since. What it reads it reads at once:
// from a database on another machine that takes one round trip.
func (g *Grants) Owner(ctx context.Context, grant *storage.Grant) (*storage.User, *session.Session, error) {
	var user *storage.User
	var consent *storage.Consent
	var browser *session.Session
	var userErr, consentErr, browserErr error
	var reads sync.WaitGroup
	reads.Go(func() { consent, _, consentErr = g.Consent(ctx, grant.UserID, grant.ClientID) })
	if grant.Offline {
		browserErr = g.loggedOut(ctx, grant)
	} else {
		reads.Go(func() { browser, browserErr = g.Sessions.LoadByID(ctx, grant.SessionID) })
	}
	user, userErr = g.Accounts.Get(ctx, grant.UserID)
	reads.Wait()

	if errors.Is(userErr, storage.ErrNotFound) {
		return nil, nil, &OwnerGone{"the account is deleted"}
	} else if err := cmp.Or(userErr, consentErr); err != nil {
		return nil, nil, err
	}
	switch {
	case user.Disabled:
		return nil, nil, &OwnerGone{"the account is disabled"}
	case grant.UserEpoch != user.Epoch:
		return nil, nil, &OwnerGone{"the user has signed out everywhere"}
	}
	c, err := g.Clients.Get(ctx, grant.ClientID)
	if directory.Gone(c, err) { // a token that was exchanged for another client goes with it
		return nil, nil, &OwnerGone{"the client is gone"}
	} else if err != nil {
		return nil, nil, err
	}
	if grant.CreatedAt.Before(c.Since) {
		return nil, nil, &OwnerGone{"the client is another one, with the id of one that was deleted"}
	}
	needed := !c.FirstParty && grant.Issuer == ""
	if (needed && !InForce(consent)) || grant.Withdrawals != consent.Withdrawals {
		return nil, nil, &OwnerGone{"the consent was withdrawn"}
	}
	if browserErr != nil || grant.Offline {
		return user, nil, browserErr
	}
	return user, browser, lives(browser, user)
}

// LiveSession returns a browser session of the user's. The error is *OwnerGone if it has ended.
func (g *Grants) LiveSession(ctx context.Context, sid string, user *storage.User) (*session.Session, error) {
	browser, err := g.Sessions.LoadByID(ctx, sid)
	if err != nil {
		return nil, err
	}
	return browser, lives(browser, user)
}

// lives returns *OwnerGone if there is no such session of the user's any more.
func lives(browser *session.Session, user *storage.User) error {
	if browser == nil || !browser.BelongsTo(user) {
		return &OwnerGone{"the browser session has ended"}
	}
	return nil
}

// OwnerGone tells why a grant is no longer backed.
type OwnerGone struct{ Reason string }

func (e *OwnerGone) Error() string { return e.Reason }

// Refusal is the answer to a client whose grant is no longer backed; other errors stay what they are.
func Refusal(err error) error {
	if gone := new(OwnerGone); errors.As(err, &gone) {
		return oauth.Refuse(oauth.InvalidGrant, "The user's consent, session or account has ended.").Because(err)
	}
	return err
}

// Revocation returns the write that revokes a grant, nil if there is nothing left to revoke.
func (g *Grants) Revocation(ctx context.Context, id string) (*storage.Write, error) {
	grant, version, err := storage.Grants.Get(ctx, g.Store, id)
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

// loggedOut returns the error *OwnerGone if a user has logged out of the session that an offline grant
// came from, and the operator wants that to end it.
func (g *Grants) loggedOut(ctx context.Context, grant *storage.Grant) error {
	if !g.EndOffline {
		return nil
	}
	ended, err := oauth.Marked(ctx, g.Store, oauth.MarkLogout+oauth.HashToken(grant.SessionID))
	if err == nil && ended {
		err = &OwnerGone{"the user has logged out"}
	}
	return err
}
