package bolt

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/authzd/authzd/storage"
)

var compactRecords = flag.Int("compact-records", 5_000, "records that TestCompactUnderLoad compacts; 1000000 for the figures in docs/operations.md")

// sparse makes a store of n records of which nine in ten have been deleted, and half of the rest been
// written twice.
func sparse(t *testing.T, path string, opts Options, n int) *Store {
	t.Helper()
	opts.SweepEvery = time.Hour
	s := openAt(t, path, opts)
	for _, step := range []func(i int) (w storage.Write, ok bool){
		func(i int) (storage.Write, bool) {
			return write(sparseKey(i), strings.Repeat("v", 300), storage.Absent), true
		},
		func(i int) (storage.Write, bool) {
			return storage.Write{Table: table, Key: sparseKey(i), If: storage.Any}, i%10 != 0
		},
		func(i int) (storage.Write, bool) {
			w := write(sparseKey(i), sparseValue(i), storage.Any)
			w.Expires = time.Now().Add(time.Hour)
			return w, i%20 == 0
		},
	} {
		var writes []storage.Write
		for i := range n {
			if w, ok := step(i); ok {
				writes = append(writes, w)
			}
			if len(writes) == 1000 || i == n-1 && len(writes) > 0 {
				if err := s.Apply(t.Context(), writes...); err != nil {
					t.Fatal(err)
				}
				writes = nil
			}
		}
	}
	return s
}

// sparseKey spreads keys as hashes are.
func sparseKey(i int) string   { return fmt.Sprintf("%016x", uint64(i+1)*0x9e3779b97f4a7c15) }
func sparseValue(i int) string { return fmt.Sprint("again ", i) }

func files(t *testing.T, folder string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// records are all records of a store, with versions and expiries.
func records(t *testing.T, s *Store) map[string]storage.Record {
	t.Helper()
	all := make(map[string]storage.Record)
	if err := s.Export(t.Context(), func(table storage.Table, rec storage.Record) error {
		all[string(table)+"/"+rec.Key] = rec
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

func sameRecords(a, b map[string]storage.Record) bool {
	for key, rec := range a {
		if other, ok := b[key]; !ok || other.Version != rec.Version || string(other.Value) != string(rec.Value) || !other.Expires.Equal(rec.Expires) {
			return false
		}
	}
	return len(a) == len(b)
}

func TestCompact(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := sparse(t, path, Options{}, 5_000)
	before, at := records(t, s), position1(t, s)
	r, _ := tap(t, s)
	c, err := s.Compact(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if c.After*3 > c.Before || s.Stats().FileBytes != c.After || c.Pause <= 0 || c.Took < c.Pause {
		t.Errorf("compacted %+v, the file has %d bytes", c, s.Stats().FileBytes)
	}
	if after := records(t, s); !sameRecords(before, after) {
		t.Errorf("%d records became %d", len(before), len(after))
	}
	if now := position1(t, s); now != at {
		t.Errorf("position was %+v, is %+v", at, now)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v", info.Mode(), err)
	}
	if err := s.Ready(t.Context()); err != nil {
		t.Error(err)
	}

	// Life goes on: conditions, versions, positions, taps, and another compaction.
	version := wantValue(t, s, sparseKey(20), sparseValue(20))
	if err := s.Apply(t.Context(), write(sparseKey(20), "new", storage.At(version))); err != nil {
		t.Error(err)
	}
	if now := wantValue(t, s, sparseKey(20), "new"); now <= version {
		t.Errorf("version %d came after %d", now, version)
	}
	if len(r.groups) != 1 || r.groups[0].Position.Sequence != at.Sequence+1 {
		t.Errorf("the tap heard of %+v, want one group after %d", r.groups, at.Sequence)
	}
	if _, err := s.Compact(t.Context()); err != nil {
		t.Error(err)
	}
	before = records(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	contents(t, path) // checks each page
	if names := files(t, filepath.Dir(path)); len(names) != 1 {
		t.Errorf("left over: %v", names)
	}
	if s = openAt(t, path, Options{}); !sameRecords(before, records(t, s)) {
		t.Error("opened again, it has other records")
	}
}

func position1(t *testing.T, s *Store) Position {
	t.Helper()
	p, err := s.Position()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestCompactUnderLoad compacts again and again while many write, each its own chain of versions, and
// many read, some for a long time. No read fails, no write is lost, and all wait but a moment.
func TestCompactUnderLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := sparse(t, path, Options{}, *compactRecords)
	r, from := tap(t, s)
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var slowest, reads atomic.Int64
	newest := make([]uint64, 16) // of each writer
	for w := range newest {
		wg.Go(func() {
			key := fmt.Sprint("writer ", w)
			for n := 0; ctx.Err() == nil; n++ {
				began := time.Now()
				if err := s.Apply(context.Background(), write(key, fmt.Sprint(n), storage.At(newest[w])), write(fmt.Sprint(key, "/", n), "v", storage.Absent)); err != nil {
					t.Errorf("apply: %v", err)
					return
				}
				if took := int64(time.Since(began)); took > slowest.Load() {
					slowest.Store(took) // near enough
				}
				newest[w] = wantValue(t, s, key, fmt.Sprint(n))
			}
		})
	}
	wg.Go(func() {
		for ctx.Err() == nil {
			wantValue(t, s, sparseKey(20), sparseValue(20))
			reads.Add(1)
		}
	})
	wg.Go(func() {
		for ctx.Err() == nil {
			if n := len(records(t, s)); n < *compactRecords/10 {
				t.Errorf("an export has %d records", n)
			}
		}
	})
	var pauses []time.Duration
	for range 3 {
		c, err := s.Compact(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%+v", c)
		pauses = append(pauses, c.Pause)
	}
	stop()
	wg.Wait()
	t.Logf("longest pause %v, slowest write %v, %d reads, %d groups", slices.Max(pauses), time.Duration(slowest.Load()), reads.Load(), len(r.groups))
	if longest := slices.Max(pauses); longest > time.Minute { // milliseconds, unless others have the disk
		t.Errorf("writes waited %v", longest)
	}
	for i, g := range r.groups {
		if want := from.Sequence + uint64(i) + 1; g.Position.Sequence != want {
			t.Fatalf("the tap heard of group %d, want %d", g.Position.Sequence, want)
		}
	}
	for w, version := range newest {
		if rec, err := s.Get(t.Context(), table, fmt.Sprint("writer ", w)); err != nil || rec.Version != version {
			t.Errorf("writer %d: version %d, want %d; %v", w, rec.Version, version, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	contents(t, path)
}

// TestCompactRefused: one at a time, none after Close, none of a store that follows, and each ends when
// its context or the store does.
func TestCompactRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	at, goOn := make(chan struct{}), make(chan struct{})
	s := sparse(t, path, Options{stage: func(name string) {
		if name == stageCompactCopied {
			at <- struct{}{}
			<-goOn
		}
	}}, 1000)
	compacted := make(chan error, 1)
	compact := func(ctx context.Context) {
		_, err := s.Compact(ctx)
		compacted <- err
	}
	ctx, cancel := context.WithCancel(t.Context())
	go compact(ctx)
	<-at
	if _, err := s.Compact(t.Context()); !errors.Is(err, ErrCompacting) {
		t.Errorf("a second one: %v", err)
	}
	if _, err := Open(path, Options{}); err == nil || !strings.Contains(err.Error(), "already open") {
		t.Errorf("opened by another: %v", err)
	}
	cancel()
	goOn <- struct{}{}
	if err := <-compacted; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if names := files(t, filepath.Dir(path)); len(names) != 1 {
		t.Errorf("left over: %v", names)
	}

	go compact(t.Context())
	<-at
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	<-s.closing
	goOn <- struct{}{}
	if err := <-compacted; !errors.Is(err, storage.ErrClosed) {
		t.Errorf("while it closes: %v", err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if _, err := s.Compact(t.Context()); !errors.Is(err, storage.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	f := openAt(t, filepath.Join(t.TempDir(), "follower.db"), Options{Follow: true})
	if _, err := f.Compact(t.Context()); !errors.Is(err, errFollows) {
		t.Errorf("a store that follows: %v", err)
	}
}

// TestCompactFails: after any failure before the copy has the database's name, the store goes on with its
// file, and the copy is gone.
func TestCompactFails(t *testing.T) {
	for _, stage := range []string{stageCompactCopied, stageCompactCaught} {
		t.Run(stage, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "store.db")
			temp := filepath.Join(filepath.Dir(path), leftoverPrefix(path)+"compact")
			var fail atomic.Bool
			s := sparse(t, path, Options{stage: func(name string) {
				if fail.Load() && name == stage {
					if err := os.Remove(temp); err != nil {
						t.Error(err)
					}
				}
			}}, 1000)
			fail.Store(true)
			before := records(t, s)
			if _, err := s.Compact(t.Context()); err == nil {
				t.Error("no error")
			}
			if err := errors.Join(s.Ready(t.Context()), s.Apply(t.Context(), write("k", "v", storage.Absent))); err != nil {
				t.Error(err)
			}
			if names := files(t, filepath.Dir(path)); len(names) != 1 {
				t.Errorf("left over: %v", names)
			}
			fail.Store(false)
			if _, err := s.Compact(t.Context()); err != nil {
				t.Error(err)
			}
			if after := records(t, s); len(after) != len(before)+1 {
				t.Errorf("%d records became %d, want one more", len(before), len(after))
			}
		})
	}
}

// TestCompactBySelf: the sweeper compacts a large file of which most is free, and no other.
func TestCompactBySelf(t *testing.T) {
	for _, test := range []struct {
		keep bool
		rest time.Duration
		want bool
	}{{false, 2 * compactRest, true}, {true, 2 * compactRest, false}, {false, compactRest / 2, false}} {
		s := sparse(t, filepath.Join(t.TempDir(), "store.db"), Options{KeepSize: test.keep}, 100)
		if s.compactFrom > 0 {
			s.compactFrom = 4 << 20
		}
		for range 6 { // of a MiB each
			if err := s.Apply(t.Context(), write("large"+fmt.Sprint(s.Stats().Commits), strings.Repeat("v", storage.MaxValue), storage.Absent)); err != nil {
				t.Fatal(err)
			}
		}
		s.compactedAt = time.Now().Add(-2 * compactRest)
		before := s.Stats().FileBytes
		s.compactIfDue()
		if now := s.Stats().FileBytes; now != before {
			t.Errorf("a full file was compacted from %d to %d", before, now)
		}
		s.compactedAt = time.Now().Add(-test.rest)
		recs, err := s.Scan(t.Context(), table, "large", "", 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, rec := range recs {
			if err := s.Apply(t.Context(), storage.Write{Table: table, Key: rec.Key, If: storage.Any}); err != nil {
				t.Fatal(err)
			}
		}
		s.compactIfDue()
		if now := s.Stats().FileBytes; (now < before/10) != test.want {
			t.Errorf("%+v: %d bytes became %d", test, before, now)
		}
	}
}

// TestCompactWhileReadyWaits: Ready waits for the committer, which a compaction holds while it waits to
// move the file's name.
func TestCompactWhileReadyWaits(t *testing.T) {
	var s *Store
	ready := make(chan error, 1)
	opts := AtStage(stageCompactWhole, func() {
		s.c.setTrouble(&trouble{err: errors.New("a commit failed")})
		go func() { ready <- s.Ready(t.Context()) }()
		for queued := false; !queued; runtime.Gosched() {
			s.c.mu.Lock()
			queued = len(s.c.queue) > 0 || s.c.busySince.Load() != 0
			s.c.mu.Unlock()
		}
	})
	s = openAt(t, filepath.Join(t.TempDir(), "store.db"), opts)
	compacted := make(chan error, 1)
	go func() {
		_, err := s.Compact(t.Context())
		compacted <- err
	}()
	for what, done := range map[string]chan error{"compaction": compacted, "readiness": ready} {
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
		case <-time.After(2 * time.Minute):
			t.Fatalf("%s: waits for ever", what)
		}
	}
}
