package operator

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/authzd/authzd/authz/admin"
	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/storage"
)

// StoreFile is the file of an engine that keeps everything in one.
type StoreFile interface {
	// Size returns how large it is, and how much of that is free for new records, in bytes.
	Size() (bytes, free int64)
	// Compact makes it as small as its records are, while it is in use, and tells how long writes waited.
	Compact(ctx context.Context) (waited time.Duration, err error)
	// Lost waits until the file is gone, which ends all writing, and returns why; nil: ctx has ended.
	Lost(ctx context.Context) error
}

// compactor runs the compactions that operators ask for: longer than a request may take.
type compactor struct {
	mu      sync.Mutex
	running bool              // guarded by mu
	last    *admin.Compaction // guarded by mu
	asked   chan struct{}     // buffered: one may wait for Run
}

func (api *API) readStore(ctx context.Context, _ *admin.Call) (*admin.Store, error) {
	status, err := api.Sealing.Status(ctx)
	if err != nil {
		return nil, err
	}
	out := &admin.Store{Format: storage.Current.Format(), Secrets: []admin.Secret{}}
	for _, secret := range status {
		out.Secrets = append(out.Secrets, admin.Secret{
			ID: secret.ID, Newest: secret.Newest, Listed: secret.Listed, Records: secret.Records,
			Removable: secret.Removable && secret.Listed, Since: orNil(secret.Since),
		})
	}
	if api.File != nil {
		out.FileBytes, out.FreeBytes = api.File.Size()
	}
	api.compactor.mu.Lock()
	defer api.compactor.mu.Unlock()
	out.Compacting, out.Compaction = api.compactor.running, api.compactor.last
	return out, nil
}

// compactStore has a compaction begin. It is in the audit log first: afterwards nobody would be there to
// write it.
func (api *API) compactStore(ctx context.Context, call *admin.Call) error {
	if api.File == nil {
		return &admin.Problem{Status: http.StatusConflict, Code: admin.CodeConflict, Detail: "The store is no file of this server.",
			Hint: "PostgreSQL has autovacuum"}
	}
	c := &api.compactor
	if !c.begin() {
		return conflict("A compaction is under way.", "")
	}
	if err := api.Store.Apply(ctx, api.did(ctx, call, audit.Event{Type: audit.StoreCompact})); err != nil {
		c.end(nil)
		return err
	}
	c.asked <- struct{}{}
	return nil
}

// Begin returns false if a compaction is under way.
func (c *compactor) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.running
	c.running = true
	return !was
}

// end is the end of what begin began; nil: it came to nothing.
func (c *compactor) end(done *admin.Compaction) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running = false; done != nil {
		c.last = done
	}
}

// Compact does what was asked for, until ctx ends.
func (api *API) Compact(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-api.compactor.asked:
		}
		done := &admin.Compaction{}
		done.BeforeBytes, _ = api.File.Size()
		waited, err := api.File.Compact(ctx)
		done.AfterBytes, _ = api.File.Size()
		done.EndedAt, done.WritesWaited = storage.Now(), waited.String()
		if err != nil {
			done.WritesWaited, done.Error = "", err.Error()
		}
		api.compactor.end(done)
	}
}
