package bolt

import (
	"context"
	"strings"

	"github.com/authzd/authzd/storage"
)

// pending is a group whose commit is under way. Its changes can be read as soon as its meta page is written,
// which is before that page is synced. An answer that rests on them would be a promise that a power cut
// breaks. So a read that returns one of its records waits for its fate; other reads don't wait.
type pending struct {
	after   uint64              // greater versions belong to the group
	deleted map[string]struct{} // recordName of each
	done    chan struct{}       // closed when the fate is known
	fate    error               // to be read when done is closed
}

func newPending(after uint64) *pending { return &pending{after: after, done: make(chan struct{})} }

// recordName is unambiguous, because the name of a table has no slash.
func recordName[K string | []byte](table storage.Table, key K) string {
	return string(table) + "/" + string(key)
}

func (p *pending) delete(table storage.Table, key []byte) {
	if p.deleted == nil {
		p.deleted = make(map[string]struct{})
	}
	p.deleted[recordName(table, key)] = struct{}{}
}

// touches reports whether the group wrote or deleted one of the records that were read, or one with the
// prefix that was not found.
func (p *pending) touches(table storage.Table, prefix string, found []storage.Record) bool {
	for _, rec := range found {
		if rec.Version > p.after {
			return true
		}
	}
	for name := range p.deleted {
		if strings.HasPrefix(name, recordName(table, prefix)) {
			return true
		}
	}
	return false
}

// settled waits until what was read is durable. It must be called after the read.
func (c *committer) settled(ctx context.Context, table storage.Table, prefix string, found ...storage.Record) error {
	p := c.pending.Load()
	if p == nil || !p.touches(table, prefix, found) {
		return nil
	}
	select {
	case <-p.done:
		return p.fate
	case <-c.g.stuck:
		return unavailable(errDamaged)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// settle publishes the fate of the group under way. If readers may have seen changes that the disk may not
// have, the group stays pending, with its error, until the store is opened again.
func (c *committer) settle(fate error, undone bool) {
	p := c.pending.Load()
	if p == nil {
		return
	}
	if fate == nil || undone {
		c.pending.Store(nil)
	} else {
		p.fate = fate
	}
	close(p.done)
}
