// Package storage defines the records that authzd keeps, and the one small interface that every engine
// implements.
//
// A store holds versioned records in named tables. A request calls Get and Scan, computes, and ends with one
// Apply. All writes of that Apply happen, or none:
//
//	Get / Scan  ->  decide, hash, sign (no lock held)  ->  Apply(writes…)  ->  answer the client
//
// Compare-and-set is the only tool for concurrency: each write names the version that it was computed from,
// and one of N racers wins. Retry runs a request again that has lost such a race; All reads a whole table page
// by page. The engines are storage/bolt (embedded) and storage/postgres (for several
// replicas). Both pass the suite storagetest. openStore in cmd/authzd/engine.go chooses one.
//
// Every kind of record is declared in records.go.
package storage

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

// Table names one kind of record. Names are lower-case ASCII letters and underscores.
type Table string

// Record is one stored value with what the engine knows about it.
type Record struct {
	Key     string
	Value   []byte    // never shared with the engine: the caller owns it
	Version uint64    // never 0; new with every write, and never used twice in one table
	Expires time.Time // zero: never; whole milliseconds
}

// Condition is what must hold for a Write to happen. The zero value is Absent, so that a write with a
// forgotten condition fails instead of overwriting.
type Condition uint64

const (
	// Absent demands that the key has no live record.
	Absent Condition = 0
	// Any demands nothing.
	Any Condition = math.MaxUint64
)

// At demands that the key's live record still has the version that was read.
func At(version uint64) Condition { return Condition(version) }

// Write is one change. A nil Value deletes the record. Deleting a missing record is no error with Any; with
// Absent the write demands that the record is missing.
type Write struct {
	Table   Table
	Key     string // 1 to MaxKey bytes
	Value   []byte // at most MaxValue bytes
	If      Condition
	Expires time.Time // zero: never; afterwards the record reads as absent and is swept
}

const (
	MaxKey   = 1024    // bytes
	MaxValue = 1 << 20 // bytes
)

// MaxApply is how long after the call of Apply its writes may become visible, unless the disk hangs.
const MaxApply = 8 * time.Second

// Store is the contract of an engine. All methods are safe for concurrent use. An error that is not named
// here means that the engine failed, not the caller.
type Store interface {
	// Get returns the record of a key, or ErrNotFound. An expired record is not found, whether it
	// has been swept or not. Get sees every Apply that returned before it was called.
	Get(ctx context.Context, table Table, key string) (Record, error)

	// Scan returns up to limit live records whose keys begin with prefix and are greater than
	// after, in byte order of their keys. It is a consistent view of one moment. limit must be
	// positive. To page, pass the last key as after; a page shorter than limit is the last.
	Scan(ctx context.Context, table Table, prefix, after string, limit int) ([]Record, error)

	// Apply makes all writes or none of them, and has made them durable when it returns nil. If a
	// condition does not hold, the error is a *ConflictError and nothing has changed. Writes of
	// one call must not name the same record twice. Once the engine has taken the writes, a
	// cancelled context no longer stops them: Apply then waits for their fate.
	//
	// After ErrUnavailable (a full disk, a lost server) it is unknown whether the writes happened. The caller
	// must not report success, and may try again with the same conditions.
	Apply(ctx context.Context, writes ...Write) error

	// Export calls fn for every record of the store as of one moment: table by table in the order of Tables,
	// and within a table in byte order of the keys. Expired records that are not swept yet may be among them;
	// see their Expires. If fn returns an error, Export ends and returns it. If the engine fails in the
	// middle, Export does not start again.
	//
	// Reads and writes go on meanwhile, and fn may make them too. But until Export ends, an engine keeps
	// every replaced version, so fn must not wait for long.
	Export(ctx context.Context, fn func(Table, Record) error) error

	// Ready returns nil if the store can be read and written now, otherwise the reason. It is cheap.
	Ready(ctx context.Context) error

	// Close waits for writes under way and releases the store.
	Close() error
}

var (
	// ErrNotFound says that there is no live record with this key.
	ErrNotFound = errors.New("record not found")
	// ErrUnavailable says that the engine cannot take writes (or reads) now. It may recover by itself.
	ErrUnavailable = errors.New("storage unavailable")
	// ErrClosed says that the store has been closed.
	ErrClosed = errors.New("storage closed")
)

// ConflictError names the write whose condition did not hold.
type ConflictError struct {
	Table Table
	Key   string
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("conflict on %s record: changed by another request", e.Table)
}

// Now is the time in UTC, to the millisecond that records keep.
func Now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }
