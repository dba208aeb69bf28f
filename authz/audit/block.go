package audit

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/authzd/authzd/authz/deflate"
	"github.com/authzd/authzd/storage"
)

const (
	maxBlockEvents = 500
	maxBlockBytes  = 512 << 10 // of lines; at least one event always fits
	pageBlocks     = 20        // in memory at once
)

// hashOf returns the hash of a block, in hexadecimal: SHA-256 of this text and the lines of its events, each
// ended by a line feed.
//
//	authzd audit block
//	12
//	2026-11-23T19:40:01.250Z
//	hash of block 11
//	37
func hashOf(s storage.AuditSeal, lines []byte) string {
	h := sha256.New()
	fmt.Fprintf(h, "authzd audit block\n%d\n%s\n%s\n%d\n", s.Number, stamp(s.Sealed), s.Before, s.Count)
	h.Write(lines)
	return hex.EncodeToString(h.Sum(nil))
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// Each kind of message has a different first line, so that the MAC of one is not valid for another.
func (l *Log) macOfEvent(id, line string) []byte {
	return l.config.MAC([]byte("event\n" + id + "\n" + line))
}

func (l *Log) macOfBlock(hash string) []byte { return l.config.MAC([]byte("block\n" + hash)) }

func (l *Log) macOfHead(h *storage.AuditHead) []byte {
	return l.config.MAC(fmt.Appendf(nil, "head\n%d\n%d\n%s\n%s", h.First, h.Last, h.Hash, stamp(h.Sealed)))
}

// newBlock seals lines after the last block of a head.
func (l *Log) newBlock(head *storage.AuditHead, lines []string, now time.Time) *storage.AuditBlock {
	var text bytes.Buffer
	for _, line := range lines {
		text.WriteString(line)
		text.WriteByte('\n')
	}
	b := &storage.AuditBlock{
		AuditSeal: storage.AuditSeal{Number: head.Last + 1, Sealed: later(now, head.Sealed), Before: head.Hash, Count: len(lines)},
		Events:    deflate.Compress(deflate.Usual, text.Bytes()),
	}
	b.Hash = hashOf(b.AuditSeal, text.Bytes())
	b.MAC = l.macOfBlock(b.Hash)
	return b
}

// later keeps the time of the chain from going back with a clock.
func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// linesOf returns the text of a block's hash. It reads no more than a block can have.
func linesOf(b *storage.AuditBlock) ([]byte, error) {
	return deflate.Expand(b.Events, maxBlockBytes+maxLine+1) // a note of damage, with its line feed, is not counted
}

// blockKey sorts blocks by number.
func blockKey(number int) string { return fmt.Sprintf("%020d", number) }

// numberOf is the inverse.
func numberOf(key string) (int, error) { return strconv.Atoi(key) }

const headKey = "head"

// head returns the head and its version. Before the first block it is the zero head. It is also zero if the
// record can't be read, and then not genuine.
func (l *Log) head(ctx context.Context) (*storage.AuditHead, uint64, error) {
	rec, err := l.config.Store.Get(ctx, storage.AuditHeads.Table, headKey)
	if errors.Is(err, storage.ErrNotFound) {
		head := &storage.AuditHead{First: 1}
		head.MAC = l.macOfHead(head)
		return head, 0, nil
	} else if err != nil {
		return nil, 0, err
	}
	head, spoilt := storage.AuditHeads.Entry(rec)
	if spoilt != nil {
		return &storage.AuditHead{}, rec.Version, nil
	}
	return head.Value, rec.Version, nil
}

// keptHead returns the copy of the head that is outside of the log's tables. It returns the zero head if
// there is no copy, as in a new store or one of an earlier authzd, or if the server did not write the copy.
func (l *Log) keptHead(ctx context.Context) (head *storage.AuditHead, spoilt bool, err error) {
	rec, err := l.config.Store.Get(ctx, storage.KeptHeads.Table, storage.KeptHeadKey)
	if errors.Is(err, storage.ErrNotFound) {
		return &storage.AuditHead{}, false, nil
	} else if err != nil {
		return nil, false, err
	}
	kept, err := storage.KeptHeads.Entry(rec)
	if err != nil || !l.genuine(kept.Value) {
		return &storage.AuditHead{}, true, nil
	}
	return kept.Value, false, nil
}

// heads returns the head with its version, and the copy. It reads the copy first, so that the copy is never
// ahead of the head because another replica has just sealed a block.
func (l *Log) heads(ctx context.Context) (head *storage.AuditHead, version uint64, kept *storage.AuditHead, spoilt bool, err error) {
	if kept, spoilt, err = l.keptHead(ctx); err == nil {
		head, version, err = l.head(ctx)
	}
	return head, version, kept, spoilt, err
}

// genuine reports whether the server has written a head.
func (l *Log) genuine(h *storage.AuditHead) bool { return hmac.Equal(h.MAC, l.macOfHead(h)) }
