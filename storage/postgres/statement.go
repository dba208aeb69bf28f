package postgres

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/authzd/authzd/storage"
)

// statement is a prepared statement; it has the same name on every connection.
type statement struct{ name, sql string }

var (
	begin  = statement{"begin", "BEGIN"}
	commit = statement{"commit", "COMMIT"}
)

// keepsStatements reports whether connections keep prepared statements by name, so that each must be one
// session of the database. The URL for a transaction pool has another mode.
func keepsStatements(c *pgx.ConnConfig) bool {
	return c.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement
}

// prepared returns how a batch calls a statement: by its name, once the connection has prepared it, or by its
// text if connections keep nothing.
func (s *Store) prepared(ctx context.Context, conn *pgx.Conn, of statement) (string, error) {
	if !s.named {
		return of.sql, nil
	}
	_, err := conn.Prepare(ctx, of.name, of.sql)
	return of.name, err
}

// statements are those of one table. The database's clock decides whether a record is live, so that replicas
// with different clocks agree.
type statements struct {
	get, scan, export     statement
	put, putAbsent, putAt statement
	remove, removeAt      statement
	expired, sweep        statement
}

// newStatements writes them in the common dialect of PostgreSQL, CockroachDB and YugabyteDB.
//
// A write whose condition does not hold fails with division_by_zero. That ends the transaction in the server,
// without another round trip to ask for the number of rows. READ COMMITTED is enough: each such write waits
// for another that has changed the row, and then checks again.
func newStatements(table storage.Table) *statements {
	const (
		insert = `INSERT INTO TABLE AS t (key, value, version, expires_at) VALUES ($1, $2, $3, $4)
			ON CONFLICT (key) DO UPDATE SET value = excluded.value, version = excluded.version, expires_at = excluded.expires_at`
		live = ` AND (expires_at IS NULL OR expires_at > now())`
	)
	write := func(name, sql string) statement {
		return statement{name + " " + string(table), strings.ReplaceAll(sql, "TABLE", string(table))}
	}
	must := func(name, sql string) statement {
		return write(name, "WITH done AS ("+sql+" RETURNING 1) SELECT 1 / count(*) FROM done")
	}
	return &statements{
		get:    write("get", "SELECT key, value, version, expires_at FROM TABLE WHERE key = ANY ($1)"+live),
		scan:   write("scan", "SELECT key, value, version, expires_at FROM TABLE WHERE key >= $1 AND key < $2"+live+" ORDER BY key LIMIT $3"),
		export: write("export", "SELECT key, value, version, expires_at FROM TABLE WHERE key >= $1 ORDER BY key LIMIT $2"),

		put:       write("put", insert),
		putAbsent: must("put absent", insert+" WHERE t.expires_at <= now()"),
		putAt:     must("put at", "UPDATE TABLE SET value = $2, version = $3, expires_at = $4 WHERE key = $1 AND version = $5"+live),

		remove:   write("remove", "DELETE FROM TABLE WHERE key = $1"),
		removeAt: must("remove at", "DELETE FROM TABLE WHERE key = $1 AND version = $2"+live),

		// A row that another transaction is about to write is locked, and left alone.
		expired: write("expired", "SELECT key FROM TABLE WHERE expires_at <= now() ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED"),
		sweep:   write("sweep", "DELETE FROM TABLE WHERE key = ANY ($1)"),
	}
}

var statementsOf = func() map[storage.Table]*statements {
	all := make(map[storage.Table]*statements)
	for _, table := range storage.Tables {
		all[table] = newStatements(table)
	}
	return all
}()
