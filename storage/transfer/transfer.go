// Package transfer fills an empty store with all records of another store, or of a backup. Restore and
// migrate use it. It can be killed at any moment and started again:
//
//	source ─> count and digest ─┐
//	                            ▼
//	target: empty? ─> mark it with the digest ─> copy, batch by batch ─> count and digest ─> unmark
//	   └─ marked with this digest? ─> copy the rest ──────┘                   └─ not the same: the mark stays
//
// The mark, a storage.Transfer, moves with each batch in the same Apply. A server refuses a store that has
// one.
package transfer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/archive"
)

var (
	// ErrNotEmpty says that the target has records that are not from this transfer.
	ErrNotEmpty = errors.New("the target is not empty")
	// ErrOther says that the target is half filled from another source, or from this one before it changed.
	ErrOther = errors.New("the target is half filled with something else")
	// ErrDiffers says that source and target are not the same at the end.
	ErrDiffers = errors.New("the target differs from its source")
	// ErrUnfinished says that the store is half filled.
	ErrUnfinished = errors.New("the store is half filled")
)

const (
	markKey = storage.TransferKey

	// A batch is what one Apply writes.
	batchRecords = 1000
	batchBytes   = 2 << 20
)

// Source calls fn for all records in the order of storage.Store.Export, and for the same ones each time.
// Expired records may be among them. Store.Export is a Source.
type Source func(ctx context.Context, fn func(storage.Table, storage.Record) error) error

// Progress is called with how many records one step has done, of how many. total is 0 while it is unknown.
type Progress func(step string, done, total int64)

// Counts describes the records of each table that has any.
type Counts map[storage.Table]archive.Table

// Records returns the number of records in all tables.
func (c Counts) Records() int64 { return archive.Summary{Tables: c}.Records() }

// id is a digest of all digests.
func (c Counts) id() string {
	h := sha256.New()
	for _, table := range slices.Sorted(maps.Keys(c)) {
		fmt.Fprintf(h, "%s %d %s\n", table, c[table].Records, c[table].SHA256)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// diff names the tables in which two differ.
func (c Counts) diff(other Counts) string {
	var tables []string
	for _, table := range storage.Tables {
		if a, b := c[table], other[table]; a != b {
			tables = append(tables, fmt.Sprintf("%s (%d records against %d)", table, a.Records, b.Records))
		}
	}
	return strings.Join(tables, ", ")
}

// Job is one transfer.
type Job struct {
	Target storage.Store
	Source Source
	// At is the moment of the source's state: records that had expired by then are left out. A resumed
	// transfer keeps the moment of its beginning.
	At time.Time
	// Recheck reads the source once more at the end, because others may have written to it.
	Recheck  bool
	Progress Progress
}

// Run fills the target with the records of the source, or goes on where an earlier Run was interrupted. When
// it returns nil, all records have arrived, and the counts and digests of each table are the same on both
// sides. Nothing else may write to either meanwhile, and neither may be swept.
func (j Job) Run(ctx context.Context) (Counts, error) {
	mark, version, err := storage.Transfers.Get(ctx, j.Target, markKey)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		mark = nil
	case err != nil:
		return nil, err
	default:
		j.At = mark.At
	}
	want, err := j.count(ctx, j.Source, "read", 0)
	if err != nil {
		return nil, err
	}
	if mark == nil {
		mark = &storage.Transfer{Source: want.id(), At: j.At}
		if version, err = begin(ctx, j.Target, mark); err != nil {
			return nil, err
		}
	}
	if mark.Source != want.id() {
		return nil, ErrOther
	}
	c := &copier{ctx: ctx, target: j.Target, mark: *mark, version: version, total: want.Records(), progress: j.Progress}
	if err := c.run(j.Source); err != nil {
		return nil, err
	}
	if err := j.verify(ctx, j.Target.Export, "verify", want); err != nil {
		return nil, err
	}
	if j.Recheck {
		if err := j.verify(ctx, j.Source, "read again", want); err != nil {
			return nil, err
		}
	}
	return want, j.Target.Apply(ctx, storage.Transfers.Delete(markKey, storage.At(c.version)))
}

// verify counts again, and demands the same result.
func (j Job) verify(ctx context.Context, source Source, step string, want Counts) error {
	got, err := j.count(ctx, source, step, want.Records())
	if err == nil && !maps.Equal(got, want) {
		err = fmt.Errorf("%w: %s", ErrDiffers, want.diff(got))
	}
	return err
}

func (j Job) count(ctx context.Context, source Source, step string, total int64) (Counts, error) {
	var tally archive.Tally
	done := int64(0)
	err := source(ctx, func(table storage.Table, rec storage.Record) error {
		if counts(table, rec, j.At) {
			tally.Add(table, rec)
			done++
			j.Progress(step, done, total)
		}
		return nil
	})
	return tally.Tables(), err
}

// counts reports whether a record must be transferred. Leases of the source mean nothing at the target. The epoch of
// the revocation feed must not be there: the target may lack what the source has revoked since.
func counts(table storage.Table, rec storage.Record, at time.Time) bool {
	if table == storage.Transfers.Table || table == storage.Leases.Table || table == storage.FeedStates.Table && rec.Key == storage.FeedEpochKey {
		return false
	}
	return rec.Expires.IsZero() || rec.Expires.After(at)
}

// Unfinished returns ErrUnfinished if a transfer into the store has begun and not ended.
func Unfinished(ctx context.Context, s storage.Store) error {
	_, _, err := storage.Transfers.Get(ctx, s, markKey)
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	if err == nil {
		return ErrUnfinished
	}
	return err
}

// CheckEmpty returns ErrNotEmpty if a store has a live record. The Format does not count: it comes with the
// records.
func CheckEmpty(ctx context.Context, s storage.Store) error {
	now := time.Now()
	return s.Export(ctx, func(table storage.Table, rec storage.Record) error {
		if table == storage.Formats.Table && rec.Key == storage.FormatKey || !rec.Expires.IsZero() && !rec.Expires.After(now) {
			return nil
		}
		return ErrNotEmpty
	})
}

// begin marks an empty store.
func begin(ctx context.Context, target storage.Store, mark *storage.Transfer) (version uint64, err error) {
	if err := CheckEmpty(ctx, target); err != nil {
		return 0, err
	}
	if err := target.Apply(ctx,
		storage.Transfers.Put(markKey, mark, storage.Absent, time.Time{}),
		storage.Formats.Delete(storage.FormatKey, storage.Any),
	); err != nil {
		return 0, explainConflict(err)
	}
	_, version, err = storage.Transfers.Get(ctx, target, markKey)
	return version, err
}

// copier copies the records after the mark.
type copier struct {
	ctx      context.Context
	target   storage.Store
	mark     storage.Transfer
	version  uint64 // of the mark
	total    int64
	progress Progress

	begun  bool // the source has reached the mark
	writes []storage.Write
	bytes  int
}

func (c *copier) run(source Source) error {
	c.begun = c.mark.Table == ""
	err := source(c.ctx, func(table storage.Table, rec storage.Record) error {
		switch {
		case !counts(table, rec, c.mark.At):
			return nil
		case !c.begun:
			c.begun = table == c.mark.Table && rec.Key == string(c.mark.Key)
			return nil
		}
		c.writes = append(c.writes, storage.Write{Table: table, Key: rec.Key, Value: rec.Value, Expires: rec.Expires})
		if c.bytes += len(rec.Key) + len(rec.Value); len(c.writes) >= batchRecords || c.bytes >= batchBytes {
			return c.flush()
		}
		return nil
	})
	if err != nil {
		return err
	}
	if !c.begun {
		return ErrOther
	}
	return c.flush()
}

// flush writes the batch, and the mark with it.
func (c *copier) flush() error {
	if len(c.writes) == 0 {
		return nil
	}
	last := c.writes[len(c.writes)-1]
	c.mark.Table, c.mark.Key = last.Table, []byte(last.Key)
	c.mark.Records += len(c.writes)
	writes := append(c.writes, storage.Transfers.Put(markKey, &c.mark, storage.At(c.version), time.Time{}))
	if err := c.target.Apply(c.ctx, writes...); err != nil {
		return explainConflict(err)
	}
	mark, version, err := storage.Transfers.Get(c.ctx, c.target, markKey)
	if err != nil {
		return err
	}
	if mark.Records != c.mark.Records {
		return fmt.Errorf("%w: somebody else is filling it too", ErrNotEmpty)
	}
	c.version, c.writes, c.bytes = version, c.writes[:0], 0
	c.progress("copy", int64(c.mark.Records), c.total)
	return nil
}

// explainConflict explains a condition of ours that did not hold: another process writes.
func explainConflict(err error) error {
	if storage.IsConflict(err) {
		return fmt.Errorf("%w: somebody else writes to it (%w)", ErrNotEmpty, err)
	}
	return err
}
