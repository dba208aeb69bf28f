package operator

import (
	"context"
	"errors"
	"net/http"

	"github.com/authzd/authzd/authz/account"
	"github.com/authzd/authzd/authz/admin"
	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/connect"
	"github.com/authzd/authzd/storage"
)

func (api *API) listIdentities(ctx context.Context, c *admin.Call, _ admin.Slice) ([]admin.Identity, string, error) {
	sub := c.Path("sub")
	if _, err := api.Accounts.Get(ctx, sub); err != nil {
		return nil, "", err
	}
	found, err := api.Accounts.Identities(ctx, sub)
	var shown []admin.Identity
	for _, l := range found {
		shown = append(shown, identityOf(&l))
	}
	return shown, "", err
}

func identityOf(l *account.LinkedIdentity) admin.Identity {
	return admin.Identity{ID: l.ID, Connector: l.Connector, Issuer: l.Issuer, Subject: l.Subject, Email: l.Email, LinkedAt: l.LinkedAt}
}

func (api *API) linkIdentity(ctx context.Context, c *admin.Call, in *admin.NewIdentity) (*admin.Identity, error) {
	connector := api.Connectors.Get(in.Connector)
	var errs []admin.FieldError
	if connector == nil {
		errs = append(errs, admin.FieldError{Pointer: "/connector", Detail: "is none of the configuration"})
	}
	if !connect.ValidSubject(in.Subject) {
		errs = append(errs, admin.FieldError{Pointer: "/subject", Detail: "is empty, too long or has characters that it can't have"})
	}
	if len(errs) > 0 {
		return nil, admin.Invalid(errs...)
	}
	sub, id := c.Path("sub"), connect.Identity{Connector: connector.ID(), Issuer: connector.Issuer(), Subject: in.Subject}
	err := storage.Retry(func() error {
		writes, err := api.Accounts.LinkWrites(ctx, sub, id)
		if err != nil || len(writes) == 0 {
			return err
		}
		return api.Store.Apply(ctx, append(writes, api.did(ctx, c, audit.Event{Type: audit.IdentityLinked, UserID: sub, Details: map[string]string{"connector": id.Connector}})...)...)
	})
	if err != nil {
		return nil, identityProblem(err)
	}
	found, err := api.Accounts.Identities(ctx, sub)
	for _, l := range found {
		if l.Issuer == id.Issuer && l.Subject == id.Subject {
			shown := identityOf(&l)
			return &shown, nil
		}
	}
	return nil, errors.Join(err, storage.ErrNotFound)
}

func (api *API) unlinkIdentity(ctx context.Context, c *admin.Call) error {
	sub := c.Path("sub")
	return identityProblem(api.Accounts.Unlink(ctx, sub, c.Path("identity"), true, api.Connectors.Has, func(l *account.LinkedIdentity) []storage.Write {
		return api.did(ctx, c, audit.Event{Type: audit.IdentityUnlinked, UserID: sub, Details: map[string]string{"connector": l.Connector}})
	}))
}

// identityProblem returns a conflict that says why an identity can't be linked or unlinked.
func identityProblem(err error) error {
	for known, detail := range map[error]string{
		account.ErrIdentityTaken:     "The identity is linked to another user.",
		account.ErrTooManyIdentities: "The user has as many identities as there can be.",
		account.ErrLastWayIn:         "Without it the user could not sign in: they have no password and no other identity.",
	} {
		if errors.Is(err, known) {
			return &admin.Problem{Status: http.StatusConflict, Code: admin.CodeConflict, Detail: detail}
		}
	}
	return err
}
