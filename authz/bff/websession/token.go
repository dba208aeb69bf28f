package websession

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/authzd/authzd/authz/bff/provider"
)

const (
	// early is how long before its end a token is due, because it must still be valid when the API has it; but no
	// longer than a tenth of its life.
	early = 10 * time.Second
	// flightTimeout bounds a whole flight: a dead holder's lease, and one request.
	flightTimeout = leaseTTL + refreshTimeout + 5*time.Second
	// refreshTimeout bounds one request to the token endpoint.
	refreshTimeout = 15 * time.Second
	// retryAfter is how long a provider that cannot be asked is left alone, for one session.
	retryAfter = time.Second
)

// usable reports whether a token can be sent to an API now.
func (a access) usable(refused string) bool {
	if a.Token == "" || a.Token == refused {
		return false
	}
	return a.DueAt.IsZero() || time.Now().Before(a.DueAt)
}

// AccessToken returns an access token of the session for a resource (RFC 8707). refused is a token that the API has
// answered with 401, if there is one: it is not returned again.
//
// A sealed session is changed by it: call Keep before the answer begins. Do not call it for one *Session at the same
// time.
//
// The error is ErrEnded, an *UnavailableError, or one of the store. A call does not count as activity.
func (s *Sessions) AccessToken(ctx context.Context, session *Session, resource, refused string) (string, error) {
	want := func(t *tokens) bool { return t.Access[resource].usable(refused) }
	now, t, err := s.tokens(ctx, session, resource, want)
	if err != nil {
		return "", err
	}
	if s.Sealed() && now != session {
		*session = *now // Keep gives it to the browser
	}
	return t.Access[resource].Token, nil
}

// renew refreshes the session although its tokens may be usable, and returns it as it is then.
func (s *Sessions) renew(ctx context.Context, session *Session) (*Session, error) {
	t, err := s.open(session)
	if err != nil {
		return nil, err
	}
	resource := ""
	for resource = range t.Access {
		break
	}
	old := t.Access[resource].Token
	renewed, _, err := s.tokens(ctx, session, resource, func(t *tokens) bool { return t.Access[resource].Token != old })
	return renewed, err
}

// tokens returns the tokens of a session once they are as wanted, and refreshes them if they are not.
func (s *Sessions) tokens(ctx context.Context, session *Session, resource string, want func(*tokens) bool) (*Session, *tokens, error) {
	for {
		t, err := s.open(session)
		if err != nil {
			return nil, nil, err
		}
		if want(t) {
			return session, t, nil
		}
		// Another caller's flight may be for another resource: then there is one more.
		f, mine := s.flights.join(session.ID, resource)
		if mine {
			go s.fly(context.WithoutCancel(ctx), session, f, want)
		}
		select {
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-f.done:
		}
		if f.err != nil {
			return nil, nil, f.err
		}
		session = f.session.clone() // others have it too
		if mine {
			t, err := s.open(session)
			return session, t, err
		}
	}
}

// flights has at most one flight for each session.
type flights struct {
	mu      sync.Mutex
	running map[string]*flight
}

// flight is one refresh, which any number of callers wait for.
type flight struct {
	resource string
	done     chan struct{}
	session  *Session // after it
	err      error
}

// join returns the flight of a session. If mine is true, the caller must fly it.
func (fs *flights) join(id, resource string) (f *flight, mine bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if f := fs.running[id]; f != nil {
		return f, false
	}
	f = &flight{resource: resource, done: make(chan struct{})}
	fs.running[id] = f
	return f, true
}

func (fs *flights) remove(id string) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	delete(fs.running, id)
}

// rest keeps a session from being refreshed for a moment, because that was of no use.
func (fs *flights) rest(id string, why error) {
	f, mine := fs.join(id, "")
	if !mine {
		return
	}
	f.err = why
	close(f.done)
	time.AfterFunc(retryAfter, func() { fs.remove(id) })
}

// fly refreshes. A flight that failed because of the provider stays for a moment, so that a page with many calls does
// not ask a provider in trouble as often.
func (s *Sessions) fly(ctx context.Context, session *Session, f *flight, want func(*tokens) bool) {
	ctx, cancel := context.WithTimeout(ctx, flightTimeout)
	defer cancel()
	if s.Sealed() {
		f.session, f.err = s.refreshSealed(ctx, session, f.resource, want)
	} else {
		f.session, f.err = s.refresh(ctx, session.ID, f.resource, want)
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) && f.err != nil {
		f.err = &UnavailableError{RetryAfter: retryAfter, Err: f.err}
	}
	if errors.As(f.err, new(*UnavailableError)) {
		time.AfterFunc(retryAfter, func() { s.flights.remove(session.ID) })
	} else {
		s.flights.remove(session.ID)
	}
	close(f.done)
}

// classify says what an error of Config.Refresh means for the session (RFC 6749 section 5.2).
func (s *Sessions) classify(ctx context.Context, err error) error {
	refusal := new(provider.Refusal)
	switch {
	case !errors.As(err, &refusal), refusal.Status >= 500, refusal.Status == http.StatusTooManyRequests:
		// down, slow or busy: it is not the session's fault
	case refusal.Code == "invalid_grant":
		return ErrEnded
	default:
		s.alarm(ctx, refusal)
	}
	return &UnavailableError{RetryAfter: retryAfter, Err: fmt.Errorf("refresh: %w", err)}
}
