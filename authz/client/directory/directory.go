// Package directory finds the client of an id. A client is described in one of four places:
//
//	the configuration   File        no reads
//	the admin API       Managed     managed.go: a record, and what all of them together need of the server
//	registration        Registered  registered.go: a record
//	a document          document.go: fetched, and cached while it is fresh
package directory

import (
	"context"
	"errors"
	"sync"
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

// Found is a client as it was found.
type Found struct {
	*client.Client                 // nil: there is none of that id
	record         *storage.Client // of a client that registered itself, else nil
	version        uint64          // of record
}

// Get returns the client of an id, nil if there is none.
func (d *Clients) Get(ctx context.Context, id string) (*client.Client, error) {
	found, err := d.Find(ctx, id)
	return found.Client, err
}

// Find finds a client: that of the operator's file, which costs nothing, then those made through the admin API,
// those that registered themselves, and those whose id is the URL of their metadata. If an id may be of both kinds
// that are records, both are read at once: from a database on another machine that takes one round trip.
func (d *Clients) Find(ctx context.Context, id string) (Found, error) {
	if c := d.File.Get(id); c != nil {
		return Found{Client: c}, nil
	}
	if d.documents != nil && client.IsDocumentURL(id) { // no managed client has such an id
		c, err := d.documentClient(ctx, id)
		return Found{Client: c}, err
	}
	registered := Found{}
	registeredErr := storage.ErrNotFound
	var reads sync.WaitGroup
	if d.Registered != nil && len(id) == oauth.IDLength {
		reads.Go(func() {
			registered.record, registered.version, registeredErr = storage.Clients.Get(ctx, d.Registered.store, id)
		})
	}
	managed, err := d.Managed.get(ctx, id)
	reads.Wait()
	if managed != nil || err != nil {
		return Found{Client: managed}, err
	}
	if errors.Is(registeredErr, storage.ErrNotFound) {
		return Found{}, nil
	} else if registeredErr != nil {
		return Found{}, registeredErr
	}
	registered.Client, err = d.Registered.get(id, registered.record, registered.version)
	return registered, err
}

// Unlisted reports whether there may be clients that the operator's file does not have.
func (d *Clients) Unlisted() bool {
	return d.Registered != nil || d.documents != nil || len(d.Managed.Last().GrantTypes) > 0
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

// IsClient reports whether a client has this id, without a fetch of a document.
func (d *Clients) IsClient(ctx context.Context, id string) bool {
	c, err := d.AtHand(ctx, id)
	return c != nil && err == nil
}
