package bolt

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/authzd/authzd/storage"
)

func expired1(key string) storage.Write {
	return storage.Write{Table: table, Key: key, Value: []byte("v"), If: storage.Any, Expires: time.Now().Add(-time.Second)}
}

// rows counts what is in a bucket, dead or alive.
func rows(t *testing.T, s *Store, table storage.Table) (n int) {
	t.Helper()
	if err := s.g.view(func(tx *bbolt.Tx) error {
		n = tx.Bucket([]byte(table)).Stats().KeyN
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

// waitForSwept waits until n records have been swept since the store was opened.
func waitForSwept(t *testing.T, s *Store, n uint64) {
	t.Helper()
	deadline, tick := time.After(2*time.Minute), time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for s.Stats().Swept < n {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("swept %d of %d", s.Stats().Swept, n)
		}
	}
}

// TestSweep has more dead records than fit into a slice or a batch, among live ones, in several
// tables.
func TestSweep(t *testing.T) {
	s := newStore(t, Options{SweepEvery: time.Millisecond})
	const dead, live = 2*sweepRows + sweepBatch/2, 700
	want := uint64(0)
	for _, table := range []storage.Table{storage.Users.Table, storage.Codes.Table, storage.SigningKeys.Table} {
		var writes []storage.Write
		for i := range dead {
			w := expired1(fmt.Sprintf("%05d", i))
			w.Table = table
			writes = append(writes, w)
		}
		for i := range live {
			w := storage.Write{Table: table, Key: fmt.Sprintf("%05dx", i*3), Value: []byte("v")}
			if i%2 == 0 {
				w.Expires = time.Now().Add(time.Hour)
			}
			writes = append(writes, w)
		}
		if err := s.Apply(t.Context(), writes...); err != nil {
			t.Fatal(err)
		}
		want += dead
	}
	waitForSwept(t, s, want)
	for _, table := range []storage.Table{storage.Users.Table, storage.Codes.Table, storage.SigningKeys.Table} {
		if n := rows(t, s, table); n != live {
			t.Errorf("%s has %d rows left, want %d", table, n, live)
		}
	}
	if st := s.Stats(); st.Swept != want || st.FreeBytes == 0 || st.FileBytes < st.FreeBytes {
		t.Errorf("stats: %+v", st)
	}
}

// TestWrongExpiry: a record whose expiry was damaged is not taken for an expired one: a read says that it is
// damaged, and the sweeper leaves it.
func TestWrongExpiry(t *testing.T) {
	s := newStore(t, Options{SweepEvery: time.Hour})
	b := encodeRow([]byte("damaged"), []byte("v"), time.Now().Add(time.Hour))
	setVersion(b, 1)
	binary.BigEndian.PutUint64(b[expiryAt:], 1)
	if err := s.c.do(func(g *group) error {
		g.dirty = true
		return g.tx.Bucket([]byte(table)).Put([]byte("damaged"), b)
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(t.Context(), expired1("expired")); err != nil {
		t.Fatal(err)
	}
	if _, swept := s.sweepTable(table); swept != 1 || rows(t, s, table) != 1 {
		t.Errorf("swept %d and left %d, want 1 and 1", swept, rows(t, s, table))
	}
	if _, err := s.Get(t.Context(), table, "damaged"); !errors.Is(err, storage.ErrUnavailable) || !errors.As(err, new(*storage.RecordError)) {
		t.Errorf("get: %v", err)
	}
}

// TestSweepSparesWhatCameBack: a record that was written again between the sweeper's look and its
// delete stays, after every kind of write.
func TestSweepSparesWhatCameBack(t *testing.T) {
	s := newStore(t, Options{SweepEvery: time.Hour})
	for _, key := range []string{"revived", "expired again", "swept", "swept by another"} {
		if err := s.Apply(t.Context(), expired1(key)); err != nil {
			t.Fatal(err)
		}
	}
	found, seen, _, err := s.findExpired(table, nil)
	if err != nil || seen != 4 || len(found) != 4 {
		t.Fatalf("found %d of %d, %v", len(found), seen, err)
	}
	if err := s.Apply(t.Context(), write("revived", "v", storage.Absent), expired1("expired again"),
		storage.Write{Table: table, Key: "swept by another", If: storage.Any}); err != nil {
		t.Fatal(err)
	}
	swept := 0
	if err := s.c.do(func(g *group) (err error) {
		swept, err = g.sweep(table, found)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if swept != 1 || rows(t, s, table) != 2 {
		t.Errorf("swept %d and left %d, want 1 and 2", swept, rows(t, s, table))
	}
	wantValue(t, s, "revived", "v")
}

// TestSweepUnderLoad: with a sweeper that hardly rests, requests still get through, and the file
// stops growing although records never stop coming.
func TestSweepUnderLoad(t *testing.T) {
	s := newStore(t, Options{SweepEvery: time.Millisecond})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	n := 0
	generation := func() {
		for range 50 {
			var writes []storage.Write
			for range 20 {
				n++
				writes = append(writes, expired1(fmt.Sprintf("%032x", uint64(n)*0x9e3779b97f4a7c15)))
			}
			if err := s.Apply(ctx, writes...); err != nil {
				t.Fatal(err)
			}
		}
		waitForSwept(t, s, uint64(n))
	}
	generation()
	size := s.Stats().FileBytes
	for range 4 {
		generation()
	}
	if grown := s.Stats().FileBytes; grown > 2*size {
		t.Errorf("file grew from %d to %d bytes", size, grown)
	}
}
