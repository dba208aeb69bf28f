package audit

import (
	"context"
	"crypto/hmac"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/authzd/authzd/storage"
)

// sealAll seals until no event waits.
func (l *Log) sealAll(ctx context.Context) error {
	for {
		if more, err := l.seal(ctx); err != nil || !more {
			return err
		}
	}
}

// seal makes one block of the oldest waiting events, and reports whether there may be more. If several
// replicas do so at once, one succeeds; for the others that is no error.
func (l *Log) seal(ctx context.Context) (more bool, err error) {
	head, version, damage, err := l.trustedHead(ctx)
	if err != nil {
		return false, err
	}
	waiting, err := l.config.Store.Scan(ctx, storage.AuditEvents.Table, "", "", maxBlockEvents)
	if err != nil || (len(waiting) == 0 && damage == "") {
		return false, err
	}
	var lines []string
	if damage != "" {
		lines = append(lines, l.tampered(ctx, damage))
	}
	var done []storage.Write
	size := 0
	for _, rec := range waiting {
		line := l.lineOf(ctx, rec)
		if size += len(line) + 1; size > maxBlockBytes && len(lines) > 0 {
			break
		}
		lines = append(lines, line)
		done = append(done, storage.Write{Table: storage.AuditEvents.Table, Key: rec.Key, If: storage.At(rec.Version)})
	}
	block := l.newBlock(head, lines, storage.Now())
	head.Last, head.Hash, head.Sealed = block.Number, block.Hash, block.Sealed
	// The head comes first, because other replicas race for it.
	writes := append(l.putHeads(head, version),
		storage.AuditBlocks.Put(blockKey(block.Number), block, storage.Absent, time.Time{}))
	err = l.config.Store.Apply(ctx, append(writes, done...)...)
	lost := new(storage.ConflictError)
	switch {
	case errors.As(err, &lost) && lost.Table == storage.AuditBlocks.Table:
		l.blocked = block.Number // unless another replica has just made it
		return true, nil
	case errors.As(err, &lost):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("seal audit events: %w", err)
	}
	l.seen, l.blocked = head.Last, 0
	l.tellSealed(lines)
	return len(done) < len(waiting) || len(waiting) == maxBlockEvents, nil
}

// tellSealed calls Config.Sealed. It reads no other events, of which there may be thousands a second.
func (l *Log) tellSealed(lines []string) {
	if l.config.Sealed == nil {
		return
	}
	for _, line := range lines {
		if !strings.Contains(line, `"type":"user.`) && !strings.Contains(line, `"type":"proof.`) {
			continue
		}
		var e Event
		if err := json.Unmarshal([]byte(line), &e); err == nil {
			l.config.Sealed(e)
		}
	}
}

// putHeads are the writes of a head and of its copy, in this order.
func (l *Log) putHeads(head *storage.AuditHead, version uint64) []storage.Write {
	put := l.putHead(head, version) // computes the MAC, which the copy needs too
	return []storage.Write{put, keepHead(head)}
}

func (l *Log) putHead(head *storage.AuditHead, version uint64) storage.Write {
	head.MAC = l.macOfHead(head)
	return storage.AuditHeads.Put(headKey, head, storage.At(version), time.Time{})
}

// keepHead is the write of the copy of a head that has its MAC.
func keepHead(head *storage.AuditHead) storage.Write {
	return storage.KeptHeads.Put(storage.KeptHeadKey, head, storage.Any, time.Time{})
}

// lineOf returns the line of a waiting event: the server's line, or one that reports that it is not the
// server's.
func (l *Log) lineOf(ctx context.Context, rec storage.Record) string {
	event, err := storage.AuditEvents.Entry(rec)
	if err != nil || !hmac.Equal(event.Value.MAC, l.macOfEvent(rec.Key, event.Value.Line)) {
		return l.tampered(ctx, "event "+rec.Key+" was not written by the server, or was changed")
	}
	return event.Value.Line
}

// tampered returns the line that reports tampering. Once it is sealed, it can't be removed unnoticed.
func (l *Log) tampered(ctx context.Context, found string) string {
	l.config.Tampered(ctx, found)
	w := l.Put(ctx, Event{Type: Tampered, Outcome: Alarm, Actor: Actor{Kind: ByServer}, Details: map[string]string{"found": found}})
	var event storage.AuditEvent
	if err := json.Unmarshal(w.Value, &event); err != nil { // Put has just encoded it
		panic(fmt.Sprintf("decode audit event: %v", err))
	}
	return event.Line
}

// trustedHead returns the head and its version. If the head is not what the server left, it also returns a
// description, and the head after which the chain goes on: tampering must not end a log.
func (l *Log) trustedHead(ctx context.Context) (head *storage.AuditHead, version uint64, damage string, err error) {
	head, version, kept, spoilt, err := l.heads(ctx)
	switch {
	case err != nil:
		return nil, 0, "", err
	case !l.genuine(head):
		head, err = l.findEnd(ctx, kept)
		return head, version, headChanged, err
	case kept.Last > head.Last:
		damage = wentBack(kept.Last, head.Last)
		head, err = l.findEnd(ctx, kept)
		return head, version, damage, err
	case l.blocked > head.Last:
		head, err = l.findEnd(ctx, head)
		return head, version, fmt.Sprintf("block %d was not made by the server", l.blocked), err
	case head.Last < l.seen:
		return head, version, wentBack(l.seen, head.Last), nil
	case spoilt:
		return head, version, keptHeadChanged, nil
	}
	return head, version, "", nil
}

const (
	headChanged     = "the head of the log was not written by the server, or was changed"
	keptHeadChanged = "the copy of the head of the log was not written by the server, or was changed"
)

func wentBack(from, to int) string {
	if to == 0 {
		return fmt.Sprintf("the log was emptied, or its head removed: the server has sealed blocks up to %d", from)
	}
	return fmt.Sprintf("the log went back from block %d to block %d", from, to)
}

// findEnd follows the existing blocks after a head, and returns the head that they would have. After the zero
// head it begins with the first block.
func (l *Log) findEnd(ctx context.Context, head *storage.AuditHead) (*storage.AuditHead, error) {
	found := *head
	for {
		page, err := l.config.Store.Scan(ctx, storage.AuditBlocks.Table, "", blockKey(found.Last), pageBlocks)
		if err != nil {
			return nil, err
		}
		for _, rec := range page {
			number, err := numberOf(rec.Key)
			if err != nil || (found.Last > 0 && number != found.Last+1) {
				return &found, nil
			}
			if found.First == 0 {
				found.First = number
			}
			found.Last, found.Hash = number, ""
			if block, err := storage.AuditBlocks.Entry(rec); err == nil {
				found.Hash, found.Sealed = block.Value.Hash, later(block.Value.Sealed, found.Sealed)
			}
		}
		if len(page) < pageBlocks {
			found.First = max(found.First, 1)
			return &found, nil
		}
	}
}
