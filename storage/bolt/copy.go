package bolt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"
)

// copyBatch is how many bytes of rows one transaction of a copy has.
const copyBatch = 4 << 20

// CopyTo writes the store as of one moment into a new database file at path, and syncs it. It returns the
// position of that moment, and a time: no group in the copy is later. The copy has no free pages, and so
// nothing that was deleted. Like Export, it makes the file grow by what is written meanwhile.
func (s *Store) CopyTo(ctx context.Context, path string) (p Position, at time.Time, err error) {
	from, err := s.beginExport(ctx)
	if err != nil {
		return p, at, err
	}
	defer from.end()
	at = time.Now().UTC()
	if err := createEmpty(path); err != nil {
		return p, at, fmt.Errorf("copy of the database: %w", err)
	}
	to, err := openBolt(path, &bbolt.Options{FreelistType: freelist, NoSync: true})
	if err != nil {
		return p, at, err
	}
	err = s.copyTables(ctx, from.Tx, to)
	if err == nil {
		_, err = to.update(func(tx *bbolt.Tx) error {
			if p, err = position(from.Tx); err != nil {
				return err
			}
			return errors.Join(setPosition(tx, p), tx.Bucket(metaBucket).SetSequence(from.Bucket(metaBucket).Sequence()))
		})
	}
	return p, at, errors.Join(err, to.sync(), to.close())
}

// copyTables copies every bucket but meta, including tables that only a newer authzd knows.
func (s *Store) copyTables(ctx context.Context, from *bbolt.Tx, to *guarded) error {
	var names [][]byte
	if err := catch(func() error {
		return from.ForEach(func(name []byte, _ *bbolt.Bucket) error {
			if string(name) != string(metaBucket) {
				names = append(names, slices.Clone(name))
			}
			return nil
		})
	}); err != nil {
		return err
	}
	for _, name := range names {
		for after := []byte(nil); ; {
			if err := s.goingOn(ctx); err != nil {
				return err
			}
			last, err := copyRows(from, to, name, after)
			if err != nil {
				return err
			}
			if last == nil {
				break
			}
			after = last
			if mappedBytes() > mapLimit {
				unmapPages(from)
			}
		}
	}
	return nil
}

// copyRows copies a bucket's rows after a key, up to a batch of them. It returns the key of the last row, or
// nil if there was none.
func copyRows(from *bbolt.Tx, to *guarded, name, after []byte) (last []byte, err error) {
	_, err = to.update(func(tx *bbolt.Tx) error {
		bucket, err := tx.CreateBucketIfNotExists(name)
		if err != nil {
			return err
		}
		bucket.FillPercent = 0.9 // rows arrive in order
		c := from.Bucket(name).Cursor()
		k, v := c.Seek(after)
		if after != nil && string(k) == string(after) {
			k, v = c.Next()
		}
		for size := 0; k != nil && size < copyBatch; k, v = c.Next() {
			if err := bucket.Put(k, v); err != nil {
				return err
			}
			size += len(k) + len(v)
			last = append(last[:0], k...)
		}
		return nil
	})
	return last, err
}
