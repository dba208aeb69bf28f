package authz

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/authzd/authzd/authz/admin"
	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/observe"
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

// watchFile raises an alarm when the file of the store is gone.
func (s *Server) watchFile(ctx context.Context) error {
	if s.config.File == nil {
		return nil
	}
	if lost := s.config.File.Lost(ctx); lost != nil {
		s.observer.Alarm(ctx, observe.DatabaseLost, slog.String("found", lost.Error()))
	}
	return nil
}

// compactor runs the compactions that operators ask for: longer than a request may take.
type compactor struct {
	mu      sync.Mutex
	running bool              // guarded by mu
	last    *admin.Compaction // guarded by mu
	asked   chan struct{}     // buffered: one may wait for Run
}

func (s *Server) readStore(ctx context.Context, _ *admin.Call) (*admin.Store, error) {
	status, err := s.sealing.Status(ctx)
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
	if s.config.File != nil {
		out.FileBytes, out.FreeBytes = s.config.File.Size()
	}
	s.compactor.mu.Lock()
	defer s.compactor.mu.Unlock()
	out.Compacting, out.Compaction = s.compactor.running, s.compactor.last
	return out, nil
}

// compactStore has a compaction begin. It is in the audit log first: afterwards nobody would be there to
// write it.
func (s *Server) compactStore(ctx context.Context, call *admin.Call) error {
	if s.config.File == nil {
		return &admin.Problem{Status: http.StatusConflict, Code: admin.CodeConflict, Detail: "The store is no file of this server.",
			Hint: "PostgreSQL has autovacuum"}
	}
	c := &s.compactor
	if !c.begin() {
		return conflict("A compaction is under way.", "")
	}
	if err := s.store.Apply(ctx, s.did(ctx, call, audit.Event{Type: audit.StoreCompact})); err != nil {
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

// runCompactions does what was asked for, until ctx ends.
func (s *Server) runCompactions(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.compactor.asked:
		}
		done := &admin.Compaction{}
		done.BeforeBytes, _ = s.config.File.Size()
		waited, err := s.config.File.Compact(ctx)
		done.AfterBytes, _ = s.config.File.Size()
		done.EndedAt, done.WritesWaited = storage.Now(), waited.String()
		if err != nil {
			done.WritesWaited, done.Error = "", err.Error()
		}
		s.compactor.end(done)
	}
}
