package register

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/storage"
)

const (
	censusEvery = 10 * time.Minute // how often to count: other replicas register clients too, and unused ones expire
	censusFull  = time.Minute      // how often to count while there is no room
	censusPage  = 500              // records that one Apply forgets at most

	// placeBytes is how many bytes of metadata one place of Policy.MaxClients holds. A client with more takes
	// several places.
	placeBytes = 2 << 10
	// probation is how long a client without a token keeps its place while no other place is free. Without
	// it, a flood of registrations would keep everybody out until its clients are forgotten.
	probation = time.Hour
)

// census estimates how many places registered clients take.
type census struct {
	mu       sync.Mutex
	places   int       // guarded by mu
	takenAt  time.Time // guarded by mu
	outdated bool      // guarded by mu; places have become free since takenAt
}

// places returns how many places a client takes.
func places(record *storage.Client) int { return 1 + len(record.Metadata)/placeBytes }

// makeRoom reserves places. If there are not enough, the error is TemporarilyUnavailable.
func (ep *Endpoint) makeRoom(ctx context.Context, wanted int) error {
	c, most := &ep.census, ep.Policy.MaxClients
	c.mu.Lock()
	defer c.mu.Unlock()
	age, full := storage.Now().Sub(c.takenAt), c.places+wanted > most
	if age > censusEvery || full && (age > censusFull || c.outdated) {
		taken, err := ep.takeCensus(ctx, most-wanted)
		if err != nil {
			return err
		}
		c.places, c.takenAt, c.outdated = taken, storage.Now(), false
	}
	if c.places+wanted > most {
		return oauth.Refuse(oauth.TemporarilyUnavailable, "No more clients can be registered until unused ones are forgotten.")
	}
	c.places += wanted
	return nil
}

// left notes that a client has gone, or has become smaller. The next makeRoom that finds no place counts again:
// left does not subtract, because of two deletions at once one deletes nothing.
func (c *census) left() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.outdated = true
}

// takeCensus counts the places that are taken. If they are more than most, it forgets clients that never got a
// token.
func (ep *Endpoint) takeCensus(ctx context.Context, most int) (taken int, err error) {
	var unused []unusedClient
	for e, err := range storage.Clients.All(ctx, ep.Store, "") {
		if err != nil {
			return 0, err
		}
		taken += places(e.Value)
		if e.Value.UsedAt.IsZero() && storage.Now().Sub(e.Value.CreatedAt) > probation {
			unused = append(unused, unusedClient{e.Value.CreatedAt, places(e.Value), storage.Clients.Delete(e.Key, storage.At(e.Version))})
		}
	}
	if taken <= most {
		return taken, nil
	}
	freed, err := ep.forget(ctx, unused)
	return taken - freed, err
}

// unusedClient is a client that never got a token.
type unusedClient struct {
	createdAt time.Time
	places    int
	delete    storage.Write
}

// forget removes unused clients, the youngest first, so that those from before a flood stay. If one of them gets
// its first token in this moment, none is removed this time.
func (ep *Endpoint) forget(ctx context.Context, unused []unusedClient) (freed int, err error) {
	slices.SortFunc(unused, func(a, b unusedClient) int { return b.createdAt.Compare(a.createdAt) })
	var deletes []storage.Write
	for _, u := range unused[:min(len(unused), censusPage)] {
		freed += u.places
		deletes = append(deletes, u.delete)
	}
	if len(deletes) == 0 {
		return 0, nil
	}
	err = ep.Store.Apply(ctx, deletes...)
	if storage.IsConflict(err) {
		return 0, nil
	}
	return freed, err
}

// ClientLeft notes that an operator has deleted a registered client, so that there may be room.
func (ep *Endpoint) ClientLeft() { ep.census.left() }
