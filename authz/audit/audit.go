// Package audit is the log of every action and its author: sign-ins, grants, revocations, refusals and every
// change by an operator. Events are only added. If somebody edits, drops, adds or reorders one in the store,
// verification finds it.
//
//	a request's change --- Put -----> one Apply: the change and its event -----+
//	a refusal ------------ Note ----> queue --- Run, every second --- Apply ---+--> AuditEvents
//	                                                                           |
//	    List, Export, Verify <--- AuditBlocks, AuditHead <--- Seal ------------+
//
// An event is written in the Apply of its change, so that neither exists without the other. A second later it
// is sealed into a block, which is bound to the block before it by a hash, and to the server by a MAC. The
// head, also under a MAC, names the first and the last block. If several replicas seal, one wins each block.
//
// Two things can't be noticed: the deletion of an event in the second before it is sealed, and a store that
// is put back as a whole to an earlier state. To notice the latter, keep a head elsewhere.
package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/throttle"
	"github.com/authzd/authzd/storage"
)

// Config is the input of New.
type Config struct {
	Store storage.Store
	// MAC authenticates a message under a key that outlives rotations of the server secret. Access to the
	// store alone does not reveal the key.
	MAC func(message []byte) []byte
	// Keep is how long blocks are kept; 0: for ever.
	Keep time.Duration
	// Sealed is called with each event about a user or a proof that this process has sealed: of all replicas, one is
	// called. nil: nobody is.
	Sealed func(Event)
	// Tampered is called if the store has something that the server did not write.
	Tampered func(ctx context.Context, found string)
	Logger   *slog.Logger
}

// Log is the audit log. It is safe for concurrent use.
type Log struct {
	config Config
	queue  queue

	// Used only by Seal.
	seen    int // the last block that this process has sealed
	blocked int // a block that could not be made, because one exists
}

// New returns the audit log of a store.
func New(config Config) *Log {
	return &Log{config: config, queue: queue{limits: throttle.New()}}
}

// Put is the write that adds an event to the log. Make it in the Apply of the event's change. It fills in ID
// and Time and, from the request of ctx, Remote and RequestID if they are empty. It never conflicts.
func (l *Log) Put(ctx context.Context, e Event) storage.Write {
	e.ID, e.Time = uuid.Must(uuid.NewV7()).String(), storage.Now()
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

// now is the time, with the precision of records.

const (
	flushEvery = time.Second
	sealEvery  = time.Second
	trimEvery  = time.Minute
	// parting is how long writing the last events may take when the server stops.
	parting = 5 * time.Second
)

// Run writes noted events until ctx ends, then a last time, and returns ctx's error. Failures are logged and
// tried again.
func (l *Log) Run(ctx context.Context) error {
	ticker := time.NewTicker(flushEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), parting)
			defer cancel()
			l.report(last, l.flush(last, true))
			return ctx.Err()
		case <-ticker.C:
			l.report(ctx, l.flush(ctx, false))
		}
	}
}

// Seal seals waiting events and drops old blocks until ctx ends, and returns ctx's error. One replica is
// enough; several do no harm. Failures are logged and tried again.
func (l *Log) Seal(ctx context.Context) error {
	ticker := time.NewTicker(sealEvery)
	defer ticker.Stop()
	var trimmed time.Time
	for {
		l.report(ctx, l.sealAll(ctx))
		if time.Since(trimmed) >= trimEvery {
			trimmed = time.Now()
			l.report(ctx, l.trim(ctx))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

func (l *Log) report(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil {
		l.config.Logger.Error("events wait to get into the audit log", "error", err)
	}
}
