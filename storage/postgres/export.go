package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/authzd/authzd/storage"
)

// exportRows is how many rows an export reads at a time. All of them may have the greatest size.
const exportRows = 200

// Export implements storage.Store. It holds one connection with a transaction that sees one moment
// (REPEATABLE READ). Meanwhile vacuum keeps the rows that were replaced since it began.
func (s *Store) Export(ctx context.Context, fn func(storage.Table, storage.Record) error) error {
	conn, err := s.acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return s.failed(err)
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) // if that fails, so does the connection
	for _, table := range storage.Tables {
		for from := ""; ; {
			recs, err := s.exportSlice(ctx, tx, table, from)
			if err != nil {
				return err
			}
			for _, rec := range recs {
				if err := fn(table, rec); err != nil {
					return err
				}
			}
			if len(recs) < exportRows {
				break
			}
			from = recs[len(recs)-1].Key + "\x00"
		}
	}
	return nil
}

func (s *Store) exportSlice(ctx context.Context, tx pgx.Tx, table storage.Table, from string) ([]storage.Record, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case <-s.closing:
		return nil, storage.ErrClosed
	default:
	}
	recs, err := queryRecords(ctx, tx, statementsOf[table].export.sql, []byte(from), exportRows)
	if err != nil {
		return nil, s.failed(err)
	}
	return recs, nil
}
