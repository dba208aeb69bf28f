package postgres

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pressly/goose/v3/lock"
)

const (
	lockID    = 0x617574687a64 // "authzd"
	lockTable = "schema_locks"

	// A table lock is asked for this often, until a migration could not take any longer.
	lockEvery = 250 * time.Millisecond
	lockTries = 1200
)

// lockSession takes the advisory lock of migrations, and waits for it. It is the session's, so that it
// goes with a process that is killed.
//
// false: there is no such lock to be had. CockroachDB has no function of that name (only its
// try and unlock, which pretend), YugabyteDB has it from 2025.1 on, and where it can be silenced it
// succeeds and locks nothing. So the lock counts only if the server lists it.
func lockSession(ctx context.Context, conn *pgx.Conn) (locked bool, err error) {
	_, err = conn.Exec(ctx, "SELECT pg_advisory_lock($1)", int64(lockID))
	pg := new(pgconn.PgError)
	if errors.As(err, &pg) && (pg.Code == "42883" || pg.Code == "0A000") { // undefined_function, feature_not_supported
		return false, nil
	}
	if err == nil {
		err = conn.QueryRow(ctx, "SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()").Scan(&locked)
	}
	return locked, err
}

// unlockSession lets the next one in. Where that fails, so has the connection, and the lock is gone.
func unlockSession(ctx context.Context, conn *pgx.Conn) {
	_, _ = conn.Exec(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1)", int64(lockID))
}

// newTableLocker is for servers without advisory locks: a row with a lease, which lasts half a minute
// longer than a process that is killed.
func newTableLocker() (lock.Locker, error) {
	return lock.NewPostgresTableLocker(lock.WithTableName(lockTable), lock.WithTableLockID(lockID),
		lock.WithTableLockTimeout(lockEvery, lockTries), lock.WithTableLogger(slog.New(slog.DiscardHandler)))
}
