package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/authzd/authzd/storage"
)

// Apply implements storage.Store. It returns when the commit of its group was acknowledged; if the
// group failed, because of somebody else in it or of the connection, it is repeated alone.
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

// applyAlone repeats an attempt that has failed, without company.
//
// What left nothing behind is repeated as it was. If nobody can say whether it did, because the
// connection broke, it is repeated only if the changes can't be made twice (see once); a conflict is
// then looked into, since it may be with ourselves.
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

// send makes all changes in one transaction and one round trip: everything from BEGIN to COMMIT goes
// to the server in one message, of which it runs nothing more once a statement has failed. Of an
// error it says which change it was about. The connection is released.
func (s *Store) send(ctx context.Context, conn *pgxpool.Conn, changes []change) (at int, err error) {
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	var closeErr error
	defer func() { tidy(ctx, conn, errors.Join(err, closeErr)) }()
	batch := &pgx.Batch{}
	queue := func(of statement, args ...any) {
		var stmt string
		if err == nil { // known statements cost nothing, others a round trip once in a connection's life
			stmt, err = s.prepared(ctx, conn.Conn(), of)
		}
		batch.Queue(stmt, args...)
	}
	before := 0
	if len(changes) > 1 { // one statement is a transaction by itself
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
	// A transaction without COMMIT ends only here. One whose COMMIT was answered is over, whatever
	// becomes of the connection.
	if closeErr = results.Close(); err == nil && len(changes) == 1 {
		err = closeErr
	}
	return at, err
}

// settle finds out what became of changes that may have been made: if a record is as we left it, they
// were. Else it stays open, because the server may still be at it, or somebody else may have changed
// our record.
//
// To read the record would not do. A commit that waits for a synchronous standby is given up with its
// connection, and can then be read, though it is on one disk alone and lost with it. So the record is
// written again as it is: if that is acknowledged, all that was committed before it is safe as well.
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

// confirm makes a change that leaves everything as it is, as often as it takes to hear of it; false: its
// condition does not hold.
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
