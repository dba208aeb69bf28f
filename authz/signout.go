package authz

import (
	"context"
	"net/http"
	"time"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/storage"
)

// Every end of a session tells the clients that want to hear of it:
//
//	/logout, /account, another user signs in, a limit -> sessions (Config.Ended) --+
//	signOutEverywhere ---------------------------------------------------------- outbox, in one Apply
//	/logout, signOutEverywhere also -> logoutFrames, in the browser itself

// endOwnSession ends the session of this browser, whatever has become of its user, and returns it as it
// was, nil if there was none.
func (s *Server) endOwnSession(w http.ResponseWriter, r *http.Request) (*session.Session, error) {
	current, err := s.sessions.Load(r.Context(), r)
	if err != nil {
		return nil, err
	}
	if current != nil {
		observe.Event(r.Context()).SetSubject(current.UserID)
		if current, err = s.endSession(r.Context(), current.ID, s.events.SignedOut(r.Context(), current.UserID, current.ID)); err != nil {
			return nil, err
		}
	}
	s.sessions.Forget(w)
	return current, nil
}

// endSession ends a session because its user wants it, and with it every online grant. With
// sessions.end_offline its offline grants end too: a mark that outlives them says so. Other writes are
// made in the same Apply.
func (s *Server) endSession(ctx context.Context, sid string, also ...storage.Write) (*session.Session, error) {
	if s.config.Sessions.EndOffline {
		longest, err := s.longestGrant(ctx)
		if err != nil {
			return nil, err
		}
		also = append(also, storage.Marks.Put(oauth.MarkLogout+oauth.HashToken(sid), &storage.Mark{}, storage.Any, storage.Now().Add(longest+oauth.MarkMargin)))
	}
	ended, err := s.sessions.End(ctx, sid, also...)
	s.outbox.Wake()
	return ended, err
}

// longestGrant is how long a grant may live.
func (s *Server) longestGrant(ctx context.Context) (time.Duration, error) {
	managed, err := s.clients.Managed.All(ctx)
	if err != nil {
		return 0, err
	}
	longest := max(s.config.Lifetimes.RefreshToken, managed.RefreshToken)
	s.config.Clients.Each(func(c *client.Client) { longest = max(longest, c.RefreshTokenLifetime) })
	return longest, nil
}

// signOutEverywhere ends all that a user has: every session, and every grant, offline ones too, since
// they are of an earlier epoch then. No clock has a say in that: a request that is under way, here or at
// a replica, gets a grant of the epoch that it has read. Each client of any of the sessions is told once,
// without a sid: it is to end all that it has of the user (Back-Channel Logout 1.0 section 2.4).
func (s *Server) signOutEverywhere(ctx context.Context, userID string) error {
	err := storage.Retry(func() error { return s.endEverything(ctx, userID) })
	s.outbox.Wake()
	return err
}

func (s *Server) endEverything(ctx context.Context, userID string) error {
	user, version, err := storage.Users.Get(ctx, s.store, userID)
	if err != nil {
		return err
	}
	writes, err := s.endingWrites(ctx, userID)
	if err != nil {
		return err
	}
	user.Epoch++
	writes = append(writes, storage.Users.Put(userID, user, storage.At(version), time.Time{}), s.events.SignedOut(ctx, userID, ""))
	return s.store.Apply(ctx, writes...)
}

// endingWrites end every session of a user and tell their clients.
func (s *Server) endingWrites(ctx context.Context, userID string) ([]storage.Write, error) {
	sessions, err := s.sessions.OfUser(ctx, userID)
	if err != nil {
		return nil, err
	}
	var writes []storage.Write
	for _, ended := range sessions {
		writes = append(writes, s.sessions.DropWrites(ended)...)
	}
	told, err := s.logoutWrites(ctx, sessions, true)
	return append(writes, told...), err
}
