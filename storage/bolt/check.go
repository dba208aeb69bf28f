package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	"go.etcd.io/bbolt"

	"github.com/authzd/authzd/storage"
)

// maxProblems is how many problems of a database are reported: one damaged page causes many.
const maxProblems = 100

// Check reads all of a database that no process has open, and changes nothing: its pages and how they are
// linked, and each record with its checksum. It calls found for each problem, up to a hundred, and record for
// each whole record, in the order of Store.Export. It returns an error only if the database can't be read at
// all.
func Check(ctx context.Context, path string, found func(error), record func(storage.Table, storage.Record) error) error {
	path = Resolve(path)
	if info, err := os.Stat(path); err != nil {
		return err
	} else if !info.Mode().IsRegular() || info.Size() == 0 {
		return fmt.Errorf("database %s: is not a database file", path)
	}
	g, err := openBolt(path, &bbolt.Options{ReadOnly: true, PreLoadFreelist: true})
	if err != nil {
		return withHint(fmt.Errorf("database %s: %w", path, err))
	}
	if _, err := g.inspect(walkPages, storage.Current); err != nil {
		return withHint(errors.Join(fmt.Errorf("database %s: %w", path, err), g.close()))
	}
	c := &checking{ctx: ctx, found: found, record: record}
	err = g.view(c.check)
	if errors.Is(err, errTooMany) {
		err = nil
	} else if errors.Is(err, errDamaged) {
		c.found(err)
		err = nil
	}
	return errors.Join(err, g.close())
}

// checking is a running Check.
type checking struct {
	ctx      context.Context
	found    func(error)
	problems int
	record   func(storage.Table, storage.Record) error
}

var errTooMany = errors.New("there are more problems than are reported")

// problem reports one, and returns errTooMany when there are enough.
func (c *checking) problem(err error) error {
	c.found(err)
	if c.problems++; c.problems >= maxProblems {
		return errTooMany
	}
	return nil
}

// check reads the records. walkPages has checked their pages.
func (c *checking) check(tx *bbolt.Tx) error {
	for _, table := range storage.Tables {
		bucket := tx.Bucket([]byte(table))
		if bucket == nil {
			continue // a table of a newer authzd than the one that made the file
		}
		err := catch(func() error { return c.table(table, bucket) })
		if errors.Is(err, errDamaged) { // the next table may be whole
			err = c.problem(fmt.Errorf("%s: %w", table, err))
		}
		if err != nil {
			return err
		}
	}
	_, err := position(tx)
	return err
}

// table reads the rows of one table.
func (c *checking) table(table storage.Table, bucket *bbolt.Bucket) error {
	var last []byte
	cursor := bucket.Cursor()
	for k, v := cursor.First(); k != nil; k, v = cursor.Next() {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		if last != nil && bytes.Compare(k, last) <= 0 {
			return fmt.Errorf("%w: its keys are not in order", errDamaged)
		}
		last = bytes.Clone(k)
		r, err := readRow(table, k, v)
		switch {
		case err == nil:
			err = c.record(table, r.record(k))
		case errors.Is(err, errDamaged):
			err = &storage.RecordError{Table: table, Key: string(k), Err: err}
		}
		if wrong := new(storage.RecordError); errors.As(err, &wrong) {
			err = c.problem(wrong)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
