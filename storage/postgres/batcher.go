package postgres

import (
	"runtime"
	"slices"
	"sync"
	"time"
)

// slow is how long other calls wait for a running batch.
const slow = 5 * time.Millisecond

// batcher groups calls that come while others are under way. A call that comes alone goes at once. Later
// calls wait for the end of the batch under way, and together form the next one. If the database is far away
// or its disk is slow, waiting is not worth it: then another batch begins, but never more than limit at a
// time.
type batcher[C comparable] struct {
	limit int
	pick  func(waiting []C) (batch, rest []C) // at least one of them, if there is any
	run   func(batch []C)                     // makes the calls, and gives each its outcome

	mu       sync.Mutex
	waiting  []C
	underWay int
	began    time.Time // the latest batch under way
	watched  bool      // begin will be called when that batch is slow
}

// add queues a call.
func (b *batcher[C]) add(c C) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting = append(b.waiting, c)
	b.begin()
}

// begin starts another batch if the one under way is slow. The caller holds the lock.
func (b *batcher[C]) begin() {
	quick := slow - time.Since(b.began)
	switch {
	case len(b.waiting) == 0 || b.underWay == b.limit:
	case b.underWay == 0 || quick <= 0:
		b.underWay++
		b.began = time.Now()
		go b.work()
	case !b.watched:
		b.watched = true
		time.AfterFunc(quick, func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.watched = false
			b.begin()
		})
	}
}

// withdraw takes back a call whose batch has not begun, and returns false if it has.
func (b *batcher[C]) withdraw(c C) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.Index(b.waiting, c)
	if i >= 0 {
		b.waiting = slices.Delete(b.waiting, i, i+1)
	}
	return i >= 0
}

// work runs batches until no call waits.
func (b *batcher[C]) work() {
	for {
		// A batch costs little more than a single call, so let those come that are about to. If there are
		// none, this takes no time.
		runtime.Gosched()
		batch := b.next()
		if len(batch) == 0 {
			return
		}
		b.run(batch)
	}
}

// next returns the next batch. It is empty if no call waits; then one batch less is under way.
func (b *batcher[C]) next() (batch []C) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if batch, b.waiting = b.pick(b.waiting); len(batch) == 0 {
		b.underWay--
	}
	b.began = time.Now()
	return batch
}
