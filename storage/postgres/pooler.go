package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	probe = "authzd_probe"
	// poolerPatience is how long a pooler may take to find a session.
	poolerPatience = 3 * time.Second
)

var errPooler = hinted{
	errors.New("a pooler gives each transaction another session of the database, and statements that one has prepared are unknown to the next"),
	"add default_query_exec_mode=exec to storage.postgres.url; or let PgBouncer pool by session (pool_mode = session), or keep prepared statements (max_prepared_statements, from 1.21 on)",
}

// checkPooler refuses a pooler that does not keep prepared statements. While another connection has an open
// transaction, a transaction pool must serve this connection by another session of the database.
func checkPooler(ctx context.Context, conn *pgx.Conn, config *pgx.ConnConfig) error {
	ctx, cancel := context.WithTimeout(ctx, poolerPatience)
	defer cancel()
	if _, err := conn.Prepare(ctx, probe, "SELECT 1"); err != nil {
		if pg := new(pgconn.PgError); errors.As(err, &pg) && pg.Code == "42P05" { // somebody else's, of an earlier start
			return errPooler
		}
		return err
	}
	other, err := pgx.ConnectConfig(ctx, config.Copy())
	if err != nil {
		return ignoreTimeout(ctx, err)
	}
	defer other.Close(context.WithoutCancel(ctx))
	if _, err := other.Exec(ctx, "BEGIN", pgx.QueryExecModeSimpleProtocol); err != nil {
		return ignoreTimeout(ctx, err)
	}
	if _, err := conn.Exec(ctx, probe); err != nil {
		return errPooler
	}
	return conn.Deallocate(ctx, probe)
}

// ignoreTimeout accepts a pooler that has only one session for us, because no other client gets that one.
func ignoreTimeout(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
