package operator

import (
	"context"
	"net/http"

	"github.com/authzd/authzd/authz/admin"
	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/factor"
	"github.com/authzd/authzd/authz/mail"
	"github.com/authzd/authzd/storage"
)

func (api *API) listFactors(ctx context.Context, c *admin.Call, _ admin.Slice) (shown []admin.Factor, next string, err error) {
	sub := c.Path("sub")
	if _, err := api.Accounts.Get(ctx, sub); err != nil {
		return nil, "", err
	}
	own, err := api.Factors.Of(ctx, sub)
	if err != nil {
		return nil, "", err
	}
	if app := own.TOTP; app != nil {
		shown = append(shown, admin.Factor{ID: factor.NameTOTP, Kind: factor.NameTOTP, CreatedAt: app.CreatedAt, UsedAt: admin.OrNil(app.UsedAt), Locked: !own.Usable()})
	}
	if codes := own.Recovery; codes != nil {
		left := len(codes.Hashes)
		shown = append(shown, admin.Factor{ID: factor.NameRecovery, Kind: factor.NameRecovery, CreatedAt: codes.CreatedAt, Left: &left, Locked: left > 0 && own.Codes() == 0})
	}
	for entry, err := range storage.Passkeys.All(ctx, api.Store, sub+"/") {
		if err != nil {
			return nil, "", err
		}
		key := entry.Value
		shown = append(shown, admin.Factor{ID: entry.Key[len(sub)+1:], Kind: "passkey", Name: key.Name, CreatedAt: key.CreatedAt, UsedAt: admin.OrNil(key.LastUsedAt)})
	}
	return shown, "", nil
}

// resetFactors removes what a user has lost, and what rests on it. The password alone then opens the account, so the user
// is told.
func (api *API) resetFactors(ctx context.Context, c *admin.Call) error {
	return storage.Retry(func() error {
		user, version, err := api.userToChange(ctx, c)
		if err != nil {
			return err
		}
		writes, err := api.Factors.RemoveWrites(ctx, user, version)
		if err != nil {
			return err
		}
		event, where := audit.Event{Type: audit.FactorsReset, UserID: user.ID}, mail.Where{At: storage.Now()}
		var told mail.Message = mail.FactorsReset{Link: "/account", Where: where}
		if c.Query.Get("passkeys") == "true" {
			gone, shut, err := api.passkeysGone(ctx, user, c.Query.Get("force") == "true")
			if err != nil {
				return err
			}
			event.Details = map[string]string{"passkeys": "true"}
			if shut {
				event.Details["last_way_in"] = "true"
			}
			if len(gone) > 0 {
				told = mail.PasskeysReset{Link: "/account", Where: where}
			}
			writes = append(writes, gone...)
		}
		writes = append(writes, api.Outbox.Notify(user, "", told)...)
		return api.Store.Apply(ctx, append(writes, api.did(ctx, c, event)...)...)
	})
}

// passkeysGone returns the writes that remove all passkeys of a user. shut reports that the user then has no way in: that
// is refused, unless the operator insists.
func (api *API) passkeysGone(ctx context.Context, user *storage.User, insists bool) (writes []storage.Write, shut bool, err error) {
	for entry, err := range storage.Passkeys.All(ctx, api.Store, user.ID+"/") {
		if err != nil {
			return nil, false, err
		}
		writes = append(writes, storage.Passkeys.Delete(entry.Key, storage.Any))
	}
	if len(writes) == 0 {
		return nil, false, nil
	}
	other, err := api.Accounts.HasOtherWay(ctx, user, api.Connectors.Has)
	if err == nil && !other && !insists {
		err = &admin.Problem{
			Status: http.StatusConflict, Code: admin.CodeConflict,
			Detail: "The passkeys are the user's only way in: they have no password and no identity at a provider.",
			Hint:   "give the user a password or a link to one first, or insist (--force, force=true)",
		}
	}
	return writes, !other, err
}
