package bolt

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"go.etcd.io/bbolt"
)

// errDamaged is the error of a read or write that meets damaged pages.
var errDamaged = errors.New("database file is damaged")

// panicError is damage that made bbolt panic.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("%v: %v", errDamaged, e.value) }
func (e *panicError) Unwrap() error { return errDamaged }

// guarded is a bbolt database that returns errors where bbolt panics.
//
// bbolt reads its pages straight from a memory map and trusts them. A page that is not what its parent
// promised is a failed assertion. A page beyond the end of a file that was cut is a SIGBUS. Neither may end
// the server, which can still serve everything else.
type guarded struct {
	open   atomic.Pointer[opened] // the one in use; a compaction replaces it
	moving sync.RWMutex           // locked while the file's name moves from one to the other

	// stuck is closed once a panic has left bbolt with its locks held. Then nothing may wait for those locks
	// again, not even Close, and nothing may wait for a goroutine that does.
	stuck     chan struct{}
	stuckOnce sync.Once

	accesses atomic.Uint64

	commit func(*bbolt.Tx) error // (*bbolt.Tx).Commit; tests make it fail
}

// opened is one open database.
type opened struct {
	db    *bbolt.DB
	file  *os.File     // the file that db reads, writes and has locked
	info  os.FileInfo  // of file, as it was opened
	page  int          // bytes of a page
	bytes atomic.Int64 // the largest size of file so far
	// committed is the id of the last transaction that is in file.
	committed atomic.Uint64
	users     sync.RWMutex // read-locked while db is in use; locked before db is closed and replaced
}

// metas reads bbolt's two meta pages. The newer valid one defines the state.
func (o *opened) metas() ([]byte, error) {
	metas := make([]byte, 2*o.page)
	_, err := o.file.ReadAt(metas, 0)
	return metas, err
}

// use returns the open database, which stays open until the caller unlocks its users lock.
func (g *guarded) use() *opened {
	for {
		if o := g.open.Load(); o.users.TryRLock() { // fails only if there is a newer one
			return o
		}
	}
}

// catch runs fn and turns panics and memory faults into errors.
func catch(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = &panicError{r, debug.Stack()}
		}
	}()
	return fn()
}

func (g *guarded) setStuck() { g.stuckOnce.Do(func() { close(g.stuck) }) }

func (g *guarded) isStuck() bool {
	select {
	case <-g.stuck:
		return true
	default:
		return false
	}
}

// view runs fn in a read transaction.
func (g *guarded) view(fn func(*bbolt.Tx) error) error {
	if g.isStuck() {
		return errDamaged
	}
	o := g.use()
	defer o.users.RUnlock()
	begun := false
	err := catch(func() error {
		return o.db.View(func(tx *bbolt.Tx) error {
			begun = true
			return fn(tx)
		})
	})
	if errors.Is(err, errDamaged) && !begun {
		g.setStuck()
	}
	return err
}

// trimEvery is the number of accesses between two calls of trim. Each may have mapped 64 KiB, because the
// kernel maps a page with its neighbours.
const trimEvery = 512

// accessed counts n reads or writes of records.
func (g *guarded) accessed(n int) {
	after := g.accesses.Add(uint64(n))
	if after/trimEvery != (after-uint64(n))/trimEvery {
		g.trim()
	}
}

// errNoChange says that a transaction had nothing to commit.
var errNoChange = errors.New("nothing to commit")

// update runs fn in a write transaction, commits it unless fn fails, and returns the transaction's id. The
// error of a failed commit is a *commitError. Only the committer may call it, or a caller that has the
// database alone.
func (g *guarded) update(fn func(*bbolt.Tx) error) (txid int, err error) {
	if g.isStuck() {
		return 0, errDamaged
	}
	var tx *bbolt.Tx
	o := g.open.Load()
	err = catch(func() (err error) {
		if tx, err = o.db.Begin(true); err != nil {
			return err
		}
		txid = tx.ID()
		if err := fn(tx); err != nil {
			_ = tx.Rollback() // fails only if there is no transaction
			return err
		}
		if err := g.commit(tx); err != nil {
			return &commitError{err}
		}
		o.committed.Store(uint64(txid))
		return nil
	})
	if p := new(panicError); errors.As(err, &p) {
		// bbolt's own rollback reads pages, which may be what failed; Rollback does not.
		if tx == nil || errors.Is(catch(tx.Rollback), errDamaged) {
			g.setStuck()
		}
	}
	return txid, err
}

// newest returns the id of the transaction whose state readers see.
func (g *guarded) newest() (txid int, err error) {
	err = g.view(func(tx *bbolt.Tx) error {
		txid = tx.ID()
		return nil
	})
	return txid, err
}

// stillNamed fails if the file at path is not the one that is open.
func (g *guarded) stillNamed(path string) error {
	named, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !os.SameFile(g.open.Load().info, named) {
		return fmt.Errorf("%s is not the file that was opened; it was replaced while in use", path)
	}
	return nil
}

// sync makes durable what was written without a sync.
func (g *guarded) sync() error { return g.open.Load().file.Sync() }

// close releases the file, its lock and, unless bbolt is stuck, its memory.
func (g *guarded) close() error {
	return g.closeOne(g.open.Load())
}

// closeOne closes a database that is no longer in use.
func (g *guarded) closeOne(o *opened) error {
	if g.isStuck() {
		return unlockAndClose(o.file)
	}
	return o.db.Close()
}

// commitError says that a commit failed when some of it may have reached the disk.
type commitError struct{ err error }

func (e *commitError) Error() string { return "commit: " + e.err.Error() }
func (e *commitError) Unwrap() error { return e.err }
