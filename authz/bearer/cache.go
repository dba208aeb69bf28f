package bearer

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"
)

// cache keeps the principals of JWTs that were verified, so that the next request with the same token costs no check
// of a signature. All that may have changed is checked each time: the time, the issuer's keys, the feed, the sender.
type cache struct {
	shards [16]shard // by the first bits of the hash, so that requests seldom wait for each other
}

type shard struct {
	mu   sync.Mutex
	kept recent[*verified] // guarded by mu
}

// verified is a token whose signature and claims were good.
type verified struct {
	authority *authority
	principal *Principal
	keys      *keys     // it counts as long as these are the issuer's
	until     time.Time // exp and leeway
}

// newCache returns nil if nothing is to be kept.
func newCache(tokens int) *cache {
	if tokens <= 0 {
		return nil
	}
	c := new(cache)
	for i := range c.shards {
		c.shards[i].kept.max = max(tokens/len(c.shards), 2)
	}
	return c
}

// verify is Verifier.verifyJWT for tokens that come again.
func (c *cache) verify(ctx context.Context, v *Verifier, token string) (*Principal, error) {
	hash := sha256.Sum256([]byte(token))
	s := &c.shards[hash[0]%byte(len(c.shards))]
	s.mu.Lock()
	kept, ok := s.kept.get(hash)
	s.mu.Unlock()
	if !ok || !kept.counts(ctx) {
		fresh, err := v.verifyJWT(ctx, token)
		if err != nil {
			return nil, err
		}
		s.mu.Lock()
		s.kept.put(hash, fresh)
		s.mu.Unlock()
		kept = fresh
	}
	if err := kept.authority.honours(kept.principal); err != nil {
		return nil, err
	}
	p := *kept.principal // callers may change theirs
	return &p, nil
}

// counts reports whether a verification now would have the same outcome.
func (t *verified) counts(ctx context.Context) bool {
	if !time.Now().Before(t.until) {
		return false
	}
	now, err := t.authority.keys.document.Get(ctx)
	return err == nil && now == t.keys
}
