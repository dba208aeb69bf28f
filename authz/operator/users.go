package operator

import (
	"context"
	"net/http"
	"slices"

	"github.com/authzd/authzd/authz/account"
	"github.com/authzd/authzd/authz/admin"
	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/feed"
	"github.com/authzd/authzd/authz/member"
	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/storage"
)

// Every change of a user is one Apply: the user with their names, the sessions that it ends, the logout
// tokens of their clients, and the event in the audit log.

func (api *API) listUsers(ctx context.Context, c *admin.Call, page admin.Slice) (users []admin.User, next string, err error) {
	username, email := c.Query.Get("username"), c.Query.Get("email")
	var found []account.Found
	switch {
	case username != "" && email != "":
		return nil, "", &admin.Problem{Status: http.StatusBadRequest, Code: admin.CodeInvalidRequest, Detail: "Look for a username or an e-mail address, not for both."}
	case username != "":
		found, next, err = api.Accounts.ByUsernamePrefix(ctx, username, page.After, page.Size)
	case email != "":
		found, next, err = api.Accounts.ByEmailPrefix(ctx, email, page.After, page.Size)
	default:
		found, next, err = api.Accounts.All(ctx, page.After, page.Size)
	}
	for _, f := range found {
		users = append(users, userOf(f.User, f.Version))
	}
	return users, next, err
}

func userOf(u *storage.User, version uint64) admin.User {
	return admin.User{
		Sub: u.ID, User: account.Describe(u), HasPassword: u.PasswordHash != "", PasswordEndedAt: u.PasswordEndedAt,
		CreatedAt: u.CreatedAt, UpdatedAt: u.UpdatedAt, ETag: etag(version),
	}
}

func (api *API) createUser(ctx context.Context, c *admin.Call, in *admin.NewUser) (*admin.User, error) {
	described := in.User
	described.Password = member.Secret(in.Password)
	if err := admin.Wrong(described.Problems(api.Passwords.Judging(ctx, nil))); err != nil {
		return nil, err
	}
	user, err := api.Accounts.New(ctx, described)
	if err != nil {
		return nil, err
	}
	err = storage.Retry(func() error {
		writes, err := api.Accounts.CreateWrites(ctx, user)
		if err != nil {
			return err
		}
		return api.Store.Apply(ctx, append(writes, api.did(ctx, c, audit.Event{Type: audit.UserCreated, UserID: user.ID})...)...)
	})
	if err != nil {
		return nil, err
	}
	return api.showUser(ctx, user.ID)
}

func (api *API) readUser(ctx context.Context, c *admin.Call) (*admin.User, error) {
	return api.showUser(ctx, c.Path("sub"))
}

func (api *API) showUser(ctx context.Context, id string) (*admin.User, error) {
	user, version, err := storage.Users.Get(ctx, api.Store, id)
	if err != nil {
		return nil, err
	}
	shown := userOf(user, version)
	return &shown, nil
}

func (api *API) replaceUser(ctx context.Context, c *admin.Call, in *users.User) (*admin.User, error) {
	return api.changeUser(ctx, c, false, func(*storage.User) (*users.User, error) { return in, nil })
}

func (api *API) patchUser(ctx context.Context, c *admin.Call, patch admin.MergePatch) (*admin.User, error) {
	_, email := patch["email"]
	_, verified := patch["email_verified"]
	return api.changeUser(ctx, c, email || verified, func(user *storage.User) (*users.User, error) {
		data := account.Describe(user)
		err := patch.Apply(&data)
		return &data, err
	})
}

// changeUser sets the data of a user to the result of next. email reports whether the operator has set the
// address: from then on only the operator changes it, even if it stays the same now.
func (api *API) changeUser(ctx context.Context, c *admin.Call, email bool, next func(*storage.User) (*users.User, error)) (*admin.User, error) {
	id := c.Path("sub")
	err := api.alterUser(ctx, c, id, func(user *storage.User) (*storage.User, audit.Type, error) {
		described, err := next(user)
		if err == nil {
			err = admin.Wrong(described.Problems(nil)) // there is no password among the data
		}
		if err != nil {
			return nil, "", err
		}
		changed := account.With(user, *described)
		if email {
			changed.EmailFrom = storage.EmailByOperator
		}
		switch {
		case changed.Disabled && !user.Disabled:
			changed.Epoch++
			return changed, audit.UserDisabled, nil
		case !changed.Disabled && user.Disabled:
			return changed, audit.UserEnabled, nil
		}
		return changed, audit.UserUpdated, nil
	})
	if err != nil {
		return nil, err
	}
	return api.showUser(ctx, id)
}

// alterUser changes a user by alter. If alter raises the epoch, all their sessions and grants end.
func (api *API) alterUser(ctx context.Context, c *admin.Call, id string, alter func(*storage.User) (*storage.User, audit.Type, error)) error {
	return storage.Retry(func() error {
		user, version, err := storage.Users.Get(ctx, api.Store, id)
		if err != nil {
			return err
		}
		if err := c.Matches(etag(version)); err != nil {
			return err
		}
		changed, what, err := alter(user)
		if err != nil {
			return err
		}
		ends := endsOf(user, changed)
		writes, err := api.Accounts.ChangeWrites(ctx, user, version, changed)
		if err != nil {
			return err
		}
		if changed.Epoch != user.Epoch {
			ended, err := api.Logout.EndingWrites(ctx, id)
			if err != nil {
				return err
			}
			writes = append(writes, ended...)
		}
		event := audit.Event{Type: what, UserID: id, Details: changes(account.Describe(user), account.Describe(changed))}
		return api.Store.Apply(ctx, append(writes, api.did(ctx, c, event, ends...)...)...)
	})
}

// endsOf returns what a change of a user ends: their tokens, if all grants of the user are void or if the tokens name
// roles and groups of before. The next token of the user counts, because it is of a later second.
func endsOf(before, changed *storage.User) []feed.End {
	if changed.Epoch == before.Epoch && slices.Equal(changed.Roles, before.Roles) && slices.Equal(changed.Groups, before.Groups) {
		return nil
	}
	end := feed.User(changed.ID)
	changed.NotBefore = max(changed.NotBefore, end.Before())
	return []feed.End{end}
}

// userToChange returns the user that a request names, if it is the version that the request wants to change (If-Match).
func (api *API) userToChange(ctx context.Context, c *admin.Call) (user *storage.User, version uint64, err error) {
	user, version, err = storage.Users.Get(ctx, api.Store, c.Path("sub"))
	if err == nil {
		err = c.Matches(etag(version))
	}
	return user, version, err
}

func (api *API) deleteUser(ctx context.Context, c *admin.Call) error {
	return storage.Retry(func() error {
		user, version, err := api.userToChange(ctx, c)
		if err != nil {
			return err
		}
		writes, err := api.Accounts.DeleteWrites(ctx, user, version)
		if err != nil {
			return err
		}
		ended, err := api.Logout.EndingWrites(ctx, user.ID)
		if err != nil {
			return err
		}
		writes = append(writes, ended...)
		return api.Store.Apply(ctx, append(writes, api.did(ctx, c, audit.Event{Type: audit.UserDeleted, UserID: user.ID}, feed.User(user.ID))...)...)
	})
}

// setPassword hashes first: a change that loses a race is computed again, and a hash takes long.
func (api *API) setPassword(ctx context.Context, c *admin.Call, in *admin.SetPassword) error {
	user, err := api.Accounts.Get(ctx, c.Path("sub"))
	if err != nil {
		return err
	}
	if in.Password == "" {
		return admin.Invalid(admin.FieldError{Pointer: "/password", Detail: "is required"})
	}
	described, present := users.User{Username: user.Username, Password: member.Secret(in.Password)}, account.Describe(user)
	if err := admin.Wrong(described.Problems(api.Passwords.Judging(ctx, &present))); err != nil {
		return err
	}
	hash, err := api.Accounts.Hash(ctx, in.Password)
	if err != nil {
		return err
	}
	return api.alterUser(ctx, c, user.ID, func(user *storage.User) (*storage.User, audit.Type, error) {
		changed := *user
		account.SetHash(&changed, hash)
		changed.UpdatedAt = storage.Now()
		if !in.KeepSessions {
			changed.Epoch++
		}
		return &changed, audit.UserPasswordSet, nil
	})
}

// unlockUser lets a user sign in again whose name was tried with wrong passwords too often.
func (api *API) unlockUser(ctx context.Context, c *admin.Call) error {
	user, err := api.Accounts.Get(ctx, c.Path("sub"))
	if err != nil {
		return err
	}
	return api.Store.Apply(ctx, append(api.Accounts.UnlockWrites(user), api.did(ctx, c, audit.Event{Type: audit.UserUnlocked, UserID: user.ID})...)...)
}

func (api *API) listNetworks(ctx context.Context, c *admin.Call, page admin.Slice) (shown []admin.TrustedNetwork, next string, err error) {
	sub := c.Path("sub")
	if _, err := api.Accounts.Get(ctx, sub); err != nil {
		return nil, "", err
	}
	found, next, err := api.Accounts.TrustedNetworks(ctx, sub, page.After, page.Size)
	for _, n := range found {
		shown = append(shown, admin.TrustedNetwork{ID: n.ID, SeenAt: n.SeenAt, Until: n.Until})
	}
	return shown, next, err
}

// forgetNetworks forgets the trusted networks of a user. Operators need it after another person has used the
// password, because that person's network is trusted too.
func (api *API) forgetNetworks(ctx context.Context, c *admin.Call) error {
	user, err := api.Accounts.Get(ctx, c.Path("sub"))
	if err != nil {
		return err
	}
	writes, err := api.Accounts.DistrustWrites(ctx, user.ID)
	if err != nil {
		return err
	}
	err = api.Store.Apply(ctx, append(writes, api.did(ctx, c, audit.Event{Type: audit.NetworksForgotten, UserID: user.ID})...)...)
	api.Accounts.Distrusted()
	return err
}

func (api *API) endUserSessions(ctx context.Context, c *admin.Call) error {
	return api.alterUser(ctx, c, c.Path("sub"), func(user *storage.User) (*storage.User, audit.Type, error) {
		changed := *user
		changed.Epoch++
		return &changed, audit.SignedOut, nil
	})
}
