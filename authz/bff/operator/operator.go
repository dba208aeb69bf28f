// Package operator is the admin API of a BFF: its sessions, and the upkeep of its store. Each operation is a line of the
// table routes, and a function.
//
//	admin socket -> admin.AtSocket: who calls? -> admin.Handler -> operation -> one Apply, with its event
//
// Package authz/operator is that of a server. Both have what package upkeep offers.
package operator

import (
	"context"
	"errors"
	"net/http"

	"github.com/authzd/authzd/authz/admin"
	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/bff"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/upkeep"
	"github.com/authzd/authzd/storage"
)

// API is the admin API of a BFF. All fields are required.
type API struct {
	BFF        *bff.BFF
	Upkeep     *upkeep.Upkeep
	PageTokens *keys.Sealer // seals page tokens: where a list goes on
	Observer   *observe.Observer
}

// routes returns the operations that only a BFF has. Those of package upkeep come on top.
func (api *API) routes() []admin.Route {
	route := admin.NewRoute
	return []admin.Route{
		route("bff_session_end", "POST", "/v1/bff-sessions/end", "Ends all sessions of a user, of a session of the issuer, or of a frontend.", admin.Act(api.endSessions)),
		route("bff_session_list", "GET", "/v1/bff-sessions", "Live sessions, those that fit or all.", admin.List(api.listSessions), "sub", "sid", "frontend"),
		route("bff_session_read", "GET", "/v1/bff-sessions/{id}", "One live session.", admin.Read(api.readSession)),
		route("bff_session_revoke", "DELETE", "/v1/bff-sessions/{id}", "Ends a session, and revokes its tokens.", admin.Do(api.revokeSession)),
	}
}

// RouteNames returns the names of the operations, as the log and the metrics have them.
func RouteNames() []string { return upkeep.RouteNames((*API)(nil).routes()) }

// Handler returns the admin API, for the admin socket.
func (api *API) Handler() http.Handler {
	handler, err := admin.NewHandler(admin.Config{
		About:     "Operates a running authzd bff, at its admin socket.",
		Routes:    append(api.routes(), api.Upkeep.Routes()...),
		Authorize: admin.AtSocket,
		Seal:      api.PageTokens.Seal,
		Open:      api.PageTokens.Open,
		AsProblem: asProblem,
		Started:   upkeep.Started,
		Failed:    upkeep.Failed,
	})
	if err != nil {
		panic(err) // only a mistake in routes can get here
	}
	return api.Observer.Handler(handler)
}

// asProblem returns the problem document for an error. What nobody has classified is the store's.
func asProblem(err error) *admin.Problem {
	if errors.Is(err, storage.ErrNotFound) {
		return &admin.Problem{Status: http.StatusNotFound, Code: admin.CodeNotFound, Detail: "There is no such record."}
	}
	return &admin.Problem{Status: http.StatusServiceUnavailable, Code: admin.CodeUnavailable, Detail: "The store can't be asked now."}
}

// Did returns the writes that record what the caller has done. It is for upkeep.Config.
func Did(log *audit.Log) func(ctx context.Context, c *admin.Call, e audit.Event) []storage.Write {
	return func(ctx context.Context, c *admin.Call, e audit.Event) []storage.Write {
		return []storage.Write{log.Put(ctx, e.ByOperator(c.Actor.ID, c.Actor.ClientID))}
	}
}
