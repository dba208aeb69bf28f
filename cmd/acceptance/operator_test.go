package acceptance

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/authzd/authzd/authz/admin"
	"github.com/authzd/authzd/authz/users"
)

// operator makes, disables and deletes users at the admin socket.
type operator struct {
	Sub      string   // of the present user; "": there is none
	Disabled bool     // so the server said
	Asked    bool     // for the next change of the user, which may have happened
	Changes  []change // that were acknowledged

	client *admin.Client
}

// change is one that the audit log must have.
type change struct{ Type, Sub string }

func (o *operator) step(s *server, remember func()) error {
	defer remember()
	if o.client == nil {
		o.client = &admin.Client{Socket: filepath.Join(s.dir, "admin.sock")}
	}
	if o.Sub == "" {
		u, err := o.client.CreateUser(context.Background(), admin.NewUser{User: users.User{Username: "user-" + rand.Text()}})
		if err == nil {
			o.Sub = u.Sub
			o.Changes = append(o.Changes, change{"user.created", u.Sub})
		}
		return o.answered(err)
	}
	again := o.Asked
	o.Asked = true
	remember()
	if !o.Disabled {
		_, err := o.client.UpdateUser(context.Background(), o.Sub, "", map[string]any{"disabled": true})
		if err == nil && !again {
			o.Changes = append(o.Changes, change{"user.disabled", o.Sub})
		}
		if err == nil {
			o.Disabled, o.Asked = true, false
		}
		return o.answered(err)
	}
	err := o.client.DeleteUser(context.Background(), o.Sub, "")
	gone := new(admin.Problem)
	switch {
	case err == nil:
		o.Changes = append(o.Changes, change{"user.deleted", o.Sub})
	case again && errors.As(err, &gone) && gone.Status == http.StatusNotFound:
	default:
		return o.answered(err)
	}
	o.Sub, o.Disabled, o.Asked = "", false, false
	return nil
}

// answered tells a refusal, which the operator has given no reason for, from a server that is down.
func (o *operator) answered(err error) error {
	refused := new(admin.Problem)
	switch {
	case !errors.As(err, &refused):
		return err
	case refused.Status == http.StatusServiceUnavailable:
		return errUnanswered
	}
	return broken("the operator was refused: %v", refused)
}

// wantAudited fails unless the audit log is whole and has every change that was acknowledged. An event is listed
// once it is sealed, a second or so later.
func (o *operator) wantAudited(t *testing.T, s *server) {
	t.Helper()
	if len(o.Changes) == 0 {
		t.Error("the operator has changed nothing")
	}
	lacking := slices.Clone(o.Changes)
	for deadline := time.Now().Add(2 * time.Minute); len(lacking) > 0 && time.Now().Before(deadline); wait(t.Context(), 100*time.Millisecond) {
		for e, err := range o.client.AuditEvents(t.Context(), admin.AuditQuery{Type: "user."}) {
			if err != nil {
				t.Fatal(err)
			}
			lacking = slices.DeleteFunc(lacking, func(c change) bool { return c == change{e.Type, e.UserID} })
		}
	}
	if len(lacking) > 0 {
		t.Errorf("of %d changes the audit log lacks %v", len(o.Changes), lacking)
	}
	report, err := o.client.VerifyAuditLog(t.Context(), admin.AuditPoint{}, func(*admin.AuditReport) {})
	if err != nil || len(report.Problems) > 0 {
		t.Fatalf("%+v, %v", report, err)
	}
	authzd(t, s, "audit", "export", "audit.jsonl")
	authzd(t, s, "audit", "verify", "audit.jsonl")
	t.Logf("%d changes by the operator, %d events in %d blocks", len(o.Changes), report.Events, report.Blocks)
}
