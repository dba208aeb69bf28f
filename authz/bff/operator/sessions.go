package operator

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/authzd/authzd/authz/admin"
	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/bff/websession"
)

func (api *API) listSessions(ctx context.Context, c *admin.Call, page admin.Slice) (sessions []admin.BFFSession, next string, err error) {
	which := websession.Filter{Subject: c.Query.Get("sub"), SID: c.Query.Get("sid"), Frontend: c.Query.Get("frontend")}
	found, next, err := api.BFF.ListSessions(ctx, which, page.After, page.Size)
	for i := range found {
		sessions = append(sessions, shown(&found[i]))
	}
	return sessions, next, err
}

func shown(s *websession.Listed) admin.BFFSession {
	r := s.Record
	return admin.BFFSession{
		ID: s.ID, Frontend: r.Frontend, ClientID: r.ClientID, Sub: r.Subject, SID: r.SID, GID: r.GrantID, ACR: r.ACR, AMR: r.AMR,
		Roles: r.Roles, Groups: r.Groups, AuthTime: admin.OrNil(r.AuthTime), CreatedAt: r.CreatedAt, LastActiveAt: r.ActiveAt, ExpiresAt: s.Expires,
	}
}

func (api *API) readSession(ctx context.Context, c *admin.Call) (*admin.BFFSession, error) {
	found, err := api.BFF.ReadSession(ctx, c.Path("id"))
	if err != nil {
		return nil, err
	}
	session := shown(found)
	return &session, nil
}

func (api *API) revokeSession(ctx context.Context, c *admin.Call) error {
	found, err := api.BFF.ReadSession(ctx, c.Path("id"))
	if err != nil {
		return err
	}
	return api.end(ctx, c, found)
}

// end ends a session, and records who ordered it.
func (api *API) end(ctx context.Context, c *admin.Call, s *websession.Listed) error {
	event := audit.Event{
		Type: audit.SessionEnded, ClientID: s.Record.ClientID, UserID: s.Record.Subject, GrantID: s.Record.GrantID, SessionID: s.Record.SID,
		Details: map[string]string{"frontend": s.Record.Frontend, "session": s.ID, "reason": string(websession.OperatorSaid)},
	}
	return api.BFF.SessionsOf(s.Record.Frontend).End(ctx, s.ID, websession.OperatorSaid, api.Upkeep.Did(ctx, c, event)...)
}

const (
	// endsPerCall bounds one call: each end may wait some seconds for an issuer that is away.
	endsPerCall = 100
	endsAtOnce  = 16
)

func (api *API) endSessions(ctx context.Context, c *admin.Call, which *admin.BFFSessionQuery) (*admin.BFFSessionsEnded, error) {
	if *which == (admin.BFFSessionQuery{}) {
		return nil, admin.Invalid(admin.FieldError{Pointer: "/sub", Detail: "is missing, and so are sid and frontend", Hint: "name the sessions that are to end by at least one of them"})
	}
	filter := websession.Filter{Subject: which.Sub, SID: which.SID, Frontend: which.Frontend}
	found, next, err := api.BFF.ListSessions(ctx, filter, "", endsPerCall)
	for err == nil && len(found) == 0 && next != "" { // all that was read is of others
		found, next, err = api.BFF.ListSessions(ctx, filter, next, endsPerCall)
	}
	if err != nil {
		return nil, err
	}
	var group errgroup.Group
	group.SetLimit(endsAtOnce)
	for i := range found {
		group.Go(func() error { return api.end(ctx, c, &found[i]) })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return &admin.BFFSessionsEnded{Ended: len(found), More: next != ""}, nil
}
