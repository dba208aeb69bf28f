package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// watchEvery is how often Lost checks that the file is still there.
const watchEvery = 500 * time.Millisecond

// LostError says that the file at the database's path is no longer the open one. The open file can still be
// read, and is gone when the process ends.
type LostError struct {
	Path string
	What string // what happened to the file, as the end of a sentence

	spoilt bool // the content too: it does not help if the name comes back
}

func (e *LostError) Error() string {
	return fmt.Sprintf("the database file %s %s while it was in use", e.Path, e.What)
}

// Hint says what the operator can do.
func (e *LostError) Hint() string { return lostHint }

const lostHint = "stop the server and put the file back, or restore a backup; on Linux, a removed file can be copied from /proc/PID/fd as long as the server runs"

// checkAll is checkFile, and also reads the file, which may have been written over in place.
func (s *Store) checkAll() error {
	if err := s.checkFile(); err != nil {
		return err
	}
	o := s.g.use()
	defer o.users.RUnlock()
	if o.wiped() {
		return s.lose("was written over", true)
	}
	return nil
}

// boltMagic is in both of bbolt's meta pages, after the header that each page has.
var boltMagic = binary.NativeEndian.AppendUint32(nil, 0xED0CDAED)

const (
	pageHeader = 16
	metaTxid   = pageHeader + 48 // where a meta page has the id of the transaction that wrote it
)

// wiped reports whether neither meta page is both valid and as new as the last commit.
func (o *opened) wiped() bool {
	committed := o.committed.Load() // before the file is read, which can only be newer
	metas, err := o.metas()
	if err != nil {
		return false // a problem of the disk, which the next write meets
	}
	for _, meta := range [][]byte{metas[:o.page], metas[o.page:]} {
		if bytes.HasPrefix(meta[pageHeader:], boltMagic) && binary.NativeEndian.Uint64(meta[metaTxid:]) >= committed {
			return false
		}
	}
	return true
}

// checkFile returns a *LostError unless the file in use is the one at the store's path, and not cut:
// otherwise an acknowledged write would be lost with the process. It takes a microsecond, so each commit can
// afford it. Meanwhile no compaction moves the name.
func (s *Store) checkFile() error {
	s.g.moving.RLock()
	defer s.g.moving.RUnlock()
	o := s.g.open.Load()
	least := o.bytes.Load()
	named, err := os.Stat(s.name)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ELOOP):
		return s.lose("was removed, or its folder was,", false)
	case err != nil:
		return nil // without permission to look, a loss can't be seen
	case !os.SameFile(o.info, named):
		return s.lose("was replaced by another one", false)
	case named.Size() < least:
		return s.lose(fmt.Sprintf("was cut from %d to %d bytes", least, named.Size()), true)
	}
	if lost := s.lost.Load(); lost != nil && lost.spoilt {
		return lost
	} else if lost != nil && s.lost.CompareAndSwap(lost, nil) {
		s.log.Info("the database file is back where it was", "path", s.name)
	}
	o.grown(named.Size())
	return nil
}

// lose notes what happened to the file, and returns it. Until that changes, no commit is acknowledged.
func (s *Store) lose(what string, spoilt bool) error {
	lost := &LostError{s.name, what, spoilt}
	if s.lost.CompareAndSwap(nil, lost) {
		s.log.Error("storage takes no writes", "err", lost, "do", lostHint)
		select {
		case s.unseen <- lost:
		default:
		}
		return lost
	}
	if before := s.lost.Load(); before != nil {
		return before
	}
	return lost
}

// grown notes the largest size of the file.
func (o *opened) grown(to int64) {
	for {
		least := o.bytes.Load()
		if to <= least || o.bytes.CompareAndSwap(least, to) {
			return
		}
	}
}

// Lost waits until the database file is lost, and returns the reason. It returns nil if ctx ends or the store
// is closed. It checks twice a second, so that a loss is noticed even without reads and writes.
func (s *Store) Lost(ctx context.Context) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := s.checkAll(); err != nil {
				return err
			}
		case lost := <-s.unseen: // a commit has met it; the file may be back by now
			return lost
		case <-s.closing:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}
