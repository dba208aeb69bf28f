// Package audit is the log of who did what: sign-ins, grants, revocations, refusals and every change by
// an operator. Events are only ever added to it, and whoever edits, drops, adds or reorders one in the
// store gets found.
//
//	a request's change --- Put -----> one Apply: the change and its event
//
// An event that tells of a change is written in the Apply of that change, so that neither is ever
// without the other.
package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/storage"
)

// Config is all that New needs.
type Config struct {
	// MAC authenticates a message under a key that outlives rotations of the server secret, and that
	// whoever can merely write the store does not have.
	MAC func(message []byte) []byte
}

// Log is the audit log. It is safe for concurrent use.
type Log struct {
	config Config
}

// New returns the audit log of a store.
func New(config Config) *Log { return &Log{config: config} }

// Put is the write that adds an event to the log, for the Apply of the change that the event tells of.
// It fills in ID and Time and, from the request that ctx belongs to, Remote and RequestID if they are
// empty. It never conflicts.
func (l *Log) Put(ctx context.Context, e Event) storage.Write {
	e.ID, e.Time = uuid.Must(uuid.NewV7()).String(), time.Now().UTC().Truncate(time.Millisecond)
	request := observe.Event(ctx)
	if e.RequestID == "" {
		e.RequestID = request.RequestID()
	}
	if remote := request.Remote(); e.Remote == "" && remote.IsValid() {
		e.Remote = remote.String()
	}
	line, err := json.Marshal(e.clean())
	if err != nil { // strings, a map of strings and a time of this century always encode
		panic(fmt.Sprintf("encode audit event: %v", err))
	}
	record := &storage.AuditEvent{Line: string(line), MAC: l.macOfEvent(e.ID, string(line))}
	return storage.AuditEvents.Put(e.ID, record, storage.Absent, time.Time{})
}

// Each kind of message has a first line of its own, so that a MAC of one is none of another.

func (l *Log) macOfEvent(id, line string) []byte {
	return l.config.MAC([]byte("event\n" + id + "\n" + line))
}

func (l *Log) macOfBlock(hash string) []byte { return l.config.MAC([]byte("block\n" + hash)) }

func (l *Log) macOfHead(number int, hash string) []byte {
	return l.config.MAC([]byte("head\n" + strconv.Itoa(number) + "\n" + hash))
}
