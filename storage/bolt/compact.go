package bolt

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"github.com/authzd/authzd/storage"
)

const (
	// compactFrom is the size in bytes of the smallest file that is compacted automatically, and compactRest
	// the time until the next time.
	compactFrom = 64 << 20
	compactRest = time.Hour

	// catchUpGroups is how few groups may be left for the pause, and catchUpRounds how many rounds are tried
	// to reach that.
	catchUpGroups = 32
	catchUpRounds = 50

	// maxBacklog is how many bytes of changes may wait for the copy in memory.
	maxBacklog = 256 << 20
)

// The stages of a compaction, for tests that end the process there.
const (
	stageCompactCopied = "compact: copied"
	stageCompactCaught = "compact: caught up"
	stageCompactWhole  = "compact: all of it"
	stageCompactNamed  = "compact: named"
	stageCompactInUse  = "compact: in use"
)

// ErrCompacting says that another compaction is under way.
var ErrCompacting = errors.New("the database is being compacted already")

// Compaction is what a compaction did.
type Compaction struct {
	Before, After int64         // bytes of the file
	Pause         time.Duration // the time in which no write was made durable
	Took          time.Duration
}

// Compact makes the file as small as its records are, while it is in use:
//
//	tap ─> copy, from one read transaction ─> replay what was written meanwhile ─┐ until little is left
//	                                            ▲                                │
//	                                            └────────────────────────────────┘
//	hold the committer ─> replay the rest, sync ─> rename, sync the folder ─> use it ─> let it go on
//
// Readers stay with the old file, which is closed when the last of them has finished. Until the rename the
// database is unchanged, and at the rename both files hold the same. So the file under the database's name is
// whole, even if the process dies on the way. The disk needs room for the copy. The error is ErrCompacting,
// or says why nothing was changed.
func (s *Store) Compact(ctx context.Context) (done Compaction, err error) {
	if s.follows {
		return done, errFollows
	}
	if !s.compacting.TryLock() {
		return done, cmp.Or(s.goingOn(ctx), ErrCompacting)
	}
	defer s.compacting.Unlock()
	if err := s.goingOn(ctx); err != nil {
		return done, err
	}
	began := time.Now()
	done.Before = s.Stats().FileBytes
	if err := s.checkRoom(); err != nil {
		return done, err
	}
	done.Pause, err = s.compact(ctx)
	if err != nil {
		return done, fmt.Errorf("compact the database: %w", err)
	}
	done.After, done.Took = s.Stats().FileBytes, time.Since(began)
	s.log.Info("database compacted", "before_bytes", done.Before, "after_bytes", done.After,
		"took", done.Took.String(), "writes_waited", done.Pause.String())
	return done, nil
}

// goingOn returns the reason why long work must end, or nil.
func (s *Store) goingOn(ctx context.Context) error {
	select {
	case <-s.closing:
		return storage.ErrClosed
	default:
		return ctx.Err()
	}
}

// checkRoom refuses a copy that would fill the disk, if the system reports how full it is.
func (s *Store) checkRoom() error {
	st := s.Stats()
	need := uint64(max(0, st.FileBytes-st.FreeBytes))/4*5 + 2*allocSize
	if free, ok := freeBytes(filepath.Dir(s.path)); ok && free < need {
		return fmt.Errorf("compact the database: the copy needs %d bytes, the disk has %d", need, free)
	}
	return nil
}

func (s *Store) compact(ctx context.Context) (pause time.Duration, err error) {
	waiting := &backlog{}
	if _, err := s.Tap(waiting); err != nil {
		return 0, err
	}
	defer s.Untap(waiting)
	temp := filepath.Join(filepath.Dir(s.path), leftoverPrefix(s.path)+"compact")
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	defer os.Remove(temp) // does nothing after the rename
	at, _, err := s.CopyTo(ctx, temp)
	if err != nil {
		return 0, err
	}
	s.stage(stageCompactCopied)
	to, err := openBolt(temp, &bbolt.Options{FreelistType: freelist, NoSync: true, InitialMmapSize: int(s.Stats().FileBytes) + mapRoom})
	if err != nil {
		return 0, err
	}
	if err := s.catchUp(ctx, to, waiting, at); err != nil {
		return 0, errors.Join(err, to.close())
	}
	s.stage(stageCompactCaught)
	return s.moveTo(to, temp, waiting, at)
}

// catchUp replays what was written since the position of a copy, until little is left.
func (s *Store) catchUp(ctx context.Context, to *guarded, waiting *backlog, at Position) error {
	for range catchUpRounds {
		if err := s.goingOn(ctx); err != nil {
			return err
		}
		groups, err := waiting.take(at)
		if err != nil {
			return err
		}
		if err := to.replay(groups); err != nil {
			return err
		}
		if err := to.sync(); err != nil {
			return err
		}
		if len(groups) < catchUpGroups {
			return nil
		}
	}
	return errors.New("writes come faster than the copy can follow; try again when there are fewer")
}

// replay makes groups that another database has committed.
func (g *guarded) replay(groups []Group) error {
	if len(groups) == 0 {
		return nil
	}
	_, err := g.update(func(tx *bbolt.Tx) error { return newGroup(tx, false).replay(groups) })
	return err
}

// moveTo holds the committer, and lets it go on with another database.
func (s *Store) moveTo(to *guarded, temp string, waiting *backlog, from Position) (pause time.Duration, err error) {
	s.c.tapping.Lock()
	defer s.c.tapping.Unlock()
	began := time.Now()
	if err := s.finish(to, waiting, from); err != nil {
		return 0, errors.Join(err, to.close())
	}
	s.stage(stageCompactWhole)
	s.g.moving.Lock()
	defer s.g.moving.Unlock()
	if err := os.Rename(temp, s.path); err != nil {
		return 0, errors.Join(err, to.close())
	}
	s.stage(stageCompactNamed)
	// From here on the name belongs to the new file. If the rename might not survive a power cut, writes to
	// either file might be lost, so there may be none.
	if err := syncFile(filepath.Dir(s.path)); err != nil {
		s.c.setTrouble(&trouble{err: err, final: true})
	}
	next := to.open.Load()
	next.db.NoSync = false
	old := s.g.open.Swap(next)
	s.sweeping.Add(1)
	go s.retire(old)
	s.stage(stageCompactInUse)
	return time.Since(began), nil
}

// finish brings a copy to exactly the state of the store, on the disk too. Nothing is written meanwhile.
func (s *Store) finish(to *guarded, waiting *backlog, from Position) error {
	if t := s.c.trouble.Load(); t != nil {
		return t.err
	}
	groups, err := waiting.take(from)
	if err != nil {
		return err
	}
	if err := to.replay(groups); err != nil {
		return err
	}
	copied, err := to.position()
	if err != nil {
		return err
	}
	if at, err := s.g.position(); err != nil || at != copied {
		return errors.Join(err, fmt.Errorf("the copy came to group %d, the database to %d", copied.Sequence, at.Sequence))
	}
	return to.sync()
}

// retire closes a database when its last reader has finished.
func (s *Store) retire(old *opened) {
	defer s.sweeping.Done()
	old.users.Lock()
	if err := s.g.closeOne(old); err != nil {
		s.log.Error("the database that was compacted could not be closed", "err", err)
	}
}

// backlog collects what is committed while a copy is made. It implements Tap.
type backlog struct {
	mu       sync.Mutex
	prepared Group
	groups   []Group
	bytes    int
}

func (b *backlog) Prepare(g Group) { b.prepared = g }

func (b *backlog) Done(committed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !committed || b.bytes > maxBacklog {
		return
	}
	for _, c := range b.prepared.Changes {
		b.bytes += len(c.Key) + len(c.Row)
	}
	b.groups = append(b.groups, b.prepared)
}

// take returns the groups after a position, and forgets them.
func (b *backlog) take(after Position) ([]Group, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bytes > maxBacklog {
		return nil, errors.New("more was written meanwhile than fits into memory; try again when there are fewer writes")
	}
	groups := b.groups
	for len(groups) > 0 && groups[0].Position.Sequence <= after.Sequence {
		groups = groups[1:]
	}
	b.groups, b.bytes = nil, 0
	return groups, nil
}

// compactIfDue compacts a file if most of it is free.
func (s *Store) compactIfDue() {
	st := s.Stats()
	if s.compactFrom == 0 || st.FileBytes < s.compactFrom || st.FreeBytes < st.FileBytes/2 || time.Since(s.compactedAt) < compactRest {
		return
	}
	s.compactedAt = time.Now()
	_, err := s.Compact(context.Background())
	if err != nil && !errors.Is(err, ErrCompacting) && !errors.Is(err, storage.ErrClosed) {
		s.log.Warn("database not compacted", "err", err)
	}
}
