package postgres

import (
	"runtime"
	"slices"
	"sync"
	"time"
)

// slow is how long a batch may take before it is no reason to wait any more.
const slow = 5 * time.Millisecond

// batcher has calls made together that come while others are under way. A call that comes when none is
// goes at once, alone; whatever comes later waits for the batch to end, and what has gathered by then is
// the next. From a database that is far away, or whose disk is slow, an answer takes longer than that is
// worth: then another batch begins, though never more than limit are under way.
type batcher[C comparable] struct {
	limit int
	pick  func(waiting []C) (batch, rest []C) // at least one of them, if there is any
	run   func(batch []C)                     // makes the calls, and tells each its outcome

	mu       sync.Mutex
	waiting  []C
	underWay int
	began    time.Time // the last of those under way
	watched  bool      // begin will be called when that is slow
}

// add hands over a call.
func (b *batcher[C]) add(c C) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting = append(b.waiting, c)
	b.begin()
}

// begin sees to it that those who wait do not wait for what is slow. The lock is held.
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

// work runs batches until nobody waits.
func (b *batcher[C]) work() {
	for {
		// A batch costs little more than a single call, so let those come who are about to. If nobody is,
		// this takes no time.
		runtime.Gosched()
		batch := b.next()
		if len(batch) == 0 {
			return
		}
		b.run(batch)
	}
}

// next is empty if nobody waits; one batch less is under way then.
func (b *batcher[C]) next() (batch []C) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if batch, b.waiting = b.pick(b.waiting); len(batch) == 0 {
		b.underWay--
	}
	b.began = time.Now()
	return batch
}
