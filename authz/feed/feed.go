// Package feed is the server's side of the revocation feed: it remembers what has ended before its time, and tells
// those who check tokens offline.
//
//	a token ends: events -> Put --> one Apply: the change, and a storage.Revocation     end.go
//	                                       |
//	of all replicas: scan <----------------+   every 100 ms while somebody waits        log.go
//	                   |  Config.Entries: the ids that tokens have
//	GET /revocations   v
//	  no cursor   -> the complete list, made once a second at most                      publish.go
//	  a cursor    -> what came since                                                    answer.go
//	  and wait    -> the next change, after a pause that gathers more: one signature for all who wait
//
// Records sort by the time of their end. A record becomes visible some time after that, and the clocks of replicas
// differ, so each scan looks back by overlap. A cursor names the time up to which a replica had looked. A
// follower may ask another replica each time: it then gets again what was found shortly before that time.
package feed

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/authzd/authzd/authz/revocation"
	"github.com/authzd/authzd/storage"
)

// Config is the input of New. The functions are first called by Open.
type Config struct {
	Store  storage.Store
	Issuer string
	Logger *slog.Logger

	// Alone says that no other process uses the store. Then each start begins an epoch: the store may have been restored,
	// or have been a standby's. Otherwise only a store that was filled by a transfer has none yet.
	Alone bool

	// Most is how long a document may be, in bytes of its compact JWS. 0: revocation.MaxDocument.
	Most int

	// Longest returns the longest lifetime of the access tokens that are issued now.
	Longest func(ctx context.Context) (time.Duration, error)
	// Entries returns what a revocation ends, in the ids that tokens have.
	Entries func(ctx context.Context, r *storage.Revocation) ([]revocation.Entry, error)
	// Sign returns a compact JWS with the typ revocation.Type.
	Sign func(claims []byte) (string, error)
	// Authenticate checks who asks; nil: the feed is public. It has the parameters of the request, form and query.
	Authenticate func(w http.ResponseWriter, r *http.Request) (url.Values, error)
}

const (
	// overlap is how far back each scan looks.
	overlap = 10 * time.Second
	// skew is how much the clocks of replicas may differ, with the time between two scans. A follower who has asked
	// another replica before gets the entries of that time again.
	skew = 6 * time.Second
	// margin is how much longer an entry stays than any token: the leeway of a verifier, and the difference of clocks.
	margin = 90 * time.Second
)

// A record that becomes visible late is found: this constant can't be negative.
const _ = uint64(overlap - storage.MaxApply - time.Second)

// Feed is the feed of one server. It is safe for concurrent use.
type Feed struct {
	config Config
	clock  clock
	window atomic.Int64 // seconds

	scanning chan struct{} // holds a token; its taker may scan, and owns the next four fields
	seen     map[string]bool
	newest   time.Time // key of the newest record
	looked   time.Time // when the last scan ended
	renewed  time.Time // when the shared state was last read

	mu      sync.Mutex
	epoch   string
	items   []item // in the order in which they were found
	length  int    // of their entries in a complete list, in bytes
	found   uint64 // when the newest item was found
	scanned uint64 // when the last scan began

	allBefore int64 // no token up to this second counts

	own      map[uint64]bool // cursors of the documents of this replica
	recent   *publication
	full     *publication
	issuedAt int64 // of the newest publication
	changed  chan struct{}
	waiting  map[*waiter]struct{}
	since    time.Time // when the first change came that waits to be published; zero: none does
	driving  bool      // drive runs

	publishing sync.Mutex    // held while a document is made
	draining   chan struct{} // closed by Drain
	drained    sync.Once
	places     chan struct{} // for those who get a complete list
	counts     counts
}

// New returns a feed. Put works at once. Before anything else is called, Open must have returned.
func New(c Config) *Feed {
	if c.Most == 0 {
		c.Most = revocation.MaxDocument
	}
	f := &Feed{config: c, clock: clock{mark: mathrand.Int64N(1000)}, scanning: make(chan struct{}, 1), seen: map[string]bool{}, own: map[uint64]bool{}, changed: make(chan struct{}), waiting: map[*waiter]struct{}{},
		draining: make(chan struct{}), places: make(chan struct{}, fullAtOnce)}
	f.scanning <- struct{}{}
	return f
}

// Open reads what the store has. It begins an epoch if there is none.
func (f *Feed) Open(ctx context.Context) error { return f.scan(ctx, 0) }

// Run looks after the feed until ctx ends, and returns ctx's error: the window must be right before the first follower
// comes. Failures are logged and tried again.
func (f *Feed) Run(ctx context.Context) error {
	ticker := time.NewTicker(renewEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
		if err := f.refresh(ctx); err != nil && ctx.Err() == nil {
			f.config.Logger.Error("the revocation feed could not be read", "error", err)
		}
	}
}

// renew reads the shared state, and begins an epoch or lengthens the window if that is due.
func (f *Feed) renew(ctx context.Context) error {
	epoch, err := f.loadEpoch(ctx)
	if err != nil {
		return err
	}
	f.mu.Lock()
	if f.epoch != epoch {
		f.epoch, f.recent, f.full = epoch, nil, nil
	}
	f.mu.Unlock()
	return f.loadWindow(ctx)
}

func (f *Feed) loadEpoch(ctx context.Context) (epoch string, err error) {
	err = storage.Retry(func() error { // another replica may be faster
		state, version, err := storage.FeedStates.Get(ctx, f.config.Store, storage.FeedEpochKey)
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			return err
		}
		begins := f.config.Alone && f.renewed.IsZero()
		if epoch = stateOf(state).Epoch; epoch != "" && !begins {
			return nil
		}
		epoch = random(16)
		return f.config.Store.Apply(ctx, storage.FeedStates.Put(storage.FeedEpochKey, &storage.FeedState{Epoch: epoch}, storage.At(version), time.Time{}))
	})
	return epoch, err
}

// random returns so many random bytes in base64url.
func random(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

func stateOf(s *storage.FeedState) storage.FeedState {
	if s == nil {
		return storage.FeedState{}
	}
	return *s
}

// loadWindow keeps the longest window that was ever needed: a lifetime that was shortened does not shorten the life of
// the tokens that exist.
func (f *Feed) loadWindow(ctx context.Context) error {
	longest, err := f.config.Longest(ctx)
	if err != nil {
		return err
	}
	needed := int((longest + margin + time.Second - 1) / time.Second)
	return storage.Retry(func() error {
		state, version, err := storage.FeedStates.Get(ctx, f.config.Store, storage.FeedWindowKey)
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			return err
		}
		window := max(needed, stateOf(state).Window)
		f.window.Store(int64(window))
		if window == stateOf(state).Window {
			return nil
		}
		return f.config.Store.Apply(ctx, storage.FeedStates.Put(storage.FeedWindowKey, &storage.FeedState{Window: window}, storage.At(version), time.Time{}))
	})
}

// clock gives times in microseconds since 1970, none before an earlier one, even if the machine's clock is set back.
// They are whole milliseconds and a mark of the replica: a cursor of another must not look like one of ours.
type clock struct {
	last atomic.Int64
	mark int64 // 0 to 999
}

// now returns a time for a record. Records may share one: if each had another, more than 1,000 of them in a second would
// run ahead, and the records of other replicas would fall out of the overlap.
func (c *clock) now() uint64 {
	c.pass(time.Now())
	return uint64(c.last.Load())
}

// next returns a time for a scan, later than all before.
func (c *clock) next() uint64 {
	for {
		last := c.last.Load()
		next := max(c.of(time.Now()), last+1000)
		if c.last.CompareAndSwap(last, next) {
			return uint64(next)
		}
	}
}

func (c *clock) of(t time.Time) int64 { return t.UnixMilli()*1000 + c.mark }

// pass makes later times not be before t.
func (c *clock) pass(t time.Time) {
	for {
		last := c.last.Load()
		if c.of(t) <= last || c.last.CompareAndSwap(last, c.of(t)) {
			return
		}
	}
}
