package bff

import (
	"context"
	"net/http"
	"time"

	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/bff/websession"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/storage"
)

// What is recorded in the audit log, if there is one:
//
//	a session begins or ends, a key of the gate is made  a write of the same Apply
//	a callback, a logout token, a ticket is refused      noted, without a change
//
// Without a log, such as with sealed sessions, the structured event of the request is the record.

// about returns an event about a session. Its sid is that of the provider's session, by which the provider's log has it.
func about(s *websession.Session, what audit.Type) audit.Event {
	return audit.Event{
		Type: what, Outcome: audit.Success, Actor: audit.Actor{Kind: audit.ByUser, ID: s.Subject},
		ClientID: s.ClientID, UserID: s.Subject, GrantID: s.GrantID, SessionID: s.SID,
		Details: map[string]string{"frontend": s.Frontend, "session": s.ID},
	}
}

// sessionBegan records a sign-in.
func (b *BFF) sessionBegan(ctx context.Context, began *websession.Session) []storage.Write {
	if b.Audit == nil {
		return nil
	}
	e := about(began, audit.SignedIn)
	e.Details["method"] = LoginMethod
	return []storage.Write{b.Audit.Put(ctx, e)}
}

// sessionEnded records the end of a session, unless an operator has ordered it, whose event names them.
func (b *BFF) sessionEnded(ctx context.Context, ended *websession.Session, why websession.Cause) []storage.Write {
	switch {
	case b.Audit == nil || why == websession.OperatorSaid:
		return nil
	case why == websession.SignedOut:
		return []storage.Write{b.Audit.Put(ctx, about(ended, audit.SignedOut))}
	}
	e := about(ended, audit.SessionEnded)
	e.Details["reason"] = string(why)
	if why != websession.Replaced {
		e.Actor = audit.Actor{Kind: audit.ByServer}
	}
	return []storage.Write{b.Audit.Put(ctx, e)}
}

// keyAnnounced records a new key of the gate, and when it begins to sign.
func (b *BFF) keyAnnounced(ctx context.Context, alg, kid string, signFrom time.Time) []storage.Write {
	if b.Audit == nil {
		return nil
	}
	return []storage.Write{b.Audit.Put(ctx, audit.Event{
		Type: audit.KeyRotated, Outcome: audit.Success, Actor: audit.Actor{Kind: audit.ByServer},
		Details: map[string]string{"alg": alg, "kid": kid, "sign_from": signFrom.Format(time.RFC3339)},
	})}
}

// refused records a refusal that may be an attack: a callback that signs nobody in, a logout token that proves nothing,
// a request of another site.
func (f *frontend) refused(r *http.Request, e *refusal) {
	route, _, subject, _ := observe.Event(r.Context()).Known()
	event := audit.Event{
		Type: audit.Refused, Outcome: audit.Denied, Actor: audit.Actor{Kind: audit.Anonymous}, ClientID: f.ClientID, UserID: subject,
		Details: map[string]string{"frontend": f.Name, "endpoint": route, "error": e.code},
	}
	switch {
	case f.bff.Audit == nil || e.status == http.StatusServiceUnavailable:
		return
	case route == "bff_callback":
		event.Type, event.Outcome = audit.SignInFailed, audit.Failure
		event.Details = map[string]string{"frontend": f.Name, "method": LoginMethod, "reason": e.code}
	case route == "bff_backchannel" && e.status == http.StatusBadRequest, e.code == "foreign_request":
	default:
		return
	}
	f.bff.Audit.Note(r.Context(), event)
}

// ticketRefused records that somebody has shown a WebSocket ticket that is unknown, used, too old, or for something else.
func (f *frontend) ticketRefused(r *http.Request, session *websession.Session) {
	if f.bff.Audit == nil {
		return
	}
	e := about(session, audit.TicketRefused)
	e.Outcome = audit.Denied
	f.bff.Audit.Note(r.Context(), e)
}

// handoverRefused records that a browser has shown a code of the gate that is not for it.
func (b *BFF) handoverRefused(r *http.Request, code string) {
	if b.Audit == nil {
		return
	}
	b.Audit.Note(r.Context(), audit.Event{
		Type: audit.Refused, Outcome: audit.Denied, Actor: audit.Actor{Kind: audit.Anonymous},
		Details: map[string]string{"frontend": gateName, "endpoint": "gate_enter", "error": code},
	})
}
