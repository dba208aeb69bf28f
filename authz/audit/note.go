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
	// maxQueue bounds the memory for events that are noted, about 2 MB of them.
	maxQueue = 2048
	// maxFlush is how many of them one Apply writes.
	maxFlush = 256
	// omitEvery is how often the log says how much was left out of it.
	omitEvery = time.Minute
)

// noteLimit is how many events of one type are noted: so many at once, and then one each ten seconds, in a
// flood that does not end. That is some 9,000 events a day, or 5 MB of blocks if each is alone in its own.
var noteLimit = throttle.Limit{Burst: 600, Interval: 10 * time.Second}

// noteLimitOfUser is how many events of one type about one user are noted even during a flood of events
// about others.
var noteLimitOfUser = throttle.Limit{Burst: 20, Interval: 5 * time.Minute}

// queue has the events that change nothing, until they are written.
type queue struct {
	limits *throttle.Buckets // by type, and by type and user

	mu      sync.Mutex
	events  []storage.Write
	omitted map[Type]int // since told
	told    time.Time

	batch []storage.Write // of flush alone: under way, or of unknown fate
}

// Note adds an event that tells of no change, such as a refusal. It takes no time: the event is in the
// store a second later, and lost if the server is killed before. Where there are too many of one type,
// the log says how many were left out instead; a few about each user are in it all the same.
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

// has reports whether there is a place for an event: among all of its type or, if those are taken, among
// those about its user.
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

// flush writes what is queued. What could not be written stays queued. last tells that there will be no
// later flush.
func (l *Log) flush(ctx context.Context, last bool) error {
	l.tellOmitted(ctx, last)
	for l.queue.next() {
		err := l.config.Store.Apply(ctx, l.queue.batch...)
		if err != nil && !storage.IsConflict(err) {
			return fmt.Errorf("write audit events: %w", err)
		} // otherwise they were written by the Apply before, whose fate was unknown
		l.queue.batch = nil
	}
	return nil
}

// next takes a batch from the queue unless there is one still, and returns false if there is none.
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

// tellOmitted queues the event that says how much was left out, now and then.
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
