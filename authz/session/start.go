package session

import (
	"context"
	"fmt"
	"net/http"
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

	Also []storage.Write // made in the Apply that begins the session
}

// Start begins the session of a user who has just signed in, and sets its cookie. old is the session of this
// browser. If it is theirs, it goes on under the same sid, so that the grants that depend on it live on; its
// secret and its limits are new. If it is another user's, it ends. A nil old is a first login.
func (m *Sessions) Start(ctx context.Context, w http.ResponseWriter, old *Session, user *storage.User, login Login, remember bool) (*Session, error) {
	var s *Session
	var secret string
	err := storage.Retry(func() (err error) { // another request may touch old, or end it
		var writes []storage.Write
		if s, secret, writes, err = m.begin(ctx, old, user, login, remember); err != nil {
			return err
		}
		return m.store.Apply(ctx, writes...)
	})
	if err == nil && (old == nil || old.ID != s.ID) {
		err = m.bound(ctx, user.ID, s.ID)
	}
	if err != nil {
		return nil, fmt.Errorf("start session: %w", err)
	}
	m.setSessionCookie(w, s, secret)
	return s, nil
}

// begin computes the new session and its writes.
func (m *Sessions) begin(ctx context.Context, old *Session, user *storage.User, login Login, remember bool) (s *Session, secret string, writes []storage.Write, err error) {
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
	var replaced *Session
	if old != nil {
		current, err := m.LoadByID(ctx, old.ID)
		switch {
		case err != nil:
			return nil, "", nil, err
		case current == nil: // it has ended meanwhile
		case current.BelongsTo(user):
			s.ID, s.Clients, cond = current.ID, current.Clients, storage.At(current.version)
			if before, _ := m.Limits(current); len(s.Clients) > 0 && m.endsBefore(s, before) {
				writes = append(writes, m.lookAt(s))
			}
		default:
			replaced = current
			if writes, err = m.EndWrites(ctx, current); err != nil {
				return nil, "", nil, err
			}
		}
	}
	if m.config.Began != nil {
		writes = append(writes, m.config.Began(ctx, s, replaced)...)
	}
	return s, secret, append(append(writes, login.Also...), m.index(s), m.put(s, cond)), nil
}

// endsBefore reports whether s ends before that time without further activity. A remembered user may have
// signed in again without "remember me", and Run would come too late.
func (m *Sessions) endsBefore(s *Session, t time.Time) bool {
	ends, _ := m.Limits(s)
	return ends.Before(t)
}

func (m *Sessions) setSessionCookie(w http.ResponseWriter, s *Session, secret string) {
	var lifetime time.Duration
	if s.Remember {
		lifetime = m.config.RememberMe
	}
	m.SetCookie(w, m.cookieName(), ticket{s.ID, secret}.String(), lifetime)
}
