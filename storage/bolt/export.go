package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/authzd/authzd/storage"
)

const (
	// exportRows and exportBytes bound what an export copies out of the database at a time.
	exportRows  = 1000
	exportBytes = 1 << 20
)

// Export implements storage.Store.
//
// It holds one read transaction. Writes meanwhile use the pages that were free when it began, and the pages
// that they free are kept until it ends. So an export that takes an hour makes the file grow by the writes of
// an hour, once: later writes use that room.
func (s *Store) Export(ctx context.Context, fn func(storage.Table, storage.Record) error) error {
	tx, err := s.beginExport(ctx)
	if err != nil {
		return err
	}
	defer tx.end()
	for _, table := range storage.Tables {
		var after []byte
		for {
			recs, err := s.exportSlice(ctx, tx.Tx, table, after)
			if err != nil {
				return err
			}
			// The caller's function runs here, so that a panic of it is not taken for damage.
			for _, rec := range recs {
				if err := fn(table, rec); err != nil {
					return err
				}
			}
			if len(recs) == 0 {
				break
			}
			after = append(after[:0], recs[len(recs)-1].Key...)
		}
	}
	return nil
}

// longRead is a read transaction that outlives a call.
type longRead struct {
	*bbolt.Tx
	from *opened
}

func (tx *longRead) end() {
	_ = tx.Rollback() // fails only if there is no transaction
	tx.from.users.RUnlock()
}

func (s *Store) beginExport(ctx context.Context) (read *longRead, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.g.isStuck() {
		return nil, unavailable(errDamaged)
	}
	from := s.g.use()
	err = catch(func() error {
		tx, err := from.db.Begin(false)
		read = &longRead{tx, from}
		return err
	})
	if err == nil {
		return read, nil
	}
	from.users.RUnlock()
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		return nil, storage.ErrClosed
	}
	if errors.Is(err, errDamaged) {
		s.g.setStuck()
		return nil, unavailable(err)
	}
	return nil, err
}

// exportSlice copies the next rows of a table. A closing store waits for all transactions, so each slice is
// short.
func (s *Store) exportSlice(ctx context.Context, tx *bbolt.Tx, table storage.Table, after []byte) (recs []storage.Record, err error) {
	if err := s.goingOn(ctx); err != nil {
		return nil, err
	}
	err = catch(func() error {
		c := tx.Bucket([]byte(table)).Cursor()
		k, v := c.Seek(after)
		if after != nil && bytes.Equal(k, after) {
			k, v = c.Next()
		}
		last := after
		for size := 0; k != nil && len(recs) < exportRows && size < exportBytes; k, v = c.Next() {
			if last != nil && bytes.Compare(k, last) <= 0 {
				return fmt.Errorf("%w: keys of %s are not in order", errDamaged, table)
			}
			last = k
			r, err := readRow(table, k, v)
			if err != nil {
				return err
			}
			recs = append(recs, r.record(k))
			size += len(v)
		}
		return nil
	})
	if errors.Is(err, errDamaged) {
		s.c.setTrouble(&trouble{err: err, final: true})
		err = unavailable(err)
	}
	if mappedBytes() > mapLimit {
		unmapPages(tx)
	}
	return recs, err
}
