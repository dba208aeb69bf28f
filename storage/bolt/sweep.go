package bolt

import (
	"bytes"
	"context"
	"time"

	"go.etcd.io/bbolt"

	"github.com/authzd/authzd/storage"
)

const (
	// sweepRows is how many rows one read transaction of the sweeper reads, in under a millisecond.
	sweepRows = 1000
	// sweepBatch is how many rows one commit deletes. Keys are hashes, so each row is probably on another
	// page, and requests wait for all those pages.
	sweepBatch = 100
	// sweepRest is how many times longer the sweeper rests than it works.
	sweepRest = 9
	// sweepSkip is how many rounds a table is left out at most if it has little to sweep.
	sweepSkip = 15
)

// expired is a row that was expired when the sweeper saw it.
type expired struct {
	key     []byte
	version uint64
}

// sweep removes expired records until the store closes.
//
// There is no index by expiry, which would double the pages that a request has to write. Instead each table
// is read slice by slice. If less than one in a hundred rows was expired, the table is left out for some
// rounds, each time for twice as many.
func (s *Store) sweep(every time.Duration) {
	defer s.sweeping.Done()
	type rounds struct{ skip, left int }
	tables := make(map[storage.Table]rounds)
	for s.rest(every) {
		// Notice that trouble has passed, even if nobody asks whether the store is ready.
		_ = s.c.ready(context.Background())
		for _, table := range storage.Tables {
			r := tables[table]
			if r.left--; r.left < 0 {
				seen, swept := s.sweepTable(table)
				r.skip = min(2*r.skip+1, sweepSkip)
				if swept > 0 && swept*100 >= seen {
					r.skip = 0
				}
				r.left = r.skip
			}
			tables[table] = r
		}
		s.compactIfDue()
	}
}

// sweepTable reads each row of a table once. It ends early if the store closes or fails; others report both.
func (s *Store) sweepTable(table storage.Table) (seen, swept int) {
	var after []byte
	for {
		start := time.Now()
		found, n, last, err := s.findExpired(table, after)
		took := time.Since(start)
		if err != nil {
			return seen, swept
		}
		seen += n
		deleted, err := s.deleteExpired(table, found)
		swept += deleted
		s.g.trim()
		if err != nil || n < sweepRows || !s.rest(sweepRest*took) {
			return seen, swept
		}
		after = last
	}
}

// deleteExpired deletes rows in small batches, each as one request among others. A group has at most one
// batch. The batches grow with the groups, so that the sweeper keeps up when many records are made.
func (s *Store) deleteExpired(table storage.Table, found []expired) (deleted int, err error) {
	for len(found) > 0 {
		size := max(sweepBatch, 2*int(s.c.lastGroup.Load()))
		batch := found[:min(len(found), size)]
		found = found[len(batch):]
		n := 0
		if err := s.c.do(func(g *group) (err error) {
			n, err = g.sweep(table, batch)
			return err
		}); err != nil {
			return deleted, err
		}
		deleted += n
		s.swept.Add(uint64(n))
	}
	return deleted, nil
}

// findExpired reads the next sweepRows rows after a key.
func (s *Store) findExpired(table storage.Table, after []byte) (found []expired, seen int, last []byte, err error) {
	err = s.view(context.Background(), func(tx *bbolt.Tx) error {
		now := time.Now().UnixMilli()
		c := tx.Bucket([]byte(table)).Cursor()
		k, v := c.Seek(after)
		if k != nil && bytes.Equal(k, after) {
			k, v = c.Next()
		}
		for ; k != nil && seen < sweepRows; k, v = c.Next() {
			seen++
			r, err := decodeRow(v)
			if err != nil {
				return err
			}
			if !r.live(now) && r.check(table, k) == nil { // a wrong expiry is no reason to delete
				found = append(found, expired{bytes.Clone(k), r.version})
			}
			last = append(last[:0], k...)
		}
		return nil
	})
	return found, seen, last, err
}

// rest waits, and returns false if the store is closing.
func (s *Store) rest(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.closing:
		return false
	}
}
