package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/postgres/pgtest"
)

// openGrouping opens a store that has one group under way at most, all on one connection, and counts the
// round trips. The function broken, unless it is nil, makes the connections fail.
func openGrouping(t *testing.T, broken func(net.Conn) net.Conn) (s *Store, trips *atomic.Int64) {
	t.Helper()
	config, err := parse(pgtest.Database(t), Options{MaxConnections: 1})
	if err != nil {
		t.Fatal(err)
	}
	trips = new(atomic.Int64)
	dial := config.ConnConfig.DialFunc
	config.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err == nil && broken != nil {
			conn = broken(conn)
		}
		return &counted{Conn: conn, trips: trips}, err
	}
	if s, err = openWith(t.Context(), config, Options{Logger: slog.New(slog.DiscardHandler), SweepEvery: time.Hour}); err != nil {
		t.Fatal(err)
	}
	s.applies.limit = 1
	t.Cleanup(func() { s.Close() })
	return s, trips
}

func write(key string, cond storage.Condition) storage.Write {
	return storage.Write{Table: storage.Codes.Table, Key: key, Value: []byte("v"), If: cond}
}

// blocked starts an Apply that waits for a row, and returns when it does. Everything that is applied before
// release waits for it, and then forms a group.
func blocked(t *testing.T, s *Store, trips *atomic.Int64) (release func()) {
	t.Helper()
	if err := s.Apply(t.Context(), write("blocked", storage.Any)); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), s.pool.Config().ConnString())
	if err != nil {
		t.Fatal(err)
	}
	if _, err = conn.Exec(t.Context(), "BEGIN; SELECT FROM codes WHERE key = 'blocked' FOR UPDATE", pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
	await(t, func() bool { return s.groupsUnderWay() == 0 })
	trips.Store(0)
	fate := make(chan error, 1)
	go func() { fate <- s.Apply(context.Background(), write("blocked", storage.Any)) }()
	await(t, func() bool {
		s.applies.mu.Lock()
		defer s.applies.mu.Unlock()
		return s.applies.underWay == 1 && len(s.applies.waiting) == 0
	})
	return func() {
		conn.Close(context.Background())
		if err := <-fate; err != nil {
			t.Errorf("the Apply in front of the group: %v", err)
		}
	}
}

func (s *Store) groupsUnderWay() int {
	s.applies.mu.Lock()
	defer s.applies.mu.Unlock()
	return s.applies.underWay
}

// waiting counts the Applies whose group has not begun.
func (s *Store) waiting() int {
	s.applies.mu.Lock()
	defer s.applies.mu.Unlock()
	return len(s.applies.waiting)
}

// await returns when a condition holds.
func await(t *testing.T, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(2 * time.Minute); !condition(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
	}
}

// together applies all sets of writes in one group, if they can share one, and returns what they were told.
func together(t *testing.T, s *Store, trips *atomic.Int64, sets ...[]storage.Write) (fates []error) {
	t.Helper()
	release := blocked(t, s, trips)
	fates = make([]error, len(sets))
	var wg sync.WaitGroup
	for i, writes := range sets {
		wg.Go(func() { fates[i] = s.Apply(t.Context(), writes...) })
		await(t, func() bool { return s.waiting() == i+1 })
	}
	trips.Store(0)
	release()
	wg.Wait()
	return fates
}

// TestGroup: what queued together is committed together.
func TestGroup(t *testing.T) {
	s, trips := openGrouping(t, nil)
	var sets [][]storage.Write
	for i := range 20 {
		sets = append(sets, []storage.Write{write(fmt.Sprint("a", i), storage.Absent), write(fmt.Sprint("b", i), storage.Any)})
	}
	for range 2 { // the first time, statements are prepared
		for i, err := range together(t, s, trips, sets...) {
			if err != nil {
				t.Errorf("member %d: %v", i, err)
			}
			sets[i][0].If = storage.Any
		}
	}
	if n := trips.Load(); n != 1 {
		t.Errorf("%d round trips for a group, want 1", n)
	}
	if n := len(scan(t, s)); n != 41 {
		t.Errorf("%d records, want 41", n)
	}
}

// TestGroupConflict: a member whose condition does not hold is told its record and has changed
// nothing. Others are not affected, even if many members lose.
func TestGroupConflict(t *testing.T) {
	for losers := range maxLosers + 3 {
		t.Run(fmt.Sprint(losers), func(t *testing.T) {
			s, trips := openGrouping(t, nil)
			var sets [][]storage.Write
			for i := range 8 {
				cond := storage.Absent
				if i < losers {
					cond = storage.At(7)
				}
				sets = append(sets, []storage.Write{write(fmt.Sprint("a", i), storage.Any), write(fmt.Sprint("b", i), cond)})
			}
			for i, err := range together(t, s, trips, sets...) {
				conflict := new(storage.ConflictError)
				switch {
				case i >= losers && err != nil:
					t.Errorf("member %d: %v", i, err)
				case i < losers && (!errors.As(err, &conflict) || conflict.Key != fmt.Sprint("b", i) || conflict.Table != storage.Codes.Table):
					t.Errorf("loser %d: %v", i, err)
				}
			}
			if n := len(scan(t, s)); n != 1+2*(8-losers) {
				t.Errorf("%d records", n)
			}
			if stats := s.Stats(); stats.Conflicts != uint64(losers) || stats.Commits != uint64(2+8-losers) {
				t.Errorf("%+v", stats)
			}
		})
	}
}

// TestGroupOfOneRecord: of several that were computed from the same version one wins.
func TestGroupOfOneRecord(t *testing.T) {
	s, trips := openGrouping(t, nil)
	var sets [][]storage.Write
	for i := range 8 {
		sets = append(sets, []storage.Write{write("same", storage.Absent), write(fmt.Sprint(i), storage.Any)})
	}
	for i, err := range together(t, s, trips, sets...) {
		if lost := storage.IsConflict(err); lost != (i > 0) || err != nil && !lost {
			t.Errorf("member %d: %v", i, err)
		}
	}
	if n := len(scan(t, s)); n != 3 {
		t.Errorf("%d records, want 3", n)
	}
}

// TestPickGroup: nobody overtakes another with whom he shares a record, and groups end somewhere.
func TestPickGroup(t *testing.T) {
	of := func(size int, keys ...string) *apply {
		var writes []storage.Write
		for _, key := range keys {
			writes = append(writes, storage.Write{Table: storage.Codes.Table, Key: key, Value: make([]byte, size/len(keys))})
		}
		return &apply{changes: newChanges(writes)}
	}
	var many []*apply
	for i := range maxGroup + 1 {
		many = append(many, of(1, fmt.Sprint(i)))
	}
	for name, tc := range map[string]struct {
		waiting []*apply
		groups  []int
	}{
		"strangers":        {[]*apply{of(1, "a"), of(1, "b"), of(1, "c")}, []int{3}},
		"one record":       {[]*apply{of(1, "a"), of(1, "a"), of(1, "a")}, []int{1, 1, 1}},
		"a chain":          {[]*apply{of(1, "a"), of(2, "a", "b"), of(2, "b", "c"), of(1, "d")}, []int{2, 1, 1}},
		"very large":       {[]*apply{of(3*maxGroupBytes, "a"), of(1, "b")}, []int{1, 1}},
		"large":            {[]*apply{of(1, "a"), of(maxGroupBytes, "b"), of(1, "c")}, []int{1, 1, 1}},
		"many":             {many, []int{maxGroup, 1}},
		"nobody":           {nil, nil},
		"all but too much": {[]*apply{of(maxGroupBytes-1, "a"), of(1, "b")}, []int{2}},
	} {
		var groups []int
		for waiting := tc.waiting; len(waiting) > 0; {
			var group []*apply
			group, waiting = pickGroup(waiting)
			groups = append(groups, len(group))
		}
		if fmt.Sprint(groups) != fmt.Sprint(tc.groups) {
			t.Errorf("%s: groups of %v, want %v", name, groups, tc.groups)
		}
	}
}

// TestCancelledWhileWaiting: who gives up before his group has begun has changed nothing, and who gives up
// later is told what became of it.
func TestCancelledWhileWaiting(t *testing.T) {
	s, trips := openGrouping(t, nil)
	release := blocked(t, s, trips)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Apply(ctx, write("a", storage.Any)); !errors.Is(err, context.Canceled) {
		t.Errorf("apply: %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := s.Apply(ctx, write("a", storage.Any)); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("apply that timed out: %v", err)
	}
	if _, err := s.Get(ctx, storage.Codes.Table, "a"); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("get that timed out: %v", err)
	}
	release()
	if n := len(scan(t, s)); n != 1 {
		t.Errorf("%d records, want 1", n)
	}
}

// TestCloseWhileWaiting: a group that waits is made, or its members hear that the store is closed.
func TestCloseWhileWaiting(t *testing.T) {
	s, trips := openGrouping(t, nil)
	release := blocked(t, s, trips)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if err := s.Apply(t.Context(), write(fmt.Sprint(i), storage.Any)); err != nil && !errors.Is(err, storage.ErrClosed) {
				t.Errorf("apply: %v", err)
			}
			if _, err := s.Get(t.Context(), storage.Codes.Table, "blocked"); err != nil && !errors.Is(err, storage.ErrClosed) {
				t.Errorf("get: %v", err)
			}
		})
	}
	wg.Go(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	<-s.closing
	release()
	wg.Wait()
}

func scan(t *testing.T, s *Store) []storage.Record {
	t.Helper()
	recs, err := s.Scan(t.Context(), storage.Codes.Table, "", "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	return recs
}

// TestTogether has many read and write all at once, on as few connections as there may be: each reads what
// it has written, and what it reads is its own.
func TestTogether(t *testing.T) {
	for _, connections := range []int{1, 2, 20} {
		t.Run(fmt.Sprint(connections), func(t *testing.T) {
			s := openStore(t, Options{MaxConnections: connections})
			tables := []storage.Table{storage.Codes.Table, storage.Grants.Table, storage.Users.Table}
			var wg sync.WaitGroup
			for i := range 40 {
				wg.Go(func() {
					for n := range 10 {
						table, key, value := tables[n%3], fmt.Sprint("k", i), fmt.Sprint(i, n)
						if err := s.Apply(t.Context(), storage.Write{Table: table, Key: key, Value: []byte(value), If: storage.Any}); err != nil {
							t.Error(err)
						}
						if rec, err := s.Get(t.Context(), table, key); err != nil || rec.Key != key || string(rec.Value) != value {
							t.Errorf("%q of %q, %v, want %q", rec.Value, key, err, value)
						}
						if _, err := s.Get(t.Context(), table, key+"/none"); !errors.Is(err, storage.ErrNotFound) {
							t.Errorf("what is not there: %v", err)
						}
						rec, err := s.Get(t.Context(), storage.Codes.Table, "k0")
						if err == nil { // everybody owns what he has read
							clear(rec.Value)
						} else if !errors.Is(err, storage.ErrNotFound) {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

func openStore(t *testing.T, opts Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), pgtest.Database(t), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}
