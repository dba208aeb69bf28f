// Package bolt is the embedded engine of authzd: one file, one process, no database server.
//
// Reads are bbolt read transactions. A read waits for a writer only if it meets a record that is not durable
// yet. Writes queue for one committer, which makes each group of them durable with one commit:
//
//	Get, Scan ─────────────────────────────> read transaction ─> copy out ─> durable? (pending.go)
//
//	Apply ─> validate, encode ─┐
//	sweeper ─> scan, pick ─────┼─> queue ─> committer: check and write each, one commit ─> fates
//	Ready, after a failure ────┘                            └─> taps
//
// Export is one long read transaction (export.go). Each commit checks that the file is still there, and Lost
// waits for its loss (watch.go). A table is a bucket and a record is a row (row.go). A Tap gets every change
// in order from the committer (tap.go). open.go and create.go make, check and lock the file. committer.failed
// explains what a failed commit means.
package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/authzd/authzd/storage"
)

// Options tune a Store. The zero value is good.
type Options struct {
	// Logger gets what an operator should act upon: loose file modes, a full or failing disk. nil: nothing is
	// logged.
	Logger *slog.Logger

	// SweepEvery is how often expired records are looked for. Zero means one minute.
	SweepEvery time.Duration

	// KeepSize leaves it to the caller to Compact the file. Otherwise the store also compacts it, at most
	// once an hour, if it has 64 MiB or more and half of it is free.
	KeepSize bool

	// Follow opens a store that copies another one. It takes writes only by Replay, and sweeps nothing.
	Follow bool

	migrations storage.Migrations // storage.Current; tests have others
	stage      func(name string)  // called with the stage that work has reached; tests end the process there
}

func (o Options) complete() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.SweepEvery <= 0 {
		o.SweepEvery = time.Minute
	}
	if o.migrations == nil {
		o.migrations = storage.Current
	}
	if o.stage == nil {
		o.stage = func(string) {}
	}
	return o
}

// Store is a storage.Store in one bbolt file.
type Store struct {
	name string // as given to Open
	path string // the file that name leads to: Resolve
	g    *guarded
	c    *committer

	follows bool // Options.Follow
	log     *slog.Logger
	stage   func(string) // Options.stage

	compacting  sync.Mutex
	compactFrom int64     // bytes of a file that is compacted by itself; 0: never
	compactedAt time.Time // by itself; used only by the sweeper

	commits atomic.Uint64
	swept   atomic.Uint64

	lost   atomic.Pointer[LostError] // nil: the file is where it was
	unseen chan error                // a loss that Lost has not returned yet; the first, if there are several

	closing   chan struct{}
	closeOnce sync.Once
	closeErr  error
	sweeping  sync.WaitGroup
}

var _ storage.Store = (*Store)(nil)

// Stats are the counters of a Store.
type Stats struct {
	FileBytes int64  // size of the database file
	FreeBytes int64  // free room in it
	Groups    uint64 // group commits since Open
	Commits   uint64 // successful Apply calls since Open
	Swept     uint64 // expired records removed since Open
}

// Get implements storage.Store.
func (s *Store) Get(ctx context.Context, table storage.Table, key string) (rec storage.Record, err error) {
	if err := storage.CheckTable(table); err != nil {
		return rec, err
	}
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		k := []byte(key)
		b := tx.Bucket([]byte(table)).Get(k)
		if b == nil {
			return storage.ErrNotFound
		}
		r, err := readRow(table, k, b)
		if err != nil {
			return err
		}
		if !r.live(time.Now().UnixMilli()) {
			return storage.ErrNotFound
		}
		rec = r.record(k)
		return nil
	})
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return rec, err
	}
	if err := s.c.settled(ctx, table, key, rec); err != nil {
		return storage.Record{}, err
	}
	return rec, err
}

// Scan implements storage.Store.
func (s *Store) Scan(ctx context.Context, table storage.Table, prefix, after string, limit int) (recs []storage.Record, err error) {
	if err := storage.CheckScan(table, limit); err != nil {
		return nil, err
	}
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		now := time.Now().UnixMilli()
		c := tx.Bucket([]byte(table)).Cursor()
		for k, v := c.Seek([]byte(max(prefix, after))); k != nil && len(recs) < limit; k, v = c.Next() {
			if !bytes.HasPrefix(k, []byte(prefix)) {
				return nil
			}
			if string(k) == after {
				continue
			}
			r, err := readRow(table, k, v)
			if err != nil {
				return err
			}
			if r.live(now) {
				recs = append(recs, r.record(k))
			}
		}
		return nil
	})
	if err == nil {
		err = s.c.settled(ctx, table, prefix, recs...)
	}
	if err != nil {
		return nil, err
	}
	return recs, nil
}

// view runs fn in a read transaction. If it meets damage, it stops all writes, because they would spread it.
func (s *Store) view(ctx context.Context, fn func(*bbolt.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := s.g.view(fn)
	s.g.accessed(1)
	switch {
	case errors.Is(err, berrors.ErrDatabaseNotOpen):
		return storage.ErrClosed
	case errors.Is(err, berrors.ErrInvalidMapping):
		return unavailable(err)
	case errors.Is(err, errDamaged):
		s.c.setTrouble(&trouble{err: err, final: true})
		return unavailable(err)
	}
	return err
}

// Apply implements storage.Store.
func (s *Store) Apply(ctx context.Context, writes ...storage.Write) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.follows {
		return unavailable(errFollows)
	}
	changes, err := prepare(writes)
	if err != nil {
		return err
	}
	if err := s.c.do(func(g *group) error { return g.apply(changes) }); err != nil {
		return err
	}
	s.commits.Add(1)
	return nil
}

// prepare validates writes and builds their rows, so that the committer has little left to do.
func prepare(writes []storage.Write) ([]change, error) {
	if err := storage.CheckWrites(writes); err != nil {
		return nil, err
	}
	changes := make([]change, len(writes))
	for i, w := range writes {
		changes[i] = change{table: w.Table, key: []byte(w.Key), cond: w.If}
		if w.Value != nil {
			changes[i].row = encodeRow(changes[i].key, w.Value, w.Expires)
		}
	}
	return changes, nil
}

// Ready implements storage.Store.
func (s *Store) Ready(ctx context.Context) error {
	select {
	case <-s.closing:
		return storage.ErrClosed
	default:
	}
	if err := s.checkFile(); err != nil {
		return unavailable(err)
	}
	return s.c.ready(ctx)
}

// Stats returns the counters.
func (s *Store) Stats() Stats {
	st := Stats{Groups: s.c.groups.Load(), Commits: s.commits.Load(), Swept: s.swept.Load()}
	o := s.g.use()
	defer o.users.RUnlock()
	if info, err := o.file.Stat(); err == nil {
		st.FileBytes = info.Size()
	}
	st.FreeBytes = int64(o.db.Stats().FreeAlloc)
	return st
}

// Close implements storage.Store. Closing twice is harmless. If the file was lost, the error says so.
func (s *Store) Close() error {
	s.closeOnce.Do(func() {
		_ = s.checkAll() // the file may be gone since the last check
		s.closeErr = s.close()
		if lost := s.lost.Load(); lost != nil {
			s.closeErr = errors.Join(lost, s.closeErr)
		}
	})
	return s.closeErr
}

func (s *Store) close() error {
	close(s.closing)
	s.c.close()
	ended := make(chan struct{})
	go func() {
		s.compacting.Lock() // a running compaction has seen that the store is closing, and no other begins
		s.sweeping.Wait()
		<-s.c.done
		close(ended)
	}()
	select {
	case <-ended:
		return s.g.close()
	case <-s.g.stuck:
	}
	// They may wait for what is stuck. As long as they might still write, the file must stay open and locked.
	select {
	case <-ended:
		return s.g.close()
	case <-time.After(time.Second):
		return fmt.Errorf("%w: it stays locked until the process ends", errDamaged)
	}
}
