package operator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/authzd/authzd/authz/admin"
	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/client/directory"
	"github.com/authzd/authzd/authz/feed"
	"github.com/authzd/authzd/authz/member"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/storage"
)

// maxSecrets bounds the secrets of a client that are valid at once.
const maxSecrets = 5

var (
	errClientOfFile    = admin.Conflict("The client stands in the configuration file.", "change it there, and restart")
	errClientOfItsOwn  = admin.Conflict("The client registered itself.", "it changes itself (RFC 7592); here it can be deleted")
	errClientExists    = admin.Conflict("There is a client of this id.", "choose another client_id, or change that client")
	errTooManySecrets  = admin.Conflict("The client has as many secrets as it can have.", "wait until one has expired, or rotate without overlap")
	errUsesNoSecret    = admin.Conflict("The client proves itself by no secret.", "set its token_endpoint_auth_method first")
	flawOfManagedID    = member.Flawf("use up to 200 letters, digits and . _ ~ : @ -, a letter or digit first", "has a character that is not allowed")
	errorsOfRenamed    = admin.FieldError{Pointer: "/client_id", Detail: "can't be changed"}
	errorsOfNoDuration = admin.FieldError{Pointer: "/overlap", Detail: "not a duration of up to a year", Hint: "write hours, minutes and seconds, such as 24h"}
)

func (api *API) createClient(ctx context.Context, c *admin.Call, in *client.Metadata) (*admin.NewOAuthClient, error) {
	if in.ID == "" {
		in.ID = oauth.NewID()
		for !directory.ManagedID.MatchString(in.ID) {
			in.ID = oauth.NewID()
		}
	}
	if err := api.mustBeFree(ctx, in.ID); err != nil {
		return nil, err
	}
	now := storage.Now()
	record := &storage.ManagedClient{CreatedAt: now, UpdatedAt: now}
	secret, err := api.describe(ctx, record, in)
	if err != nil {
		return nil, err
	}
	err = storage.Retry(func() error { return api.addClient(ctx, c, in.ID, record) })
	if err != nil {
		return nil, err
	}
	return api.clientWithSecret(record, secret)
}

// addClient stores a new client. If a deleted client had its id, the grants of that one stay void.
func (api *API) addClient(ctx context.Context, c *admin.Call, id string, record *storage.ManagedClient) error {
	if _, _, err := storage.ManagedClients.Get(ctx, api.Store, id); !errors.Is(err, storage.ErrNotFound) {
		if err == nil {
			err = errClientExists
		}
		return err
	}
	mark := oauth.MarkDeletedClient + oauth.HashToken(id)
	reused, err := oauth.Marked(ctx, api.Store, mark)
	if err != nil {
		return err
	}
	var writes []storage.Write
	if reused {
		record.Since = storage.Now()
	} else {
		writes = append(writes, storage.Marks.Delete(mark, storage.Absent)) // nobody deletes one in this moment
	}
	writes = append(writes, storage.ManagedClients.Put(id, record, storage.Absent, time.Time{}), api.Clients.Managed.Changed())
	return api.Store.Apply(ctx, append(writes, api.did(ctx, c, audit.Event{Type: audit.ClientCreated, ClientID: id})...)...)
}

// mustBeFree refuses an id that another kind of client has.
func (api *API) mustBeFree(ctx context.Context, id string) error {
	if api.Clients.File.Get(id) != nil {
		return errClientExists
	}
	_, _, err := storage.Clients.Get(ctx, api.Store, id)
	if errors.Is(err, storage.ErrNotFound) || len(id) > storage.MaxKey {
		return nil
	} else if err != nil {
		return err
	}
	return errClientExists
}

// describe checks the metadata of a client, and puts it into the record. A client that needs a secret and has
// none gets its first one, which describe returns.
func (api *API) describe(ctx context.Context, record *storage.ManagedClient, in *client.Metadata) (secret string, err error) {
	if record.Metadata, err = json.Marshal(in); err != nil {
		return "", fmt.Errorf("encode client: %w", err)
	}
	m := *in
	problems := m.Manage(api.Config.Server)
	if !directory.ManagedID.MatchString(in.ID) {
		problems = slices.DeleteFunc(problems, func(p *member.Problem) bool { return p.Member() == "client_id" })
		problems.Add("client_id", in.ID, flawOfManagedID)
	}
	if err := admin.Wrong(problems); err != nil {
		return "", err
	}
	switch {
	case !m.UsesSecret():
		record.Secrets = nil
	case len(record.Secrets) == 0:
		secret = oauth.NewToken(oauth.PrefixClientSecret)
		record.Secrets = []storage.ClientSecret{{Hash: oauth.HashToken(secret), CreatedAt: storage.Now()}}
	}
	made, err := api.Clients.Managed.Make(record)
	if err != nil {
		return "", err
	}
	record.Needs = directory.NeedsOf(made)
	return secret, api.Keys.Use(ctx, directory.UseOf(&record.Needs))
}

// changeClient changes the record of a managed client, and returns it as it was written.
func (api *API) changeClient(ctx context.Context, c *admin.Call, what audit.Type, change func(*storage.ManagedClient) error) (record *storage.ManagedClient, err error) {
	id := c.Path("client_id")
	err = storage.Retry(func() error {
		var version uint64
		if record, version, err = api.managedRecord(ctx, id); err != nil {
			return err
		}
		if err := c.Matches(clientETag(record)); err != nil {
			return err
		}
		before, changedBefore := record.Metadata, record.UpdatedAt
		if err := change(record); err != nil {
			return err
		}
		if record.UpdatedAt = storage.Now(); !record.UpdatedAt.After(changedBefore) { // it is the etag
			record.UpdatedAt = changedBefore.Add(time.Millisecond)
		}
		did := api.did(ctx, c, audit.Event{Type: what, ClientID: id, Details: changes(before, record.Metadata)})
		return api.Store.Apply(ctx, append(did, storage.ManagedClients.Put(id, record, storage.At(version), time.Time{}), api.Clients.Managed.Changed())...)
	})
	return record, err
}

// clientETag returns the ETag of a managed client. It is known before the record is written, so that a new secret
// can be shown without a read that may fail.
func clientETag(record *storage.ManagedClient) string {
	return etag(uint64(record.UpdatedAt.UnixMilli()))
}

// managedRecord returns the record of a managed client. For other clients, which can't be changed here, it
// returns a conflict.
func (api *API) managedRecord(ctx context.Context, id string) (*storage.ManagedClient, uint64, error) {
	if api.Clients.File.Get(id) != nil {
		return nil, 0, errClientOfFile
	}
	record, version, err := storage.ManagedClients.Get(ctx, api.Store, id)
	if errors.Is(err, storage.ErrNotFound) {
		if _, _, err := storage.Clients.Get(ctx, api.Store, id); err == nil {
			return nil, 0, errClientOfItsOwn
		}
	}
	return record, version, err
}

func (api *API) replaceClient(ctx context.Context, c *admin.Call, in *client.Metadata) (*admin.NewOAuthClient, error) {
	return api.redescribe(ctx, c, func(*client.Metadata) (*client.Metadata, error) { return in, nil })
}

func (api *API) patchClient(ctx context.Context, c *admin.Call, patch admin.MergePatch) (*admin.NewOAuthClient, error) {
	return api.redescribe(ctx, c, func(present *client.Metadata) (*client.Metadata, error) {
		return present, patch.Apply(present)
	})
}

// redescribe sets the metadata of a managed client to the result of next.
func (api *API) redescribe(ctx context.Context, c *admin.Call, next func(present *client.Metadata) (*client.Metadata, error)) (*admin.NewOAuthClient, error) {
	id, secret := c.Path("client_id"), ""
	changed, err := api.changeClient(ctx, c, audit.ClientUpdated, func(record *storage.ManagedClient) error {
		present := new(client.Metadata)
		if err := json.Unmarshal(record.Metadata, present); err != nil {
			return fmt.Errorf("decode client %s: %w", id, err)
		}
		metadata, err := next(present)
		if err != nil {
			return err
		}
		if metadata.ID != "" && metadata.ID != id {
			return admin.Invalid(errorsOfRenamed)
		}
		metadata.ID = id
		secret, err = api.describe(ctx, record, metadata)
		return err
	})
	if err != nil {
		return nil, err
	}
	return api.clientWithSecret(changed, secret)
}

func (api *API) rotateSecret(ctx context.Context, c *admin.Call, in *admin.RotateSecret) (*admin.NewOAuthClient, error) {
	const longest = 365 * 24 * time.Hour
	var overlap time.Duration
	if in.Overlap != "" {
		var err error
		if overlap, err = time.ParseDuration(in.Overlap); err != nil || overlap < 0 || overlap > longest {
			return nil, admin.Invalid(errorsOfNoDuration)
		}
	}
	secret := oauth.NewToken(oauth.PrefixClientSecret)
	changed, err := api.changeClient(ctx, c, audit.ClientSecretRotated, func(record *storage.ManagedClient) error {
		if len(record.Secrets) == 0 {
			return errUsesNoSecret
		}
		now := storage.Now()
		var kept []storage.ClientSecret
		for _, old := range record.Secrets {
			if ends := now.Add(overlap); old.ExpiresAt.IsZero() || old.ExpiresAt.After(ends) {
				old.ExpiresAt = ends
			}
			if old.ExpiresAt.After(now) {
				kept = append(kept, old)
			}
		}
		if len(kept) >= maxSecrets {
			return errTooManySecrets
		}
		record.Secrets = append(kept, storage.ClientSecret{Hash: oauth.HashToken(secret), CreatedAt: now})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.clientWithSecret(changed, secret)
}

// removeClient deletes a managed client, or one that registered itself. Its codes, grants and tokens are void
// from now on: they count only while their client is there. The mark keeps them void if another client gets the
// id.
func (api *API) removeClient(ctx context.Context, c *admin.Call) error {
	id := c.Path("client_id")
	longest, err := api.Logout.LongestGrant(ctx)
	if err != nil {
		return err
	}
	return storage.Retry(func() error {
		writes := api.did(ctx, c, audit.Event{Type: audit.ClientDeleted, ClientID: id}, feed.Client(id))
		mark := storage.Marks.Put(oauth.MarkDeletedClient+oauth.HashToken(id), &storage.Mark{}, storage.Any, storage.Now().Add(longest+oauth.MarkMargin))
		record, version, err := api.managedRecord(ctx, id)
		if errors.Is(err, errClientOfItsOwn) {
			_, version, err := storage.Clients.Get(ctx, api.Store, id)
			if err != nil {
				return err
			}
			api.Register.ClientLeft()
			return api.Store.Apply(ctx, append(writes, mark, storage.Clients.Delete(id, storage.At(version)))...)
		} else if err != nil {
			return err
		}
		if err := c.Matches(clientETag(record)); err != nil {
			return err
		}
		return api.Store.Apply(ctx, append(writes, mark, storage.ManagedClients.Delete(id, storage.At(version)), api.Clients.Managed.Changed())...)
	})
}
