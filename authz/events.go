package authz

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/account"
	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/storage"
)

// What the audit log is told of users and clients stands here; did tells it of operators. An event that
// comes with a change is a write of its Apply; one without is noted.

func byUser(id string) audit.Actor { return audit.Actor{Kind: audit.ByUser, ID: id} }

func byClient(id string) audit.Actor { return audit.Actor{Kind: audit.ByClient, ID: id} }

// sessionBegan tells of a sign-in, and of the end of another user's session, in whose place it is.
func (s *Server) sessionBegan(ctx context.Context, began, replaced *session.Session) []storage.Write {
	method := began.Connector
	if method == "" {
		method = methodPassword
	}
	writes := []storage.Write{s.audit.Put(ctx, audit.Event{
		Type: audit.SignedIn, Outcome: audit.Success, Actor: byUser(began.UserID),
		UserID: began.UserID, SessionID: began.ID, Details: map[string]string{"method": method},
	})}
	if replaced != nil {
		writes = append(writes, s.audit.Put(ctx, endOf(replaced, byUser(began.UserID), "another user signed in")))
	}
	return writes
}

// sessionCrowded tells of the end of a session whose user has too many.
func (s *Server) sessionCrowded(ctx context.Context, ended *session.Session) []storage.Write {
	return []storage.Write{s.audit.Put(ctx, endOf(ended, audit.Actor{Kind: audit.ByServer}, "the user has too many sessions, and this one was unused longest"))}
}

func endOf(ended *session.Session, by audit.Actor, reason string) audit.Event {
	return audit.Event{
		Type: audit.SessionEnded, Outcome: audit.Success, Actor: by,
		UserID: ended.UserID, SessionID: ended.ID, Details: map[string]string{"reason": reason},
	}
}

// signedOut tells that a user has ended a session of theirs, "" for all of them.
func (s *Server) signedOut(ctx context.Context, userID, sid string) storage.Write {
	return s.audit.Put(ctx, audit.Event{Type: audit.SignedOut, Outcome: audit.Success, Actor: byUser(userID), UserID: userID, SessionID: sid})
}

// noteFailedSignIn tells of a sign-in that was not accepted; userID is whose it was to be, "" if that is not
// known.
func (s *Server) noteFailedSignIn(ctx context.Context, method, reason, userID string) {
	s.audit.Note(ctx, audit.Event{
		Type: audit.SignInFailed, Outcome: audit.Failure, Actor: audit.Actor{Kind: audit.Anonymous},
		UserID: userID, Details: map[string]string{"method": method, "reason": reason},
	})
}

// consented tells what a user has allowed a client, or that they have taken it back.
func (s *Server) consented(ctx context.Context, what audit.Type, userID, clientID string, given []storage.Permission) storage.Write {
	event := audit.Event{Type: what, Outcome: audit.Success, Actor: byUser(userID), UserID: userID, ClientID: clientID}
	var scopes []string
	for _, p := range given {
		scopes = append(scopes, p.Scope)
	}
	if scopes != nil {
		event.Details = map[string]string{"scope": strings.Join(oauth.Unique(scopes), " ")}
	}
	return s.audit.Put(ctx, event)
}

// grantIssued tells that a grant has begun.
func (s *Server) grantIssued(ctx context.Context, x *exchange) storage.Write {
	return s.audit.Put(ctx, audit.Event{
		Type: audit.GrantIssued, Outcome: audit.Success, Actor: byClient(x.client.ID),
		ClientID: x.client.ID, UserID: x.grant.UserID, GrantID: x.grantID, SessionID: x.grant.SessionID,
		Details: map[string]string{"grant_type": x.grantType, "scope": strings.Join(x.scopes, " ")},
	})
}

// noteToken tells of an access token that has no grant of its own.
func (s *Server) noteToken(ctx context.Context, x *exchange) {
	event := audit.Event{
		Type: audit.TokenIssued, Outcome: audit.Success, Actor: byClient(x.client.ID), ClientID: x.client.ID, GrantID: x.grantID,
		Details: map[string]string{"grant_type": x.grantType, "scope": strings.Join(x.scopes, " "), "resource": strings.Join(x.resources, " ")},
	}
	if x.user != nil {
		event.UserID = x.user.ID
	}
	s.audit.Note(ctx, event)
}

// reused tells that a code or a refresh token came a second time, and that its grant is therefore
// revoked, unless that had happened before.
func (s *Server) reused(ctx context.Context, x *exchange, what audit.Type, gid string, authorization *storage.Authorization) error {
	event := audit.Event{
		Type: what, Outcome: audit.Alarm, Actor: byClient(x.client.ID),
		ClientID: x.client.ID, UserID: authorization.UserID, GrantID: gid, SessionID: authorization.SessionID,
	}
	write, err := s.revocation(ctx, gid)
	switch {
	case err != nil:
		return err
	case write == nil:
		s.audit.Note(ctx, event)
	default:
		x.durable = append(x.durable, *write, s.audit.Put(ctx, event))
	}
	return nil
}

// revokedBy tells that a client has revoked a grant or a token.
func (s *Server) revokedBy(ctx context.Context, clientID, userID, gid string) storage.Write {
	event := audit.Event{
		Type: audit.TokenRevoked, Outcome: audit.Success, Actor: byClient(clientID), ClientID: clientID, UserID: userID, GrantID: gid,
	}
	if gid != "" {
		event.Type = audit.GrantRevoked
	}
	return s.audit.Put(ctx, event)
}

// clientChanged tells what a client has done to its own registration (RFC 7592).
func (s *Server) clientChanged(ctx context.Context, what audit.Type, id string) storage.Write {
	return s.audit.Put(ctx, audit.Event{Type: what, Outcome: audit.Success, Actor: byClient(id), ClientID: id})
}

var changeTypes = map[account.Change]audit.Type{
	account.Created: audit.UserCreated, account.Linked: audit.IdentityLinked,
	account.EmailReplaced: audit.EmailReplaced, account.EmailRemoved: audit.EmailRemoved, account.EmailDiffers: audit.EmailDiffers,
}

// userChanged tells of a user that the configuration or an upstream has brought or changed.
func (s *Server) userChanged(ctx context.Context, what account.Change, userID, connector string) []storage.Write {
	event := audit.Event{Type: changeTypes[what], Outcome: audit.Success, Actor: audit.Actor{Kind: audit.ByServer}, UserID: userID}
	if connector != "" {
		event.Actor, event.Details = byUser(userID), map[string]string{"connector": connector}
	}
	return []storage.Write{s.audit.Put(ctx, event)}
}

// keyAnnounced tells of a new signing key.
func (s *Server) keyAnnounced(ctx context.Context, alg, kid string, signFrom time.Time) []storage.Write {
	return []storage.Write{s.audit.Put(ctx, audit.Event{
		Type: audit.KeyRotated, Outcome: audit.Success, Actor: audit.Actor{Kind: audit.ByServer},
		Details: map[string]string{"alg": alg, "kid": kid, "sign_from": signFrom.Format(time.RFC3339)},
	})}
}

// secretReplaced tells of a new server secret. That shows before anything else of the server is open.
func (s *Server) secretReplaced(ctx context.Context, id string) ([]storage.Write, error) {
	if err := s.openAudit(ctx); err != nil {
		return nil, err
	}
	return []storage.Write{s.audit.Put(ctx, audit.Event{
		Type: audit.SecretRotated, Outcome: audit.Success, Actor: audit.Actor{Kind: audit.ByServer}, Details: map[string]string{"secret": id},
	})}, nil
}

// ordinary are errors that are part of how things go: no audit log needs them.
var ordinary = []string{
	oauth.AuthorizationPending, oauth.SlowDown, oauth.UseDPoPNonce, oauth.LoginRequired, oauth.ConsentRequired, oauth.AccountSelection,
	oauth.ServerError, oauth.TemporarilyUnavailable, oauth.MethodNotAllowed, "not_found",
}

// readers are routes whose callers show tokens that expire all the time.
var readers = []string{"userinfo", "session", "session_activity", "not_found"}

// noteRefusal tells that an endpoint has refused a request.
func (s *Server) noteRefusal(r *http.Request, e *oauth.Error) {
	request := observe.Event(r.Context())
	if e.AllowedBy != "" {
		request.Add("allowed_by", e.AllowedBy)
	}
	route, clientID, subject, gid := request.Known()
	if e.Status >= http.StatusInternalServerError || slices.Contains(ordinary, e.Code) || slices.Contains(readers, route) {
		return
	}
	// What no client is called may be anything, a secret in the wrong place too.
	if c, err := s.clientAtHand(r.Context(), clientID); c == nil || err != nil {
		clientID = ""
	}
	event := audit.Event{
		Type: audit.Refused, Outcome: audit.Denied, Actor: audit.Actor{Kind: audit.Anonymous}, ClientID: clientID, UserID: subject, GrantID: gid,
		Details: map[string]string{"endpoint": route, "error": e.Code},
	}
	if subject != "" {
		event.Actor = byUser(subject)
	}
	if e.AllowedBy != "" {
		event.Details["allowed_by"] = e.AllowedBy
	}
	s.audit.Note(r.Context(), event)
}
