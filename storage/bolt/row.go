package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/authzd/authzd/storage"
)

// A row is the value under a key of a table's bucket, all numbers big-endian:
//
//	version  8 bytes   never 0; the highest bit is not part of it and says that there is a checksum
//	expiry   8 bytes   Unix milliseconds; 0: never
//	crc32c   4 bytes   of the key, the expiry and the value; rows of earlier authzds have none
//	value    the rest
//
// The widths are fixed, so that Apply can build the whole row before it queues, and the committer has only to
// fill in the version. So the checksum does not cover the version.
const (
	rowHeader     = 20
	plainHeader   = 16 // of a row without a checksum
	checksummed   = 1 << 63
	expiryAt      = 8
	rowChecksumAt = 16
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errChecksum says that a record is not what was written. Unlike errDamaged it concerns that record alone:
// the pages around it are whole.
var errChecksum = errors.New("wrong checksum")

// row is a decoded row. Its value points into the database.
type row struct {
	version uint64
	expiry  int64
	value   []byte
	header  []byte
}

func encodeRow(key, value []byte, expires time.Time) []byte {
	b := make([]byte, rowHeader+len(value))
	binary.BigEndian.PutUint64(b[expiryAt:], uint64(expiry(expires)))
	copy(b[rowHeader:], value)
	binary.BigEndian.PutUint32(b[rowChecksumAt:], rowChecksum(key, b[expiryAt:rowChecksumAt], value))
	return b
}

func rowChecksum(key, expiry, value []byte) uint32 {
	sum := crc32.Update(0, castagnoli, key)
	sum = crc32.Update(sum, castagnoli, expiry)
	return crc32.Update(sum, castagnoli, value)
}

func setVersion(encoded []byte, version uint64) {
	binary.BigEndian.PutUint64(encoded, version|checksummed)
}

// check returns a *storage.RecordError, which is also storage.ErrUnavailable, unless the row is the one that
// was written under the key.
func (r row) check(table storage.Table, key []byte) error {
	if len(r.header) < rowHeader || rowChecksum(key, r.header[expiryAt:rowChecksumAt], r.value) == binary.BigEndian.Uint32(r.header[rowChecksumAt:]) {
		return nil
	}
	return unavailable(&storage.RecordError{Table: table, Key: string(key), Err: errChecksum})
}

// readRow decodes a row and checks it before any of it is used: a wrong expiry would hide the record.
func readRow(table storage.Table, key, b []byte) (row, error) {
	r, err := decodeRow(b)
	if err != nil {
		return row{}, err
	}
	return r, r.check(table, key)
}

// decodeRow decodes a row without checking the checksum, for the committer, which must be fast.
func decodeRow(b []byte) (row, error) {
	// The upper limit is checked before any copy: the length of a row on a damaged page may be anything.
	header := plainHeader
	if len(b) >= plainHeader && b[0]&0x80 != 0 {
		header = rowHeader
	}
	if len(b) < header || len(b) > rowHeader+storage.MaxValue {
		return row{}, fmt.Errorf("%w: row of %d bytes", errDamaged, len(b))
	}
	r := row{
		version: binary.BigEndian.Uint64(b) &^ checksummed,
		expiry:  int64(binary.BigEndian.Uint64(b[expiryAt:])),
		value:   b[header:],
		header:  b[:header],
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

// expiry returns a time as a row holds it. A time at or before the epoch is long past, and must not become
// "never".
func expiry(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return max(t.UnixMilli(), 1)
}
