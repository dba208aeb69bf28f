// Package websession keeps the sessions of cookie mode and of the gates: what a browser's cookie stands for, and the
// tokens behind it, which no browser sees.
//
//	callback ─> Start ─> cookie (256 random bits) and a record under its hash
//
//	request ─> Find ─> *Session ─> AccessToken(resource)
//	                                 │ held and not due: at once
//	                                 └ due ─> one flight for each session ─> lease over replicas ─> token endpoint
//	                                            all callers wait for it           one Apply: the tokens, the lease's end
//
//	activity ─> Touch: nothing else slides         logout, back-channel, invalid_grant, feed ─> End ─> Ended(session)
//	                                               idle, max ─> Watch ─────────────────────────> End
//
// Without a store, the record is sealed into the cookie itself: sealed.go. A Sessions is the sessions of one frontend, which has one cookie. All of them may share one store.
package websession

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/authzd/authzd/authz/bff/provider"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/storage"
)

var (
	// ErrNone says that the request has no cookie of a session that lives.
	ErrNone = errors.New("no session")
	// ErrEnded says that the session has ended, perhaps just now: its refresh token is dead.
	ErrEnded = errors.New("the session has ended")
	// ErrCookies says that the request has more cookies than any browser sends by itself. Answer 431.
	ErrCookies = errors.New("too many cookies")
)

// UnavailableError says that there is no token now because the provider cannot be asked. The session lives on.
// Answer 503 with Retry-After.
type UnavailableError struct {
	RetryAfter time.Duration
	Err        error
}

func (e *UnavailableError) Error() string { return "no token can be had now: " + e.Err.Error() }
func (e *UnavailableError) Unwrap() error { return e.Err }

// Verdict is what the provider's revocation feed says about a session.
type Verdict int

const (
	Valid    Verdict = iota
	Outdated         // its tokens count no longer, such as after a change of roles: new ones are needed
	Over             // it has ended
)

// Config is the input of New.
type Config struct {
	// Frontend is the name of the frontend, and the name of its cookie after __Host-Http-. ClientID is its client.
	Frontend string
	ClientID string
	// Insecure is for http on loopback only: the cookie then has neither Secure nor a prefix.
	Insecure bool
	// SameSite of the cookie; 0: Strict. A gate needs Lax, because the first request after a sign-in comes from
	// another site.
	SameSite http.SameSite

	// Idle is how long a session lives without activity, Max how long at most.
	Idle, Max time.Duration

	// Store keeps the sessions. nil: they are sealed into their cookies.
	Store  storage.Store
	Secret *keys.Secret

	// Refresh asks the provider for new tokens. An error answer of the token endpoint is a
	// *provider.Refusal; any other
	// error says that the provider cannot be asked.
	Refresh func(ctx context.Context, refreshToken, resource string) (*provider.Grant, error)
	// Revoke tells the provider that a refresh token is of no more use.
	Revoke func(ctx context.Context, refreshToken string) error
	// Judge asks the revocation feed about a session. Its error is that of Find, and ends nothing. nil: there is
	// no feed.
	Judge func(*Session) (Verdict, error)
	// Changed returns a channel that is closed when the feed has news. nil: there is no feed.
	Changed func() <-chan struct{}

	// RecordBegin and RecordEnd return writes that are made in the same Apply as the beginning and the end of a session in the
	// store. nil: there are none. An end that an operator ordered has its writes from the caller of End.
	RecordBegin func(ctx context.Context, began *Session) []storage.Write
	RecordEnd   func(ctx context.Context, ended *Session, why Cause) []storage.Write

	Observer *observe.Observer // nil: alarms go to the log only
	Logger   *slog.Logger      // nil: slog.Default()
}

// Session is a live session, as it was at one moment. It has no tokens in it.
type Session struct {
	// ID names the session in the store. It is a hash of the cookie's value, and no credential.
	ID       string
	Frontend string
	ClientID string
	GrantID  string // of the provider's grant; empty: unknown
	provider.User

	CreatedAt, ActiveAt      time.Time
	TokensAt                 time.Time // see storage.BFFSession
	IdleExpiresAt, ExpiresAt time.Time // the earlier one counts

	record  *storage.BFFSession
	version uint64

	// Of a sealed session:
	held  *tokens
	turn  int  // how often the tokens were refreshed
	dirty bool // the browser's cookie is older: see Keep
}

// Expires returns when the session ends without further activity.
func (s *Session) Expires() time.Time {
	if s.IdleExpiresAt.Before(s.ExpiresAt) {
		return s.IdleExpiresAt
	}
	return s.ExpiresAt
}

// HasRole reports whether the user has one of the roles.
func (s *Session) HasRole(roles ...string) bool {
	return slices.ContainsFunc(roles, func(role string) bool { return slices.Contains(s.Roles, role) })
}

// Sessions are the sessions of one frontend. Its methods are safe for concurrent use.
type Sessions struct {
	Config
	cookie  string // its name
	sealer  *keys.Sealer
	flights flights
	watched watched

	shelf    *shelf // nil: there is a store
	secretID []byte // begins what the current secret seals
}

// New returns the sessions of a frontend. Call Run too.
func New(cfg Config) *Sessions {
	if cfg.SameSite == 0 {
		cfg.SameSite = http.SameSiteStrictMode
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Judge == nil {
		cfg.Judge = func(*Session) (Verdict, error) { return Valid, nil }
	}
	if cfg.RecordBegin == nil {
		cfg.RecordBegin = func(context.Context, *Session) []storage.Write { return nil }
	}
	if cfg.RecordEnd == nil {
		cfg.RecordEnd = func(context.Context, *Session, Cause) []storage.Write { return nil }
	}
	if cfg.Changed == nil {
		cfg.Changed = func() <-chan struct{} { return nil }
	}
	s := &Sessions{Config: cfg, cookie: CookieName(cfg.Frontend, cfg.Insecure), sealer: cfg.Secret.Sealer(keys.PurposeBFFSession)}
	if s.Sealed() {
		s.shelf = newShelf(cfg)
		s.secretID = s.sealer.Seal(nil, nil)[:keys.SecretIDSize]
	}
	s.flights.running = map[string]*flight{}
	s.watched.sessions = map[string]*watch{}
	return s
}
