package upkeep

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/authzd/authzd/authz/admin"
	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/storage"
)

// StoreFile is the file of a storage engine that keeps all records in one file.
type StoreFile interface {
	// Size returns the size of the file, and how much of it is free for new records, in bytes.
	Size() (bytes, free int64)
	// Compact removes the free space while the file is in use, and returns how long writes waited.
	Compact(ctx context.Context) (waited time.Duration, err error)
	// Lost waits until the file is gone, which ends all writing, and returns why. It returns nil when ctx ends.
	Lost(ctx context.Context) error
}

// compactor holds the state of compactions. They may take longer than a request, so Upkeep.Run does.
type compactor struct {
	mu      sync.Mutex
	running bool              // guarded by mu
	last    *admin.Compaction // guarded by mu
	asked   chan struct{}     // buffered: one may wait for Run
}

func (u *Upkeep) readStore(ctx context.Context, _ *admin.Call) (*admin.Store, error) {
	status, err := u.Sealing.Status(ctx)
	if err != nil {
		return nil, err
	}
	out := &admin.Store{Format: storage.Current.Format(), Secrets: []admin.Secret{}}
	for _, secret := range status {
		out.Secrets = append(out.Secrets, admin.Secret{
			ID: secret.ID, Newest: secret.Newest, Listed: secret.Listed, Records: secret.Records,
			Removable: secret.Removable && secret.Listed, Since: admin.OrNil(secret.Since),
		})
	}
	if u.File != nil {
		out.FileBytes, out.FreeBytes = u.File.Size()
	}
	u.compactor.mu.Lock()
	defer u.compactor.mu.Unlock()
	out.Compacting, out.Compaction = u.compactor.running, u.compactor.last
	return out, nil
}

// compactStore asks for a compaction. It records the event first: when the compaction ends, no request is left
// that could record it.
func (u *Upkeep) compactStore(ctx context.Context, call *admin.Call) error {
	if u.File == nil {
		return &admin.Problem{Status: http.StatusConflict, Code: admin.CodeConflict, Detail: "The store is no file of this server.",
			Hint: "PostgreSQL has autovacuum"}
	}
	c := &u.compactor
	if !c.begin() {
		return admin.Conflict("A compaction is under way.", "")
	}
	if err := u.Store.Apply(ctx, u.Did(ctx, call, audit.Event{Type: audit.StoreCompact})...); err != nil {
		c.end(nil)
		return err
	}
	c.asked <- struct{}{}
	return nil
}

// begin returns false if a compaction is under way.
func (c *compactor) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.running
	c.running = true
	return !was
}

// end notes the result of the compaction that begin began; nil if there is none.
func (c *compactor) end(done *admin.Compaction) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running = false; done != nil {
		c.last = done
	}
}

// compact runs the compactions that operators ask for, until ctx ends.
func (u *Upkeep) compact(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-u.compactor.asked:
		}
		done := &admin.Compaction{}
		done.BeforeBytes, _ = u.File.Size()
		waited, err := u.File.Compact(ctx)
		done.AfterBytes, _ = u.File.Size()
		done.EndedAt, done.WritesWaited = storage.Now(), waited.String()
		if err != nil {
			done.WritesWaited, done.Error = "", err.Error()
		}
		u.compactor.end(done)
	}
}
