package postgres

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/authzd/authzd/storage"
)

const (
	// sweepBatch is how many rows one transaction deletes.
	sweepBatch = 500
	// sweepRest is how many times longer the sweeper rests than it works.
	sweepRest = 4
)

// sweep removes expired records until the store closes. Every replica does so, at different times. It skips a
// row that another one has locked.
func (s *Store) sweep(every time.Duration) {
	defer s.sweeping.Done()
	for s.rest(every/2 + rand.N(every)) {
		for _, table := range storage.Tables {
			s.sweepTable(table)
		}
	}
}

// sweepTable deletes batches as long as they are full. It does not report a failure: requests meet the same
// one.
func (s *Store) sweepTable(table storage.Table) {
	for {
		start := time.Now()
		deleted := int64(0)
		err := s.read(context.Background(), func(ctx context.Context, conn *pgx.Conn) (err error) {
			deleted, err = deleteExpired(ctx, conn, statementsOf[table])
			return err
		})
		s.swept.Add(uint64(deleted))
		if err != nil || deleted < sweepBatch || !s.rest(sweepRest*time.Since(start)) {
			return
		}
	}
}

// deleteExpired deletes one batch. PostgreSQL could do it by one statement with a subquery. But CockroachDB
// looks up only keys that it is given, and would read the whole table for each batch.
func deleteExpired(ctx context.Context, conn *pgx.Conn, of *statements) (deleted int64, err error) {
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, of.expired.sql, sweepBatch)
		if err != nil {
			return err
		}
		keys, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
		if err != nil || len(keys) == 0 {
			return err
		}
		tag, err := tx.Exec(ctx, of.sweep.sql, keys)
		deleted = tag.RowsAffected()
		return err
	})
	return deleted, err
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
