package logout

import (
	"context"
	"net/http"
	"time"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/feed"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/storage"
)

// Every end of a session tells the clients that want to hear of it:
//
//	/logout, /account, another user signs in, a limit -> sessions (Config.Ended) --+
//	Everywhere ---------------------------------------------------------- outbox, in one Apply
//	/logout, Everywhere also -> Frames, in the browser itself

// endHere ends the sessions of the accounts that the user is leaving, and returns them as they were. If nobody is signed in,
// there may still be a session in use whose user was deleted or disabled: it ends too.
func (lo *Logout) endHere(w http.ResponseWriter, r *http.Request, l *logoutRequest, leaving []session.Account) (ended []*session.Session, err error) {
	ctx := r.Context()
	if len(l.accounts) == 0 {
		void, err := lo.Sessions.Load(ctx, r)
		if err != nil {
			return nil, err
		}
		if void != nil {
			leaving = []session.Account{{Session: void}}
		}
	}
	for _, a := range leaving {
		observe.Event(ctx).SetSubject(a.Session.UserID)
		was, err := lo.EndSession(ctx, a.Session.ID, lo.Events.SignedOut(ctx, a.Session.UserID, a.Session.ID)...)
		if err != nil {
			return nil, err
		}
		ended = append(ended, notNil(was)...)
	}
	return ended, lo.Sessions.Forget(ctx, w, r)
}

// notNil returns a session as a list, which is empty if there is none.
func notNil(s *session.Session) []*session.Session {
	if s == nil {
		return nil
	}
	return []*session.Session{s}
}

// EndSession ends a session that its user or an operator wants to end, and with it every online grant. With
// sessions.end_offline its offline grants end too, by a mark that outlives them. The writes in also are made in
// the same Apply. It returns the session as it was, nil if there was none.
func (lo *Logout) EndSession(ctx context.Context, sid string, also ...storage.Write) (*session.Session, error) {
	if lo.EndOffline {
		longest, err := lo.LongestGrant(ctx)
		if err != nil {
			return nil, err
		}
		also = append(also, storage.Marks.Put(oauth.MarkLogout+oauth.HashToken(sid), &storage.Mark{}, storage.Any, storage.Now().Add(longest+oauth.MarkMargin)))
	}
	return lo.Sessions.End(ctx, sid, also...)
}

// LongestGrant returns how long a grant of any client may live.
func (lo *Logout) LongestGrant(ctx context.Context) (time.Duration, error) {
	managed, err := lo.Clients.Managed.All(ctx)
	if err != nil {
		return 0, err
	}
	longest := max(lo.RefreshLifetime, managed.RefreshToken)
	lo.Clients.File.Each(func(c *client.Client) { longest = max(longest, time.Duration(c.RefreshTokenLifetime)) })
	return longest, nil
}

// Everywhere ends every session and every grant of a user, offline ones too. It raises the epoch of the user:
// grants of an earlier epoch are void. This does not depend on clocks, since a request that is under way, here or
// at a replica, makes a grant of the epoch that it has read. Each client of the sessions gets one logout token
// without a sid, which means all sessions (Back-Channel Logout 1.0 section 2.4).
func (lo *Logout) Everywhere(ctx context.Context, userID string) error {
	return storage.Retry(func() error { return lo.endEverything(ctx, userID) })
}

func (lo *Logout) endEverything(ctx context.Context, userID string) error {
	user, version, err := storage.Users.Get(ctx, lo.Store, userID)
	if err != nil {
		return err
	}
	writes, err := lo.EndingWrites(ctx, userID)
	if err != nil {
		return err
	}
	end := feed.User(userID)
	user.Epoch++
	user.NotBefore = max(user.NotBefore, end.Before())
	writes = append(writes, storage.Users.Put(userID, user, storage.At(version), time.Time{}))
	return lo.Store.Apply(ctx, append(writes, lo.Events.SignedOutEverywhere(ctx, userID, end)...)...)
}

// EndingWrites returns the writes that end every session of a user and put logout tokens for their clients into
// the outbox.
func (lo *Logout) EndingWrites(ctx context.Context, userID string) ([]storage.Write, error) {
	sessions, err := lo.Sessions.OfUser(ctx, userID)
	if err != nil {
		return nil, err
	}
	var writes []storage.Write
	for _, ended := range sessions {
		writes = append(writes, lo.Sessions.DropWrites(ended)...)
	}
	told, err := lo.logoutWrites(ctx, sessions, true)
	return append(writes, told...), err
}
