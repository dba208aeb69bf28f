package directory

import (
	"sync"
	"time"

	"github.com/authzd/authzd/authz/client"
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
