// Package session keeps the browser's login: the user, the time and method of the sign-in, and its end.
//
//	login   -> Start      new secret, record and cookie in one step        start.go
//	factor  -> StepUp     more was proved: amr and level, under a new secret  step_up.go
//	request -> Load       cookie -> record, secret and limits checked      session.go
//	        -> BelongsTo  the user is loaded by the caller: still enabled, same epoch?
//	        -> SignedIn, Accounts   who is signed in in this browser        accounts.go
//	        -> TouchWrite the user was active: move the idle limit         touch.go
//	code    -> JoinWrites the client wants to hear of the session's end    touch.go
//	refresh -> LoadByID   does the session of an online grant still live?
//	logout  -> End        the record is gone                               end.go
//	        -> bound      a user has 100 sessions at most                  bound.go
//	limits  -> Run        finds the sessions that ended by themselves      watch.go
//
// When a session with clients ends, Config.Ended takes part in the Apply that ends it: the clients are told,
// or the session lives on. So a client joins by a write to the session's record, and every end names the
// version of that record.
//
// The cookie is `sid.secret`. The sid is the key of the record and the sid claim of tokens, so it is not a
// secret. The secret is 256 bits, new at every login, and only its SHA-256 is stored. So a cookie that was
// planted before the login is worthless after it, and neither the database nor a token is enough to forge
// one.
//
// A browser has such a cookie for each account that is signed in there.
//
// Another cookie, set by Browser, names the browser before anybody has signed in. A pending authorization is
// bound to it.
package session

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/authzd/authzd/storage"
)

// Config has the limits of a login.
type Config struct {
	// Secure says that the issuer is https. The cookies then have the __Host- prefix; without it they work
	// for http on loopback.
	Secure bool

	// Path is the issuer's path. Issuers on one host have different paths, and their cookies differ.
	Path string

	// Idle ends a session without activity, Max ends it in any case. Both are positive.
	Idle time.Duration
	Max  time.Duration

	// RememberMe replaces both limits for a user who asked to be remembered. Such a session lives that long
	// from the login, used or not, and survives a restart of the browser. Zero: nobody is remembered. Choose
	// that if the idle limit must hold for everyone.
	RememberMe time.Duration

	// ActivityBeacon counts only the user's own acts as activity. Otherwise a token that is refreshed in the
	// background counts too.
	ActivityBeacon bool
	// Began returns writes that are made in the same Apply when a user signs in. replaced, if not nil, is
	// another session of the browser that ends by it, because the browser holds too many. nil: no writes.
	Began func(ctx context.Context, began, replaced *Session) []storage.Write
	// Crowded returns writes that are made in the same Apply when a session ends because its user has too
	// many. nil: no writes.
	Crowded func(context.Context, *Session) []storage.Write
	// Ended returns writes that are made in the same Apply when a session ends: the messages to its clients.
	// nil: no writes.
	Ended func(context.Context, *Session) ([]storage.Write, error)
}

// Sessions is the store of browser logins. It is safe for concurrent use.
type Sessions struct {
	store  storage.Store
	config Config
	name   string              // the beginning of all cookies' names
	slots  [MaxAccounts]string // names of the cookies of sessions
}

// New returns the sessions kept in store.
func New(store storage.Store, config Config) *Sessions {
	m := &Sessions{store: store, config: config, name: cookieName(config)}
	m.slots[0] = m.name
	for i := 1; i < MaxAccounts; i++ {
		m.slots[i] = m.name + "-" + strconv.Itoa(i+1)
	}
	return m
}

// Session is one live login, as it was read.
type Session struct {
	ID string // sid
	storage.Session
	version uint64 // of the record; 0: written by Start, not read
}

// BelongsTo reports whether the user may still use the session: it is theirs, their account is enabled, and
// their epoch was not raised since. The answer for a nil user is false.
func (s *Session) BelongsTo(user *storage.User) bool {
	return user != nil && user.ID == s.UserID && !user.Disabled && user.Epoch == s.UserEpoch
}

// Load returns the live session in use of the browser that sends a request, or nil if there is none. The caller must
// call BelongsTo before it trusts the session.
func (m *Sessions) Load(ctx context.Context, r *http.Request) (*Session, error) {
	for h, err := range m.held(ctx, r) {
		return h.Session, err
	}
	return nil, nil
}

// LoadByID returns the live session with this sid, or nil. It proves nothing about the browser: it is for
// refresh tokens that end with a session.
func (m *Sessions) LoadByID(ctx context.Context, sid string) (*Session, error) {
	if !wellFormed(sid, sidLength) {
		return nil, nil
	}
	record, version, err := storage.Sessions.Get(ctx, m.store, sid)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	s := &Session{ID: sid, Session: *record, version: version}
	if !m.lives(s) {
		return nil, nil
	}
	return s, nil
}

// lives reports whether a session that was read lives. A record may outlive its session, to name its clients, or
// because the limits were shortened after it was written.
func (m *Sessions) lives(s *Session) bool {
	ends, _ := m.Limits(s)
	return time.Now().Before(ends)
}

// Limits returns when the session ends without further activity, and when it ends in any case. The first is
// never after the second; for a remembered session they are equal.
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

// afterlife is how long a record is kept after its session ended, for Run to find it: as long as all replicas
// may be stopped.
const afterlife = 7 * 24 * time.Hour

// put is the write that stores s. The record expires with the session, so that the store sweeps it, unless
// there are clients that must be told of its end.
func (m *Sessions) put(s *Session, cond storage.Condition) storage.Write {
	expires, _ := m.Limits(s)
	if len(s.Clients) > 0 {
		expires = expires.Add(afterlife)
	}
	return storage.Sessions.Put(s.ID, &s.Session, cond, expires)
}
