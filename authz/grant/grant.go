// Package grant keeps grants: what a user, or the issuer of an assertion, allows a client. Most tokens have one.
//
//	code, assertion -> Writes      a grant begins
//	token           -> Owner       the account, the consent, the client and the session of a grant still count
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
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/client/directory"
	"github.com/authzd/authzd/authz/events"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/storage"
)

// Grants checks grants, and ends them.
type Grants struct {
	Store      storage.Store
	Clients    *directory.Clients
	Accounts   *account.Directory
	Sessions   *session.Sessions
	Events     *events.Recorder
	Logger     *slog.Logger
	EndOffline bool // a logout also ends the offline grants of its session
}

// Writes returns the writes that store a new grant, with the index by its user.
func Writes(id string, grant *storage.Grant) []storage.Write {
	return []storage.Write{
		storage.Grants.Put(id, grant, storage.Absent, grant.ExpiresAt),
		storage.UserGrants.Put(grant.UserID+"/"+id, &storage.UserGrant{}, storage.Any, grant.ExpiresAt),
	}
}

// Owner returns the user behind a grant and, for an online grant, the browser session that it lives
// and dies with. The error is *OwnerGone if any of them has ended since. asking is the client of the request, which is
// not read again; nil: none is known. What it reads it reads at once: from a database on another machine that takes
// one round trip.
func (g *Grants) Owner(ctx context.Context, grant *storage.Grant, asking *client.Client) (*storage.User, *session.Session, error) {
	var user *storage.User
	var consent *storage.Consent
	var browser *session.Session
	var loggedOut bool
	var userErr, consentErr, browserErr, clientErr error
	var reads sync.WaitGroup
	reads.Go(func() { consent, _, consentErr = g.Consent(ctx, grant.UserID, grant.ClientID) })
	switch {
	case !grant.Offline:
		reads.Go(func() { browser, browserErr = g.Sessions.LoadByID(ctx, grant.SessionID) })
	case g.EndOffline:
		reads.Go(func() {
			loggedOut, browserErr = oauth.Marked(ctx, g.Store, oauth.MarkLogout+oauth.HashToken(grant.SessionID))
		})
	}
	c := asking
	if asking == nil || asking.ID != grant.ClientID { // a token that was exchanged for another client goes with the grant's
		reads.Go(func() { c, clientErr = g.Clients.Get(ctx, grant.ClientID) })
	}
	// The longest record is decoded here: the stack of a new goroutine would have to grow for it.
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
	if directory.Gone(c, clientErr) {
		return nil, nil, &OwnerGone{"the client is gone"}
	} else if clientErr != nil {
		return nil, nil, clientErr
	}
	if grant.CreatedAt.Before(c.Since) {
		return nil, nil, &OwnerGone{"the client is another one, with the id of one that was deleted"}
	}
	needed := !c.FirstParty && grant.Issuer == ""
	if (needed && !InForce(consent)) || grant.Withdrawals != consent.Withdrawals {
		return nil, nil, &OwnerGone{"the consent was withdrawn"}
	}
	switch {
	case browserErr != nil:
		return user, nil, browserErr
	case loggedOut:
		return user, nil, &OwnerGone{"the user has logged out"}
	case grant.Offline:
		return user, nil, nil
	}
	return user, browser, lives(browser, user)
}

// LiveSession returns a browser session of a user. The error is *OwnerGone if it has ended.
func (g *Grants) LiveSession(ctx context.Context, sid string, user *storage.User) (*session.Session, error) {
	browser, err := g.Sessions.LoadByID(ctx, sid)
	if err != nil {
		return nil, err
	}
	return browser, lives(browser, user)
}

// lives returns *OwnerGone if the session of the user has ended.
func lives(browser *session.Session, user *storage.User) error {
	if browser == nil || !browser.BelongsTo(user) {
		return &OwnerGone{"the browser session has ended"}
	}
	return nil
}

// OwnerGone is the error of a grant that no longer counts, with the reason for the log and the admin API.
type OwnerGone struct{ Reason string }

// Error returns the reason.
func (e *OwnerGone) Error() string { return e.Reason }

// Refusal returns the answer to a client if err is *OwnerGone, and err itself otherwise.
func Refusal(err error) error {
	if gone := new(OwnerGone); errors.As(err, &gone) {
		return oauth.Refuse(oauth.InvalidGrant, "The user's consent, session or account has ended.").Because(err)
	}
	return err
}

// Revocation returns the write that revokes a grant, nil if the grant is gone or revoked already.
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
