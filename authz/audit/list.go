package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/authzd/authzd/storage"
)

// Filter selects events. Zero members select all.
type Filter struct {
	Since, Until time.Time // of the event; Until itself is excluded
	Type         string    // or what it begins with, such as "user."
	Outcome      Outcome
	Actor        string // id
	ClientID     string
	UserID       string
	GrantID      string
	SessionID    string
	RequestID    string
}

func (f *Filter) selects(e *Event) bool {
	for _, want := range [][2]string{
		{string(f.Outcome), string(e.Outcome)}, {f.Actor, e.Actor.ID}, {f.ClientID, e.ClientID}, {f.UserID, e.UserID},
		{f.GrantID, e.GrantID}, {f.SessionID, e.SessionID}, {f.RequestID, e.RequestID},
	} {
		if want[0] != "" && want[0] != want[1] {
			return false
		}
	}
	return strings.HasPrefix(string(e.Type), f.Type) &&
		(f.Since.IsZero() || !e.Time.Before(f.Since)) && (f.Until.IsZero() || e.Time.Before(f.Until))
}

// listBlocks bounds how many blocks List reads, so that an answer never takes long even if the filter selects
// nothing.
const listBlocks = 2000

// Position is a position between two events of the log.
type Position struct {
	Block int
	Event int // events of the block that are before it
}

// whole is the Event of a position after all events of its block.
const whole = maxBlockEvents + 1

// List returns up to limit sealed events, the newest first, from before a position; the zero Position is the
// end of the log. next is where to go on, even if this page is empty. If it is zero, there are no more.
func (l *Log) List(ctx context.Context, f Filter, before Position, limit int) (events []Event, next Position, err error) {
	head, _, err := l.head(ctx)
	if err != nil {
		return nil, Position{}, err
	}
	if before == (Position{}) {
		before = Position{head.Last, whole}
	}
	for range listBlocks / pageBlocks {
		if before.Block < head.First {
			return events, Position{}, nil
		}
		first := max(before.Block-pageBlocks+1, head.First)
		page, err := l.config.Store.Scan(ctx, storage.AuditBlocks.Table, "", blockKey(first-1), before.Block-first+1)
		if err != nil {
			return nil, Position{}, err
		}
		for _, rec := range slices.Backward(page) {
			number, block, lines := readBlock(rec)
			if block == nil || number > before.Block {
				continue // Verify says more about it
			}
			if block.Sealed.Before(f.Since.Add(-slack)) {
				return events, Position{}, nil
			}
			for i := len(lines) - 1; i >= 0; i-- {
				var e Event
				if number == before.Block && i >= before.Event || json.Unmarshal(lines[i], &e) != nil || !f.selects(&e) {
					continue
				}
				if len(events) == limit {
					return events, Position{number, i + 1}, nil
				}
				events = append(events, e)
			}
		}
		before = Position{first - 1, whole}
	}
	return events, before, nil
}

// readBlock returns the readable part of a block, or nil.
func readBlock(rec storage.Record) (number int, block *storage.AuditBlock, lines [][]byte) {
	number, err := numberOf(rec.Key)
	if err != nil {
		return 0, nil, nil
	}
	entry, err := storage.AuditBlocks.Entry(rec)
	if err != nil {
		return number, nil, nil
	}
	text, _ := linesOf(entry.Value)
	return number, entry.Value, bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
}
