package tokeninfo

import (
	"errors"
	"net/http"
	"time"

	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/authz/token"
	"github.com/authzd/authzd/storage"
)

// sessionState is the answer to an app: when its user's session will end, so that the app can warn in time.
type sessionState struct {
	Active        bool       `json:"active"`
	Subject       string     `json:"sub,omitempty"`
	Session       string     `json:"sid,omitempty"`
	AuthTime      int64      `json:"auth_time,omitempty"`       // seconds since 1970; 0: not proved
	IdleExpiresAt *time.Time `json:"idle_expires_at,omitempty"` // without further activity
	ExpiresAt     *time.Time `json:"expires_at,omitempty"`      // at the latest
}

// askedSession is the session that a request asks about, and the sub and sid by which the caller knows it.
type askedSession struct {
	*session.Session        // nil: it has ended
	subject, sid     string // pairwise for some clients
}

// SessionStatus answers an app that sends the user's access token, or our own pages that send the cookie. The
// request does not count as activity.
func (ti *Endpoints) SessionStatus(w http.ResponseWriter, r *http.Request) error {
	asked, err := ti.sessionOf(w, r)
	if err != nil {
		return err
	}
	return oauth.WriteJSON(w, http.StatusOK, ti.state(asked))
}

// SessionActivity records that the user of an app is active. An app calls it when its user types or clicks.
func (ti *Endpoints) SessionActivity(w http.ResponseWriter, r *http.Request) error {
	asked, err := ti.sessionOf(w, r)
	if err != nil {
		return err
	}
	if asked.Session == nil {
		return ti.Auth.AccessChallenge(w, r, oauth.Refuse(oauth.InvalidToken, "The session has ended: the user must sign in."))
	}
	if touch, ok := ti.Sessions.TouchWrite(asked.Session, storage.Now(), true); ok {
		err := ti.Store.Apply(r.Context(), touch)
		if err != nil && !storage.IsConflict(err) {
			return err
		}
		if asked.Session, err = ti.Sessions.LoadByID(r.Context(), asked.ID); err != nil {
			return err
		}
	}
	return oauth.WriteJSON(w, http.StatusOK, ti.state(asked))
}

func (ti *Endpoints) state(asked askedSession) sessionState {
	if asked.Session == nil {
		return sessionState{}
	}
	idle, absolute := ti.Sessions.Limits(asked.Session)
	state := sessionState{Active: true, Subject: asked.subject, Session: asked.sid, IdleExpiresAt: &idle, ExpiresAt: &absolute}
	if proved := asked.ProvenAuthTime(); !proved.IsZero() {
		state.AuthTime = proved.Unix()
	}
	return state
}

// sessionOf finds the session by access token if one is sent, and otherwise by the cookie of a
// same-origin request. The cookie alone never answers another site.
func (ti *Endpoints) sessionOf(w http.ResponseWriter, r *http.Request) (askedSession, error) {
	if len(r.Header.Values("Authorization")) > 0 {
		return ti.sessionOfToken(w, r)
	}
	if site := r.Header.Get("Sec-Fetch-Site"); (site != "" && site != "same-origin" && site != "none") ||
		(r.Header.Get("Origin") != "" && r.Header.Get("Origin") != ti.Issuer.Origin) {
		return askedSession{}, ti.Auth.AccessChallenge(w, r, &oauth.Error{Status: http.StatusUnauthorized, Code: oauth.TokenRequired, Description: "Another origin must send an access token."})
	}
	current, _, err := ti.Sessions.SignedIn(r.Context(), r)
	if err != nil || current == nil {
		return askedSession{}, err
	}
	return askedSession{current, current.UserID, current.ID}, nil
}

func (ti *Endpoints) sessionOfToken(w http.ResponseWriter, r *http.Request) (askedSession, error) {
	presented, err := ti.Auth.AccessToken(w, r)
	if err != nil {
		return askedSession{}, err
	}
	claims, err := ti.Tokens.Parse(r.Context(), presented)
	if errors.Is(err, token.ErrInactive) {
		return askedSession{}, ti.Auth.AccessChallenge(w, r, oauth.Refuse(oauth.InvalidToken, "The access token is malformed or expired."))
	} else if err != nil {
		return askedSession{}, err
	}
	event := observe.Event(r.Context())
	event.SetClient(claims.ClientID)
	event.SetSubject(claims.Subject)
	event.SetGrant(claims.GrantID)
	if err := ti.Auth.CheckSender(w, r, presented, claims); err != nil {
		return askedSession{}, err
	}
	active, err := ti.Tokens.Active(r.Context(), presented)
	if errors.Is(err, token.ErrInactive) || (err == nil && active.Session == "") {
		return askedSession{}, nil // the grant of the token has ended, or there never was a session
	} else if err != nil {
		return askedSession{}, err
	}
	current, err := ti.Sessions.LoadByID(r.Context(), active.Grant.SessionID)
	if err != nil || current == nil || !current.BelongsTo(active.User) {
		return askedSession{}, err
	}
	return askedSession{current, active.Subject, active.Session}, nil
}
