package audit

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/authzd/authzd/authz/throttle"
	"github.com/authzd/authzd/storage"
)

const (
	// maxQueue bounds the memory for noted events, to about 2 MB.
	maxQueue = 2048
	// maxFlush is how many of them one Apply writes.
	maxFlush = 256
	// omitEvery is how often the log reports how many events were left out.
	omitEvery = time.Minute
)

// noteLimit bounds the noted events of one type: 600 at once, and then one every ten seconds in an endless
// flood. That is about 9,000 events a day, or 5 MB of blocks if each has its own block.
var noteLimit = throttle.Limit{Burst: 600, Interval: 10 * time.Second}

// noteLimitOfUser is how many events of one type about one user are noted even during a flood of events about
// others.
var noteLimitOfUser = throttle.Limit{Burst: 20, Interval: 5 * time.Minute}

// queue has the noted events until they are written.
type queue struct {
	limits *throttle.Buckets // by type, and by type and user

	mu      sync.Mutex
	events  []storage.Write
	omitted map[Type]int // since the last report
	told    time.Time

	batch []storage.Write // only of flush: under way, or of unknown fate
}

// Note adds an event without a change, such as a refusal. It takes no time: the event is in the store a
// second later, and lost if the server is killed before. If there are too many of one type, the log records
// how many were left out. A few about each user are recorded in any case.
func (l *Log) Note(ctx context.Context, e Event) {
	q := &l.queue
	if !q.has(e) {
		q.omit(e.Type)
		return
	}
	w := l.Put(ctx, e)
	q.mu.Lock()
	full := len(q.events) >= maxQueue
	if !full {
		q.events = append(q.events, w)
	}
	q.mu.Unlock()
	if full {
		q.omit(e.Type)
	}
}

// has reports whether there is room for an event: among all of its type or, if that is used up, among those
// about its user.
func (q *queue) has(e Event) bool {
	now := time.Now()
	if q.limits.Take(now, throttle.Charge{Key: q.limits.Key(string(e.Type), "", netip.Prefix{}), Limit: noteLimit}) == 0 {
		return true
	}
	return e.UserID != "" && q.limits.Take(now, throttle.Charge{Key: q.limits.Key(string(e.Type), e.UserID, netip.Prefix{}), Limit: noteLimitOfUser}) == 0
}

func (q *queue) omit(t Type) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.omitted == nil {
		q.omitted = map[Type]int{}
	}
	q.omitted[t]++
}

// flush writes the queued events. Events that could not be written stay queued. last means that there will be
// no later flush.
func (l *Log) flush(ctx context.Context, last bool) error {
	l.tellOmitted(ctx, last)
	for l.queue.next() {
		err := l.config.Store.Apply(ctx, l.queue.batch...)
		if err != nil && !storage.IsConflict(err) {
			return fmt.Errorf("write audit events: %w", err)
		} // otherwise an earlier Apply of unknown fate has written them
		l.queue.batch = nil
	}
	return nil
}

// next takes a batch from the queue unless there is one, and returns false if there is none.
func (q *queue) next() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.batch == nil {
		n := min(len(q.events), maxFlush)
		q.batch, q.events = q.events[:n:n], q.events[n:]
		if len(q.events) == 0 {
			q.events = nil
		}
	}
	return len(q.batch) > 0
}

// tellOmitted queues, now and then, the event that reports how many were left out.
func (l *Log) tellOmitted(ctx context.Context, now bool) {
	q := &l.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.omitted) == 0 || (!now && time.Since(q.told) < omitEvery) {
		return
	}
	counts := map[string]string{}
	for t, n := range q.omitted {
		counts[string(t)] = strconv.Itoa(n)
	}
	q.events = append(q.events, l.Put(ctx, Event{Type: Omitted, Outcome: Failure, Actor: Actor{Kind: ByServer}, Details: counts}))
	q.omitted, q.told = nil, time.Now()
}
