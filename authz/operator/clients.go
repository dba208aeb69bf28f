package operator

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/admin"
	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/client/directory"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/storage"
)

// maxSecrets bounds the secrets of a client that are valid at once.
const maxSecrets = 5

func conflict(detail, hint string) *admin.Problem {
	return &admin.Problem{Status: http.StatusConflict, Code: admin.CodeConflict, Detail: detail, Hint: hint}
}

var (
	errClientOfFile    = conflict("The client stands in the configuration file.", "change it there, and restart")
	errClientOfItsOwn  = conflict("The client registered itself.", "it changes itself (RFC 7592); here it can be deleted")
	errClientExists    = conflict("There is a client of this id.", "choose another client_id, or change that client")
	errTooManySecrets  = conflict("The client has as many secrets as it can have.", "wait until one has expired, or rotate without overlap")
	errUsesNoSecret    = conflict("The client proves itself by no secret.", "set its token_endpoint_auth_method first")
	errorsOfManagedID  = admin.FieldError{Pointer: "/client_id", Detail: "has a character that is not allowed", Hint: "use up to 200 letters, digits and . _ ~ : @ -, a letter or digit first"}
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

// addClient stores a new client. If another had its id, the grants of that one are none of this.
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
	return api.Store.Apply(ctx, append(writes, storage.ManagedClients.Put(id, record, storage.Absent, time.Time{}), api.Clients.Managed.Changed(),
		api.did(ctx, c, audit.Event{Type: audit.ClientCreated, ClientID: id}))...)
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

// describe sets what the record says of its client, if that is as it should be, and gives a client that
// needs a secret and has none its first one.
func (api *API) describe(ctx context.Context, record *storage.ManagedClient, in *client.Metadata) (secret string, err error) {
	if record.Metadata, err = json.Marshal(in); err != nil {
		return "", fmt.Errorf("encode client: %w", err)
	}
	m, err := api.Config.ParseClient(record.Metadata)
	invalid := new(admin.Problem)
	if !directory.ManagedID.MatchString(in.ID) {
		_ = errors.As(err, &invalid)
		others := slices.DeleteFunc(slices.Clone(invalid.Errors), func(e admin.FieldError) bool { return e.Pointer == errorsOfManagedID.Pointer })
		return "", admin.Invalid(append(others, errorsOfManagedID)...)
	}
	if err != nil {
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
		invalid := admin.FieldError{Detail: err.Error()}
		if member := new(client.MemberError); errors.As(err, &member) {
			invalid = admin.FieldError{Pointer: "/" + member.Member, Detail: member.Reason}
		}
		return "", admin.Invalid(invalid)
	}
	record.Needs = directory.NeedsOf(made)
	return secret, api.Keys.Use(ctx, directory.UseOf(&record.Needs))
}

// changeClient turns the record of a managed client into another state of it, and returns that.
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
		return api.Store.Apply(ctx, storage.ManagedClients.Put(id, record, storage.At(version), time.Time{}), api.Clients.Managed.Changed(),
			api.did(ctx, c, audit.Event{Type: what, ClientID: id, Details: changes(before, record.Metadata)}))
	})
	return record, err
}

// clientETag is the etag of a managed client. It is known before the record is written, so that a new
// secret can be shown without a read that may fail.
func clientETag(record *storage.ManagedClient) string {
	return etag(uint64(record.UpdatedAt.UnixMilli()))
}

// managedRecord is the record of a managed client. Others cannot be changed.
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
	return api.describeAnew(ctx, c, func(*client.Metadata) (*client.Metadata, error) { return in, nil })
}

func (api *API) patchClient(ctx context.Context, c *admin.Call, patch admin.MergePatch) (*admin.NewOAuthClient, error) {
	return api.describeAnew(ctx, c, func(present *client.Metadata) (*client.Metadata, error) {
		return present, patch.Apply(present)
	})
}

func (api *API) describeAnew(ctx context.Context, c *admin.Call, next func(present *client.Metadata) (*client.Metadata, error)) (*admin.NewOAuthClient, error) {
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

// removeClient deletes a client that the operator has made, or one that registered itself. Whatever it holds
// is void from here on: codes, grants and tokens count only while their client is there. The mark keeps
// them void if another client gets the id.
func (api *API) removeClient(ctx context.Context, c *admin.Call) error {
	id := c.Path("client_id")
	longest, err := api.Logout.LongestGrant(ctx)
	if err != nil {
		return err
	}
	return storage.Retry(func() error {
		event := api.did(ctx, c, audit.Event{Type: audit.ClientDeleted, ClientID: id})
		mark := storage.Marks.Put(oauth.MarkDeletedClient+oauth.HashToken(id), &storage.Mark{}, storage.Any, storage.Now().Add(longest+oauth.MarkMargin))
		record, version, err := api.managedRecord(ctx, id)
		if errors.Is(err, errClientOfItsOwn) {
			_, version, err := storage.Clients.Get(ctx, api.Store, id)
			if err != nil {
				return err
			}
			api.Register.ClientLeft()
			return api.Store.Apply(ctx, storage.Clients.Delete(id, storage.At(version)), mark, event)
		} else if err != nil {
			return err
		}
		if err := c.Matches(clientETag(record)); err != nil {
			return err
		}
		return api.Store.Apply(ctx, storage.ManagedClients.Delete(id, storage.At(version)), api.Clients.Managed.Changed(), mark, event)
	})
}

func (api *API) readOAuthClient(ctx context.Context, c *admin.Call) (*admin.OAuthClient, error) {
	return api.showClient(ctx, c.Path("client_id"))
}

// clientWithSecret shows a managed client as it was written, with the secret that it has just got: nobody can
// be told that again, so nothing may fail in between.
func (api *API) clientWithSecret(record *storage.ManagedClient, secret string) (*admin.NewOAuthClient, error) {
	shown, err := api.clientOfOperator(record)
	if err != nil {
		return nil, err
	}
	return &admin.NewOAuthClient{OAuthClient: *shown, ClientSecret: secret}, nil
}

func (api *API) showClient(ctx context.Context, id string) (*admin.OAuthClient, error) {
	if metadata, ok := api.Config.Clients[id]; ok {
		return clientOfFile(metadata), nil
	}
	record, _, err := storage.ManagedClients.Get(ctx, api.Store, id)
	if err == nil {
		return api.clientOfOperator(record)
	} else if !errors.Is(err, storage.ErrNotFound) {
		return nil, err
	}
	registered, _, err := storage.Clients.Get(ctx, api.Store, id)
	if err != nil {
		return nil, err
	}
	return clientOfItsOwn(id, registered)
}

func clientOfFile(m client.Metadata) *admin.OAuthClient {
	return &admin.OAuthClient{Metadata: m, Source: admin.SourceConfiguration}
}

func (api *API) clientOfOperator(record *storage.ManagedClient) (*admin.OAuthClient, error) {
	shown := &admin.OAuthClient{
		Source: admin.SourceManaged, CreatedAt: &record.CreatedAt, UpdatedAt: &record.UpdatedAt, ETag: clientETag(record),
	}
	for _, secret := range record.Secrets {
		if secret.ExpiresAt.IsZero() || secret.ExpiresAt.After(storage.Now()) {
			shown.Secrets = append(shown.Secrets, admin.ClientSecret{CreatedAt: secret.CreatedAt, ExpiresAt: orNil(secret.ExpiresAt)})
		}
	}
	complete, err := api.Config.ParseClient(record.Metadata)
	if err != nil { // the configuration has changed: what the operator gave is all there is to show
		return shown, decodeMetadata(record.Metadata, shown)
	}
	shown.Metadata = complete
	return shown, nil
}

func clientOfItsOwn(id string, record *storage.Client) (*admin.OAuthClient, error) {
	shown := &admin.OAuthClient{Source: admin.SourceRegistered, CreatedAt: &record.CreatedAt, UsedAt: orNil(record.UsedAt)}
	err := decodeMetadata(record.Metadata, shown)
	shown.ID, shown.AuthMethod = id, cmp.Or(shown.AuthMethod, client.AuthBasic) // the default of RFC 7591 section 2
	return shown, err
}

func decodeMetadata(document []byte, into *admin.OAuthClient) error {
	if err := json.Unmarshal(document, &into.Metadata); err != nil {
		return fmt.Errorf("decode client metadata: %w", err)
	}
	return nil
}

// Clients are listed by where they come from, and then by id: these begin the keys of the list.
const (
	listedOfFile     = "1/"
	listedOfOperator = "2/"
	listedOfItsOwn   = "3/"
)

func (api *API) listClients(ctx context.Context, _ *admin.Call, page admin.Slice) (clients []admin.OAuthClient, next string, err error) {
	add := func(key string, shown *admin.OAuthClient, err error) error {
		if err != nil {
			return err
		}
		clients, next = append(clients, *shown), key
		return nil
	}
	for _, id := range api.Clients.File.IDs() {
		if key := listedOfFile + id; key > page.After && len(clients) < page.Size {
			if err := add(key, clientOfFile(api.Config.Clients[id]), nil); err != nil {
				return nil, "", err
			}
		}
	}
	if left := page.Size - len(clients); left > 0 && page.After < listedOfItsOwn {
		entries, err := storage.ManagedClients.Scan(ctx, api.Store, "", after(page.After, listedOfOperator), left)
		if err != nil {
			return nil, "", err
		}
		for _, e := range entries {
			shown, err := api.clientOfOperator(e.Value)
			if err := add(listedOfOperator+e.Key, shown, err); err != nil {
				return nil, "", err
			}
		}
	}
	if left := page.Size - len(clients); left > 0 {
		entries, err := storage.Clients.Scan(ctx, api.Store, "", after(page.After, listedOfItsOwn), left)
		if err != nil {
			return nil, "", err
		}
		for _, e := range entries {
			shown, err := clientOfItsOwn(e.Key, e.Value)
			if err := add(listedOfItsOwn+e.Key, shown, err); err != nil {
				return nil, "", err
			}
		}
	}
	if len(clients) < page.Size {
		next = ""
	}
	return clients, next, nil
}

// after is the id to go on after in one kind of clients, "" to begin with it.
func after(key, kind string) string {
	id, found := strings.CutPrefix(key, kind)
	if !found {
		return ""
	}
	return id
}
