package websession

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/authzd/authzd/authz/bff/provider"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/storage"
)

// refresh gets new tokens for a session, unless another replica has done so meanwhile. It returns the session as it
// is then.
//
// The lease keeps other replicas from asking at the same time. Its version is the fence: the new tokens are stored in
// the same Apply that ends the lease, so a holder that was thought dead stores nothing.
func (s *Sessions) refresh(ctx context.Context, id, resource string, want func(*tokens) bool) (*Session, error) {
	l := newLease(s.Store, id)
	var session *Session
	var held *tokens
	done := false
	err := l.acquire(ctx, func() (bool, error) {
		var err error
		if session, err = s.load(ctx, id); err != nil {
			return false, err
		}
		if held, err = s.open(session); err != nil {
			return false, err
		}
		done = want(held)
		return done, nil
	})
	switch {
	case errors.Is(err, ErrNone):
		return nil, ErrEnded
	case err != nil || done:
		return session, err
	}
	if held.Refresh == "" { // the token that is due was the last one
		return nil, s.over(ctx, session, l, TokensDead)
	}
	asked, stop := l.keep(ctx)
	g, err := s.ask(asked, held.Refresh, resource)
	stop()
	if err != nil {
		if err = s.classify(ctx, err); errors.Is(err, ErrEnded) {
			return nil, s.over(ctx, session, l, TokensDead)
		}
		l.release(ctx)
		return nil, err
	}
	return s.store(ctx, id, g, l)
}

func (s *Sessions) ask(ctx context.Context, refreshToken, resource string) (*provider.Grant, error) {
	ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	return s.Refresh(ctx, refreshToken, resource)
}

var errOther = errors.New("the new tokens are another user's")

const (
	firstAgain = 100 * time.Millisecond // pause before new tokens are stored again
	lastAgain  = time.Second
)

// store writes the new tokens, unless the lease was lost. It tries until ctx ends: if the refresh tokens rotate, nobody
// can ask with the old one again. The lease is free afterwards, or another's.
func (s *Sessions) store(ctx context.Context, id string, g *provider.Grant, l *lease) (*Session, error) {
	session, err := s.storeOnce(ctx, id, g, l)
	for wait := firstAgain; mayPass(err) && pause(ctx, wait) == nil; wait = min(2*wait, lastAgain) {
		session, err = s.storeOnce(ctx, id, g, l)
	}
	switch {
	case errors.Is(err, ErrNone): // it ended meanwhile, and its end could not know the new token
		if g.RefreshToken != "" {
			s.revoke(ctx, g.RefreshToken)
		}
		l.release(ctx)
		return nil, ErrEnded
	case errors.Is(err, errFenced):
		return nil, &UnavailableError{RetryAfter: retryAfter, Err: err}
	case errors.Is(err, errOther):
		s.alarm(ctx, &provider.Refusal{Code: "another_user"})
		return nil, s.over(ctx, session, l, AnotherUser)
	case err != nil:
		l.release(ctx)
		return nil, err
	}
	return s.reload(ctx, session)
}

// mayPass reports whether the same write may succeed later, because the store is in trouble.
func mayPass(err error) bool {
	return err != nil && !slices.ContainsFunc([]error{ErrNone, errFenced, errOther, errSealed, storage.ErrClosed}, func(last error) bool { return errors.Is(err, last) })
}

func (s *Sessions) storeOnce(ctx context.Context, id string, g *provider.Grant, l *lease) (session *Session, err error) {
	err = storage.Retry(func() error {
		session, err = s.load(ctx, id)
		if err != nil {
			return err
		}
		t, err := s.open(session)
		if err != nil {
			return err
		}
		if t.have(g) { // an earlier try succeeded, and its answer was lost
			return nil
		}
		if g.User != nil && g.User.Subject != session.Subject { // OpenID Connect Core section 12.2
			return errOther
		}
		t.add(g)
		setUser(session.record, g.User)
		session.record.Doubted = false
		if g.IssuedAt.After(session.record.TokensAt) {
			session.record.TokensAt = g.IssuedAt
		}
		s.seal(session.record, id, t)
		session = s.session(id, session.record, session.version)
		return l.judge(ctx, s.Store.Apply(ctx, s.put(session, storage.At(session.version)), l.end()))
	})
	return session, err
}

// reload reads a session that was just written, because the write gave it another version.
func (s *Sessions) reload(ctx context.Context, session *Session) (*Session, error) {
	now, err := s.load(ctx, session.ID)
	if errors.Is(err, ErrNone) {
		return nil, ErrEnded
	}
	return now, err
}

// over ends a session whose refresh token is dead, unless the lease was lost: then the token may be dead because
// another replica has used it. It returns ErrEnded in the first case.
func (s *Sessions) over(ctx context.Context, session *Session, l *lease, why Cause) error {
	err := storage.Retry(func() error {
		now, err := s.load(ctx, session.ID)
		if err != nil {
			return err
		}
		return l.judge(ctx, s.Store.Apply(ctx, append(s.ended(ctx, now, why), l.end())...))
	})
	if err != nil && !errors.Is(err, errFenced) {
		l.release(ctx)
	}
	switch {
	case errors.Is(err, errFenced):
		return &UnavailableError{RetryAfter: retryAfter, Err: err}
	case err != nil && !errors.Is(err, ErrNone):
		return err
	}
	if err := s.afterEnd(ctx, session, TokensDead); err != nil {
		return err
	}
	return ErrEnded
}

// alarm reports a refusal that no state of a session explains: the client's registration, key or clock is wrong.
func (s *Sessions) alarm(ctx context.Context, refusal *provider.Refusal) {
	attrs := []slog.Attr{slog.String("frontend", s.Frontend), slog.Int("status", refusal.Status), slog.String("error", refusal.Code)}
	if s.Observer != nil {
		s.Observer.Alarm(ctx, observe.RefreshRefused, attrs...)
		return
	}
	observe.Alarm(context.WithoutCancel(ctx), observe.RefreshRefused, attrs...)
}

// leaseTTL is how long a lease counts that nobody renews.
const leaseTTL = 15 * time.Second
