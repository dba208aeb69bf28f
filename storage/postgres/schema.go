package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/authzd/authzd/storage"
)

//go:embed migrations/*.sql
var migrations embed.FS

// versionTable is where goose writes down which migrations were done.
const versionTable = "schema_versions"

// columns is what each table of records has.
var columns = []string{"key", "value", "version", "expires_at"}

// schema is what a database has of ours.
type schema struct {
	version int64           // of the last migration; 0: none
	found   []storage.Table // by their name
	missing []storage.Table // wholly, or a column of theirs
}

// readSchema looks at the database without changing it.
func readSchema(ctx context.Context, conn *pgx.Conn) (*schema, error) {
	rows, err := conn.Query(ctx, "SELECT table_name::text || '.' || column_name::text FROM information_schema.columns WHERE table_schema = current_schema()")
	if err != nil {
		return nil, err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	has := make(map[string]bool, len(names))
	for _, name := range names {
		has[name] = true
	}
	s := &schema{}
	for _, table := range storage.Tables {
		if slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(name, string(table)+".") }) {
			s.found = append(s.found, table)
		}
		if slices.ContainsFunc(columns, func(column string) bool { return !has[string(table)+"."+column] }) {
			s.missing = append(s.missing, table)
		}
	}
	if has[versionTable+".version_id"] {
		err = conn.QueryRow(ctx, "SELECT coalesce(max(version_id), 0) FROM "+versionTable+" WHERE is_applied").Scan(&s.version)
	}
	return s, err
}

// check says why a database can't be used or migrated; nil if it can.
func (s *schema) check(newest int64) error {
	switch {
	case s.version > newest:
		return hinted{fmt.Errorf("the database has schema %d, and this authzd knows only up to %d", s.version, newest),
			"install the newer authzd that has migrated it, or restore a backup from before that"}
	case s.version == newest && len(s.missing) > 0:
		return hinted{fmt.Errorf("the database lacks the table %q, or a column of it, although its schema is said to be complete", s.missing[0]),
			"restore a whole backup into an empty database; or give this role access to all of its tables"}
	case s.version == 0 && len(s.found) > 0:
		return hinted{fmt.Errorf("the database has a table %q, but nothing says that it is authzd's", s.found[0]),
			"give authzd a database of its own, or name a schema of its own in the URL: ?search_path=authzd"}
	}
	return nil
}

// migrate makes the tables that are lacking. Of several processes that do so at the same time one
// does the work, while the others wait for it.
func migrate(ctx context.Context, config *pgx.ConnConfig) (done int, err error) {
	db := stdlib.OpenDB(*config)
	defer db.Close()
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return 0, err
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files,
		goose.WithTableName(versionTable), goose.WithSessionLocker(advisoryLock{}), goose.WithLogger(goose.NopLogger()),
		goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return 0, err
	}
	results, err := provider.Up(ctx)
	return len(results), explain(err)
}

// newest is the version that the migrations lead to.
func newest() int64 {
	files, err := migrations.ReadDir("migrations")
	if err != nil { // they are part of the program
		panic(err)
	}
	return int64(len(files))
}

// advisoryLock makes migrations wait for each other. It is the session's, so that it goes with a
// process that is killed. CockroachDB only pretends to lock; there a second migration fails, and
// whoever ran it finds the work done by the first.
type advisoryLock struct{}

const lockID = 0x617574687a64 // "authzd"

func (advisoryLock) SessionLock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", int64(lockID))
	return err
}

func (advisoryLock) SessionUnlock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "SELECT pg_advisory_unlock($1)", int64(lockID))
	return err
}

// hinted is an error that the operator can do something about.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }

// Hint is what the command line prints below the error.
func (h hinted) Hint() string { return h.hint }

const readOnlyHint = "the server takes no writes: name the primary in the URL, or all servers, and authzd finds it"

// explain adds what to do to what a server says when it is opened.
func explain(err error) error {
	pg := new(pgconn.PgError)
	if !errors.As(err, &pg) {
		if errors.As(err, new(*pgconn.ConnectError)) && strings.Contains(err.Error(), "read only connection") {
			return hinted{err, readOnlyHint}
		}
		if errors.As(err, new(*pgconn.ConnectError)) {
			return hinted{err, "is PostgreSQL running there, and may this machine reach it?"}
		}
		return err
	}
	hint := map[string]string{
		"28P01": "the password in storage.postgres.url is not this role's",
		"28000": "the role does not exist, or pg_hba.conf does not let it in from here",
		"3D000": "create the database: createdb -O authzd authzd",
		"42501": "run \"authzd migrate up\" once with a role that may create tables, and grant this one SELECT, INSERT, UPDATE and DELETE on them",
		"25006": readOnlyHint,
		"53100": "the server's disk is full",
		"53300": "raise max_connections of the server, or lower storage.postgres.max_connections",
	}[pg.Code]
	if hint == "" {
		return err
	}
	return hinted{err, hint}
}
