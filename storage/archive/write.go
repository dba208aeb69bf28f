package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/version"
)

// Exporter is the part of storage.Store that a backup needs.
type Exporter interface {
	Export(ctx context.Context, fn func(storage.Table, storage.Record) error) error
}

// Write writes a backup of all live records in a store as of one moment. It fills in the header's Created and
// Version. It calls mac once, with Summary.Digest.
//
// The store keeps replaced versions meanwhile, so w must not block for long.
func Write(ctx context.Context, w io.Writer, store Exporter, h Header, mac func(digest []byte) []byte) (Summary, error) {
	enc, err := newWriter(w)
	if err != nil {
		return Summary{}, err
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	h.Created, h.Version = now, version.Read().Version
	defer enc.zstd.Close()
	if _, err := io.WriteString(enc.w, magic); err != nil {
		return Summary{}, err
	}
	if err := enc.json(kindHeader, h); err != nil {
		return Summary{}, err
	}
	err = store.Export(ctx, func(table storage.Table, rec storage.Record) error {
		if !rec.Expires.IsZero() && !rec.Expires.After(now) {
			return nil
		}
		return enc.record(table, rec)
	})
	if err != nil {
		return Summary{}, err
	}
	return enc.end(mac)
}

type writer struct {
	w     io.Writer // to the file and to sum
	sum   hash.Hash
	zstd  *zstd.Encoder
	tally Tally

	table storage.Table
	plain []byte // records of table that wait until their block is full
	block []byte
}

func newWriter(w io.Writer) (*writer, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(blockBytes))
	if err != nil {
		return nil, fmt.Errorf("make the compressor: %w", err)
	}
	sum := sha256.New()
	return &writer{w: io.MultiWriter(w, sum), sum: sum, zstd: enc}, nil
}

func (w *writer) record(table storage.Table, rec storage.Record) error {
	if table != w.table {
		if err := w.flush(); err != nil {
			return err
		}
		w.table = table
	}
	start := len(w.plain)
	w.plain = appendRecord(w.plain, rec)
	w.tally.add(table, w.plain[start:])
	if len(w.plain) >= blockBytes {
		return w.flush()
	}
	return nil
}

// flush ends the present block of records.
func (w *writer) flush() error {
	if len(w.plain) == 0 {
		return nil
	}
	b := append(w.block[:0], byte(len(w.table)))
	b = append(b, w.table...)
	b = w.zstd.EncodeAll(w.plain, b)
	w.plain, w.block = w.plain[:0], b
	return w.put(kindRecords, b)
}

func (w *writer) put(kind byte, payload []byte) error {
	head := binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(payload)))
	if _, err := w.w.Write(head); err != nil {
		return err
	}
	_, err := w.w.Write(payload)
	return err
}

func (w *writer) json(kind byte, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode the backup's %T: %w", v, err)
	}
	return w.put(kind, b)
}

func (w *writer) end(mac func([]byte) []byte) (Summary, error) {
	if err := w.flush(); err != nil {
		return Summary{}, err
	}
	s := Summary{Tables: w.tally.Tables(), Digest: [sha256.Size]byte(w.sum.Sum(nil))}
	s.MAC = mac(bytes.Clone(s.Digest[:]))
	if err := w.json(kindEnd, s); err != nil {
		return Summary{}, err
	}
	_, err := w.w.Write(w.sum.Sum(nil))
	return s, err
}
