package session

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/authzd/authzd/storage"
)

// Login is how the user has just signed in.
type Login struct {
	AuthTime    time.Time // zero: now; at a connector: unknown
	AMR         []string  // RFC 8176
	ACR         string
	Level       int    // see storage.Session
	DeviceKnown bool   // see storage.Session
	Connector   string // empty: password

	Device storage.Device

	// With returns more writes of that Apply, for the session that begins; nil: none.
	With func(*Session) []storage.Write
	Also []storage.Write // made in the Apply that begins the session
}

// Start begins the session of a user who has just signed in, and sets its cookie. If the user has a session in this
// browser, it goes on under the same sid, so that the grants that depend on it live on; its secret and its limits are
// new. Sessions of other accounts stay, but if there are MaxAccounts, the one that was unused for the longest time
// ends.
func (m *Sessions) Start(ctx context.Context, w http.ResponseWriter, r *http.Request, user *storage.User, login Login, remember bool) (*Session, error) {
	all, err := m.allHeld(ctx, r)
	if err != nil {
		return nil, fmt.Errorf("start session: %w", err)
	}
	own, others, last := split(all, user)
	if own == "" {
		if own, err = m.former(ctx, r, user); err != nil {
			return nil, fmt.Errorf("start session: %w", err)
		}
	}
	var s *Session
	var secret string
	err = storage.Retry(func() (err error) { // another request may touch one of them, or end it
		var writes []storage.Write
		if s, secret, writes, err = m.begin(ctx, own, last, user, login, remember); err != nil {
			return err
		}
		return m.store.Apply(ctx, writes...)
	})
	if err == nil && s.ID != own {
		err = m.bound(ctx, user.ID, s.ID)
	}
	if err != nil {
		return nil, fmt.Errorf("start session: %w", err)
	}
	m.hold(w, r, slices.Insert(others, 0, holding{s, ticket{s.ID, secret}}))
	return s, nil
}

// split sorts the sessions that a browser holds before a user's session begins there: the sid of that user's session,
// the sessions of others, and the sid of the one that must end to make room. A sid is "" if there is none.
func split(all []holding, user *storage.User) (own string, others []holding, last string) {
	for _, h := range all {
		if h.UserID == user.ID {
			own = h.ID
		} else {
			others = append(others, h)
		}
	}
	if len(others) == MaxAccounts {
		last = others[MaxAccounts-1].ID
		others = others[:MaxAccounts-1]
	}
	return own, others, last
}

// former returns the sid of a session of the user whose cookie the browser holds with a secret that is void: another tab
// has signed in meanwhile. It is "" if there is none. The user has just signed in, so it can go on.
func (m *Sessions) former(ctx context.Context, r *http.Request, user *storage.User) (string, error) {
	for _, tickets := range m.tickets(r) {
		for _, t := range tickets {
			s, err := m.LoadByID(ctx, t.sid)
			if err != nil || s != nil && s.UserID == user.ID {
				return t.sid, err
			}
		}
	}
	return "", nil
}

// begin computes the new session and its writes.
func (m *Sessions) begin(ctx context.Context, own, last string, user *storage.User, login Login, remember bool) (s *Session, secret string, writes []storage.Write, err error) {
	now := time.Now().UTC()
	unproven := login.Connector != "" && login.AuthTime.IsZero()
	if login.AuthTime.IsZero() {
		login.AuthTime = now
	}
	secret = random(secretBytes)
	s = &Session{ID: random(sidBytes), Session: storage.Session{
		UserID: user.ID, UserEpoch: user.Epoch, SecretHash: hash(secret),
		AuthTime: login.AuthTime, Unproven: unproven, AMR: login.AMR, ACR: login.ACR,
		Level: login.Level, DeviceKnown: login.DeviceKnown, Connector: login.Connector,
		Remember:  remember && m.config.RememberMe > 0,
		CreatedAt: now, LastActive: now, Device: login.Device,
	}}
	cond := storage.Absent
	current, err := m.LoadByID(ctx, own)
	switch {
	case err != nil:
		return nil, "", nil, err
	case current == nil: // there was none, or it has ended meanwhile
	case current.BelongsTo(user):
		s.ID, s.Clients, cond = current.ID, current.Clients, storage.At(current.version)
		if before, _ := m.Limits(current); len(s.Clients) > 0 && m.endsBefore(s, before) {
			writes = append(writes, m.lookAt(s))
		}
	default: // it is void
		if writes, err = m.EndWrites(ctx, current); err != nil {
			return nil, "", nil, err
		}
	}
	replaced, err := m.LoadByID(ctx, last)
	if err != nil {
		return nil, "", nil, err
	}
	if replaced != nil {
		ends, err := m.EndWrites(ctx, replaced)
		if err != nil {
			return nil, "", nil, err
		}
		writes = append(writes, ends...)
	}
	if m.config.Began != nil {
		writes = append(writes, m.config.Began(ctx, s, replaced)...)
	}
	if login.With != nil {
		writes = append(writes, login.With(s)...)
	}
	return s, secret, append(append(writes, login.Also...), m.index(s), m.put(s, cond)), nil
}

// endsBefore reports whether s ends before that time without further activity. A remembered user may have
// signed in again without "remember me", and Run would come too late.
func (m *Sessions) endsBefore(s *Session, t time.Time) bool {
	ends, _ := m.Limits(s)
	return ends.Before(t)
}
