package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/authzd/authzd/storage"
)

// Apply implements storage.Store. It returns when the commit of its group was acknowledged. If the group
// failed because of another member or of the connection, Apply goes on alone.
func (s *Store) Apply(ctx context.Context, writes ...storage.Write) error {
	if err := storage.CheckWrites(writes); err != nil {
		return err
	}
	if len(writes) == 0 {
		conn, err := s.acquire(ctx)
		if err == nil {
			conn.Release()
		}
		return err
	}
	if ctx.Err() != nil { // a batch may take it at once
		return s.gaveUp(ctx)
	}
	a := &apply{changes: newChanges(writes), outcome: make(chan error, 1)}
	s.applies.add(a)
	var err error
	select {
	case err = <-a.outcome:
	case <-ctx.Done():
		if s.applies.withdraw(a) {
			return s.gaveUp(ctx)
		}
		err = <-a.outcome
	}
	if err != nil && !storage.IsConflict(err) {
		s.retries.Add(1)
		err = s.applyAlone(ctx, a.changes, err)
	}
	switch {
	case err == nil:
		s.commits.Add(1)
	case storage.IsConflict(err):
		s.conflicts.Add(1)
	}
	return err
}

// applyAlone repeats a failed attempt, without other calls.
//
// If the attempt left nothing behind, it is repeated unchanged. If that is unknown, because the connection
// broke, it is repeated only if the changes can't be made twice (see once). A conflict is then checked,
// because the first attempt may have caused it.
func (s *Store) applyAlone(ctx context.Context, changes []change, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	doubt := fateOf(err) == unknown
	for tries := 0; ; tries++ {
		if doubt && !once(changes) {
			return s.settle(ctx, changes, err)
		}
		conn, acquireErr := s.acquire(ctx)
		if acquireErr != nil {
			return acquireErr
		}
		at, sendErr := s.send(ctx, conn, changes)
		s.starved.Store(lacksResources(sendErr))
		if err = sendErr; err == nil {
			return nil
		}
		switch fateOf(err) {
		case refused:
			return s.failed(err)
		case unknown:
			doubt = true
		case lost:
			if doubt {
				return s.settle(ctx, changes, err)
			}
			return conflict(changes[at])
		}
		if !s.pause(ctx, tries) {
			return s.failed(err)
		}
		s.retries.Add(1)
	}
}

func conflict(c change) error { return &storage.ConflictError{Table: c.Table, Key: c.Key} }

// send makes all changes in one transaction and one round trip: everything from BEGIN to COMMIT goes to the
// server in one message, and after a failed statement the server runs none of the rest. The error names the
// change that failed. The connection is released.
func (s *Store) send(ctx context.Context, conn *pgxpool.Conn, changes []change) (at int, err error) {
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	var closeErr error
	defer func() { tidy(ctx, conn, errors.Join(err, closeErr)) }()
	batch := &pgx.Batch{}
	queue := func(of statement, args ...any) {
		var stmt string
		if err == nil { // known statements cost nothing; others cost a round trip once in a connection's life
			stmt, err = s.prepared(ctx, conn.Conn(), of)
		}
		batch.Queue(stmt, args...)
	}
	before := 0
	if len(changes) > 1 { // a single statement is a transaction by itself
		queue(begin)
		before = 1
	}
	for _, c := range changes {
		queue(c.stmt, c.args...)
	}
	if len(changes) > 1 {
		queue(commit)
	}
	if err != nil {
		return 0, &notSentError{err}
	}
	results := conn.SendBatch(ctx, batch)
	for i := range batch.Len() {
		if _, err = results.Exec(); err != nil {
			at = min(max(i-before, 0), len(changes)-1)
			break
		}
	}
	// A transaction without COMMIT ends only here. If its COMMIT was answered, the transaction is over, even
	// if the connection breaks.
	if closeErr = results.Close(); err == nil && len(changes) == 1 {
		err = closeErr
	}
	return at, err
}

// settle finds out what happened to changes that may have been made. If one of our records is as we wrote it,
// all were made. Otherwise it remains unknown: the server may still be working, or another request may have
// changed our record.
//
// Reading the record is not enough. A commit that waits for a synchronous standby is given up with its
// connection, and can then be read although it is on one disk only. So the record is written again unchanged:
// if that is acknowledged, everything that was committed before is safe too.
func (s *Store) settle(ctx context.Context, changes []change, cause error) error {
	for _, c := range changes {
		if c.version == 0 {
			continue
		}
		switch kept, err := s.confirm(ctx, c.again()); {
		case err != nil:
			return err
		case kept:
			return nil
		}
	}
	return unavailable(cause)
}

// confirm makes a change that leaves everything as it is, until an attempt is answered. It returns false if
// its condition does not hold.
func (s *Store) confirm(ctx context.Context, c change) (kept bool, err error) {
	for tries := 0; ; tries++ {
		conn, err := s.acquire(ctx)
		if err != nil {
			return false, err
		}
		_, err = s.send(ctx, conn, []change{c})
		if err == nil || fateOf(err) == lost {
			return err == nil, nil
		}
		if fateOf(err) == refused || !s.pause(ctx, tries) {
			return false, s.failed(err)
		}
		s.retries.Add(1)
	}
}
