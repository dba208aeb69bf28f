package ship

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

// standby is a follower that runs.
type standby struct {
	*Follower
	stop func()
}

func startStandby(t *testing.T, from Destination, path string) *standby {
	t.Helper()
	return startStandbyWith(t, from, path, func(*Follower) {})
}

func startStandbyWith(t *testing.T, from Destination, path string, change func(*Follower)) *standby {
	t.Helper()
	f, err := Follow(FollowConfig{From: from, Secret: testSecret, Path: path, Folder: path + ".ship", Every: 5 * time.Millisecond,
		Logger: slog.New(slog.NewTextHandler(testWriter{t}, nil))})
	if err != nil {
		t.Fatal(err)
	}
	change(f)
	s := &standby{Follower: f}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := f.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	s.stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(s.stop)
	return s
}

// waitFor waits until the standby has what a primary has.
func (s *standby) waitFor(t *testing.T, p *primary) {
	t.Helper()
	p.waitShipped()
	at, err := p.store.Position()
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the standby", func() bool { return s.Status().Sequence == at.Sequence })
}

// TestStandby: it follows over its own restarts, those of the primary, and new generations, from one
// snapshot; and is the same database at the end.
func TestStandby(t *testing.T) {
	t.Parallel()
	to := directory(t.TempDir())
	path, own := filepath.Join(t.TempDir(), "store.db"), filepath.Join(t.TempDir(), "own.db")
	c := config(to, path)
	c.SnapshotEvery = 200 * time.Millisecond
	p := startPrimary(t, path, c)
	p.put("a", "1")
	s := startStandby(t, to, own)
	s.waitFor(t, p)
	for i := range 5 {
		for j := range 20 {
			p.put(fmt.Sprint(i, j), "v")
		}
		switch i {
		case 1: // stop and go on
			s.stop()
			p.put("b", "while it was away")
			s = startStandby(t, to, own)
		case 2: // as after a power cut
			s.stop()
			if err := os.WriteFile(filepath.Join(own+".ship", followFile), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			s = startStandby(t, to, own)
		case 3:
			p.stop()
			p = startPrimary(t, path, c)
		}
		s.waitFor(t, p)
	}
	before := p.shipper.Status().Generation
	waitFor(t, "another generation", func() bool {
		p.put("c", "more")
		return p.shipper.Status().Generation > before
	})
	p.waitShipped()
	s.waitFor(t, p)
	p.stop()
	waitFor(t, "the last of it", func() bool {
		at, _ := positionOf(t, path)
		return s.Status().Sequence == at.Sequence
	})
	if st := s.Status(); st.Lag(time.Now()) > time.Minute {
		t.Errorf("status %+v", st)
	}
	s.stop()
	wantSame(t, path, own)
	if n := s.Status().Snapshots; n != 1 { // after the power cut it did not know whose history it had
		t.Errorf("it took %d snapshots since the power cut", n)
	}
}

// TestStandbyOfARestoredPrimary: what the primary was restored away from is gone from its standby too,
// although the standby has more groups.
func TestStandbyOfARestoredPrimary(t *testing.T) {
	for name, away := range map[string]bool{"it follows meanwhile": false, "it is away meanwhile": true} {
		t.Run(name, func(t *testing.T) {
			to := directory(t.TempDir())
			path, own := filepath.Join(t.TempDir(), "store.db"), filepath.Join(t.TempDir(), "own.db")
			p := startPrimary(t, path, config(to, path))
			p.put("a", "kept")
			p.waitShipped()
			at := tick()
			for range 20 {
				p.put("a", "abandoned")
			}
			s := startStandby(t, to, own)
			s.waitFor(t, p)
			p.stop()
			if away {
				s.stop()
			}
			past, _, err := restore(t, to, at)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(os.Rename(past, path), Forget(path+".ship")); err != nil {
				t.Fatal(err)
			}
			p = startPrimary(t, path, config(to, path))
			p.put("b", "of the new history")
			p.waitShipped()
			p.stop()
			if away {
				s = startStandby(t, to, own)
			}
			if _, err := s.Promote(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.stop()
			wantSame(t, path, own)
			if a, b := valueOf(t, own, "a"), valueOf(t, own, "b"); a != "kept" || b != "of the new history" {
				t.Errorf("promoted with a=%q, b=%q", a, b)
			}
		})
	}
}

// TestPromote: the standby takes over while the old primary still ships. Everything that the old one
// reports as shipped is there. It learns of the take-over and writes no more, and the new one ships on.
func TestPromote(t *testing.T) {
	to := directory(t.TempDir())
	path, own := filepath.Join(t.TempDir(), "store.db"), filepath.Join(t.TempDir(), "own.db")
	p := startPrimary(t, path, config(to, path))
	p.put("a", "0")
	s := startStandby(t, to, own)
	s.waitFor(t, p)
	var writing sync.WaitGroup
	writing.Go(func() {
		for i := 0; ; i++ {
			if err := p.store.Apply(t.Context(), put("a", fmt.Sprint(i))); err != nil {
				if !errors.Is(err, storage.ErrUnavailable) {
					t.Error(err)
				}
				return
			}
		}
	})
	waitFor(t, "some of it", func() bool { return s.Status().Sequence > 20 })
	promotion, err := s.Promote(t.Context())
	if err != nil || promotion.Epoch != 2 || promotion.Before == "" {
		t.Fatalf("%+v, %v", promotion, err)
	}
	waitFor(t, "the old primary to be fenced", func() bool { return p.shipper.Status().Fenced != nil })
	writing.Wait()
	if err := p.store.Ready(t.Context()); !errors.Is(err, storage.ErrUnavailable) || !errors.As(err, new(*FencedError)) {
		t.Errorf("the old primary is ready: %v", err)
	}
	if shipped := p.shipper.current.Position.Sequence; shipped > promotion.Sequence {
		t.Errorf("the old one shipped group %d, the new one has %d", shipped, promotion.Sequence)
	}
	s.stop()

	n := startPrimary(t, own, config(to, own))
	if at, err := n.store.Position(); err != nil || at.Sequence < promotion.Sequence {
		t.Errorf("the new primary is at %d, %v", at.Sequence, err)
	}
	n.put("b", "of the new one")
	n.waitShipped()
	n.stop()
	wantShipped(t, to, own)

	// The old one, started again, learns it before it serves anything.
	p.stop()
	store, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	c := config(to, path)
	c.Store = store
	if _, err := New(t.Context(), c); !errors.As(err, new(*FencedError)) {
		t.Errorf("the old primary comes back: %v", err)
	}
}

// TestPromoteOne: of two standbys that are promoted at once, one is.
func TestPromoteOne(t *testing.T) {
	to := directory(t.TempDir())
	path := filepath.Join(t.TempDir(), "store.db")
	p := startPrimary(t, path, config(to, path))
	p.put("a", "0")
	var standbys []*standby
	for i := range 2 {
		s := startStandby(t, to, filepath.Join(t.TempDir(), fmt.Sprint(i)))
		s.waitFor(t, p)
		standbys = append(standbys, s)
	}
	errs := make([]error, 2)
	var both sync.WaitGroup
	for i, s := range standbys {
		both.Go(func() { _, errs[i] = s.Promote(t.Context()) })
	}
	both.Wait()
	if errs[0] != nil {
		slices.Reverse(errs)
	}
	if errs[0] != nil || !errors.As(errs[1], new(*FencedError)) {
		t.Errorf("of two, one: %v, %v", errs[0], errs[1])
	}
}

// TestPromoteNext: of two that were asked at once, the second may come when the first has taken over and
// shipped. It loses too, until the first has been the primary for a while.
func TestPromoteNext(t *testing.T) {
	to := directory(t.TempDir())
	path, own := filepath.Join(t.TempDir(), "store.db"), filepath.Join(t.TempDir(), "own.db")
	p := startPrimary(t, path, config(to, path))
	p.put("a", "0")
	first, second := startStandby(t, to, own), startStandby(t, to, filepath.Join(t.TempDir(), "second.db"))
	first.waitFor(t, p)
	second.waitFor(t, p)
	if _, err := first.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
	first.stop()
	n := startPrimary(t, own, config(to, own))
	n.put("a", "1")
	n.waitShipped()
	if _, err := second.Promote(t.Context()); !errors.As(err, new(*FencedError)) {
		t.Errorf("promoted right after another one: %v", err)
	}
	n.stop()
	e, err := newestEpoch(t.Context(), to)
	if err != nil || e.Number != 2 {
		t.Fatal(e, err)
	}
	e.Since = e.Since.Add(-settleTime)
	if err := os.WriteFile(file(to, epochName(2)), encodeDocument(e), 0o600); err != nil {
		t.Fatal(err)
	}
	if promotion, err := second.Promote(t.Context()); err != nil || promotion.Epoch != 3 {
		t.Errorf("%+v, %v", promotion, err)
	}
}

// TestPromoteRefuses: a standby that can't have all, or can't fence, stays a standby.
func TestPromoteRefuses(t *testing.T) {
	t.Parallel()
	to := &faulty{Destination: directory(t.TempDir())}
	path, own := filepath.Join(t.TempDir(), "store.db"), filepath.Join(t.TempDir(), "own.db")
	p := startPrimary(t, path, config(to, path))
	p.put("a", "0")
	s := startStandby(t, to, own)
	s.waitFor(t, p)
	to.down.Store(true)
	if _, err := s.Promote(t.Context()); !errors.Is(err, errDown) {
		t.Errorf("promoted without a destination: %v", err)
	}
	to.down.Store(false)
	s.stop()
	p.put("a", "1")
	p.waitShipped()
	p.put("a", "2")
	p.waitShipped()
	p.stop()
	if err := to.Delete(t.Context(), segmentName(1, s.at.Next)); err != nil {
		t.Fatal(err)
	}
	s = startStandby(t, to, own)
	if _, err := s.Promote(t.Context()); err == nil {
		t.Error("promoted over a gap")
	}
	waitFor(t, "the gap to be told", func() bool { return s.Status().Failing != nil })
}

// TestStandbyWantsItsOwn: a database that is not a standby's is not overwritten.
func TestStandbyWantsItsOwn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	store, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Follow(FollowConfig{From: directory(t.TempDir()), Secret: testSecret, Path: path, Folder: path + ".ship"}); !errors.Is(err, ErrOwnDatabase) {
		t.Errorf("follow: %v", err)
	}
}

// TestLinkedStandby: the database is where a symbolic link leads, also on another disk, and the link stays.
func TestLinkedStandby(t *testing.T) {
	to := directory(t.TempDir())
	path := filepath.Join(t.TempDir(), "store.db")
	own, link := filepath.Join(t.TempDir(), "own.db"), filepath.Join(t.TempDir(), "link.db")
	p := startPrimary(t, path, config(to, path))
	p.put("a", "1")
	s := startStandby(t, to, own) // a link that leads nowhere is not followed
	s.waitFor(t, p)
	s.stop()
	if err := errors.Join(os.Symlink(own, link), os.Rename(own+".ship", link+".ship")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(link+".ship", followFile), nil, 0o600); err != nil { // it starts over
		t.Fatal(err)
	}
	p.put("a", "2")
	s = startStandby(t, to, link)
	s.waitFor(t, p)
	s.stop()
	p.stop()
	if to, err := os.Readlink(link); err != nil || to != own {
		t.Errorf("the link leads to %q, %v", to, err)
	}
	if s.Status().Snapshots != 1 {
		t.Error("no snapshot was taken: the test shows nothing")
	}
	wantSame(t, path, own)
	for folder, want := range map[string]int{filepath.Dir(own): 1, filepath.Dir(link): 2} {
		if entries, err := os.ReadDir(folder); err != nil || len(entries) != want {
			t.Errorf("%s: %v, %v", folder, entries, err)
		}
	}
}

// TestStandbyIsCompacted: what was deleted takes no room for ever, and the standby goes on where it was.
func TestStandbyIsCompacted(t *testing.T) {
	t.Parallel()
	for name, keepSize := range map[string]bool{"it is": false, "keep_size": true} {
		t.Run(name, func(t *testing.T) {
			to := directory(t.TempDir())
			path, own := filepath.Join(t.TempDir(), "store.db"), filepath.Join(t.TempDir(), "own.db")
			c := config(to, path)
			p := startPrimary(t, path, c)
			p.put("a", "1")
			s := startStandby(t, to, own)
			s.waitFor(t, p)
			for i := range 40 {
				p.put(fmt.Sprint(i), strings.Repeat("v", 100_000))
			}
			for i := range 40 {
				p.put(fmt.Sprint(i), "v")
			}
			s.waitFor(t, p)
			s.stop()
			before := size(t, own)
			s = startStandbyWith(t, to, own, func(f *Follower) { f.compactFrom, f.KeepSize = 1<<20, keepSize })
			p.put("a", "2")
			s.waitFor(t, p)
			p.stop()
			s.stop()
			wantSame(t, path, own)
			if after := size(t, own); (after < before/2) == keepSize {
				t.Errorf("%d bytes, were %d", after, before)
			}
			if n := s.Status().Snapshots; n != 0 {
				t.Errorf("it started over %d times", n)
			}
		})
	}
}

// TestPromoteAfterAnother: a standby that is promoted while another take-over is under way has lost, and
// takes nothing away from it; one that finds the other dead succeeds it later.
func TestPromoteAfterAnother(t *testing.T) {
	to := directory(t.TempDir())
	path := filepath.Join(t.TempDir(), "store.db")
	p := startPrimary(t, path, config(to, path))
	p.put("a", "0")
	p.waitShipped()
	s := startStandby(t, to, filepath.Join(t.TempDir(), "own.db"))
	s.waitFor(t, p)
	since := time.Now().UTC().Truncate(time.Second)
	rival := func() {
		t.Helper()
		if err := os.WriteFile(file(to, epochName(2)), encodeDocument(epoch{Number: 2, Node: "rival", Host: "id2", Since: since}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rival()
	fenced := new(FencedError)
	if _, err := s.Promote(t.Context()); !errors.As(err, &fenced) || fenced.Host != "id2" {
		t.Errorf("promoted during another take-over: %v", err)
	}
	since = since.Add(-2 * rivalTime)
	rival()
	promotion, err := s.Promote(t.Context())
	if err != nil || promotion.Epoch != 3 || promotion.Before != "id2" {
		t.Errorf("%+v, %v", promotion, err)
	}
	if _, err := s.Promote(t.Context()); !errors.Is(err, ErrPromoted) {
		t.Errorf("promoted twice: %v", err)
	}
	if err := CheckPromoted(t.Context(), to, promotion); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(file(to, epochName(4)), encodeDocument(epoch{Number: 4, Node: "rival", Host: "id2", Since: since}), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := CheckPromoted(t.Context(), to, promotion); !errors.As(err, new(*FencedError)) {
		t.Errorf("it has lost again: %v", err)
	}
}
