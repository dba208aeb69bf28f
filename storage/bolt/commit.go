package bolt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.etcd.io/bbolt"

	"github.com/authzd/authzd/storage"
)

const (
	// maxGroup bounds how long the first request of a group waits for the last.
	maxGroup = 1024
	// stall is how long a commit may take before the store calls itself not ready.
	stall = 10 * time.Second
)

// committer is the only writer. All requests that queue during the commit of one group form the next group.
// So one fsync serves many requests, and a request that comes alone waits for nobody.
type committer struct {
	g   *guarded
	log *slog.Logger

	// checkFile fails if another process would not find the commit later.
	checkFile func() error

	mu     sync.Mutex
	filled sync.Cond // queue or closed changed
	queue  []*request
	closed bool
	done   chan struct{} // closed when run has ended

	trouble   atomic.Pointer[trouble]
	pending   atomic.Pointer[pending] // nil: every readable record is durable
	busySince atomic.Int64            // Unix nanoseconds at which the group under way began; 0: none is
	groups    atomic.Uint64
	lastGroup atomic.Int64 // requests in it

	tapping sync.Mutex // held by commit, so that a tap gets whole groups
	taps    []Tap
}

// request is one piece of work for the next group.
type request struct {
	// run makes its changes through the group. A *storage.ConflictError means that it made none, and concerns
	// only this request. Any other error fails the whole group.
	run  func(*group) error
	lost error // the conflict
	fate chan error
}

// trouble is the reason why writes fail.
type trouble struct {
	err   error
	final bool   // until the store is opened again
	do    string // what the operator can do; empty: the usual advice for a disk
}

func newCommitter(g *guarded, log *slog.Logger, checkFile func() error) *committer {
	c := &committer{g: g, log: log, checkFile: checkFile, done: make(chan struct{})}
	c.filled.L = &c.mu
	return c
}

// submit queues work for the next group and returns the request, which will get its fate.
func (c *committer) submit(run func(*group) error) (*request, error) {
	if t := c.trouble.Load(); t != nil && t.final {
		return nil, unavailable(t.err)
	}
	r := &request{run: run, fate: make(chan error, 1)}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, storage.ErrClosed
	}
	c.queue = append(c.queue, r)
	c.filled.Signal()
	return r, nil
}

// do is submit, and waits for the fate.
func (c *committer) do(run func(*group) error) error {
	r, err := c.submit(run)
	if err != nil {
		return err
	}
	select {
	case err := <-r.fate:
		return err
	case <-c.g.stuck: // and perhaps the committer with it
		return unavailable(errDamaged)
	}
}

// run commits groups until close has been called and the queue is empty.
func (c *committer) run() {
	defer close(c.done)
	for {
		// One commit costs about as much for one request as for many, so let those come that are about to. If
		// there are none, this takes no time.
		runtime.Gosched()
		requests := c.take()
		if requests == nil {
			return
		}
		c.busySince.Store(time.Now().UnixNano())
		err := c.commit(requests)
		c.busySince.Store(0)
		for _, r := range requests {
			if err != nil {
				r.fate <- err
			} else {
				r.fate <- r.lost
			}
		}
		c.g.accessed(len(requests))
	}
}

// take waits for the next group and returns it, or nil if there will be none.
func (c *committer) take() []*request {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.queue) == 0 {
		if c.closed {
			return nil
		}
		c.filled.Wait()
	}
	n := min(len(c.queue), maxGroup)
	requests := c.queue[:n:n]
	if c.queue = c.queue[n:]; len(c.queue) == 0 {
		c.queue = nil
	}
	return requests
}

// commit makes the changes of the requests in one transaction. An error is the error of all of them.
func (c *committer) commit(requests []*request) error {
	if t := c.trouble.Load(); t != nil && t.final {
		return unavailable(t.err)
	}
	c.tapping.Lock()
	defer c.tapping.Unlock()
	if err := c.checkFile(); err != nil {
		return unavailable(err)
	}
	var group Group
	txid, err := c.g.update(func(tx *bbolt.Tx) (err error) {
		g := newGroup(tx, len(c.taps) > 0)
		for _, r := range requests {
			err := r.run(g)
			if err != nil && !storage.IsConflict(err) {
				return err
			}
			r.lost = err
		}
		if group, err = g.end(); err == nil {
			c.prepareTaps(group)
			c.pending.Store(g.pending)
		}
		return err
	})
	switch {
	case errors.Is(err, errNoChange):
		return nil
	case err != nil:
		err, undone := c.failed(txid, err)
		c.settle(err, undone)
		if undone {
			c.doneTaps(group, false)
		}
		return err
	}
	c.settle(nil, false)
	c.doneTaps(group, true)
	c.groups.Add(1)
	c.lastGroup.Store(int64(len(requests)))
	if err := c.checkFile(); err != nil { // it disappeared while this was being written
		return unavailable(err)
	}
	return nil
}

// prepareTaps and doneTaps tell the taps about a group, unless it changed no record.
func (c *committer) prepareTaps(g Group) {
	if len(g.Changes) > 0 {
		for _, t := range c.taps {
			t.Prepare(g)
		}
	}
}

func (c *committer) doneTaps(g Group, committed bool) {
	if len(g.Changes) > 0 {
		for _, t := range c.taps {
			t.Done(committed)
		}
	}
}

// failed decides what a failed transaction means for later ones. It returns the error for the requests in it,
// and whether it is certain that nothing of it remains.
//
// bbolt writes a transaction's pages to places that the last state does not use, and syncs them. Then it
// writes and syncs the meta page that makes them the state. So a transaction that failed before its meta page
// was written has changed nothing, on disk or in memory. It is safe to go on after it, even if the sync is
// what failed: the next transaction writes those places again. If the reason was lack of space, going on is
// also useful: the next group tries again, and service resumes when there is space.
//
// If the meta page was written but not synced, all readers see the new state, while the disk may hold the old
// one. The kernel drops the failed page from what it means to write, so no later sync would report it. Going
// on would overwrite pages that only the old state uses, and after a power cut neither state might be whole.
// The same caution applies to every other error of the disk: no more writes until the store is opened again,
// when settle makes sure of the state.
func (c *committer) failed(txid int, err error) (failure error, undone bool) {
	var commit *commitError
	switch {
	case errors.As(err, &commit):
		seen, viewErr := c.g.newest()
		undone = viewErr == nil && seen < txid
		c.setTrouble(&trouble{err: err, final: viewErr != nil || seen >= txid || !lacksSpace(err)})
	case errors.Is(err, errDamaged):
		c.setTrouble(&trouble{err: err, final: true})
	}
	return unavailable(err), undone
}

// setTrouble stores trouble, and logs it if it is new. Only final trouble replaces trouble.
func (c *committer) setTrouble(t *trouble) {
	for {
		old := c.trouble.Load()
		if old != nil && (old.final || !t.final) {
			return
		}
		if c.trouble.CompareAndSwap(old, t) {
			break
		}
	}
	do := "free some space; writes resume by themselves"
	switch {
	case t.do != "":
		do = t.do
	case t.final:
		do = "check the disk and its free space, then restart; if it will not start, restore a backup"
	}
	attrs := []any{"err", t.err, "do", do}
	if p := new(panicError); errors.As(t.err, &p) {
		attrs = append(attrs, "stack", string(p.stack))
	}
	c.log.Error("storage takes no writes", attrs...)
}

// ready returns nil if writes succeed now. While there is trouble that may pass, ready tries a write itself,
// and only that ends the trouble: if another small write finds room in the file, the one after it may still
// find none.
func (c *committer) ready(ctx context.Context) error {
	if since := c.busySince.Load(); since != 0 {
		if d := time.Since(time.Unix(0, since)); d > stall {
			return unavailable(fmt.Errorf("the disk has not finished a write for %v", d.Round(time.Second)))
		}
	}
	t := c.trouble.Load()
	if t == nil {
		return nil
	}
	for _, step := range []func(*group) error{(*group).fillProbe, (*group).removeProbe} {
		r, err := c.submit(step)
		if err != nil {
			return err
		}
		select {
		case err = <-r.fate:
		case <-c.g.stuck:
			err = unavailable(errDamaged)
		case <-ctx.Done():
			err = unavailable(ctx.Err())
		}
		if err != nil {
			return err
		}
	}
	if c.trouble.CompareAndSwap(t, nil) {
		c.log.Info("storage takes writes again")
	}
	return nil
}

// close refuses further requests. done is closed when the earlier ones have met their fate.
func (c *committer) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.filled.Signal()
}

// lacksSpace reports whether err means a full disk or quota. bbolt keeps only the text of some of the
// system's errors.
func lacksSpace(err error) bool {
	return strings.Contains(err.Error(), syscall.ENOSPC.Error()) ||
		strings.Contains(err.Error(), syscall.EDQUOT.Error())
}

func unavailable(err error) error {
	return fmt.Errorf("%w: %w", storage.ErrUnavailable, err)
}
