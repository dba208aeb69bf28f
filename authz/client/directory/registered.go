package directory

import (
	"encoding/base64"
	"sync"
	"time"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/storage"
)

// Registered finds the clients that registered themselves. Their records are read from the store each time, so that
// a deleted client is gone at once, on every replica. The checked client is cached by the version of its record.
type Registered struct {
	store       storage.Store
	Offer       *client.Offer
	made        madeClients
	unusedAfter time.Duration
}

func newRegistered(store storage.Store, offer *client.Offer, unusedAfter time.Duration) *Registered {
	return &Registered{store: store, Offer: offer, unusedAfter: unusedAfter}
}

// get returns the client of a record.
func (c *Registered) get(id string, record *storage.Client, version uint64) (*client.Client, error) {
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

// usesPerUnused is how often, within the time after which an unused client is forgotten, its use is
// recorded at most.
const usesPerUnused = 30

// Used returns the write that keeps a client which registered itself from being forgotten, nil if none is due. It
// fails with a conflict if the client has been changed or deleted since it was found.
func (d *Clients) Used(found Found, now time.Time) []storage.Write {
	if found.record == nil || now.Sub(found.record.UsedAt) < d.Registered.unusedAfter/usesPerUnused {
		return nil
	}
	used := *found.record
	used.UsedAt = now
	return []storage.Write{storage.Clients.Put(found.ID, &used, storage.At(found.version), d.Registered.ForgottenAt(&used))}
}

// ForgottenAt returns when a client expires if it gets no token until then.
func (c *Registered) ForgottenAt(record *storage.Client) time.Time {
	last := record.CreatedAt
	if record.UsedAt.After(last) {
		last = record.UsedAt
	}
	return last.Add(c.unusedAfter)
}

// maxMade is how many clients madeClients keeps at most.
const maxMade = 1024

// madeClients caches clients that were made of records. The zero value is empty and ready.
type madeClients struct {
	mu   sync.Mutex
	made map[string]madeClient // guarded by mu; by id
}

// madeClient is the client of one version of its record.
type madeClient struct {
	version uint64
	client  *client.Client
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
