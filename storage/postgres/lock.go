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

	// A table lock is tried this often, until no migration could still be running.
	lockEvery = 250 * time.Millisecond
	lockTries = 1200
)

// lockSession takes the advisory lock of migrations, and waits for it. The lock belongs to the session, so it
// ends with a process that is killed.
//
// It returns false if the server has no such lock. CockroachDB lacks that function (it has only try and
// unlock, which pretend). YugabyteDB has it from 2025.1 on, and with errors silenced it succeeds and locks
// nothing. So the lock counts only if the server lists it.
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

// unlockSession releases the lock. If that fails, the connection has failed, and the lock is gone with it.
func unlockSession(ctx context.Context, conn *pgx.Conn) {
	_, _ = conn.Exec(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1)", int64(lockID))
}

// newTableLocker is for servers without advisory locks: a row with a lease, which outlasts a killed process
// by half a minute.
func newTableLocker() (lock.Locker, error) {
	return lock.NewPostgresTableLocker(lock.WithTableName(lockTable), lock.WithTableLockID(lockID),
		lock.WithTableLockTimeout(lockEvery, lockTries), lock.WithTableLogger(slog.New(slog.DiscardHandler)))
}
