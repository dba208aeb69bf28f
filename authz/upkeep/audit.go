package upkeep

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/admin"
	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/storage"
)

// auditParams are the query parameters that select events.
var auditParams = []string{"since", "until", "type", "outcome", "actor", "client_id", "sub", "gid", "sid", "request_id"}

func (u *Upkeep) listAuditEvents(ctx context.Context, c *admin.Call, page admin.Slice) (events []admin.AuditEvent, next string, err error) {
	filter, err := auditFilter(c.Query)
	if err != nil {
		return nil, "", err
	}
	var before audit.Position
	if page.After != "" {
		if _, err := fmt.Sscanf(page.After, "%d.%d", &before.Block, &before.Event); err != nil {
			return nil, "", &admin.Problem{Status: http.StatusBadRequest, Code: admin.CodeInvalidPageToken, Detail: "The page token is of another list."}
		}
	} else {
		u.disclosed(ctx, c, "list")
	}
	found, at, err := u.Audit.List(ctx, filter, before, page.Size)
	for _, e := range found {
		events = append(events, admin.AuditEvent{
			ID: e.ID, Time: e.Time, Type: string(e.Type), Outcome: string(e.Outcome), Actor: admin.AuditActor{Kind: string(e.Actor.Kind), ID: e.Actor.ID},
			ClientID: e.ClientID, UserID: e.UserID, GrantID: e.GrantID, SessionID: e.SessionID,
			Remote: e.Remote, RequestID: e.RequestID, Details: e.Details,
		})
	}
	if at != (audit.Position{}) {
		next = fmt.Sprintf("%d.%d", at.Block, at.Event)
	}
	return events, next, err
}

func auditFilter(query url.Values) (f audit.Filter, err error) {
	f = audit.Filter{
		Type: query.Get("type"), Outcome: audit.Outcome(query.Get("outcome")), Actor: query.Get("actor"), ClientID: query.Get("client_id"),
		UserID: query.Get("sub"), GrantID: query.Get("gid"), SessionID: query.Get("sid"), RequestID: query.Get("request_id"),
	}
	if f.Since, err = timeParam(query, "since"); err == nil {
		f.Until, err = timeParam(query, "until")
	}
	return f, err
}

// timeParam reads a parameter that is a time (RFC 3339); the zero time if it is absent.
func timeParam(query url.Values, name string) (time.Time, error) {
	if query.Get(name) == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, query.Get(name))
	if err != nil {
		return time.Time{}, admin.BadParam(name, "is no time such as 2026-01-31T12:00:00Z")
	}
	return t, nil
}

// disclosed records that an operator has read the audit log.
func (u *Upkeep) disclosed(ctx context.Context, c *admin.Call, how string) {
	u.Audit.Note(ctx, audit.Event{
		Type: audit.Disclosed, Outcome: audit.Success, Actor: audit.Actor{Kind: audit.ByOperator, ID: c.Actor.ID},
		Details: map[string]string{"how": how},
	})
}

// verifyAuditLog checks some hundred blocks after the one that the parameter after names. If there is a
// parameter pin, it also checks that a block has the hash that the operator has kept.
func (u *Upkeep) verifyAuditLog(ctx context.Context, c *admin.Call) (*admin.AuditReport, error) {
	after, err := strconv.Atoi(c.Query.Get("after"))
	if c.Query.Has("after") && (err != nil || after < 0) {
		return nil, admin.BadParam("after", "is no number of a block")
	}
	pinned, err := u.checkPin(ctx, c.Query)
	if err != nil {
		return nil, err
	}
	report, next, err := u.Audit.Verify(ctx, after)
	if err != nil {
		return nil, err
	}
	shown := &admin.AuditReport{
		First: shownPoint(report.First), Last: shownPoint(report.Last), Blocks: report.Blocks, Events: report.Events,
		Problems: pinned, Next: next,
	}
	for _, p := range report.Problems {
		shown.Problems = append(shown.Problems, admin.AuditProblem(p))
	}
	return shown, nil
}

func (u *Upkeep) checkPin(ctx context.Context, query url.Values) ([]admin.AuditProblem, error) {
	none := []admin.AuditProblem{}
	if !query.Has("pin") {
		return none, nil
	}
	number, hash, _ := strings.Cut(query.Get("pin"), ":")
	block, err := strconv.Atoi(number)
	if err != nil || block < 1 || hash == "" {
		return nil, admin.BadParam("pin", "is no number and hash of a block")
	}
	same, err := u.Audit.CheckPoint(ctx, block, hash)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return append(none, admin.AuditProblem{Block: block, Reason: "the block with the given hash is not there: it was removed, or is older than the log is kept"}), nil
	case err != nil:
		return nil, err
	case !same:
		return append(none, admin.AuditProblem{Block: block, Reason: "it does not have the given hash: the log was put back, and went on"}), nil
	}
	return none, nil
}

func shownPoint(p audit.Point) admin.AuditPoint {
	return admin.AuditPoint{Number: p.Number, Hash: p.Hash, Sealed: admin.OrNil(p.Sealed)}
}

// exportAuditLog writes all blocks since a time, also those that are sealed meanwhile.
func (u *Upkeep) exportAuditLog(ctx context.Context, c *admin.Call, w http.ResponseWriter) error {
	since, err := timeParam(c.Query, "since")
	if err != nil {
		return err
	}
	u.disclosed(ctx, c, "export")
	after := 0
	if !since.IsZero() {
		if after, err = u.Audit.Seek(ctx, since); err != nil {
			return err
		}
	}
	deadline := http.NewResponseController(w)
	if err := deadline.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	for {
		// An export may take any time, as long as the caller reads.
		if err := deadline.SetWriteDeadline(time.Now().Add(time.Minute)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
		last, err := u.Audit.Export(ctx, w, after)
		if err != nil || last == 0 {
			return err
		}
		after = last
	}
}
