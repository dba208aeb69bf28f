// Package directory finds the client of an id. A client is described in one of four places:
//
//	the configuration   File        no reads
//	the admin API       Managed     managed.go: a record, and what all of them together need of the server
//	registration        Registered  registered.go: a record
//	a document          document.go: fetched, and cached while it is fresh
package directory

import (
	"context"
	"encoding/base64"
	"errors"
	"time"

	"github.com/authzd/authzd/authz/allowance"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/outbound"
	"github.com/authzd/authzd/storage"
)

// Config is all that New needs.
type Config struct {
	Store       storage.Store
	File        *client.Registry
	Managed     *Managed
	Registered  *client.Offer // what clients may have that register themselves; nil: there are none
	UnusedAfter time.Duration // a registered client that got no token for this long is forgotten
	Documents   *client.Offer // what clients may have whose id is the URL of their metadata; nil: there are none
	Outbound    outbound.Config
	Ledger      *allowance.Ledger
}

// Clients finds clients. Make it by New.
type Clients struct {
	File       *client.Registry
	Managed    *Managed
	Registered *Registered                     // nil: none
	documents  *outbound.Cache[*client.Client] // nil: none
	ledger     *allowance.Ledger
}

// New returns Clients. It reads nothing yet.
func New(c Config) (*Clients, error) {
	d := &Clients{File: c.File, Managed: c.Managed, ledger: c.Ledger}
	if c.Registered != nil {
		d.Registered = newRegistered(c.Store, c.Registered, c.UnusedAfter)
	}
	if c.Documents == nil {
		return d, nil
	}
	var err error
	d.documents, err = newDocuments(c.Outbound, c.Documents)
	return d, err
}

// Get finds a client, nil if there is none of that id: that of the operator's file, which costs
// nothing, then those made through the admin API, those that registered themselves, and those whose id is
// the URL of their metadata.
func (d *Clients) Get(ctx context.Context, id string) (*client.Client, error) {
	if c := d.File.Get(id); c != nil {
		return c, nil
	}
	if c, err := d.Managed.get(ctx, id); c != nil || err != nil {
		return c, err
	}
	switch {
	case d.documents != nil && client.IsDocumentURL(id):
		return d.documentClient(ctx, id)
	case d.Registered != nil && len(id) == oauth.IDLength:
		return d.Registered.get(ctx, id)
	}
	return nil, nil
}

// Gone reports whether no usable client was found, by the results of Get.
func Gone(c *client.Client, err error) bool {
	refused := new(oauth.Error)
	return err == nil && c == nil || errors.As(err, &refused) && refused.Code == oauth.InvalidClient
}

// AtHand finds a client without a fetch of its document. It returns nil if there is none, if its document is not
// cached, or if it is not usable.
func (d *Clients) AtHand(ctx context.Context, id string) (*client.Client, error) {
	if d.File.Get(id) == nil && d.documents != nil && client.IsDocumentURL(id) && !d.documents.Ready(id) {
		return nil, nil
	}
	c, err := d.Get(ctx, id)
	if unusable := new(oauth.Error); errors.As(err, &unusable) {
		return nil, nil
	}
	return c, err
}

// Get returns nil if no client of this id is registered.
func (c *Registered) get(ctx context.Context, id string) (*client.Client, error) {
	record, version, err := storage.Clients.Get(ctx, c.store, id)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	made, err := c.made.get(id, version, func() (*client.Client, error) { return c.Make(id, record) })
	if err != nil {
		return nil, oauth.Refuse(oauth.InvalidClient, "The client was registered under other rules: it must register again.").Because(err)
	}
	return made, nil
}

// Make returns the client of a record. The error says what is wrong under the present rules.
func (c *Registered) Make(id string, record *storage.Client) (*client.Client, error) {
	info, err := client.ParseRegistration(record.Metadata)
	if err != nil {
		return nil, err
	}
	var secretHash []byte
	if record.SecretHash != "" {
		if secretHash, err = base64.RawURLEncoding.DecodeString(record.SecretHash); err != nil {
			return nil, err
		}
	}
	return info.Registration.Client(id, secretHash, c.Offer)
}

// get returns the client of this version of a record. It calls make if it does not have it.
func (c *madeClients) get(id string, version uint64, make func() (*client.Client, error)) (*client.Client, error) {
	c.mu.Lock()
	kept := c.made[id]
	c.mu.Unlock()
	if kept.version == version {
		return kept.client, nil
	}
	made, err := make()
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.made) >= maxMade || c.made == nil {
		c.made = map[string]madeClient{}
	}
	c.made[id] = madeClient{version, made}
	return made, nil
}

// IsClient reports whether a client has this id, without a fetch of a document.
func (d *Clients) IsClient(ctx context.Context, id string) bool {
	c, err := d.AtHand(ctx, id)
	return c != nil && err == nil
}
