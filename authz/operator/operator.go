// Package operator is the admin API: what operators see and change. Each operation is a line of the table routes,
// and a function.
//
//	socket, listener -> AtSocket, AtListener: who calls? -> admin.Handler -> operation -> one Apply, with its event
package operator

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"github.com/authzd/authzd/authz/account"
	"github.com/authzd/authzd/authz/admin"
	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/client/directory"
	"github.com/authzd/authzd/authz/clientauth"
	"github.com/authzd/authzd/authz/connect"
	"github.com/authzd/authzd/authz/events"
	"github.com/authzd/authzd/authz/factor"
	"github.com/authzd/authzd/authz/feed"
	"github.com/authzd/authzd/authz/grant"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/logout"
	"github.com/authzd/authzd/authz/mail"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/outbox"
	"github.com/authzd/authzd/authz/password"
	"github.com/authzd/authzd/authz/proof"
	"github.com/authzd/authzd/authz/register"
	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/authz/token"
	"github.com/authzd/authzd/authz/upkeep"
	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/storage"
)

// Config is what the admin API needs of the configuration.
type Config struct {
	// Server is what the clients of the admin API are described for; nil: it makes none.
	Server *client.Server
	// Clients are those of the configuration, with all defaults filled in, by their ids.
	Clients map[string]client.Metadata

	// Resource is the audience that an access token needs at the operator's listener. If it is empty, the admin
	// API is at the socket only. If the token is a user's, the user needs the role authzd:admin.
	Resource string
	// Hosts are the host names of the listener, beside localhost and the issuer's.
	Hosts []string
}

// API is the admin API. All fields are required.
type API struct {
	Config     *Config
	Issuer     oauth.Issuer
	Store      storage.Store
	Upkeep     *upkeep.Upkeep // of the store
	Keys       *keys.Ring
	PageTokens *keys.Sealer // seals page tokens: where a list goes on
	Clients    *directory.Clients
	Register   *register.Endpoint
	Accounts   *account.Directory
	Passwords  *password.Policy // of those that are set in plain text
	Proofs     *proof.Proofs
	Invites    bool // people can be invited
	Sessions   *session.Sessions
	Connectors connect.Set
	Grants     *grant.Grants
	Tokens     *token.Tokens
	Auth       *clientauth.Authenticator
	Logout     *logout.Logout
	Outbox     *outbox.Outbox
	Mail       *mail.Office // nil: there is no mail
	Factors    *factor.Factors
	Events     *events.Recorder
	Observer   *observe.Observer
}

// routes returns the operations of the admin API that only a server has. Those of package upkeep come on top.
func (api *API) routes() []admin.Route {
	route := admin.NewRoute
	return []admin.Route{
		route("client_list", "GET", "/v1/clients", "All clients: of the file, of the operator, and those that registered themselves.", admin.List(api.listClients)),
		route("client_create", "POST", "/v1/clients", "Creates a client, and shows its secret this once.", admin.Create(api.createClient)),
		route("client_read", "GET", "/v1/clients/{client_id}", "One client.", admin.Read(api.readOAuthClient)),
		route("client_replace", "PUT", "/v1/clients/{client_id}", "Sets all metadata of a client.", admin.Replace(api.replaceClient)),
		route("client_update", "PATCH", "/v1/clients/{client_id}", "Changes some metadata of a client.", admin.Patch[client.Metadata](api.patchClient)),
		route("client_delete", "DELETE", "/v1/clients/{client_id}", "Deletes a client; its grants and tokens are void.", admin.Do(api.removeClient)),
		route("client_rotate_secret", "POST", "/v1/clients/{client_id}/rotate-secret", "Gives a client a new secret, and shows it this once.", admin.Act(api.rotateSecret)),

		route("user_list", "GET", "/v1/users", "Users, those found by a prefix of their name or all.", admin.List(api.listUsers), "username", "email"),
		route("user_create", "POST", "/v1/users", "Creates a user.", admin.Create(api.createUser)),
		route("user_read", "GET", "/v1/users/{sub}", "One user.", admin.Read(api.readUser)),
		route("user_replace", "PUT", "/v1/users/{sub}", "Sets all data of a user.", admin.Replace(api.replaceUser)),
		route("user_update", "PATCH", "/v1/users/{sub}", "Changes some data of a user.", admin.Patch[users.User](api.patchUser)),
		route("user_delete", "DELETE", "/v1/users/{sub}", "Deletes a user, with sessions and grants.", admin.Do(api.deleteUser)),
		route("user_set_password", "POST", "/v1/users/{sub}/set-password", "Sets a user's password, and ends their sessions and grants.", admin.Order(api.setPassword)),
		route("user_send_link", "POST", "/v1/users/{sub}/send-link", "Sends a user a mail with a link to a new password.", admin.Do(api.sendLink)),
		route("user_invite", "POST", "/v1/invitations", "Creates a user without a password, and sends them a mail with a link to choose one.", admin.Create(api.inviteUser)),
		route("left_user_list", "GET", "/v1/left-users", "Users of the configuration file who have deleted their account.", admin.List(api.listLeft)),
		route("user_unlock", "POST", "/v1/users/{sub}/unlock", "Forgives a user's wrong passwords.", admin.Do(api.unlockUser)),
		route("user_end_sessions", "POST", "/v1/users/{sub}/end-sessions", "Signs a user out everywhere.", admin.Do(api.endUserSessions)),
		route("identity_list", "GET", "/v1/users/{sub}/identities", "The upstream identities that a user signs in with.", admin.List(api.listIdentities)),
		route("identity_link", "POST", "/v1/users/{sub}/identities", "Links an upstream identity to a user.", admin.Create(api.linkIdentity)),
		route("identity_unlink", "DELETE", "/v1/users/{sub}/identities/{identity}", "Unlinks an upstream identity, unless it is the user's last way in.", admin.Do(api.unlinkIdentity)),
		route("factor_list", "GET", "/v1/users/{sub}/factors", "The authenticator app, the recovery codes and the passkeys of a user.", admin.List(api.listFactors)),
		route("factor_reset", "DELETE", "/v1/users/{sub}/factors", "Removes the second factors of a user who has lost them; with passkeys=true the passkeys too, and with force=true also if they are the only way in.", admin.Do(api.resetFactors), "passkeys", "force"),
		route("device_list", "GET", "/v1/users/{sub}/devices", "Browsers that a user has signed in with lately, and those that are not asked for a second factor.", admin.List(api.listDevices)),
		route("device_forget", "DELETE", "/v1/users/{sub}/devices", "Forgets all browsers of a user: each is new again, and asked for the second factor.", admin.Do(api.forgetDevices)),
		route("network_list", "GET", "/v1/users/{sub}/trusted-networks", "Networks that a user has signed in from lately.", admin.List(api.listNetworks)),
		route("network_forget", "DELETE", "/v1/users/{sub}/trusted-networks", "Lets no network be trusted any more for a user.", admin.Do(api.forgetNetworks)),

		route("session_list", "GET", "/v1/sessions", "Live sessions, of one user or all.", admin.List(api.listSessions), "sub"),
		route("session_read", "GET", "/v1/sessions/{sid}", "One live session.", admin.Read(api.readSession)),
		route("session_revoke", "DELETE", "/v1/sessions/{sid}", "Ends a session.", admin.Do(api.revokeSession)),

		route("grant_list", "GET", "/v1/grants", "Grants, of one user, of one client or all.", admin.List(api.listGrants), "sub", "client_id"),
		route("grant_read", "GET", "/v1/grants/{gid}", "One grant.", admin.Read(api.readGrant)),
		route("grant_revoke", "DELETE", "/v1/grants/{gid}", "Ends a grant, with all its tokens.", admin.Do(api.revokeGrantOf)),

		route("revocation_list", "GET", "/v1/revocations", "What is on the revocation feed now, the oldest first.", admin.List(api.listRevocations), "sub", "kind", "id", "cause"),
		route("feed_read", "GET", "/v1/revocations/feed", "The state of the revocation feed.", admin.Read(api.readFeed)),

		route("delivery_list", "GET", "/v1/deliveries", "Logout tokens and mails that wait, or that were given up in the last seven days.", admin.List(api.listDeliveries), "state"),
		route("mail_test", "POST", "/v1/mail/test", "Sends a mail at once, and answers with what the mail server said.", admin.Act(api.sendTestMail)),

		route("key_list", "GET", "/v1/keys", "The signing keys that are published.", admin.List(api.listKeys)),
		route("key_rotate", "POST", "/v1/keys/rotate", "Announces new signing keys.", admin.Act(api.rotateKeys)),
	}
}

// RouteNames returns the names of the operations, as the log and the metrics have them.
func RouteNames() []string { return upkeep.RouteNames((*API)(nil).routes()) }

// Handler returns the admin API for callers that authorize accepts: AtSocket or AtListener. It returns nil if
// the configuration has no admin API.
func (api *API) Handler(authorize func(http.ResponseWriter, *http.Request) (admin.Actor, error)) http.Handler {
	if api.Config == nil {
		return nil
	}
	handler, err := admin.NewHandler(admin.Config{
		About:     "Operates a running authzd: at its admin socket, or at admin.listen with an access token of scope " + admin.Scope + ".",
		Routes:    append(api.routes(), api.Upkeep.Routes()...),
		Authorize: authorize,
		Seal:      api.PageTokens.Seal,
		Open:      api.PageTokens.Open,
		AsProblem: asProblem,
		Started:   upkeep.Started,
		Failed: func(r *http.Request, p *admin.Problem) {
			upkeep.Failed(r, p)
			switch p.Status {
			case http.StatusUnauthorized, http.StatusForbidden, http.StatusMisdirectedRequest:
				api.Events.Refused(r, &oauth.Error{Status: p.Status, Code: p.Code})
			}
		},
	})
	if err != nil {
		panic(err) // only a mistake in routes can get here
	}
	return api.Observer.Handler(handler)
}

// errNoAdminToken is the answer to every token that does not count.
var errNoAdminToken = oauth.Refuse(oauth.InvalidToken, "The access token is malformed, expired, revoked or not meant for the admin API.")

// AtListener demands an active access token of this server with the admin API as its audience and the scope
// authzd:admin. A user needs the role authzd:admin as well: the scope only says that the client may ask.
func (api *API) AtListener(w http.ResponseWriter, r *http.Request) (admin.Actor, error) {
	if api.Config.Resource == "" {
		return admin.Actor{}, oauth.Refuse(oauth.AccessDenied, "The admin API is at the socket only.")
	}
	if !api.ownHost(r.Host) {
		return admin.Actor{}, &admin.Problem{Status: http.StatusMisdirectedRequest, Code: admin.CodeMisdirected,
			Detail: "The Host of the request is none of this listener's.", Hint: "call it by an address, by localhost, by the host of the issuer or by that of admin.listen"}
	}
	r = r.WithContext(clientauth.CalledByHost(r.Context()))
	presented, err := api.Auth.AccessToken(w, r)
	if err != nil {
		return admin.Actor{}, err
	}
	active, err := api.Tokens.Active(r.Context(), presented)
	if errors.Is(err, token.ErrInactive) || err == nil && !active.IsFor(api.Config.Resource) {
		return admin.Actor{}, api.Auth.AccessChallenge(w, r, errNoAdminToken)
	} else if err != nil {
		return admin.Actor{}, err
	}
	event := observe.Event(r.Context())
	event.SetClient(active.ClientID)
	event.SetSubject(active.Subject)
	if err := api.Auth.CheckSender(w, r, presented, &active.Claims); err != nil {
		return admin.Actor{}, err
	}
	if !active.Has(admin.Scope) || active.User != nil && !hasRole(active.User, admin.Scope) {
		return admin.Actor{}, api.Auth.AccessChallenge(w, r, oauth.Refuse(oauth.InsufficientScope, "The admin API needs the scope authzd:admin, and of a user the role of that name too."))
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

// ownHost reports whether a Host header names this listener, and not a site whose name leads to this machine
// (DNS rebinding). IP addresses are safe.
func (api *API) ownHost(host string) bool {
	name := strings.ToLower(host)
	if i := strings.LastIndexByte(name, ':'); i >= 0 && !strings.HasSuffix(name, "]") {
		name = name[:i]
	}
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil || name == "localhost" || name == api.Issuer.Host {
		return true
	}
	for _, own := range api.Config.Hosts {
		if name == strings.ToLower(own) {
			return true
		}
	}
	return false
}

// asProblem returns the problem document for an error. It is oauth.AsError in the form of the admin API.
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

// did returns the writes that record what the caller of the admin API has done, and what ended by it.
func (api *API) did(ctx context.Context, c *admin.Call, e audit.Event, ends ...feed.End) []storage.Write {
	return api.Events.ByOperator(ctx, c.Actor, e, ends...)
}

// etag returns the ETag of a version of a record.
func etag(version uint64) string { return `"` + strconv.FormatUint(version, 36) + `"` }
