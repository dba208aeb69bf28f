package outbound

import (
	"container/list"
	"context"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	maxEntries = 512 // documents in a cache
	// One URL is fetched fetchBurst times in a row at most, and then once per fetchEvery, whatever
	// came of it: neither failures nor callers who want it renewed make more.
	fetchBurst = 3
	fetchEvery = 10 * time.Second
)

// Cache keeps documents by their URLs, decoded. Callers that need one at the same time share one
// fetch, which outlives the caller that began it. Failures are kept too. When it is full, what has
// not been asked for longest goes.
type Cache[T any] struct {
	fetch func(ctx context.Context, url string) (T, time.Duration, error)
	stale time.Duration

	flight  singleflight.Group
	mu      sync.Mutex
	entries map[string]*list.Element // guarded by mu
	recent  *list.List               // guarded by mu; of *entry[T], the last used first
}

// entry is the outcome of the last fetch of a URL, and what is left of those before it.
type entry[T any] struct {
	url        string
	value      T
	freshUntil time.Time // value may be used until then
	staleUntil time.Time // and so long if it can't be fetched again
	err        error     // of the last fetch
	count      int       // of fetches so far
	paidUntil  time.Time // each fetch moves it fetchEvery ahead, see mayFetch
}

// NewCache returns a cache of what client gets and decode accepts. A document that is no longer
// fresh goes on serving for the time stale while it can't be fetched again.
func NewCache[T any](client *Client, want Want, stale time.Duration, decode func(*Document) (T, error)) *Cache[T] {
	return newCache(stale, func(ctx context.Context, url string) (T, time.Duration, error) {
		doc, err := client.Get(ctx, url, want)
		if err != nil {
			return *new(T), 0, err
		}
		value, err := decode(doc)
		return value, doc.Fresh, err
	})
}

func newCache[T any](stale time.Duration, fetch func(context.Context, string) (T, time.Duration, error)) *Cache[T] {
	return &Cache[T]{fetch: fetch, stale: stale, entries: map[string]*list.Element{}, recent: list.New()}
}

// Get returns the document of a URL, fetching it if there is no fresh one.
func (c *Cache[T]) Get(ctx context.Context, url string) (T, error) {
	e, now := c.peek(url), time.Now()
	if !now.Before(e.freshUntil) && e.mayFetch(now) {
		var err error
		if e, err = c.share(ctx, e); err != nil {
			return *new(T), err
		}
	}
	return e.usable(time.Now())
}

// Ready reports whether Get would answer without fetching.
func (c *Cache[T]) Ready(url string) bool {
	e, now := c.peek(url), time.Now()
	return now.Before(e.freshUntil) || !e.mayFetch(now)
}

// Renew is for a caller to whom the document of Get was of no use, because it lacks a key for
// instance: it is fetched even if it is fresh, unless that has been done too often lately. If
// fetching fails, the document stays what it was.
func (c *Cache[T]) Renew(ctx context.Context, url string) (T, error) {
	e := c.peek(url)
	if e.mayFetch(time.Now()) {
		var err error
		if e, err = c.share(ctx, e); err != nil {
			return *new(T), err
		}
	}
	return e.usable(time.Now())
}

func (e *entry[T]) usable(now time.Time) (T, error) {
	switch {
	case now.Before(e.staleUntil):
		return e.value, nil
	case e.err == nil: // too old, and fetched too often to be fetched again
		return *new(T), ErrBusy
	}
	return *new(T), e.err
}

// mayFetch is a leaky bucket (GCRA): a fetch pays for fetchEvery, and fetchBurst of these may be
// paid ahead.
func (e *entry[T]) mayFetch(now time.Time) bool {
	return !e.paidUntil.After(now.Add((fetchBurst - 1) * fetchEvery))
}

// peek returns a copy of the entry of a URL; an empty one if there is none.
func (c *Cache[T]) peek(url string) entry[T] {
	c.mu.Lock()
	defer c.mu.Unlock()
	element := c.entries[url]
	if element == nil {
		return entry[T]{url: url}
	}
	c.recent.MoveToFront(element)
	return *element.Value.(*entry[T])
}

// share waits for the fetch that follows those that seen knows of, beginning it if nobody has. Its
// error is that of ctx.
func (c *Cache[T]) share(ctx context.Context, seen entry[T]) (entry[T], error) {
	done := c.flight.DoChan(seen.url, func() (any, error) {
		if e := c.peek(seen.url); e.count > seen.count {
			return e, nil
		}
		value, fresh, err := c.fetch(context.WithoutCancel(ctx), seen.url)
		return c.store(seen.url, value, fresh, err), nil
	})
	select {
	case <-ctx.Done():
		return entry[T]{}, ctx.Err()
	case result := <-done:
		return result.Val.(entry[T]), nil
	}
}

// store records a fetch and returns a copy of the entry.
func (c *Cache[T]) store(url string, value T, fresh time.Duration, err error) entry[T] {
	c.mu.Lock()
	defer c.mu.Unlock()
	element := c.entries[url]
	if element == nil {
		element = c.recent.PushFront(&entry[T]{url: url})
		c.entries[url] = element
	}
	e, now := element.Value.(*entry[T]), time.Now()
	if err == nil {
		e.value, e.freshUntil = value, now.Add(fresh)
		e.staleUntil = e.freshUntil.Add(c.stale)
	}
	e.err = err
	e.count++
	e.paidUntil = later(e.paidUntil, now).Add(fetchEvery)
	if oldest := c.recent.Back(); c.recent.Len() > maxEntries {
		delete(c.entries, oldest.Value.(*entry[T]).url)
		c.recent.Remove(oldest)
	}
	return *e
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
