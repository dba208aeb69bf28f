package account

import (
	"context"
	"sync"
	"time"

	"github.com/authzd/authzd/authz/passhash"
)

// costs has the shortest time that a hash of each kind has taken in this process. Longer ones were of a busy machine.
type costs struct {
	mu       sync.Mutex
	least    map[string]time.Duration // guarded by mu; by kind
	measured map[string]bool          // guarded by mu; a measurement has begun
}

// note remembers what a hash of a kind has taken.
func (c *costs) note(kind string, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if least, known := c.least[kind]; known && least <= took {
		return
	}
	if c.least == nil {
		c.least = map[string]time.Duration{}
	}
	c.least[kind] = took
}

// costOf returns what a hash of a kind costs here, if a measurement has ended.
func (p *Passwords) costOf(kind string) (least time.Duration, known bool) {
	p.costs.mu.Lock()
	defer p.costs.mu.Unlock()
	least, known = p.costs.least[kind]
	return least, known
}

// measure verifies hashes of a kind in the background, unless it has done so before. They wait their turn, as all do.
func (p *Passwords) measure(kind string) {
	p.costs.mu.Lock()
	defer p.costs.mu.Unlock()
	if p.costs.measured[kind] {
		return
	}
	if p.costs.measured == nil {
		p.costs.measured = map[string]bool{}
	}
	p.costs.measured[kind] = true
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), measureTimeout)
		defer cancel()
		for range measurements {
			if _, _, err := p.Verify(ctx, kind, "no password"); err != nil { // too many wait: the first sign-in measures it
				return
			}
		}
	}()
}

// kindOf returns the kind of a hash, "" if there is none.
func kindOf(hash string) string {
	if hash == "" {
		return ""
	}
	kind, err := passhash.Kind(hash)
	if err != nil { // nobody signs in with it
		return ""
	}
	return kind
}
