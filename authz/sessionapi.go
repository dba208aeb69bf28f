package authz

import (
	"errors"
	"net/http"
	"time"

	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/storage"
)

// sessionState tells an app when its user's session will end, so that it can warn before.
type sessionState struct {
	Active        bool       `json:"active"`
	Subject       string     `json:"sub,omitempty"`
	Session       string     `json:"sid,omitempty"`
	AuthTime      int64      `json:"auth_time,omitempty"`       // seconds since 1970
	IdleExpiresAt *time.Time `json:"idle_expires_at,omitempty"` // if nothing more happens
	ExpiresAt     *time.Time `json:"expires_at,omitempty"`      // whatever happens
}

// sessionStatus answers an app with the user's access token, or our own pages by the cookie. It
// does not count as activity.
func (s *Server) sessionStatus(w http.ResponseWriter, r *http.Request) error {
	current, err := s.sessionOf(w, r)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, s.state(current))
}

// sessionActivity is the app saying that its user types or clicks.
func (s *Server) sessionActivity(w http.ResponseWriter, r *http.Request) error {
	current, err := s.sessionOf(w, r)
	if err != nil {
		return err
	}
	if current == nil {
		return s.challenge(w, refuse(errInvalidToken, "The session has ended: the user must sign in."))
	}
	if touch, ok := s.sessions.TouchWrite(current, s.now(), true); ok {
		err := s.store.Apply(r.Context(), touch)
		if lost := new(storage.ConflictError); err != nil && !errors.As(err, &lost) {
			return err
		}
		if current, err = s.sessions.LoadByID(r.Context(), current.ID); err != nil {
			return err
		}
	}
	return writeJSON(w, http.StatusOK, s.state(current))
}

func (s *Server) state(current *session.Session) sessionState {
	if current == nil {
		return sessionState{}
	}
	idle, absolute := s.sessions.Limits(current)
	return sessionState{
		Active: true, Subject: current.UserID, Session: current.ID, AuthTime: current.AuthTime.Unix(),
		IdleExpiresAt: &idle, ExpiresAt: &absolute,
	}
}

// sessionOf finds the session by access token if one is sent, and otherwise by the cookie of a
// same-origin request; nil if it has ended. The cookie alone never answers another site.
func (s *Server) sessionOf(w http.ResponseWriter, r *http.Request) (*session.Session, error) {
	if len(r.Header.Values("Authorization")) > 0 {
		token, err := s.bearerToken(w, r)
		if err != nil {
			return nil, err
		}
		claims, err := s.parseAccessToken(r.Context(), token)
		if errors.Is(err, errInactive) {
			return nil, s.challenge(w, refuse(errInvalidToken, "The access token is malformed or expired."))
		} else if err != nil {
			return nil, err
		}
		event := observe.Event(r.Context())
		event.SetClient(claims.ClientID)
		event.SetSubject(claims.Subject)
		event.SetGrant(claims.GrantID)
		active, err := s.activeAccessToken(r.Context(), token)
		if errors.Is(err, errInactive) || (err == nil && active.Session == "") {
			return nil, nil // what the token stood for has ended, or there never was a session
		} else if err != nil {
			return nil, err
		}
		current, err := s.sessions.LoadByID(r.Context(), active.Session)
		if err != nil || current == nil || !current.BelongsTo(active.user) {
			return nil, err
		}
		return current, nil
	}
	if site := r.Header.Get("Sec-Fetch-Site"); (site != "" && site != "same-origin" && site != "none") ||
		(r.Header.Get("Origin") != "" && r.Header.Get("Origin") != s.origin()) {
		return nil, s.challenge(w, &Error{Status: http.StatusUnauthorized, Code: errNoToken, Description: "Another origin must send an access token."})
	}
	current, _, err := s.signedIn(r.Context(), r)
	return current, err
}

func (s *Server) origin() string { return s.issuer.Scheme + "://" + s.issuer.Host }
