package authz

import (
	"context"
	"sync"
	"time"

	"github.com/authzd/authzd/storage"
)

const (
	censusEvery = 10 * time.Minute // since other replicas register clients too, and unused ones expire
	censusFull  = time.Minute      // likewise, while there is no room
	censusPage  = 500              // records of one Scan
)

// census knows about how many clients are registered.
type census struct {
	mu      sync.Mutex
	count   int       // guarded by mu
	takenAt time.Time // guarded by mu
}

// makeRoom refuses a registration if as many clients are stored as may be.
func (s *Server) makeRoom(ctx context.Context) error {
	c, most := &s.census, s.config.Registration.MaxClients
	c.mu.Lock()
	defer c.mu.Unlock()
	age := s.now().Sub(c.takenAt)
	if age > censusEvery || (c.count >= most && age > censusFull) {
		count, err := countRecords(ctx, s.store, storage.Clients.Table)
		if err != nil {
			return err
		}
		c.count, c.takenAt = count, s.now()
	}
	if c.count >= most {
		return refuse(errTemporarilyUnavailable, "No more clients can be registered until unused ones are forgotten.")
	}
	c.count++
	return nil
}

// left tells that a client has gone.
func (c *census) left() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count = max(0, c.count-1)
}

func countRecords(ctx context.Context, store storage.Store, table storage.Table) (count int, err error) {
	after := ""
	for {
		records, err := store.Scan(ctx, table, "", after, censusPage)
		if err != nil {
			return 0, err
		}
		count += len(records)
		if len(records) < censusPage {
			return count, nil
		}
		after = records[len(records)-1].Key
	}
}
