package logout

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/storage"
)

const (
	logoutEvent = "http://schemas.openid.net/event/backchannel-logout"
	// logoutTokenLifetime is short: each attempt to deliver signs a new token.
	logoutTokenLifetime = 2 * time.Minute
)

// Token returns a signed logout token (OpenID Connect Back-Channel Logout 1.0 section 2.4). It is signed with
// the algorithm of the client's ID tokens; it has no nonce, so that nobody can use it as an ID token.
func (lo *Logout) Token(ctx context.Context, l *storage.Logout, jti string) (string, error) {
	c, err := lo.Clients.Get(ctx, l.ClientID)
	if err != nil {
		return "", err
	}
	if c == nil {
		return "", errors.New("the client is gone")
	}
	now := storage.Now()
	claims := map[string]any{
		"iss":    lo.Issuer.ID,
		"sub":    lo.Tokens.Subject(c, l.UserID),
		"aud":    c.ID,
		"iat":    now.Unix(),
		"exp":    now.Add(logoutTokenLifetime).Unix(),
		"jti":    jti,
		"events": map[string]any{logoutEvent: struct{}{}},
	}
	if l.Session != "" {
		claims["sid"] = lo.Tokens.Sid(c, l.Session)
	}
	return lo.Keys.Sign(lo.Tokens.SigningAlg(c.IDTokenAlg), keys.TypeLogoutToken, claims)
}

// Host returns the host of Address. If the client's metadata document is not cached, it returns the host of
// that document. The outbox groups deliveries by it.
func (lo *Logout) Host(ctx context.Context, clientID string) (string, error) {
	c, err := lo.Clients.AtHand(ctx, clientID)
	if err != nil {
		return "", err
	}
	address := clientID
	if c != nil {
		address = c.BackChannelURI
	}
	u, err := url.Parse(address)
	if err != nil {
		return "", nil
	}
	return strings.ToLower(u.Host), nil
}

// Address returns the backchannel_logout_uri of a client, "" if it has none or is gone.
func (lo *Logout) Address(ctx context.Context, clientID string) (string, error) {
	c, err := lo.Clients.Get(ctx, clientID)
	if err != nil || c == nil {
		return "", err
	}
	return c.BackChannelURI, nil
}

// SessionEnded returns the writes that belong to the end of a session: the logout tokens that are due. If no
// request ends it, its time was over, and there is an event of that; a request that ends a session records the
// event itself.
func (lo *Logout) SessionEnded(ctx context.Context, ended *session.Session) ([]storage.Write, error) {
	writes, err := lo.logoutWrites(ctx, []*session.Session{ended}, false)
	if observe.Event(ctx) == nil {
		writes = append(writes, lo.Events.SessionExpired(ctx, ended)...)
	}
	return writes, err
}

// logoutWrites returns the writes that put logout tokens for the clients of sessions into the outbox. Each
// session has a token with its sid. If all is true, these are all sessions of a user: then a client gets one
// token without a sid, unless it insists on a sid (backchannel_logout_session_required).
func (lo *Logout) logoutWrites(ctx context.Context, ended []*session.Session, all bool) ([]storage.Write, error) {
	var writes []storage.Write
	told := map[string]bool{} // clients that get a token without a sid
	for _, e := range ended {
		for _, id := range e.Clients {
			c, err := lo.Clients.AtHand(ctx, id)
			if err != nil {
				return nil, err
			}
			if told[id] || (c != nil && c.BackChannelURI == "") {
				continue // a client whose document is not cached is looked up when its token is sent
			}
			l := storage.Logout{ClientID: id, UserID: e.UserID, Session: e.ID, EndedAt: storage.Now()}
			if all && c != nil && !c.BackChannelSession {
				l.Session, told[id] = "", true
			}
			writes = append(writes, lo.Outbox.Logout(l))
		}
	}
	return writes, nil
}

// Frames returns the URLs by which the clients of sessions that have ended log their users out in this browser
// (OpenID Connect Front-Channel Logout 1.0 section 3). A session may be nil.
func (lo *Logout) Frames(ctx context.Context, ended ...*session.Session) ([]string, error) {
	var frames []string
	for _, e := range ended {
		if e == nil {
			continue
		}
		for _, id := range e.Clients {
			c, err := lo.Clients.AtHand(ctx, id)
			if err != nil {
				return nil, err
			}
			if c != nil && c.FrontChannelURI != "" {
				params := url.Values{"iss": {lo.Issuer.ID}, "sid": {lo.Tokens.Sid(c, e.ID)}}
				frames = append(frames, oauth.WithParams(c.FrontChannelURI, "", params))
			}
		}
	}
	return frames, nil
}
