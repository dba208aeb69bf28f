package outbound

import (
	"container/list"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/authzd/authzd/authz/fetch"
)

// maxEntries is how many documents a cache keeps.
const maxEntries = 512

// pace limits how often one URL is fetched, also after failures and for callers who want it renewed.
var pace = fetch.Pace{Burst: 3, Every: 10 * time.Second}

// Cache keeps decoded documents by their URLs, each as a fetch.Document. When it is full, the one that was
// unused for the longest time goes.
type Cache[T any] struct {
	fetch func(ctx context.Context, url string) (T, time.Duration, error)
	rules fetch.Rules

	mu      sync.Mutex
	entries map[string]*list.Element // guarded by mu
	recent  *list.List               // guarded by mu; of *entry[T], the last used first
}

type entry[T any] struct {
	url      string
	document *fetch.Document[T]
}

// NewCache returns a cache of documents that client gets and decode accepts. If a document can't be fetched
// again, it is used for the time stale after it is no longer fresh.
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

func newCache[T any](stale time.Duration, get func(context.Context, string) (T, time.Duration, error)) *Cache[T] {
	return &Cache[T]{fetch: get, rules: fetch.Rules{Stale: stale, Pace: pace}, entries: map[string]*list.Element{}, recent: list.New()}
}

// Get returns the document of a URL. It fetches it if there is no fresh one.
func (c *Cache[T]) Get(ctx context.Context, url string) (T, error) {
	value, err := c.of(url).Get(ctx)
	return value, asBusy(err)
}

// Ready reports whether Get would answer without fetching.
func (c *Cache[T]) Ready(url string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	element := c.entries[url]
	return element != nil && element.Value.(*entry[T]).document.Ready()
}

// Renew is for a caller whose document of Get was of no use, for instance because a key is missing. It
// fetches the document even if it is fresh, unless that has happened too often lately. If the fetch fails,
// the document stays.
func (c *Cache[T]) Renew(ctx context.Context, url string) (T, error) {
	document := c.of(url)
	if _, err := document.Renew(ctx); err != nil && ctx.Err() != nil {
		return *new(T), err
	}
	value, err := document.Kept()
	return value, asBusy(err)
}

func asBusy(err error) error {
	if errors.Is(err, fetch.ErrTooSoon) {
		return ErrBusy
	}
	return err
}

// of returns the document of a URL, and marks it as the last used.
func (c *Cache[T]) of(url string) *fetch.Document[T] {
	c.mu.Lock()
	defer c.mu.Unlock()
	if element := c.entries[url]; element != nil {
		c.recent.MoveToFront(element)
		return element.Value.(*entry[T]).document
	}
	document := fetch.New(c.rules, func(ctx context.Context) (T, time.Duration, error) { return c.fetch(ctx, url) })
	c.entries[url] = c.recent.PushFront(&entry[T]{url, document})
	if oldest := c.recent.Back(); c.recent.Len() > maxEntries {
		delete(c.entries, oldest.Value.(*entry[T]).url)
		c.recent.Remove(oldest)
	}
	return document
}
