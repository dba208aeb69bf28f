package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/authzd/authzd/storage"
)

const (
	// patience is how long a call tries again, so that a restart or a fail-over of the database is a slow
	// request and not a failed one.
	patience = 5 * time.Second
	// attempt is how long one round trip may take before the connection is given up.
	attempt = 3 * time.Second

	firstPause, lastPause = 10 * time.Millisecond, 250 * time.Millisecond
)

// An Apply keeps to the contract: this constant can't be negative.
const _ = uint64(storage.MaxApply - attempt - patience)

// acquire takes a connection from the pool. If there is none, it tries again for as long as patience lasts.
// Its errors are those of the contract.
func (s *Store) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for tries := 0; ; tries++ {
		if errors.Is(ctx.Err(), context.Canceled) {
			return nil, ctx.Err()
		}
		conn, err := s.pool.Acquire(ctx)
		if err == nil {
			return conn, nil
		}
		if !s.pause(ctx, tries) && !errors.Is(ctx.Err(), context.Canceled) {
			return nil, s.failed(err)
		}
	}
}

// read runs a query, and repeats it if the connection breaks. After it is sent, the caller's context no
// longer counts: the answer comes in a moment, and to give up would cost the connection.
func (s *Store) read(ctx context.Context, query func(context.Context, *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for tries := 0; ; tries++ {
		conn, err := s.acquire(ctx)
		if err != nil {
			return err
		}
		if err = try(ctx, conn, query); err == nil {
			return nil
		}
		if fateOf(err) == refused || !s.pause(ctx, tries) {
			return s.failed(err)
		}
		s.retries.Add(1)
	}
}

// first is the first attempt of a batch: it does not wait for a server that is away.
func (s *Store) first(query func(context.Context, *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), attempt)
	defer cancel()
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return &notSentError{err}
	}
	return try(ctx, conn, query)
}

// try sends a query, ignores the end of the caller's context, and releases the connection.
func try(ctx context.Context, conn *pgxpool.Conn, query func(context.Context, *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), attempt)
	defer cancel()
	err := query(ctx, conn.Conn())
	tidy(ctx, conn, err)
	return err
}

// tidy gives a connection back as its next user needs it: outside of a failed transaction, or closed if the
// connection itself may be broken.
func tidy(ctx context.Context, conn *pgxpool.Conn, err error) {
	defer conn.Release()
	if err == nil {
		return
	}
	if pg := new(pgconn.PgError); errors.As(err, &pg) && (fateOf(err) == lost || strings.HasPrefix(pg.Code, "40")) {
		if conn.Conn().PgConn().TxStatus() == 'I' {
			return
		}
		if _, err := conn.Exec(ctx, "ROLLBACK", pgx.QueryExecModeSimpleProtocol); err == nil {
			return
		}
	}
	conn.Conn().Close(ctx)
}

// pause waits before the next attempt, longer each time and with a random part. It returns false if there
// will be none: ctx has ended, or the store closes.
func (s *Store) pause(ctx context.Context, tries int) bool {
	longest := min(firstPause<<min(tries, 10), lastPause)
	t := time.NewTimer(longest/2 + rand.N(longest/2))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	case <-s.closing:
		return false
	}
}

// fate says what happened to statements that met an error.
type fate int

const (
	refused fate = iota // not made, and the next attempt would fail too
	lost                // a condition does not hold, and nothing was made
	undone              // not made; the next attempt may succeed
	unknown             // it is unknown whether they were made
)

// notSentError is an error from before anything was sent that changes a record.
type notSentError struct{ error }

func (e *notSentError) Unwrap() error { return e.error }

// fateOf interprets an error of the driver. If the server refuses a statement, nothing was made: the refusal
// comes before the commit, or in place of it. But if the server ends the connection (FATAL), it may have
// committed a moment before. The same holds if no answer came.
func fateOf(err error) fate {
	pg := new(pgconn.PgError)
	if !errors.As(err, &pg) || cmp.Or(pg.SeverityUnlocalized, pg.Severity) != "ERROR" {
		if pgconn.SafeToRetry(err) || errors.As(err, new(*pgconn.ConnectError)) || errors.As(err, new(*notSentError)) {
			return undone
		}
		return unknown
	}
	switch {
	case pg.Code == "40003", pg.Code == "08007":
		return unknown // statement_completion_unknown, transaction_resolution_unknown
	case pg.Code == "22012": // division_by_zero
		return lost
	case strings.HasPrefix(pg.Code, "40"), // serialization_failure, deadlock_detected
		strings.HasPrefix(pg.Code, "08"),  // connection exceptions
		strings.HasPrefix(pg.Code, "57P"), // the server stops or starts
		pg.Code == "25006",                // read_only_sql_transaction: it is no primary any more
		pg.Code == "26000",                // invalid_sql_statement_name: a proxy gave us another session
		pg.Code == "42P05",                // duplicate_prepared_statement: so it did
		pg.Code == "53300":                // too_many_connections
		return undone
	}
	return refused
}

// gaveUp is the error of a call whose context has ended.
func (s *Store) gaveUp(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	return s.failed(ctx.Err())
}

// failed is the error of a call that gives up.
func (s *Store) failed(err error) error {
	select {
	case <-s.closing:
		return storage.ErrClosed
	default:
	}
	if fateOf(err) == refused && !lacksResources(err) {
		return fmt.Errorf("database: %w", err)
	}
	return unavailable(err)
}

// lacksResources reports whether the server is out of resources: its disk is full, or its time ran out.
func lacksResources(err error) bool {
	pg := new(pgconn.PgError)
	return errors.As(err, &pg) && (strings.HasPrefix(pg.Code, "53") || strings.HasPrefix(pg.Code, "58") ||
		pg.Code == "57014" || pg.Code == "55P03") // query_canceled, lock_not_available
}

func unavailable(err error) error {
	return fmt.Errorf("%w: %w", storage.ErrUnavailable, err)
}
