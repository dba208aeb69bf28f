// Package archive is the backup of a whole store in one file. Any engine can be filled from it:
//
//	Store.Export ─> Write ─> Encrypt (by choice) ─> Create ─> file
//	file ─> Decrypt ─> Open ─> Records: to the end once, to know that all is well; then again, into a store
//
// The file, all numbers big-endian:
//
//	magic    16 bytes, "authzd backup 1\n"
//	header   a block of kind 'H': Header as JSON
//	records  blocks of kind 'R': the length of the table's name (1 byte), the name, and a zstd frame of
//	         records, one after the other
//	end      a block of kind 'E': Summary as JSON
//	sum      SHA-256 of everything before it, 32 bytes; nothing follows
//
//	block    kind (1 byte), length of the payload (4 bytes), payload
//	record   length of the key (uvarint), key, expiry in Unix milliseconds (uvarint, 0: never),
//	         length of the value (uvarint), value
//
// Tables follow each other in any order. Each is in one piece, with ascending keys. Versions are not in the
// file: the engine that takes the records gives them new ones.
//
// The sum finds damage. Summary.MAC finds a forgery: only a holder of the server's secret can compute it.
package archive

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"time"

	"github.com/authzd/authzd/storage"
)

// Format is the newest form of the file that this package writes and reads. It is part of the magic, so that
// an older authzd refuses a newer file at its first bytes.
const Format = 1

const (
	magic = "authzd backup 1\n"

	kindHeader  = 'H'
	kindRecords = 'R'
	kindEnd     = 'E'

	// blockBytes is how many bytes of records make a block full.
	blockBytes = 256 << 10
	// maxPlain is the most that a block holds: its last record may have the greatest size.
	maxPlain = blockBytes + storage.MaxKey + storage.MaxValue + 3*binary.MaxVarintLen64
	// maxPayload is the most that a block may claim: compression makes no block much longer.
	maxPayload = maxPlain + maxPlain/64
	// maxJSON is the most that a header or an end may claim.
	maxJSON = 64 << 10
)

var (
	// ErrDamaged says that the file is not what was written, or only a part of it.
	ErrDamaged = errors.New("backup is damaged")
	// ErrNoArchive says that the file is something else.
	ErrNoArchive = errors.New("not a backup of authzd")
	// ErrNewer says that a newer authzd wrote the file.
	ErrNewer = errors.New("backup was written by a newer authzd")
)

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrDamaged, fmt.Errorf(format, args...))
}

// Header describes a backup, before its records.
type Header struct {
	Created time.Time `json:"created"` // the moment that it shows: UTC, whole milliseconds
	Issuer  string    `json:"issuer"`
	Secret  string    `json:"secret"` // id of the server secret that sealed its keys
	Version string    `json:"authzd"` // of the authzd that wrote it
}

// Summary describes a backup, after its records.
type Summary struct {
	Tables map[storage.Table]Table `json:"tables"` // those that have records
	MAC    []byte                  `json:"mac"`    // of Digest, by the server's secret

	// Digest is the SHA-256 of all bytes before the end, including the header. It is computed, not read.
	Digest [sha256.Size]byte `json:"-"`
}

// Table describes the live records of one table.
type Table struct {
	Records int64  `json:"records"`
	SHA256  string `json:"sha256"` // of their keys, expiries and values in order, hexadecimal
}

// Records returns the number of records in all tables.
func (s Summary) Records() (n int64) {
	for _, t := range s.Tables {
		n += t.Records
	}
	return n
}

// Authentic reports whether the MAC in the file is one of macs, which are those of Digest under the secrets
// that the caller trusts.
func (s Summary) Authentic(macs [][sha256.Size]byte) bool {
	for _, mac := range macs {
		if subtle.ConstantTimeCompare(mac[:], s.MAC) == 1 {
			return true
		}
	}
	return false
}

// Tally counts and digests records as they come. The records of a table must come in the order of their keys.
type Tally struct {
	tables map[storage.Table]*tallied
	buf    []byte
}

type tallied struct {
	records int64
	hash    hash.Hash
}

// Add takes the next record of a table.
func (t *Tally) Add(table storage.Table, rec storage.Record) {
	t.buf = appendRecord(t.buf[:0], rec)
	t.add(table, t.buf)
}

func (t *Tally) add(table storage.Table, encoded []byte) {
	c := t.tables[table]
	if c == nil {
		if t.tables == nil {
			t.tables = map[storage.Table]*tallied{}
		}
		c = &tallied{hash: sha256.New()}
		t.tables[table] = c
	}
	c.records++
	c.hash.Write(encoded)
}

// Tables returns the result so far.
func (t *Tally) Tables() map[storage.Table]Table {
	tables := map[storage.Table]Table{}
	for name, c := range t.tables {
		tables[name] = Table{c.records, hex.EncodeToString(c.hash.Sum(nil))}
	}
	return tables
}

// appendRecord appends the encoding of a record.
func appendRecord(b []byte, rec storage.Record) []byte {
	b = binary.AppendUvarint(b, uint64(len(rec.Key)))
	b = append(b, rec.Key...)
	var expiry uint64
	if !rec.Expires.IsZero() {
		expiry = uint64(max(rec.Expires.UnixMilli(), 1))
	}
	b = binary.AppendUvarint(b, expiry)
	b = binary.AppendUvarint(b, uint64(len(rec.Value)))
	return append(b, rec.Value...)
}

// cutRecord decodes the record at the beginning of b, and returns the rest of b. Each number has exactly one
// encoding.
func cutRecord(b []byte) (rec storage.Record, rest []byte, err error) {
	key, b, err := cutBytes(b, storage.MaxKey)
	if err != nil || len(key) == 0 {
		return rec, nil, damaged("a record's key")
	}
	expiry, b, err := cutUvarint(b)
	if err != nil || expiry > maxExpiry {
		return rec, nil, damaged("a record's expiry")
	}
	value, b, err := cutBytes(b, storage.MaxValue)
	if err != nil {
		return rec, nil, damaged("a record's value")
	}
	rec = storage.Record{Key: string(key), Value: append([]byte{}, value...)}
	if expiry != 0 {
		rec.Expires = time.UnixMilli(int64(expiry)).UTC()
	}
	return rec, b, nil
}

// maxExpiry is the end of the year 9999, in Unix milliseconds. JSON and SQL have no later time.
const maxExpiry = 253402300799999

func cutBytes(b []byte, most uint64) (s, rest []byte, err error) {
	n, b, err := cutUvarint(b)
	if err != nil || n > most || n > uint64(len(b)) {
		return nil, nil, ErrDamaged
	}
	return b[:n], b[n:], nil
}

func cutUvarint(b []byte) (n uint64, rest []byte, err error) {
	n, size := binary.Uvarint(b)
	if size <= 0 || size != len(binary.AppendUvarint(nil, n)) {
		return 0, nil, ErrDamaged
	}
	return n, b[size:], nil
}
