package bff

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/authzd/authzd/authz/bff/provider"
	"github.com/authzd/authzd/authz/bff/websession"
	"github.com/authzd/authzd/authz/observe"
)

// sessionState is the answer to a page: when its user's session will end, so that the page can warn in time. It is
// that of authzd's own /session.
type sessionState struct {
	Active        bool       `json:"active"`
	Subject       string     `json:"sub,omitempty"`
	Roles         []string   `json:"roles,omitempty"`
	IdleExpiresAt *time.Time `json:"idle_expires_at,omitempty"` // without further activity
	ExpiresAt     *time.Time `json:"expires_at,omitempty"`      // at the latest
}

func stateOf(s *websession.Session) sessionState {
	return sessionState{Active: true, Subject: s.Subject, Roles: s.Roles, IdleExpiresAt: &s.IdleExpiresAt, ExpiresAt: &s.ExpiresAt}
}

// session answers a page that asks whether its user is signed in. It does not count as activity.
func (f *frontend) session(w http.ResponseWriter, r *http.Request) error {
	session, err := f.sessions.Find(r)
	switch {
	case errors.Is(err, websession.ErrNone):
		writeJSON(w, http.StatusOK, sessionState{})
		return nil
	case err != nil:
		return err
	}
	observe.Event(r.Context()).SetSubject(session.Subject)
	f.sessions.Keep(w.Header(), session)
	writeJSON(w, http.StatusOK, stateOf(session))
	return nil
}

const activityTimeout = 3 * time.Second // for the provider

// activity records that the user types or clicks. It is passed on to the provider as seldom as it is recorded, so that
// the provider's session lives as long as this one.
func (f *frontend) activity(w http.ResponseWriter, r *http.Request) error {
	session, err := f.sessions.Find(r)
	if err != nil {
		return err
	}
	observe.Event(r.Context()).SetSubject(session.Subject)
	session, recorded, err := f.sessions.Touch(r.Context(), session)
	if err != nil {
		return err
	}
	if recorded {
		if err := f.passOn(r.Context(), session); err != nil {
			return err
		}
	}
	f.sessions.Keep(w.Header(), session)
	writeJSON(w, http.StatusOK, stateOf(session))
	return nil
}

// passOn tells the provider of activity. Its error says that the session has ended there; a provider that cannot be
// told is no error.
func (f *frontend) passOn(ctx context.Context, session *websession.Session) error {
	ctx, cancel := context.WithTimeout(ctx, activityTimeout)
	defer cancel()
	resource, refused := first(f.resources()), ""
	for range 2 {
		token, err := f.sessions.AccessToken(ctx, session, resource, refused)
		if err == nil {
			err = f.client.Activity(ctx, token)
		}
		var answer *provider.Refusal
		switch {
		case err == nil:
			return nil
		case errors.Is(err, websession.ErrEnded):
			return err
		case errors.As(err, &answer) && answer.Status == http.StatusUnauthorized && refused == "":
			refused = token // a refresh says whether the session has ended
			continue
		}
		f.bff.Logger.WarnContext(ctx, "activity was not passed on to the provider", "frontend", f.Name, "cause", err.Error())
		return nil
	}
	return nil
}

// ticket lets a page open a WebSocket.
func (f *frontend) ticket(w http.ResponseWriter, r *http.Request) error {
	f.relay.Ticket(w, r)
	return nil
}

// clientToken is for routes whose API wants a token of the frontend itself.
func (f *frontend) clientToken(ctx context.Context, resource string) (token string, lifetime time.Duration, err error) {
	g, err := f.client.ClientToken(ctx, resource)
	if err != nil {
		return "", 0, err
	}
	if !g.ExpiresAt.IsZero() {
		lifetime = time.Until(g.ExpiresAt)
	}
	return g.AccessToken, lifetime, nil
}
