// Package events records what happens: users sign in and out, clients get grants, operators change things. Each
// kind of event has one method, and every method ends in put or note:
//
//	handler -> SignedOut, Consented, GrantIssued, … -> put:  a write of the same Apply as the change
//	handler -> SignInFailed, Refused, …             -> note: without a change
//
// Both write to the audit log. If the event ends tokens before their time, put also writes that to the revocation feed:
// a new cause is one more call with a feed.End. The methods that return writes record nothing until the caller applies them, and run
// again if a request loses a race. So another listener, such as a webhook, gets a record there that is written with the
// event, and is called when that is committed, as authz/outbox calls apps and sends mails.
package events

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/account"
	"github.com/authzd/authzd/authz/admin"
	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/feed"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/storage"
)

// Recorder records events in the audit log, and ends in the revocation feed.
type Recorder struct {
	Audit    *audit.Log
	Feed     *feed.Feed
	IsClient func(ctx context.Context, id string) bool // reports whether a client has this id
}

// put returns the writes that record an event, and what it ends; the caller applies them together with the change.
func (rec *Recorder) put(ctx context.Context, e audit.Event, ends ...feed.End) []storage.Write {
	writes := []storage.Write{rec.Audit.Put(ctx, e)}
	for _, end := range ends {
		writes = append(writes, rec.Feed.Put(string(e.Type), end))
	}
	return writes
}

// note records an event that comes without a change.
func (rec *Recorder) note(ctx context.Context, e audit.Event) { rec.Audit.Note(ctx, e) }

func byUser(id string) audit.Actor { return audit.Actor{Kind: audit.ByUser, ID: id} }

func byClient(id string) audit.Actor { return audit.Actor{Kind: audit.ByClient, ID: id} }

// SessionBegan records a sign-in, and the end of another session of the browser that it replaced, because the browser
// holds too many; replaced is nil if there was none.
func (rec *Recorder) SessionBegan(ctx context.Context, began, replaced *session.Session) []storage.Write {
	method := began.Connector
	switch {
	case method != "":
	case byPasskey(began.AMR):
		method = MethodPasskey
	default:
		method = MethodPassword
	}
	writes := rec.put(ctx, audit.Event{
		Type: audit.SignedIn, Outcome: audit.Success, Actor: byUser(began.UserID),
		UserID: began.UserID, SessionID: began.ID, Details: map[string]string{"method": method},
	})
	if replaced != nil {
		writes = append(writes, rec.ended(ctx, replaced, byUser(began.UserID), "too many accounts are signed in in the browser")...)
	}
	return writes
}

// SessionCrowded records that a session was ended because its user has too many.
func (rec *Recorder) SessionCrowded(ctx context.Context, ended *session.Session) []storage.Write {
	return rec.ended(ctx, ended, audit.Actor{Kind: audit.ByServer}, "the user has too many sessions, and this one was unused longest")
}

// ended records the end of a session.
func (rec *Recorder) ended(ctx context.Context, ended *session.Session, by audit.Actor, reason string) []storage.Write {
	return rec.put(ctx, audit.Event{
		Type: audit.SessionEnded, Outcome: audit.Success, Actor: by,
		UserID: ended.UserID, SessionID: ended.ID, Details: map[string]string{"reason": reason},
	}, feed.Session(ended.ID, ended.UserID))
}

// SignedOut records that a user has ended one of their sessions.
func (rec *Recorder) SignedOut(ctx context.Context, userID, sid string) []storage.Write {
	return rec.signedOut(ctx, userID, sid, feed.Session(sid, userID))
}

// SignedOutEverywhere records that a user has ended all their sessions. end is feed.User.
func (rec *Recorder) SignedOutEverywhere(ctx context.Context, userID string, end feed.End) []storage.Write {
	return rec.signedOut(ctx, userID, "", end)
}

func (rec *Recorder) signedOut(ctx context.Context, userID, sid string, end feed.End) []storage.Write {
	return rec.put(ctx, audit.Event{Type: audit.SignedOut, Outcome: audit.Success, Actor: byUser(userID), UserID: userID, SessionID: sid}, end)
}

// SignInFailed records a sign-in that was not accepted. method is MethodPassword or the id of a connector;
// userID is "" if the user is not known.
func (rec *Recorder) SignInFailed(ctx context.Context, method, reason, userID string) {
	rec.note(ctx, audit.Event{
		Type: audit.SignInFailed, Outcome: audit.Failure, Actor: audit.Actor{Kind: audit.Anonymous},
		UserID: userID, Details: map[string]string{"method": method, "reason": reason},
	})
}

// Consented records what a user has allowed a client, or that they took their consent back: what says which.
func (rec *Recorder) Consented(ctx context.Context, what audit.Type, userID, clientID string, given []storage.Permission) []storage.Write {
	event := audit.Event{Type: what, Outcome: audit.Success, Actor: byUser(userID), UserID: userID, ClientID: clientID}
	var scopes []string
	for _, p := range given {
		scopes = append(scopes, p.Scope)
	}
	if scopes != nil {
		event.Details = map[string]string{"scope": strings.Join(oauth.Unique(scopes), " ")}
	}
	if what == audit.ConsentWithdrawn {
		return rec.put(ctx, event, feed.Consent(userID, clientID))
	}
	return rec.put(ctx, event)
}

// Issued describes what a client got at the token endpoint.
type Issued struct {
	ClientID, UserID, GrantID, SessionID string // empty: there is none
	GrantType                            string
	Scopes, Resources                    []string
}

// GrantIssued records a new grant.
func (rec *Recorder) GrantIssued(ctx context.Context, i Issued) []storage.Write {
	return rec.put(ctx, audit.Event{
		Type: audit.GrantIssued, Outcome: audit.Success, Actor: byClient(i.ClientID),
		ClientID: i.ClientID, UserID: i.UserID, GrantID: i.GrantID, SessionID: i.SessionID,
		Details: map[string]string{"grant_type": i.GrantType, "scope": strings.Join(i.Scopes, " ")},
	})
}

// TokenIssued records an access token for which no new grant was made.
func (rec *Recorder) TokenIssued(ctx context.Context, i Issued) {
	rec.note(ctx, audit.Event{
		Type: audit.TokenIssued, Outcome: audit.Success, Actor: byClient(i.ClientID),
		ClientID: i.ClientID, UserID: i.UserID, GrantID: i.GrantID,
		Details: map[string]string{"grant_type": i.GrantType, "scope": strings.Join(i.Scopes, " "), "resource": strings.Join(i.Resources, " ")},
	})
}

// Reused records that a code or a refresh token of a grant came a second time. revocation is the write that
// revokes the grant: Reused returns it together with the event's. If revocation is nil, the grant was revoked
// before; Reused then records the event at once and returns nil.
func (rec *Recorder) Reused(ctx context.Context, what audit.Type, gid string, of *storage.Authorization, revocation *storage.Write) []storage.Write {
	event := audit.Event{
		Type: what, Outcome: audit.Alarm, Actor: byClient(of.ClientID),
		ClientID: of.ClientID, UserID: of.UserID, GrantID: gid, SessionID: of.SessionID,
	}
	if revocation == nil {
		rec.note(ctx, event)
		return nil
	}
	return append(rec.put(ctx, event, feed.Grant(gid, of.UserID)), *revocation)
}

// GrantRevokedBy records that a client has revoked a grant.
func (rec *Recorder) GrantRevokedBy(ctx context.Context, clientID, userID, gid string) []storage.Write {
	return rec.put(ctx, audit.Event{
		Type: audit.GrantRevoked, Outcome: audit.Success, Actor: byClient(clientID), ClientID: clientID, UserID: userID, GrantID: gid,
	}, feed.Grant(gid, userID))
}

// TokenRevokedBy records that a client has revoked a single token.
func (rec *Recorder) TokenRevokedBy(ctx context.Context, clientID, jti string) []storage.Write {
	return rec.put(ctx, audit.Event{
		Type: audit.TokenRevoked, Outcome: audit.Success, Actor: byClient(clientID), ClientID: clientID,
	}, feed.Token(jti))
}

// ClientChanged records that a client has created, changed or deleted its registration (RFC 7591, RFC 7592).
func (rec *Recorder) ClientChanged(ctx context.Context, what audit.Type, id string) []storage.Write {
	event := audit.Event{Type: what, Outcome: audit.Success, Actor: byClient(id), ClientID: id}
	if what == audit.ClientDeleted {
		return rec.put(ctx, event, feed.Client(id))
	}
	return rec.put(ctx, event)
}

// ClientRemoved records that a client is no longer in the configuration.
func (rec *Recorder) ClientRemoved(ctx context.Context, id string) []storage.Write {
	return rec.put(ctx, audit.Event{
		Type: audit.ClientDeleted, Outcome: audit.Success, Actor: audit.Actor{Kind: audit.ByServer}, ClientID: id,
		Details: map[string]string{"reason": "it is no longer in the configuration"},
	}, feed.Client(id))
}

var changeTypes = map[account.Change]audit.Type{
	account.Created: audit.UserCreated, account.Linked: audit.IdentityLinked,
	account.EmailReplaced: audit.EmailReplaced, account.EmailRemoved: audit.EmailRemoved, account.EmailDiffers: audit.EmailDiffers,
}

// UserChanged records that the configuration (connector is "") or an upstream has created or changed a user.
func (rec *Recorder) UserChanged(ctx context.Context, what account.Change, userID, connector string) []storage.Write {
	event := audit.Event{Type: changeTypes[what], Outcome: audit.Success, Actor: audit.Actor{Kind: audit.ByServer}, UserID: userID}
	if connector != "" {
		event.Actor, event.Details = byUser(userID), map[string]string{"connector": connector}
	}
	return rec.put(ctx, event)
}

// PasswordEnded records that wrong passwords have ended the password of a user.
func (rec *Recorder) PasswordEnded(ctx context.Context, userID string) []storage.Write {
	return rec.put(ctx, audit.Event{Type: audit.PasswordEnded, Outcome: audit.Alarm, Actor: audit.Actor{Kind: audit.Anonymous}, UserID: userID})
}

// KeyAnnounced records a new signing key, and when it begins to sign.
func (rec *Recorder) KeyAnnounced(ctx context.Context, alg, kid string, signFrom time.Time) []storage.Write {
	return rec.put(ctx, audit.Event{
		Type: audit.KeyRotated, Outcome: audit.Success, Actor: audit.Actor{Kind: audit.ByServer},
		Details: map[string]string{"alg": alg, "kid": kid, "sign_from": signFrom.Format(time.RFC3339)},
	})
}

// SecretReplaced records a new server secret.
func (rec *Recorder) SecretReplaced(ctx context.Context, id string) []storage.Write {
	return rec.put(ctx, audit.Event{
		Type: audit.SecretRotated, Outcome: audit.Success, Actor: audit.Actor{Kind: audit.ByServer}, Details: map[string]string{"secret": id},
	})
}

// ordinary are error codes that occur in normal use: the audit log leaves them out.
var ordinary = []string{
	oauth.AuthorizationPending, oauth.SlowDown, oauth.UseDPoPNonce, oauth.LoginRequired, oauth.ConsentRequired, oauth.AccountSelection,
	oauth.ServerError, oauth.TemporarilyUnavailable, oauth.MethodNotAllowed, "not_found",
}

// readers are routes that are called with expired tokens in normal use: the audit log leaves their refusals out.
var readers = []string{"userinfo", "session", "session_activity", "not_found"}

// Refused records that an endpoint has refused a request, unless that is ordinary.
func (rec *Recorder) Refused(r *http.Request, e *oauth.Error) {
	request := observe.Event(r.Context())
	if e.AllowedBy != "" {
		request.Add("allowed_by", e.AllowedBy)
	}
	route, clientID, subject, gid := request.Known()
	if e.Status >= http.StatusInternalServerError || slices.Contains(ordinary, e.Code) || slices.Contains(readers, route) {
		return
	}
	// An id that no client has may be anything, even a secret in the wrong place.
	if !rec.IsClient(r.Context(), clientID) {
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
	rec.note(r.Context(), event)
}

// SessionEnded records that a user has ended one of their sessions from another browser.
func (rec *Recorder) SessionEnded(ctx context.Context, ended *session.Session) []storage.Write {
	return rec.ended(ctx, ended, byUser(ended.UserID), "by its user, from another browser")
}

// SessionExpired records the end of a session whose time was over.
func (rec *Recorder) SessionExpired(ctx context.Context, ended *session.Session) []storage.Write {
	return rec.ended(ctx, ended, audit.Actor{Kind: audit.ByServer}, "its time was over")
}

// IdentityUnlinked records that a user has unlinked an upstream identity from their account.
func (rec *Recorder) IdentityUnlinked(ctx context.Context, userID, connector string) []storage.Write {
	return rec.put(ctx, audit.Event{
		Type: audit.IdentityUnlinked, Outcome: audit.Success, Actor: byUser(userID), UserID: userID,
		Details: map[string]string{"connector": connector},
	})
}

// ByOperator records what an operator has done, and what ended by it. If they used a client, the event names it.
func (rec *Recorder) ByOperator(ctx context.Context, operator admin.Actor, e audit.Event, ends ...feed.End) []storage.Write {
	return rec.put(ctx, e.ByOperator(operator.ID, operator.ClientID), ends...)
}

// Login methods in metrics and events; the others are the connectors' ids. A sign-in has that of its first factor. Those
// of further factors are in failures.
const (
	MethodPassword = "password"
	MethodTOTP     = "totp"
	MethodRecovery = "recovery_code"
)

// MailLost records that a mail did not arrive, and will not. code is the answer of the SMTP server, 0 if there was
// none.
func (rec *Recorder) MailLost(ctx context.Context, m *storage.Mail, outcome string, code int) []storage.Write {
	details := map[string]string{"mail": m.Message, "outcome": outcome}
	if code != 0 {
		details["status"] = strconv.Itoa(code)
	}
	return rec.put(ctx, audit.Event{
		Type: audit.MailUndelivered, Outcome: audit.Failure, Actor: audit.Actor{Kind: audit.ByServer}, UserID: m.UserID, Details: details,
	})
}
