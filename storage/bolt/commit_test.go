package bolt

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/authzd/authzd/storage"
)

const table = storage.Table("users")

func newStore(t *testing.T, opts Options) *Store {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "store.db"), opts)
}

func openAt(t *testing.T, path string, opts Options) *Store {
	t.Helper()
	s, err := Open(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func write(key, value string, cond storage.Condition) storage.Write {
	return storage.Write{Table: table, Key: key, Value: []byte(value), If: cond}
}

func wantValue(t *testing.T, s *Store, key, value string) uint64 {
	t.Helper()
	rec, err := s.Get(context.Background(), table, key)
	if err != nil || string(rec.Value) != value {
		t.Errorf("get %q: %q, %v; want %q", key, rec.Value, err, value)
	}
	return rec.Version
}

func wantUnavailable(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("%s: %v; want ErrUnavailable", what, err)
	}
}

// hold occupies the committer until release is called; what is submitted meanwhile is the next
// group.
func hold(t *testing.T, s *Store) (release func()) {
	t.Helper()
	began, end := make(chan struct{}), make(chan struct{})
	r, err := s.c.submit(func(*group) error {
		close(began)
		<-end
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	<-began
	return func() {
		close(end)
		if err := <-r.fate; err != nil {
			t.Error(err)
		}
	}
}

// queue submits an Apply, so that the order within the group is known.
func queue(t *testing.T, s *Store, writes ...storage.Write) (fate chan error) {
	t.Helper()
	changes, err := prepare(writes)
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.c.submit(func(g *group) error { return g.apply(changes) })
	if err != nil {
		t.Fatal(err)
	}
	return r.fate
}

func TestGroup(t *testing.T) {
	s := newStore(t, Options{})
	release := hold(t, s)
	fates := []chan error{
		queue(t, s, write("a", "1", storage.Absent)),
		queue(t, s, write("x", "lost", storage.Any), write("a", "lost", storage.Absent)), // sees the first
		queue(t, s, storage.Write{Table: table, Key: "a", If: storage.At(1)}),            // sees its version
		queue(t, s, write("a", "2", storage.Absent)),                                     // sees the delete
		queue(t, s, write("b", "1", storage.At(7))),
		queue(t, s, write("b", "1", storage.Absent)),
	}
	before := s.Stats().Groups
	release()
	for i, lost := range []bool{false, true, false, false, true, false} {
		err := <-fates[i]
		if lost != storage.IsConflict(err) || !lost && err != nil {
			t.Errorf("request %d: %v; want it to lose: %t", i, err, lost)
		}
	}
	if n := s.Stats().Groups - before; n != 1 {
		t.Errorf("took %d commits, want 1", n)
	}
	wantValue(t, s, "a", "2")
	wantValue(t, s, "b", "1")
	if _, err := s.Get(t.Context(), table, "x"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("a write of a request that lost was made (%v)", err)
	}
}

func TestGroupIsBounded(t *testing.T) {
	s := newStore(t, Options{})
	release := hold(t, s)
	const n = 2*maxGroup + 100
	var fates []chan error
	for i := range n {
		fates = append(fates, queue(t, s, write(fmt.Sprint(i), "v", storage.Absent)))
	}
	release()
	for _, fate := range fates {
		if err := <-fate; err != nil {
			t.Error(err)
		}
	}
	if got := s.Stats().Groups; got != 3 {
		t.Errorf("%d requests took %d commits, want 3", n, got)
	}
}

// TestContext: before an Apply is queued its context counts, afterwards only its fate does.
func TestContext(t *testing.T) {
	s := newStore(t, Options{})
	release := hold(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Apply(ctx, write("k", "v", storage.Absent)) }()
	waitForQueue(s, 1)
	cancel()
	if err := s.Apply(ctx, write("other", "v", storage.Absent)); !errors.Is(err, context.Canceled) {
		t.Errorf("apply that was not queued: %v", err)
	}
	select {
	case err := <-done:
		t.Errorf("apply did not wait for its fate: %v", err)
	default:
	}
	release()
	if err := <-done; err != nil {
		t.Errorf("queued apply: %v", err)
	}
	wantValue(t, s, "k", "v")
}

func waitForQueue(s *Store, n int) {
	for {
		s.c.mu.Lock()
		queued := len(s.c.queue)
		s.c.mu.Unlock()
		if queued >= n {
			return
		}
		runtime.Gosched()
	}
}

// TestCloseDrains: what was queued before Close is written, what comes later is refused.
func TestCloseDrains(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := openAt(t, path, Options{})
	release := hold(t, s)
	first := queue(t, s, write("k", "v", storage.Absent))
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	for refused := false; !refused; { // until Close has come so far
		s.c.mu.Lock()
		refused = s.c.closed
		s.c.mu.Unlock()
		runtime.Gosched()
	}
	if err := s.Apply(t.Context(), write("late", "v", storage.Absent)); !errors.Is(err, storage.ErrClosed) {
		t.Errorf("apply after close began: %v; want ErrClosed", err)
	}
	release()
	if err := <-first; err != nil {
		t.Errorf("queued before close: %v", err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	wantValue(t, openAt(t, path, Options{}), "k", "v")
}

// faulty lets a test decide how commits end.
type faulty struct {
	fault atomic.Pointer[fault]
}

type fault struct {
	err   error
	moved bool // the meta page was written before the error
}

func breakable(s *Store) *faulty {
	f := &faulty{}
	s.g.commit = func(tx *bbolt.Tx) error {
		switch fault := f.fault.Load(); {
		case fault == nil:
			return tx.Commit()
		case fault.moved:
			return errors.Join(tx.Commit(), fault.err)
		default:
			return errors.Join(tx.Rollback(), fault.err)
		}
	}
	return f
}

// TestFailedCommit is every way in which a commit can fail, as bbolt reports it.
func TestFailedCommit(t *testing.T) {
	for _, test := range []struct {
		name  string
		fault fault
		final bool
	}{
		{"no space for pages", fault{err: syscall.ENOSPC}, false},
		{"no space, as bbolt words it", fault{err: fmt.Errorf("file resize error: %s", syscall.ENOSPC)}, false},
		{"no quota left", fault{err: syscall.EDQUOT}, false},
		{"pages not synced", fault{err: syscall.EIO}, true},
		{"map not made", fault{err: errors.New("mmap allocate error: cannot allocate memory")}, true},
		{"meta page not synced", fault{err: syscall.EIO, moved: true}, true},
		{"meta page not synced for lack of space", fault{err: syscall.ENOSPC, moved: true}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "store.db")
			s := openAt(t, path, Options{})
			f := breakable(s)
			if err := s.Apply(t.Context(), write("k", "1", storage.Absent)); err != nil {
				t.Fatal(err)
			}
			version := wantValue(t, s, "k", "1")

			f.fault.Store(&test.fault)
			release := hold(t, s)
			fates := []chan error{
				queue(t, s, write("k", "2", storage.At(version))),
				queue(t, s, write("k", "lost", storage.At(version))),
				queue(t, s, write("new", "2", storage.Absent)),
			}
			release()
			for i, fate := range fates {
				wantUnavailable(t, fmt.Sprint("request ", i), <-fate)
			}
			wantUnavailable(t, "ready", s.Ready(t.Context()))

			f.fault.Store(nil) // the disk is well again
			err := s.Apply(t.Context(), write("later", "3", storage.Any))
			if test.final {
				wantUnavailable(t, "apply after a final fault", err)
				wantUnavailable(t, "ready after a final fault", s.Ready(t.Context()))
			} else if ready := s.Ready(t.Context()); err != nil || ready != nil {
				t.Errorf("after a fault that passed: apply %v, ready %v", err, ready)
			}

			was := "1"
			if test.fault.moved { // the disk may have either; nobody may rely on one before settle has made sure
				was = "2"
				_, err := s.Get(t.Context(), table, "k")
				wantUnavailable(t, "get", err)
			} else if wantValue(t, s, "k", was) != version {
				t.Error("the version has changed, the value not")
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			s = openAt(t, path, Options{})
			seen := wantValue(t, s, "k", was)
			if (seen == version) == test.fault.moved {
				t.Errorf("version went from %d to %d", version, seen)
			}
			if err := s.Apply(t.Context(), write("k", "4", storage.At(seen))); err != nil {
				t.Errorf("apply after opening again: %v", err)
			}
			if now := wantValue(t, s, "k", "4"); now <= seen {
				t.Errorf("version %d came after %d", now, seen)
			}
		})
	}
}

// TestPanicInGroup: even if the code of a request were wrong, the others get an answer, Close
// returns, and the lock is free.
func TestPanicInGroup(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := openAt(t, path, Options{})
	release := hold(t, s)
	neighbour := queue(t, s, write("k", "v", storage.Absent))
	r, err := s.c.submit(func(*group) error { panic("at the disco") })
	if err != nil {
		t.Fatal(err)
	}
	release()
	wantUnavailable(t, "neighbour", <-neighbour)
	wantUnavailable(t, "culprit", <-r.fate)
	wantUnavailable(t, "ready", s.Ready(t.Context()))
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	s = openAt(t, path, Options{})
	if err := s.Apply(t.Context(), write("k", "v", storage.Absent)); err != nil {
		t.Error(err)
	}
}

func TestReadyNoticesStall(t *testing.T) {
	s := newStore(t, Options{})
	release := hold(t, s)
	if err := s.Ready(t.Context()); err != nil {
		t.Errorf("during a commit: %v", err)
	}
	s.c.busySince.Add(-int64(stall + time.Second))
	wantUnavailable(t, "ready", s.Ready(t.Context()))
	release()
	if err := s.Apply(t.Context(), write("k", "v", storage.Absent)); err != nil {
		t.Error(err)
	}
	if err := s.Ready(t.Context()); err != nil {
		t.Errorf("after the disk went on: %v", err)
	}
}

// TestReadyGivesUp: a probe that takes longer than the caller can wait is an answer too.
func TestReadyGivesUp(t *testing.T) {
	s := newStore(t, Options{})
	f := breakable(s)
	f.fault.Store(&fault{err: syscall.ENOSPC})
	wantUnavailable(t, "apply", s.Apply(t.Context(), write("k", "v", storage.Any)))
	f.fault.Store(nil)
	release := hold(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantUnavailable(t, "ready", s.Ready(ctx))
	release()
	if err := s.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestConcurrentReady(t *testing.T) {
	s := newStore(t, Options{})
	f := breakable(s)
	f.fault.Store(&fault{err: syscall.ENOSPC})
	wantUnavailable(t, "apply", s.Apply(t.Context(), write("k", "v", storage.Any)))
	f.fault.Store(nil)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if err := s.Ready(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}
