package operator

import (
	"context"
	"net/http"
	"net/url"

	"github.com/authzd/authzd/authz/admin"
	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/mail"
	"github.com/authzd/authzd/authz/outbox"
	"github.com/authzd/authzd/authz/proof"
	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/storage"
)

// Operators never need to know a password: they send a link by which the user chooses one.

// inviteUser creates a user without a password, and sends the invitation in the same Apply. The address is theirs once
// they have used the link.
func (api *API) inviteUser(ctx context.Context, c *admin.Call, in *admin.Invite) (*admin.User, error) {
	if !api.Invites {
		return nil, unavailable("Nobody can be invited: set accounts.registration to invite or open, and mail.")
	}
	if in.Email == "" {
		return nil, admin.Invalid(admin.FieldError{Pointer: "/email", Detail: "is required"})
	}
	described := users.User{Username: in.Email, Email: in.Email, Name: in.Name, Roles: in.Roles, Groups: in.Groups}
	if err := admin.Wrong(described.Problems(nil)); err != nil {
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
		link, err := api.linkWrites(ctx, user)
		if err != nil {
			return err
		}
		writes = append(append(writes, link...), api.did(ctx, c, audit.Event{Type: audit.UserCreated, UserID: user.ID, Details: map[string]string{"by": "invitation"}})...)
		return api.Store.Apply(ctx, writes...)
	})
	if err != nil {
		return nil, err
	}
	return api.showUser(ctx, user.ID)
}

// sendLink sends a user a link to a new password: an invitation, if they never had one and have not proved the address.
func (api *API) sendLink(ctx context.Context, c *admin.Call) error {
	if !api.Outbox.SendsMail() {
		return unavailable("No link can be sent: there is no mail.")
	}
	user, err := api.Accounts.Get(ctx, c.Path("sub"))
	if err != nil {
		return err
	}
	switch {
	case user.Profile.Email == "":
		return unavailable("The user has no e-mail address.")
	case user.Disabled:
		return unavailable("The user is disabled.")
	}
	return storage.Retry(func() error {
		writes, err := api.linkWrites(ctx, user)
		if err != nil {
			return err
		}
		event := audit.Event{Type: audit.ProofRequested, UserID: user.ID, Details: map[string]string{"kind": string(api.linkKind(user)), "mail": "yes"}}
		return api.Store.Apply(ctx, append(writes, api.did(ctx, c, event)...)...)
	})
}

// linkKind is the kind of the link that a user gets.
func (api *API) linkKind(user *storage.User) proof.Kind {
	if api.Invites && user.PasswordHash == "" && len(user.PastHashes) == 0 && !user.Profile.EmailVerified {
		return proof.Invite
	}
	return proof.Reset
}

// linkWrites make a link for a user, and the mail with it.
func (api *API) linkWrites(ctx context.Context, user *storage.User) ([]storage.Write, error) {
	kind := api.linkKind(user)
	made, err := api.Proofs.Make(ctx, proof.Ask{Kind: kind, UserID: user.ID, Email: user.Profile.Email, Pin: proof.PinOf(user)})
	if err != nil {
		return nil, err
	}
	if made.Link == "" {
		return nil, &admin.Problem{Status: http.StatusConflict, Code: admin.CodeConflict, Detail: "The user got several links just now. Wait ten minutes."}
	}
	page := "/reset"
	if kind == proof.Invite {
		page = "/signup"
	}
	carried := mail.Proof{Link: page + "?" + url.Values{"link": {made.Link}}.Encode(), Until: storage.Now().Add(kind.Lifetime())}
	var message mail.Message = mail.OperatorReset{Proof: carried}
	if kind == proof.Invite {
		message = mail.Invite{Proof: carried}
	}
	return append(made.Writes, api.Outbox.Mail(outbox.Recipient(user, ""), message)...), nil
}

// unavailable is the answer to what can't be done as the server is configured, or as the user is.
func unavailable(detail string) error {
	return &admin.Problem{Status: http.StatusConflict, Code: admin.CodeConflict, Detail: detail}
}

// listLeft lists the users of the configuration file who have deleted their account.
func (api *API) listLeft(ctx context.Context, _ *admin.Call, page admin.Slice) (left []admin.LeftUser, next string, err error) {
	marks, err := storage.DeletedUsers.Scan(ctx, api.Store, "", page.After, page.Size)
	if err != nil {
		return nil, "", err
	}
	for _, mark := range marks {
		left = append(left, admin.LeftUser{Username: mark.Key, Sub: mark.Value.UserID, LeftAt: mark.Value.DeletedAt})
	}
	if len(marks) == page.Size {
		next = marks[len(marks)-1].Key
	}
	return left, next, nil
}
