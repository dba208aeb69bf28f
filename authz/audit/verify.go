package audit

import (
	"context"
	"errors"
	"fmt"

	"github.com/authzd/authzd/storage"
)

// verifyBlocks is about how many blocks Verify checks at most, so that an answer never takes long.
const verifyBlocks = 500

// Verify checks the blocks after one that was verified before, or from the oldest on if after is 0, some
// hundred at most. next is where to go on; 0: this was the end of the log.
//
//	head -> page of blocks, each with the one before it -> head again: are these all?
//
// The log may grow and be trimmed meanwhile.
func (l *Log) Verify(ctx context.Context, after int) (report Report, next int, err error) {
	c := &chain{mac: l.macOfBlock}
	if err := l.resume(ctx, c, after); err != nil {
		return Report{}, 0, err
	}
	for cursor := blockKey(after); ; {
		head, err := l.checkedHead(ctx, c)
		if err != nil {
			return Report{}, 0, err
		}
		page, err := l.config.Store.Scan(ctx, storage.AuditBlocks.Table, "", cursor, pageBlocks)
		if err != nil {
			return Report{}, 0, err
		}
		for _, rec := range page {
			if err := l.verifyRecord(ctx, c, rec); err != nil {
				return Report{}, 0, err
			}
			cursor = rec.Key
		}
		switch {
		case len(page) < pageBlocks:
			err := l.verifyEnd(ctx, c, head)
			return c.report, 0, err
		case c.report.Blocks >= verifyBlocks:
			return c.report, c.next - 1, nil
		}
	}
}

// resume lets the chain go on after a block, or begin with the oldest block of the head.
func (l *Log) resume(ctx context.Context, c *chain, after int) error {
	head, err := l.checkedHead(ctx, c)
	if err != nil {
		return err
	}
	if after < head.First {
		c.next = head.First
		return nil
	}
	block, _, err := storage.AuditBlocks.Get(ctx, l.config.Store, blockKey(after))
	if errors.Is(err, storage.ErrNotFound) {
		c.next = after
		return nil
	} else if err != nil {
		return err
	}
	c.follow(after, block.AuditSeal)
	return nil
}

// checkedHead returns the head, and reports once if it is not the server's or not the last one. If the head
// was put back, it returns the copy.
func (l *Log) checkedHead(ctx context.Context, c *chain) (*storage.AuditHead, error) {
	head, _, kept, spoilt, err := l.heads(ctx)
	if err != nil {
		return nil, err
	}
	genuine := l.genuine(head)
	if !c.judged {
		switch {
		case !genuine:
			c.headless = true
			c.problem(head.Last, headChanged)
		case kept.Last > head.Last:
			c.problem(head.Last+1, "%s", wentBack(kept.Last, head.Last))
		case spoilt:
			c.problem(head.Last, keptHeadChanged)
		default:
			return head, nil
		}
		c.judged = true
	}
	if genuine && kept.Last > head.Last {
		return kept, nil
	}
	return head, nil
}

// verifyRecord checks one record of the table of blocks.
func (l *Log) verifyRecord(ctx context.Context, c *chain, rec storage.Record) error {
	number, err := numberOf(rec.Key)
	if err != nil {
		c.problem(c.next, "there is a record that is no block: %q", rec.Key)
		return nil
	}
	if number > c.next { // blocks are missing, unless they were dropped since
		head, err := l.checkedHead(ctx, c)
		if err != nil {
			return err
		}
		if number <= head.First && !c.headless {
			c.begin(number)
		}
	}
	block, err := storage.AuditBlocks.Entry(rec)
	if err != nil {
		c.problem(number, "it can't be read: %v", err)
		c.begin(number + 1)
		return nil
	}
	text, err := linesOf(block.Value)
	if err != nil {
		c.problem(number, "it can't be read: %v", err)
	}
	c.add(number, block.Value.AuditSeal, text)
	return nil
}

// verifyEnd compares the last block with the head, as it was before that block was read and as it is now.
func (l *Log) verifyEnd(ctx context.Context, c *chain, before *storage.AuditHead) error {
	now, err := l.checkedHead(ctx, c)
	last := c.next - 1
	switch {
	case err != nil || c.headless:
		return err
	case last < before.Last:
		c.problem(c.next, "the blocks from here to %d, the last, are missing", before.Last)
	case last > now.Last:
		c.problem(now.Last+1, "the blocks from here on are not the server's: the last that it has made is %d", now.Last)
	case last == now.Last && c.hash != now.Hash && last > 0:
		c.problem(last, "it is not the block that the head names")
	}
	return nil
}

// CheckPoint reports whether a block still has a noted hash, which vouches for all earlier blocks. The error
// is storage.ErrNotFound if there is no such block (any more).
func (l *Log) CheckPoint(ctx context.Context, number int, hash string) (same bool, err error) {
	block, _, err := storage.AuditBlocks.Get(ctx, l.config.Store, blockKey(number))
	if err != nil {
		return false, fmt.Errorf("block %d: %w", number, err)
	}
	return block.Hash == hash, nil
}
