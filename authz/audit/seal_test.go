package audit

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/authzd/authzd/storage"
)

// TestSealersAtOnce: of several replicas that seal what all of them write, each event is sealed by one.
func TestSealersAtOnce(t *testing.T) {
	const replicas, events = 4, 100
	store := newStore(t)
	var group sync.WaitGroup
	for r := range replicas {
		l := newLog(t, store)
		var writing sync.WaitGroup
		writing.Go(func() {
			for i := range events {
				if err := store.Apply(t.Context(), l.Put(t.Context(), signIn(fmt.Sprintf("%d-%d", r, i)))); err != nil {
					t.Error(err)
				}
			}
		})
		group.Go(func() {
			done := make(chan struct{})
			go func() { writing.Wait(); close(done) }()
			for ended := false; !ended; {
				select {
				case <-done:
					ended = true
				default:
				}
				if err := l.sealAll(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	l := newLog(t, store)
	if err := l.sealAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if report := verifyAll(t, l); len(report.Problems) > 0 || report.Events != replicas*events || waiting(t, store) > 0 || hasTampered(t, l) {
		t.Errorf("%d events in %d blocks, %d wait, %+v", report.Events, report.Blocks, waiting(t, store), report.Problems)
	}
	seen := map[string]bool{}
	for _, e := range listAll(t, l, Filter{}, 97) {
		if seen[e.UserID] {
			t.Errorf("the event of %s is there twice", e.UserID)
		}
		seen[e.UserID] = true
	}
	if len(seen) != replicas*events {
		t.Errorf("%d events are listed", len(seen))
	}
}

func listAll(t *testing.T, l *Log, f Filter, page int) (all []Event) {
	t.Helper()
	for at := (Position{}); ; {
		events, next, err := l.List(t.Context(), f, at, page)
		if err != nil || len(events) > page {
			t.Fatalf("%d events, %v", len(events), err)
		}
		all = append(all, events...)
		if at = next; at == (Position{}) {
			return all
		}
	}
}

// unsure is a store of whose Apply one doesn't know whether it happened: a lost connection, a killed
// process.
type unsure struct {
	storage.Store
	n int
}

func (s *unsure) Apply(ctx context.Context, writes ...storage.Write) error {
	s.n++
	switch s.n % 3 {
	case 0:
		return fmt.Errorf("before: %w", storage.ErrUnavailable)
	case 1:
		if err := s.Store.Apply(ctx, writes...); err != nil {
			return err
		}
		return fmt.Errorf("after: %w", storage.ErrUnavailable)
	}
	return s.Store.Apply(ctx, writes...)
}

// TestUnsure: an outage at any moment neither loses an event nor breaks the chain. Each round is a new
// process, as after a kill.
func TestUnsure(t *testing.T) {
	store := newStore(t)
	flaky := &unsure{Store: store}
	const events = 100
	l := newLog(t, flaky)
	for i := range events {
		l.Note(t.Context(), signIn(strconv.Itoa(i)))
		if i%7 == 0 {
			if err := l.flush(t.Context(), false); err != nil && !errors.Is(err, storage.ErrUnavailable) {
				t.Fatal(err)
			}
		}
		if err := newLog(t, flaky).sealAll(t.Context()); err != nil && !errors.Is(err, storage.ErrUnavailable) {
			t.Fatal(err)
		}
	}
	l.config.Store = store
	if err := errors.Join(l.flush(t.Context(), true), l.sealAll(t.Context())); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, e := range listAll(t, l, Filter{}, 10) {
		seen[e.UserID] = true
	}
	if report := verifyAll(t, l); len(report.Problems) > 0 || len(seen) != events || hasTampered(t, l) {
		t.Errorf("%d of %d, %+v", len(seen), events, report.Problems)
	}
}

// TestClockBack: a clock that jumps back breaks nothing, and what is sealed meanwhile is still found.
func TestClockBack(t *testing.T) {
	store := newStore(t)
	l := newLog(t, store)
	fillBlocks(t, l, 1, 1)
	head, version, err := l.head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// As if the first block had been sealed by a clock that was an hour ahead.
	ahead := l.newBlock(&storage.AuditHead{}, []string{`{"id":"1"}`}, time.Now().Add(time.Hour))
	head.Hash, head.Sealed = ahead.Hash, ahead.Sealed
	if err := store.Apply(t.Context(), l.putHead(head, version), storage.AuditBlocks.Put(blockKey(1), ahead, storage.Any, time.Time{})); err != nil {
		t.Fatal(err)
	}
	fillBlocks(t, l, 2, 1)
	if report := verifyAll(t, l); len(report.Problems) > 0 || report.Blocks != 3 {
		t.Errorf("%+v", report)
	}
	if events := listAll(t, l, Filter{Since: time.Now().Add(-time.Minute), Type: "user."}, 10); len(events) != 2 {
		t.Errorf("%d events are found", len(events))
	}
	after, err := l.Seek(t.Context(), time.Now().Add(-time.Minute))
	if err != nil || after != 0 {
		t.Errorf("an export would begin after %d, %v", after, err)
	}
}

// TestSealSizes: blocks take the largest events there can be, and many of them, and stay within what a
// record may have.
func TestSealSizes(t *testing.T) {
	l := newLog(t, newStore(t))
	details := map[string]string{}
	for i := range maxDetails {
		details[strconv.Itoa(i)] = strings.Repeat("<", maxDetail)
	}
	var writes []storage.Write
	for range 15 {
		writes = append(writes, l.Put(t.Context(), Event{Type: ClientUpdated, Details: details}))
	}
	for range 2 * maxBlockEvents {
		writes = append(writes, l.Put(t.Context(), signIn("u")))
	}
	if err := l.config.Store.Apply(t.Context(), writes...); err != nil {
		t.Fatal(err)
	}
	if err := l.sealAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if report := verifyAll(t, l); len(report.Problems) > 0 || report.Events != len(writes) || report.Blocks < 4 {
		t.Errorf("%+v", report)
	}
}

// TestTrim: what is older than the log is kept goes, and the rest still verifies.
func TestTrim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newStore(t)
		l := newLog(t, store)
		l.config.Keep = 24 * time.Minute
		for range 50 {
			fillBlocks(t, l, 1, 1)
			time.Sleep(time.Minute)
		}
		for range 2 {
			if err := l.trim(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		report := verifyAll(t, l)
		if len(report.Problems) > 0 || report.First.Number != 27 || report.Last.Number != 50 {
			t.Errorf("%+v", report)
		}
		if blocks := listAll(t, l, Filter{}, 5); len(blocks) != 24 {
			t.Errorf("%d events are left", len(blocks))
		}
		if file, err := VerifyExport(strings.NewReader(string(export(t, l))), nil); err != nil || len(file.Problems) > 0 || file.First.Number != 27 {
			t.Errorf("%+v, %v", file, err)
		}
		time.Sleep(time.Hour)
		if err := l.trim(t.Context()); err != nil {
			t.Fatal(err)
		}
		if report := verifyAll(t, l); len(report.Problems) > 0 || report.Blocks != 1 || report.Last.Number != 50 {
			t.Errorf("the last block has to stay: %+v", report)
		}
	})
}

// TestVerifyMeanwhile: a log that grows and is trimmed while it is verified has no problems.
func TestVerifyMeanwhile(t *testing.T) {
	store := newStore(t)
	l, other := newLog(t, store), newLog(t, store)
	fillBlocks(t, l, 50, 1)
	other.config.Keep = time.Nanosecond
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() {
		for ctx.Err() == nil {
			fillBlocks(t, other, 3, 1)
			if _, err := other.trimPage(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
	for range 20 {
		if report := verifyAll(t, l); len(report.Problems) > 0 {
			t.Errorf("%+v", report)
			break
		}
	}
	stop()
	group.Wait()
}
