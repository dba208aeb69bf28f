package bolt

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/authzd/authzd/storage"
)

// A row is the value under a key of a table's bucket, all numbers big-endian:
//
//	version  8 bytes   never 0
//	expiry   8 bytes   Unix milliseconds; 0: never
//	value    the rest
//
// The widths are fixed so that Apply can build the whole row before it queues, and the committer
// has only the version left to fill in.
const rowHeader = 16

// row is a decoded row. Its value still points into the database.
type row struct {
	version uint64
	expiry  int64
	value   []byte
}

func encodeRow(value []byte, expires time.Time) []byte {
	b := make([]byte, rowHeader+len(value))
	binary.BigEndian.PutUint64(b[8:], uint64(expiry(expires)))
	copy(b[rowHeader:], value)
	return b
}

func setVersion(encoded []byte, version uint64) {
	binary.BigEndian.PutUint64(encoded, version)
}

func decodeRow(b []byte) (row, error) {
	// The upper limit comes before any copy: the length of a row on a damaged page may be anything.
	if len(b) < rowHeader || len(b) > rowHeader+storage.MaxValue {
		return row{}, fmt.Errorf("%w: row of %d bytes", errDamaged, len(b))
	}
	r := row{
		version: binary.BigEndian.Uint64(b),
		expiry:  int64(binary.BigEndian.Uint64(b[8:])),
		value:   b[rowHeader:],
	}
	if r.version == 0 || r.expiry < 0 {
		return row{}, fmt.Errorf("%w: row with version %d, expiry %d", errDamaged, r.version, r.expiry)
	}
	return r, nil
}

// live reports whether the record can still be read at now (Unix milliseconds).
func (r row) live(now int64) bool { return r.expiry == 0 || now < r.expiry }

// record copies the row out of the database.
func (r row) record(key []byte) storage.Record {
	rec := storage.Record{
		Key:     string(key),
		Value:   append([]byte{}, r.value...),
		Version: r.version,
	}
	if r.expiry != 0 {
		rec.Expires = time.UnixMilli(r.expiry).UTC()
	}
	return rec
}

// expiry is a time as a row holds it. A time at or before the epoch is long past, and must not be
// taken for never.
func expiry(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return max(t.UnixMilli(), 1)
}
