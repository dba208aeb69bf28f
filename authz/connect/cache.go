package connect

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	// pause is the least time between two fetches, so that neither an outage nor tokens with
	// unknown keys make us hammer the upstream.
	pause = 5 * time.Second
	// staleFor is how long an old value serves after a failed refresh, before the next try.
	staleFor = time.Minute

	leastAge = time.Minute    // of freshness, whatever the upstream says
	mostAge  = 24 * time.Hour // likewise
)

// cache holds one document of the upstream. Callers that need it at the same time share one fetch,
// which outlives the caller that began it.
type cache[T any] struct {
	// fetch returns the document and for how long it is fresh. Its context ends after timeLimit.
	fetch func(context.Context) (T, time.Duration, error)
	// grace is how long beyond its freshness a document may serve while fetching fails.
	grace time.Duration

	flight singleflight.Group
	mu     sync.Mutex
	last   fetched[T] // guarded by mu
}

// fetched is the outcome of the last fetch, and what is left of those before it.
type fetched[T any] struct {
	value      T
	freshUntil time.Time // value may be used until then
	graceUntil time.Time // and so long if it can't be refreshed
	at         time.Time
	err        error
	count      int // of fetches so far
}

// get returns the document, fetching it if there is no fresh one.
func (c *cache[T]) get(ctx context.Context) (T, error) {
	last, now := c.peek(), time.Now()
	if !last.fresh(now) && !last.tooSoon(now) {
		var err error
		if last, err = c.share(ctx, last.count); err != nil {
			return last.value, err
		}
	}
	if last.fresh(time.Now()) {
		return last.value, nil
	}
	return last.value, last.err
}

// renew is for a caller to whom the document of get was of no use: it fetches even if that is
// fresh, unless it has only just been fetched. Its failure leaves the document to other callers.
func (c *cache[T]) renew(ctx context.Context) (T, error) {
	last := c.peek()
	if !last.tooSoon(time.Now()) {
		var err error
		if last, err = c.share(ctx, last.count); err != nil {
			return last.value, err
		}
	}
	return last.value, last.err
}

func (f *fetched[T]) fresh(now time.Time) bool { return now.Before(f.freshUntil) }

func (f *fetched[T]) tooSoon(now time.Time) bool { return f.count > 0 && now.Before(f.at.Add(pause)) }

func (c *cache[T]) peek() fetched[T] {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

// share waits for the fetch that follows the first seen ones, beginning it if nobody has. Its error
// is that of ctx.
func (c *cache[T]) share(ctx context.Context, seen int) (fetched[T], error) {
	done := c.flight.DoChan("", func() (any, error) {
		if last := c.peek(); last.count > seen {
			return last, nil
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeLimit)
		defer cancel()
		return c.store(c.fetch(ctx)), nil
	})
	select {
	case <-ctx.Done():
		return fetched[T]{}, ctx.Err()
	case result := <-done:
		return result.Val.(fetched[T]), nil
	}
}

func (c *cache[T]) store(value T, fresh time.Duration, err error) fetched[T] {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	switch {
	case err == nil:
		c.last.value, c.last.freshUntil = value, now.Add(fresh)
		c.last.graceUntil = c.last.freshUntil.Add(c.grace)
	case !c.last.fresh(now) && now.Before(c.last.graceUntil):
		c.last.freshUntil = now.Add(staleFor)
	}
	c.last.at, c.last.err = now, err
	c.last.count++
	return c.last
}

// freshness reads the max-age of a Cache-Control header (RFC 9111 section 5.2.2.1), kept within
// leastAge and mostAge. Without one it is usual.
func freshness(header http.Header, usual time.Duration) time.Duration {
	fresh := usual
	for directive := range strings.SplitSeq(strings.Join(header.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(directive)), "=")
		switch name {
		case "no-store", "no-cache":
			return leastAge
		case "max-age":
			if seconds, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 64); err == nil {
				fresh = time.Duration(min(seconds, uint64(mostAge/time.Second))) * time.Second
			}
		}
	}
	return max(fresh, leastAge)
}
