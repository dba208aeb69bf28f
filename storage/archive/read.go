package archive

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/authzd/authzd/storage"
)

// Reader reads a backup from its beginning to its end, once.
type Reader struct {
	r      *bufio.Reader
	sum    hash.Hash // of the bytes read so far
	header Header
	tally  Tally
	zstd   *zstd.Decoder
	plain  []byte

	table storage.Table          // of the last block
	last  string                 // key of the last record in it
	done  map[storage.Table]bool // tables that have begun
}

// Open reads the header. The error is ErrNoArchive, ErrNewer, ErrDamaged or that of r.
func Open(r io.Reader) (*Reader, error) {
	a := &Reader{r: bufio.NewReaderSize(r, 64<<10), sum: sha256.New(), done: map[storage.Table]bool{}}
	if err := a.readMagic(); err != nil {
		return nil, err
	}
	kind, payload, err := a.block()
	if err != nil {
		return nil, err
	}
	if kind != kindHeader {
		return nil, damaged("it does not begin with its header")
	}
	if err := decodeJSON(payload, &a.header); err != nil {
		return nil, err
	}
	a.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxPlain))
	if err != nil {
		return nil, fmt.Errorf("make the decompressor: %w", err)
	}
	return a, nil
}

// Header returns the backup's description of itself. It is proved only when Records has come to the end.
func (a *Reader) Header() Header { return a.header }

// Records calls fn for each record, with version 0. Don't act upon the records before it returns nil: only
// then is the backup whole and unchanged. The error is ErrDamaged, ErrNewer, fn's or that of the file.
func (a *Reader) Records(fn func(storage.Table, storage.Record) error) (Summary, error) {
	defer a.zstd.Close()
	for {
		before := [sha256.Size]byte(a.sum.Sum(nil))
		kind, payload, err := a.block()
		if err != nil {
			return Summary{}, err
		}
		switch kind {
		case kindRecords:
			if err := a.records(payload, fn); err != nil {
				return Summary{}, err
			}
		case kindEnd:
			return a.end(payload, before)
		default:
			return Summary{}, damaged("a block of no known kind")
		}
	}
}

func (a *Reader) readMagic() error {
	b := make([]byte, len(magic))
	n, err := io.ReadFull(a.r, b)
	a.sum.Write(b)
	switch number := len(magic) - 2; {
	case err == nil && string(b) == magic:
		return nil
	case err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return err
	case n == 0:
		return fmt.Errorf("%w: it is empty", ErrNoArchive)
	case n < len(magic) && strings.HasPrefix(magic, string(b[:n])):
		return damaged("it ends after %d bytes", n)
	case string(b[:number]) == magic[:number] && b[number] > magic[number] && b[number] <= '9':
		return ErrNewer
	}
	return ErrNoArchive
}

// block reads the next block. It never takes more memory than there are bytes to read, even if the block
// claims more.
func (a *Reader) block() (kind byte, payload []byte, err error) {
	head := make([]byte, 5)
	if err := a.full(head); err != nil {
		return 0, nil, err
	}
	kind, length := head[0], int(uint32(head[1])<<24|uint32(head[2])<<16|uint32(head[3])<<8|uint32(head[4]))
	most := maxJSON
	if kind == kindRecords {
		most = maxPayload
	}
	if length > most {
		return 0, nil, damaged("a block claims %d bytes", length)
	}
	var buf bytes.Buffer
	if _, err := io.CopyN(io.MultiWriter(&buf, a.sum), a.r, int64(length)); err != nil {
		return 0, nil, cutShort(err)
	}
	return kind, buf.Bytes(), nil
}

// full fills b.
func (a *Reader) full(b []byte) error {
	if _, err := io.ReadFull(a.r, b); err != nil {
		return cutShort(err)
	}
	a.sum.Write(b)
	return nil
}

func cutShort(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return damaged("its end is missing")
	}
	return err
}

// records decodes a block of records.
func (a *Reader) records(payload []byte, fn func(storage.Table, storage.Record) error) (err error) {
	if len(payload) == 0 || len(payload) <= int(payload[0]) {
		return damaged("a block without a table")
	}
	name, frame := storage.Table(payload[1:1+payload[0]]), payload[1+payload[0]:]
	if err := a.enter(name); err != nil {
		return err
	}
	if a.plain, err = a.zstd.DecodeAll(frame, a.plain[:0]); err != nil {
		return damaged("decompress: %w", err)
	}
	if len(a.plain) == 0 || len(a.plain) > maxPlain {
		return damaged("a block of %d bytes", len(a.plain))
	}
	for b := a.plain; len(b) > 0; {
		rec, rest, err := cutRecord(b)
		if err != nil {
			return err
		}
		if rec.Key <= a.last {
			return damaged("keys are not in order")
		}
		a.last = rec.Key
		a.tally.add(name, b[:len(b)-len(rest)])
		if err := fn(name, rec); err != nil {
			return err
		}
		b = rest
	}
	return nil
}

// enter notes the table of the next records.
func (a *Reader) enter(table storage.Table) error {
	if table == a.table && a.last != "" {
		return nil
	}
	if err := storage.CheckTable(table); err != nil {
		return fmt.Errorf("%w: %w", ErrNewer, err)
	}
	if a.done[table] {
		return damaged("a table in two pieces")
	}
	a.table, a.last, a.done[table] = table, "", true
	return nil
}

// end compares the file's description of itself with what was read, and checks that nothing follows.
func (a *Reader) end(payload []byte, digest [sha256.Size]byte) (Summary, error) {
	var s Summary
	if err := decodeJSON(payload, &s); err != nil {
		return s, err
	}
	want, got := a.sum.Sum(nil), make([]byte, sha256.Size)
	if err := a.full(got); err != nil {
		return s, err
	}
	if !bytes.Equal(got, want) {
		return s, damaged("its checksum is wrong")
	}
	if _, err := a.r.ReadByte(); !errors.Is(err, io.EOF) {
		if err != nil {
			return s, err
		}
		return s, damaged("something follows its end")
	}
	if !maps.Equal(s.Tables, a.tally.Tables()) {
		return s, damaged("its records are not the ones that it claims")
	}
	s.Digest = digest
	return s, nil
}

func decodeJSON(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(v); err != nil {
		return damaged("%w", err)
	}
	return nil
}
