package outbox

import (
	"maps"
	"sync"
	"time"

	"github.com/authzd/authzd/storage"
)

const (
	maxCalls     = 32 // at a time
	maxHostCalls = 4  // of them to one host
	maxQueued    = 1000

	forgetAfter = 24 * time.Hour // after a failure without another call
)

type entry = storage.Entry[storage.Delivery]

// answer is what a call shows about its host.
type answer int

const (
	nothing answer = iota // it was not called
	answered
	failed
)

// queue holds the due deliveries that were read, by host, and bounds the calls under way, so that neither one
// slow host nor many can use up everything. A host that is down costs little, even if much waits for it:
// after a failure it gets one call at a time, after a pause that doubles with every failure.
type queue struct {
	firstPause, maxPause time.Duration

	mu      sync.Mutex
	running int              // guarded by mu
	known   map[string]bool  // guarded by mu; ids of those that wait or are under way
	hosts   map[string]*host // guarded by mu; those with deliveries, or with failures
}

type host struct {
	waiting  []entry
	running  int
	failures int       // since it last answered
	until    time.Time // of the pause
}

// newQueue has pauses that are short compared with the time until the first delivery is tried again, and long
// compared with the time until many are.
func newQueue(firstRetry time.Duration) *queue {
	return &queue{firstPause: firstRetry / 16, maxPause: 4 * firstRetry, known: map[string]bool{}, hosts: map[string]*host{}}
}

// add lets e wait for its host, unless it is known. It returns false if too much waits for the host.
func (q *queue) add(e entry, name string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	id := idOf(e.Key)
	if q.known[id] {
		return true
	}
	h := q.hosts[name]
	if h == nil {
		h = &host{}
		q.hosts[name] = h
	}
	if len(h.waiting) >= maxQueued {
		return false
	}
	h.waiting = append(h.waiting, e)
	q.known[id] = true
	return true
}

// next returns a delivery to make now, for any host that can be called.
func (q *queue) next(now time.Time) (e entry, name string, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.running >= maxCalls {
		return entry{}, "", false
	}
	for name, h := range q.hosts { // in random order, which is fair
		if len(h.waiting) > 0 && h.free(now) {
			e, h.waiting = h.waiting[0], h.waiting[1:]
			h.running++
			q.running++
			return e, name, true
		}
	}
	return entry{}, "", false
}

// free reports whether a host may be called once more.
func (h *host) free(now time.Time) bool {
	if h.failures > 0 {
		return h.running == 0 && !now.Before(h.until)
	}
	return h.running < maxHostCalls
}

// fails reports whether a host did not answer the last call.
func (q *queue) fails(name string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	h := q.hosts[name]
	return h != nil && h.failures > 0
}

// done ends a call. It reports whether nothing more waits for the host.
func (q *queue) done(e entry, name string, a answer) (empty bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.known, idOf(e.Key))
	q.running--
	h := q.hosts[name]
	h.running--
	switch a {
	case answered:
		h.failures = 0
	case failed:
		h.failures++
		h.until = time.Now().Add(min(q.firstPause<<min(h.failures-1, 10), q.maxPause))
	}
	maps.DeleteFunc(q.hosts, func(_ string, h *host) bool {
		return h.running == 0 && len(h.waiting) == 0 && (h.failures == 0 || time.Since(h.until) > forgetAfter)
	})
	return len(h.waiting) == 0
}

// pause returns how long until a failed host with waiting deliveries may be called again; at most limit.
func (q *queue) pause(now time.Time, limit time.Duration) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, h := range q.hosts {
		if len(h.waiting) > 0 && h.running == 0 && h.until.After(now) {
			limit = min(limit, h.until.Sub(now))
		}
	}
	return limit
}
