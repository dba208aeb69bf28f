package audit

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sort"
	"time"

	"github.com/authzd/authzd/storage"
)

// exportBlocks bounds how many blocks Export writes, so that an answer never takes long.
const exportBlocks = 100

// slack is how much earlier than an event's time its block may have been sealed, because the clocks of
// replicas differ.
const slack = time.Minute

// blockLine is the line before the events of a block in an export. An event's line begins differently.
type blockLine struct {
	Type string `json:"type"`
	storage.AuditSeal
}

const (
	blockLineType  = "audit.block"
	blockLineStart = `{"type":"` + blockLineType + `",`
)

// Export writes the blocks after a number as JSON Lines: for each a line with its seal, and then its events,
// byte for byte as they were sealed. It writes about a hundred at most and returns the last number; 0: there
// was none.
func (l *Log) Export(ctx context.Context, w io.Writer, after int) (last int, err error) {
	page, err := l.config.Store.Scan(ctx, storage.AuditBlocks.Table, "", blockKey(after), 1)
	for n := 0; err == nil && len(page) > 0 && n < exportBlocks; n++ {
		if last, err = exportBlock(w, page[0]); err != nil {
			return last, err
		}
		page, err = l.config.Store.Scan(ctx, storage.AuditBlocks.Table, "", page[0].Key, 1)
	}
	return last, err
}

// exportBlock writes the readable part of a block. If something is missing, verifying the export shows it.
func exportBlock(w io.Writer, rec storage.Record) (number int, err error) {
	number, err = numberOf(rec.Key)
	if err != nil {
		return 0, fmt.Errorf("export audit log: %w", err)
	}
	block, err := storage.AuditBlocks.Entry(rec)
	if err != nil {
		return 0, fmt.Errorf("export audit block %d: %w", number, err)
	}
	seal, err := json.Marshal(blockLine{blockLineType, block.Value.AuditSeal})
	if err != nil {
		return 0, fmt.Errorf("export audit block %d: %w", number, err)
	}
	text, _ := linesOf(block.Value)
	_, err = w.Write(append(append(seal, '\n'), text...))
	return number, err
}

// Seek returns a number: all blocks that may have events of a time or later come after it.
func (l *Log) Seek(ctx context.Context, since time.Time) (after int, err error) {
	head, _, err := l.head(ctx)
	if err != nil {
		return 0, err
	}
	n := sort.Search(head.Last-head.First+1, func(i int) bool {
		block, _, getErr := storage.AuditBlocks.Get(ctx, l.config.Store, blockKey(head.First+i))
		if getErr != nil {
			if !errors.Is(getErr, storage.ErrNotFound) {
				err = getErr
			}
			return false
		}
		return !block.Sealed.Before(since.Add(-slack))
	})
	return head.First + n - 1, err
}

// VerifyExport checks the output of Export by its hashes. That needs no secret, and finds every later change,
// but not a log that was made up as a whole. For that, compare the last block's hash with the server's. each,
// unless nil, is called with the number and the hash of each block. An error is an error of reading.
func VerifyExport(r io.Reader, each func(number int, hash string)) (Report, error) {
	c := &chain{}
	var seal *storage.AuditSeal
	var text bytes.Buffer
	end := func() {
		if seal != nil {
			c.add(seal.Number, *seal, text.Bytes())
			if each != nil {
				each(seal.Number, seal.Hash)
			}
		}
		text.Reset()
	}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		line := lines.Bytes()
		switch {
		case bytes.HasPrefix(line, []byte(blockLineStart)):
			end()
			var next blockLine
			if err := json.Unmarshal(line, &next); err != nil {
				return c.report, fmt.Errorf("seal after block %d: %w", c.report.Last.Number, err)
			}
			seal = &next.AuditSeal
		case seal == nil:
			return c.report, errors.New("not an export of the audit log: it does not begin with a block")
		case text.Len() > maxBlockBytes+maxLine:
			return c.report, fmt.Errorf("block %d is larger than any block can be", seal.Number)
		default:
			text.Write(line)
			text.WriteByte('\n')
		}
	}
	if err := lines.Err(); err != nil {
		return c.report, fmt.Errorf("after block %d: %w", c.report.Last.Number, err)
	}
	end()
	return c.report, nil
}
