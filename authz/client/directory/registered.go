package directory

import (
	"sync"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/storage"
)

// Registered are the clients that registered themselves. A record is read every time, so that
// what is deleted is gone at once, on every replica; what is saved is to check and make the client.
type Registered struct {
	store storage.Store
	Offer *client.Offer
	made  madeClients
}

func newRegistered(store storage.Store, offer *client.Offer) *Registered {
	return &Registered{store: store, Offer: offer}
}

// maxMade bounds the clients that are kept made.
const maxMade = 1024

// madeClients keeps clients that were made of records. The zero value is empty and ready.
type madeClients struct {
	mu   sync.Mutex
	made map[string]madeClient // guarded by mu; by id
}

// madeClient is the client of one version of its record.
type madeClient struct {
	version uint64
	client  *client.Client
}
