package bolt

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/authzd/authzd/storage"
)

// recorder is a Tap that keeps what was committed.
type recorder struct {
	t        *testing.T
	mu       sync.Mutex
	prepared *Group
	groups   []Group
	undone   int
}

func (r *recorder) Prepare(g Group) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.prepared != nil {
		r.t.Error("a group was prepared before the one before it was done")
	}
	r.prepared = &g
}

func (r *recorder) Done(committed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.prepared == nil {
		r.t.Error("done without a group")
		return
	}
	if committed {
		r.groups = append(r.groups, *r.prepared)
	} else {
		r.undone++
	}
	r.prepared = nil
}

func tap(t *testing.T, s *Store) (*recorder, Position) {
	t.Helper()
	r := &recorder{t: t}
	p, err := s.Tap(r)
	if err != nil {
		t.Fatal(err)
	}
	return r, p
}

func wantPosition(t *testing.T, s *Store, sequence uint64) Position {
	t.Helper()
	p, err := s.Position()
	if err != nil || p.Sequence != sequence || (p.Mark == 0) != (sequence == 0) {
		t.Errorf("position %+v, %v; want sequence %d", p, err, sequence)
	}
	return p
}

// TestTap: what a tap hears is what the file holds, in order, with the sweeper's part in it.
func TestTap(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := openAt(t, path, Options{SweepEvery: time.Hour})
	if err := s.Apply(t.Context(), write("unheard", "1", storage.Absent)); err != nil {
		t.Fatal(err)
	}
	wantPosition(t, s, 1)
	r, p := tap(t, s)
	if p.Sequence != 1 {
		t.Errorf("taps after %+v", p)
	}

	release := hold(t, s)
	fates := []chan error{
		queue(t, s, write("a", "1", storage.Absent), expired1("dead")),
		queue(t, s, write("a", "lost", storage.Absent)), // a conflict: no part of the group
		queue(t, s, write("a", "2", storage.Any)),
	}
	before := time.Now().Truncate(time.Millisecond)
	release()
	for i, fate := range fates {
		if err := <-fate; (err != nil) != (i == 1) {
			t.Errorf("request %d: %v", i, err)
		}
	}
	if err := s.Apply(t.Context(), write("a", "lost", storage.At(99))); err == nil {
		t.Error("a conflict was applied")
	}
	if swept, err := s.deleteExpired(table, mustFind(t, s)); swept != 1 || err != nil {
		t.Errorf("swept %d, %v", swept, err)
	}
	s.Untap(r)
	if err := s.Apply(t.Context(), write("unheard", "2", storage.Any)); err != nil {
		t.Fatal(err)
	}
	end := wantPosition(t, s, 4)

	if len(r.groups) != 2 {
		t.Fatalf("heard %d groups, want 2", len(r.groups))
	}
	first, second := r.groups[0], r.groups[1]
	if got, want := described(first), "2: a=1 dead=v a=2"; got != want {
		t.Errorf("first group is %s; want %s", got, want)
	}
	if got, want := described(second), "3: dead deleted"; got != want {
		t.Errorf("second group is %s; want %s", got, want)
	}
	if first.Position.Mark == second.Position.Mark || first.Time.Before(before) || second.Time.Before(first.Time) {
		t.Errorf("marks and times: %+v, %+v", first, second)
	}
	// The last change of a record is what the file holds, version included.
	stored, err := decodeRow(first.Changes[2].Row)
	if err != nil || stored.version != wantValue(t, s, "a", "2") {
		t.Errorf("row of the group: %+v, %v", stored, err)
	}

	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Position(); !errors.Is(err, storage.ErrClosed) {
		t.Errorf("position of a closed store: %v", err)
	}
	if again := wantPosition(t, openAt(t, path, Options{}), 4); again != end {
		t.Errorf("position became %+v after a restart, was %+v", again, end)
	}
}

func mustFind(t *testing.T, s *Store) []expired {
	t.Helper()
	found, _, _, err := s.findExpired(table, nil)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// described is a group's sequence and its changes.
func described(g Group) string {
	text := fmt.Sprintf("%d:", g.Position.Sequence)
	for _, c := range g.Changes {
		if c.Row == nil {
			text += fmt.Sprintf(" %s deleted", c.Key)
		} else {
			text += fmt.Sprintf(" %s=%s", c.Key, c.Row[rowHeader:])
		}
	}
	return text
}

// TestTapOfFailures: a group that changed nothing on the disk is undone, and its sequence is the
// next one's; of a group whose fate nobody knows the tap hears no end.
func TestTapOfFailures(t *testing.T) {
	s := newStore(t, Options{})
	r, _ := tap(t, s)
	fail := error(nil)
	commit := s.g.commit
	s.g.commit = func(tx *bbolt.Tx) error {
		if fail != nil {
			return errors.Join(fail, tx.Rollback())
		}
		return commit(tx)
	}
	fail = syscall.ENOSPC
	wantUnavailable(t, "full disk", s.Apply(t.Context(), write("a", "1", storage.Absent)))
	fail = nil
	if r.undone != 1 || len(r.groups) != 0 {
		t.Errorf("undone %d, heard %d", r.undone, len(r.groups))
	}
	wantPosition(t, s, 0)
	if err := s.Ready(t.Context()); err != nil { // writes a probe, which is no change of a record
		t.Fatal(err)
	}
	if err := s.Apply(t.Context(), write("a", "1", storage.Absent)); err != nil {
		t.Fatal(err)
	}
	wantPosition(t, s, 1)
	if len(r.groups) != 1 || described(r.groups[0]) != "1: a=1" {
		t.Errorf("heard %+v", r.groups)
	}

	s.g.commit = func(tx *bbolt.Tx) error { return errors.Join(syscall.EIO, commit(tx)) } // the meta page's sync
	wantUnavailable(t, "failed sync", s.Apply(t.Context(), write("b", "1", storage.Absent)))
	if r.prepared == nil || r.undone != 1 || len(r.groups) != 1 {
		t.Errorf("of a group of unknown fate: prepared %v, undone %d, heard %d", r.prepared != nil, r.undone, len(r.groups))
	}
}

// TestTapUnderLoad: taps that come and go while everybody writes hear of each group in between,
// without a gap, and replaying what they heard gives what the store holds.
func TestTapUnderLoad(t *testing.T) {
	s := newStore(t, Options{})
	whole, _ := tap(t, s)
	var writers sync.WaitGroup
	for w := range 8 {
		writers.Go(func() {
			for i := range 40 {
				if err := s.Apply(t.Context(), write(fmt.Sprintf("%d/%d", w, i%7), fmt.Sprint(i), storage.Any)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 20 {
		r, p := tap(t, s)
		if err := s.Apply(t.Context(), write("x", "x", storage.Any)); err != nil {
			t.Error(err)
		}
		s.Untap(r)
		wantUnbroken(t, r.groups, p.Sequence)
		if len(r.groups) == 0 {
			t.Error("a tap heard nothing of a write that came after it")
		}
	}
	writers.Wait()
	wantUnbroken(t, whole.groups, 0)
	wantPosition(t, s, uint64(len(whole.groups)))

	replayed := make(map[string]string)
	for _, g := range whole.groups {
		for _, c := range g.Changes {
			replayed[string(c.Key)] = string(c.Row)
		}
	}
	for key, row := range replayed {
		wantValue(t, s, key, row[rowHeader:])
	}
	if n := rows(t, s, table); n != len(replayed) {
		t.Errorf("the store has %d rows, what was heard makes %d", n, len(replayed))
	}
}

func wantUnbroken(t *testing.T, groups []Group, after uint64) {
	t.Helper()
	for i, g := range groups {
		if want := after + uint64(i) + 1; g.Position.Sequence != want {
			t.Errorf("group %d has sequence %d, want %d", i, g.Position.Sequence, want)
			return
		}
	}
}
