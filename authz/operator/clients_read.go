package operator

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/authzd/authzd/authz/admin"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/storage"
)

func (api *API) readOAuthClient(ctx context.Context, c *admin.Call) (*admin.OAuthClient, error) {
	return api.showClient(ctx, c.Path("client_id"))
}

// clientWithSecret returns a managed client as it was written, with its new secret. It reads nothing from the
// store: nobody could see the secret again if that failed.
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
			shown.Secrets = append(shown.Secrets, admin.ClientSecret{CreatedAt: secret.CreatedAt, ExpiresAt: admin.OrNil(secret.ExpiresAt)})
		}
	}
	complete, err := api.Clients.Managed.Complete(record)
	if err != nil { // the configuration has changed since: show what the operator gave
		return shown, decodeMetadata(record.Metadata, shown)
	}
	shown.Metadata = complete
	return shown, nil
}

func clientOfItsOwn(id string, record *storage.Client) (*admin.OAuthClient, error) {
	shown := &admin.OAuthClient{Source: admin.SourceRegistered, CreatedAt: &record.CreatedAt, UsedAt: admin.OrNil(record.UsedAt)}
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

// Clients are listed by source, and then by id. The keys of the list begin with these.
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

// after returns the id after which a list of one kind of clients goes on, "" to begin at the first.
func after(key, kind string) string {
	id, found := strings.CutPrefix(key, kind)
	if !found {
		return ""
	}
	return id
}
