package authz

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/account"
	"github.com/authzd/authzd/authz/admin"
	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/clientauth"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/token"
	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/storage"
)

// Operator is what the admin API needs of the configuration, whose words, defaults and rules are its own.
// The errors of its functions are *admin.Problem, with everything that is wrong.
type Operator struct {
	// ParseClient reads the metadata of a client, and returns it too with all defaults filled in. If the
	// client has a secret, any stands for it.
	ParseClient func(document []byte) (m client.Metadata, complete []byte, err error)
	// Clients are those of the configuration, with all defaults filled in, by their ids.
	Clients map[string][]byte

	// Resource is the audience that an access token needs at the operator's listener; empty: the admin
	// API is at the socket only. A user whose token it is needs the role authzd:admin.
	Resource string
	// Hosts are the names, beside localhost, that the listener is called by.
	Hosts []string
}

// operatorRoutes is every operation of the admin API.
func (s *Server) operatorRoutes() []admin.Route {
	route := admin.NewRoute
	return []admin.Route{
		route("client_list", "GET", "/v1/clients", "All clients: of the file, of the operator, and those that registered themselves.", admin.List(s.listClients)),
		route("client_create", "POST", "/v1/clients", "Creates a client, and shows its secret this once.", admin.Create(s.createClient)),
		route("client_read", "GET", "/v1/clients/{client_id}", "One client.", admin.Read(s.readOAuthClient)),
		route("client_replace", "PUT", "/v1/clients/{client_id}", "Sets all metadata of a client.", admin.Replace(s.replaceClient)),
		route("client_update", "PATCH", "/v1/clients/{client_id}", "Changes some metadata of a client.", admin.Patch[admin.ClientMetadata](s.patchClient)),
		route("client_delete", "DELETE", "/v1/clients/{client_id}", "Deletes a client; its grants and tokens are void.", admin.Do(s.removeClient)),
		route("client_rotate_secret", "POST", "/v1/clients/{client_id}/rotate-secret", "Gives a client a new secret, and shows it this once.", admin.Act(s.rotateSecret)),

		route("user_list", "GET", "/v1/users", "Users, those found by a prefix of their name or all.", admin.List(s.listUsers), "username", "email"),
		route("user_create", "POST", "/v1/users", "Creates a user.", admin.Create(s.createUser)),
		route("user_read", "GET", "/v1/users/{sub}", "One user.", admin.Read(s.readUser)),
		route("user_replace", "PUT", "/v1/users/{sub}", "Sets all data of a user.", admin.Replace(s.replaceUser)),
		route("user_update", "PATCH", "/v1/users/{sub}", "Changes some data of a user.", admin.Patch[users.User](s.patchUser)),
		route("user_delete", "DELETE", "/v1/users/{sub}", "Deletes a user, with sessions and grants.", admin.Do(s.deleteUser)),
		route("user_set_password", "POST", "/v1/users/{sub}/set-password", "Sets a user's password, and ends their sessions and grants.", admin.Order(s.setPassword)),
		route("user_unlock", "POST", "/v1/users/{sub}/unlock", "Forgives a user's wrong passwords.", admin.Do(s.unlockUser)),
		route("user_end_sessions", "POST", "/v1/users/{sub}/end-sessions", "Signs a user out everywhere.", admin.Do(s.endUserSessions)),
		route("identity_list", "GET", "/v1/users/{sub}/identities", "The upstream identities that a user signs in with.", admin.List(s.listIdentities)),
		route("identity_link", "POST", "/v1/users/{sub}/identities", "Links an upstream identity to a user.", admin.Create(s.linkIdentity)),
		route("identity_unlink", "DELETE", "/v1/users/{sub}/identities/{identity}", "Unlinks an upstream identity, unless it is the user's last way in.", admin.Do(s.unlinkIdentity)),
		route("network_list", "GET", "/v1/users/{sub}/trusted-networks", "Networks that a user has signed in from lately.", admin.List(s.listNetworks)),
		route("network_forget", "DELETE", "/v1/users/{sub}/trusted-networks", "Lets no network be trusted any more for a user.", admin.Do(s.forgetNetworks)),

		route("session_list", "GET", "/v1/sessions", "Live sessions, of one user or all.", admin.List(s.listSessions), "sub"),
		route("session_read", "GET", "/v1/sessions/{sid}", "One live session.", admin.Read(s.readSession)),
		route("session_revoke", "DELETE", "/v1/sessions/{sid}", "Ends a session.", admin.Do(s.revokeSession)),

		route("grant_list", "GET", "/v1/grants", "Grants, of one user, of one client or all.", admin.List(s.listGrants), "sub", "client_id"),
		route("grant_read", "GET", "/v1/grants/{gid}", "One grant.", admin.Read(s.readGrant)),
		route("grant_revoke", "DELETE", "/v1/grants/{gid}", "Ends a grant, with all its tokens.", admin.Do(s.revokeGrantOf)),

		route("backup", "GET", "/v1/backup", "A backup of everything that is stored, as it is now.", admin.Stream("application/octet-stream", s.takeBackup)),

		route("store_read", "GET", "/v1/store", "The store: its format, size, and the secrets that it needs.", admin.Read(s.readStore)),
		route("store_compact", "POST", "/v1/store/compact", "Begins to compact the embedded database.", admin.Do(s.compactStore)),

		route("key_list", "GET", "/v1/keys", "The signing keys that are published.", admin.List(s.listKeys)),
		route("key_rotate", "POST", "/v1/keys/rotate", "Announces new signing keys.", admin.Act(s.rotateKeys)),

		route("audit_list", "GET", "/v1/audit/events", "Events of the audit log, the newest first.", admin.List(s.listAuditEvents), auditParams...),
		route("audit_verify", "GET", "/v1/audit/verify", "Checks some hundred blocks of the audit log.", admin.Read(s.verifyAuditLog), "after", "pin"),
		route("audit_export", "GET", "/v1/audit/export", "The audit log, with all that is needed to verify it.", admin.Stream("application/jsonl", s.exportAuditLog), "since"),
	}
}

// operatorRouteNames are theirs in the log and in metrics.
func operatorRouteNames(routes []admin.Route) []string {
	var names []string
	for _, r := range routes {
		names = append(names, r.Name)
	}
	return names
}

// AdminSocket serves health, metrics and the admin API, to whoever may connect.
func (s *Server) AdminSocket() http.Handler { return s.operations(s.operators(s.atSocket)) }

// AdminListener serves health and metrics to everybody, and the admin API to whoever has an access token
// for it.
func (s *Server) AdminListener() http.Handler { return s.operations(s.operators(s.atListener)) }

// operators is the admin API for those whom authorize lets in; nil if there is none.
func (s *Server) operators(authorize func(http.ResponseWriter, *http.Request) (admin.Actor, error)) http.Handler {
	if s.config.Operator == nil {
		return nil
	}
	handler, err := admin.NewHandler(admin.Config{
		Routes:    s.operatorRoutes(),
		Authorize: authorize,
		Seal:      s.pageTokens.Seal,
		Open:      s.pageTokens.Open,
		AsProblem: asProblem,
		Started:   func(r *http.Request, route string) { observe.Event(r.Context()).SetRoute(route) },
		Failed: func(r *http.Request, p *admin.Problem) {
			event := observe.Event(r.Context())
			event.SetError(p.Code, p.Detail, errors.Unwrap(p))
			p.RequestID = event.RequestID()
			switch p.Status {
			case http.StatusUnauthorized, http.StatusForbidden, http.StatusMisdirectedRequest:
				s.events.Refused(r, &oauth.Error{Status: p.Status, Code: p.Code})
			}
		},
	})
	if err != nil {
		panic(err) // only a mistake in operatorRoutes can get here
	}
	return s.observer.Handler(handler)
}

// atSocket knows callers by their process: the socket's mode has let them in.
func (s *Server) atSocket(_ http.ResponseWriter, r *http.Request) (admin.Actor, error) {
	actor := admin.Actor{ID: "socket"}
	if uid, known := admin.PeerUID(r.Context()); known {
		actor.ID = "uid:" + strconv.Itoa(uid)
	}
	return actor, nil
}

// errNoAdminToken is told of every token that does not count, whatever the reason.
var errNoAdminToken = oauth.Refuse(oauth.InvalidToken, "The access token is malformed, expired, revoked or not meant for the admin API.")

// atListener demands an access token of ours with the admin API as its audience and the scope
// authzd:admin, and looks at what stands behind it now. A user is an operator only by a role: the scope
// says no more than that a client may ask.
func (s *Server) atListener(w http.ResponseWriter, r *http.Request) (admin.Actor, error) {
	if s.config.Operator.Resource == "" {
		return admin.Actor{}, oauth.Refuse(oauth.AccessDenied, "The admin API is at the socket only.")
	}
	if !s.ownHost(r.Host) {
		return admin.Actor{}, &admin.Problem{Status: http.StatusMisdirectedRequest, Code: admin.CodeMisdirected,
			Detail: "The Host of the request is none of this listener's.", Hint: "call it by an address, by localhost, by the host of the issuer or by that of admin.listen"}
	}
	r = r.WithContext(clientauth.CalledByHost(r.Context()))
	presented, err := s.auth.AccessToken(w, r)
	if err != nil {
		return admin.Actor{}, err
	}
	active, err := s.tokens.Active(r.Context(), presented)
	if errors.Is(err, token.ErrInactive) || err == nil && !active.IsFor(s.config.Operator.Resource) {
		return admin.Actor{}, s.auth.AccessChallenge(w, r, errNoAdminToken)
	} else if err != nil {
		return admin.Actor{}, err
	}
	event := observe.Event(r.Context())
	event.SetClient(active.ClientID)
	event.SetSubject(active.Subject)
	if err := s.auth.CheckSender(w, r, presented, &active.Claims); err != nil {
		return admin.Actor{}, err
	}
	if !active.Has(admin.Scope) || active.User != nil && !hasRole(active.User, admin.Scope) {
		return admin.Actor{}, s.auth.AccessChallenge(w, r, oauth.Refuse(oauth.InsufficientScope, "The admin API needs the scope authzd:admin, and of a user the role of that name too."))
	}
	actor := admin.Actor{ID: active.ClientID, ClientID: active.ClientID, Remote: event.Remote()}
	if active.User != nil {
		actor.ID = active.User.ID
	}
	return actor, nil
}

func hasRole(user *storage.User, role string) bool {
	for _, r := range user.Roles {
		if r == role {
			return true
		}
	}
	return false
}

// ownHost tells whether a Host header names this listener, and not a site that has its own name lead to
// this machine (DNS rebinding). An address cannot be made to lead elsewhere.
func (s *Server) ownHost(host string) bool {
	name := strings.ToLower(host)
	if i := strings.LastIndexByte(name, ':'); i >= 0 && !strings.HasSuffix(name, "]") {
		name = name[:i]
	}
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil || name == "localhost" || name == s.issuer.Host {
		return true
	}
	for _, own := range s.config.Operator.Hosts {
		if name == strings.ToLower(own) {
			return true
		}
	}
	return false
}

// asProblem is oauth.AsError in the form of the admin API.
func asProblem(err error) *admin.Problem {
	if taken := new(account.TakenError); errors.As(err, &taken) {
		pointer := "/username"
		if taken.What != "username" {
			pointer = "/email"
		}
		return &admin.Problem{Status: http.StatusConflict, Code: admin.CodeConflict, Detail: "The " + taken.What + " belongs to another user.",
			Errors: []admin.FieldError{{Pointer: pointer, Detail: "belongs to another user"}}}
	}
	if errors.Is(err, storage.ErrNotFound) {
		return &admin.Problem{Status: http.StatusNotFound, Code: admin.CodeNotFound, Detail: "There is no such record."}
	}
	e := oauth.AsError(err)
	codes := map[int]string{
		http.StatusUnauthorized: admin.CodeUnauthorized, http.StatusForbidden: admin.CodeForbidden,
		http.StatusServiceUnavailable: admin.CodeUnavailable, http.StatusInternalServerError: admin.CodeServerError,
	}
	p := &admin.Problem{Status: e.Status, Code: codes[e.Status], Detail: e.Description}
	if p.Code == "" {
		p.Code = admin.CodeInvalidRequest
	}
	return p
}

// did is the event of what the caller of the admin API has done.
func (s *Server) did(ctx context.Context, c *admin.Call, e audit.Event) storage.Write {
	return s.events.ByOperator(ctx, c.Actor, e)
}

// etag is what changes whenever a record does.
func etag(version uint64) string { return `"` + strconv.FormatUint(version, 36) + `"` }

// orNil is a time that may be unset.
func orNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
