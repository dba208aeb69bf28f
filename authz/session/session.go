// Package session keeps the browser's login: who signed in here, when and how, and when that ends.
//
//	login   -> Start      new secret, record and cookie in one step        start.go
//	request -> Load       cookie -> record, secret and limits checked      session.go
//	        -> BelongsTo  the user is loaded by the caller: still enabled, same epoch?
//	        -> TouchWrite the user was active: move the idle limit         touch.go
//	code    -> JoinWrites the client wants to hear of the session's end    touch.go
//	refresh -> LoadByID   does the session of an online grant still live?
//	logout  -> End        the record is gone                               end.go
//	        -> bound      a user has 100 sessions at most                  bound.go
//	limits  -> Run        finds the sessions that ended by themselves      watch.go
//
// However a session ends that a client has joined, Config.Ended has its say in the Apply that ends it:
// a client is told, or the session lives on. For that, a client joins by a write to the session's own
// record, and every end names the version of that record.
//
// The cookie is `sid.secret`. The sid is the key of the record and the sid claim of tokens, so it is
// no secret; the secret is 256 bits, new at every login, and stored as its SHA-256 only. A cookie
// that was planted before the login is therefore worth nothing after it, and neither the database
// nor a token lets anybody forge one.
//
// A second cookie, set by Browser, names the browser before anybody has signed in: a pending
// authorization is bound to it.
package session

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/authzd/authzd/storage"
)

// Config says how long a login lasts.
type Config struct {
	// Secure tells that the issuer is https. The cookies then have the __Host- prefix; without it
	// they serve http on loopback.
	Secure bool

	// Path is that of the issuer. Issuers on one host have different paths, and get different cookies.
	Path string

	// Idle ends a session without activity, Max ends it whatever the user does. Both are positive.
	Idle time.Duration
	Max  time.Duration

	// RememberMe replaces both limits for a user who asked to be remembered: such a session lives
	// that long from the login, used or not, and survives a restart of the browser. Zero: nobody
	// is remembered, which is what an operator wants who needs the idle limit for everyone.
	RememberMe time.Duration

	// ActivityBeacon makes only what the user really does count as activity. Otherwise a token
	// refreshed in the background counts too.
	ActivityBeacon bool
	// Began returns what else is written when a user signs in, in the same Apply; replaced, if not nil, is
	// the session of another user that ends by it. nil: nothing.
	Began func(ctx context.Context, began, replaced *Session) []storage.Write
	// Crowded returns what else is written when a session ends since its user has too many, in the same Apply.
	// nil: nothing.
	Crowded func(context.Context, *Session) []storage.Write
	// Ended returns what else is written when a session ends, in the same Apply: what its clients are
	// to be told. nil: nothing.
	Ended func(context.Context, *Session) ([]storage.Write, error)
}

// Sessions is the store of browser logins. It is safe for concurrent use.
type Sessions struct {
	store  storage.Store
	config Config
}

// New returns the sessions kept in store.
func New(store storage.Store, config Config) *Sessions {
	return &Sessions{store: store, config: config}
}

// Session is one live login, as it was read.
type Session struct {
	ID string // sid
	storage.Session
	version uint64 // of the record; 0: not read but written by Start
}

// BelongsTo reports whether the user may still use the session: it is theirs, their account is
// enabled, and nothing has ended all their sessions since (a raised epoch). A nil user may not.
func (s *Session) BelongsTo(user *storage.User) bool {
	return user != nil && user.ID == s.UserID && !user.Disabled && user.Epoch == s.UserEpoch
}

// Load returns the live session of the request's cookie, or nil if there is none. Of several cookies
// of the same name the first that is valid counts, since a stale one must not hide it. The caller
// must ask BelongsTo before it trusts the session.
func (m *Sessions) Load(ctx context.Context, r *http.Request) (*Session, error) {
	for _, t := range ticketsOf(r, m.cookieName()) {
		s, err := m.LoadByID(ctx, t.sid)
		if err != nil {
			return nil, err
		}
		if s != nil && t.opens(s) {
			return s, nil
		}
	}
	return nil, nil
}

// LoadByID returns the live session with this sid, or nil. It proves nothing about the browser: it
// is for refresh tokens that live and die with a session.
func (m *Sessions) LoadByID(ctx context.Context, sid string) (*Session, error) {
	s, live, err := m.find(ctx, sid)
	if !live {
		return nil, err
	}
	return s, nil
}

// find returns the session with this sid, nil if there is no record of it, and whether it lives: a
// record may outlive its session, to tell who its clients were, or because the limits were shortened
// after it was written.
func (m *Sessions) find(ctx context.Context, sid string) (s *Session, live bool, err error) {
	if !wellFormed(sid, sidLength) {
		return nil, false, nil
	}
	record, version, err := storage.Sessions.Get(ctx, m.store, sid)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, false, nil
	} else if err != nil {
		return nil, false, err
	}
	s = &Session{ID: sid, Session: *record, version: version}
	ends, _ := m.Limits(s)
	return s, time.Now().Before(ends), nil
}

// Limits returns when the session ends if nothing more happens in it, and when it ends whatever
// happens. The first is never after the second; for a remembered session they are the same.
func (m *Sessions) Limits(s *Session) (idle, absolute time.Time) {
	if s.Remember && m.config.RememberMe > 0 {
		absolute = s.CreatedAt.Add(m.config.RememberMe)
		return absolute, absolute
	}
	idle, absolute = s.LastActive.Add(m.config.Idle), s.CreatedAt.Add(m.config.Max)
	if idle.After(absolute) {
		idle = absolute
	}
	return idle, absolute
}

// afterlife is how much longer than the session a record is kept that Run must find: as long as no
// replica may be running.
const afterlife = 7 * 24 * time.Hour

// put is the write that stores s. The record expires with the session, so that the store sweeps it,
// unless there are clients that must hear of its end.
func (m *Sessions) put(s *Session, cond storage.Condition) storage.Write {
	expires, _ := m.Limits(s)
	if len(s.Clients) > 0 {
		expires = expires.Add(afterlife)
	}
	return storage.Sessions.Put(s.ID, &s.Session, cond, expires)
}
