package postgres

import (
	"context"
	"crypto/tls"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net"
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

// versionTable is where goose records which migrations were done.
const versionTable = "schema_versions"

// columns are those of each table of records.
var columns = []string{"key", "value", "version", "expires_at"}

// schema is what a database has of authzd's tables.
type schema struct {
	version int64           // of the last migration; 0: none
	found   []storage.Table // by their names
	missing []storage.Table // as a whole, or a column
}

// readSchema reads the database and changes nothing. It sees one moment: another process may migrate meanwhile.
func readSchema(ctx context.Context, conn *pgx.Conn) (s *schema, err error) {
	moment := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err = pgx.BeginTxFunc(ctx, conn, moment, func(tx pgx.Tx) error {
		s, err = schemaOf(ctx, tx)
		return err
	})
	return s, err
}

func schemaOf(ctx context.Context, tx pgx.Tx) (*schema, error) {
	rows, err := tx.Query(ctx, "SELECT table_name::text || '.' || column_name::text FROM information_schema.columns WHERE table_schema = current_schema()")
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
		err = tx.QueryRow(ctx, "SELECT coalesce(max(version_id), 0) FROM "+versionTable+" WHERE is_applied").Scan(&s.version)
	}
	return s, err
}

// check returns the reason why a database can't be used or migrated, or nil.
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
			"give authzd a separate database, or name a separate schema in the URL: ?search_path=authzd"}
	}
	return nil
}

// migrate makes the missing tables. If several processes do so at once, one does the work and the others
// wait. conn is only for the lock.
func migrate(ctx context.Context, conn *pgx.Conn, config *pgx.ConnConfig) (done int, err error) {
	options := []goose.ProviderOption{goose.WithTableName(versionTable), goose.WithLogger(goose.NopLogger()), goose.WithDisableGlobalRegistry(true)}
	locked := false
	if keepsStatements(config) { // otherwise a pooler may give the session, and with it the lock, to another client
		if locked, err = lockSession(ctx, conn); err != nil {
			return 0, explain(err)
		}
	}
	if locked {
		defer unlockSession(ctx, conn)
	} else {
		locker, err := newTableLocker()
		if err != nil {
			return 0, err
		}
		options = append(options, goose.WithLocker(locker))
	}
	if err := wholeMigrations(ctx, conn, config); err != nil {
		return 0, explain(err)
	}
	db := stdlib.OpenDB(*config)
	defer db.Close()
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return 0, err
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files, options...)
	if err != nil {
		return 0, err
	}
	results, err := provider.Up(ctx)
	return len(results), explain(err)
}

// wholeMigrations makes each migration one transaction. Only CockroachDB, from 25.1 on, has a setting that
// commits each CREATE by itself, so that processes that start meanwhile would see half of it.
func wholeMigrations(ctx context.Context, conn *pgx.Conn, config *pgx.ConnConfig) error {
	const setting = "autocommit_before_ddl"
	var now *string
	if err := conn.QueryRow(ctx, "SELECT current_setting($1, true)", setting).Scan(&now); err != nil {
		return err
	}
	if now != nil {
		config.RuntimeParams[setting] = "off"
	}
	return nil
}

// newest returns the version that the migrations lead to.
func newest() int64 {
	files, err := migrations.ReadDir("migrations")
	if err != nil { // they are part of the program
		panic(err)
	}
	return int64(len(files))
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

// explain adds what the operator can do to an error of the server at a start, or to its silence.
func explain(err error) error {
	hint := ""
	if pg := new(pgconn.PgError); errors.As(err, &pg) {
		hint = hints[pg.Code]
	} else if errors.As(err, new(*pgconn.ConnectError)) {
		hint = connectHint(err)
	}
	if hint == "" {
		return err
	}
	return hinted{err, hint}
}

// hints has them by SQLSTATE.
var hints = map[string]string{
	"28P01": "the password in storage.postgres.url is not this role's; special characters in it are escaped there: @ is %40, / is %2F, % is %25",
	"28000": "the role does not exist, or pg_hba.conf does not let it in from here, or not with this sslmode in the URL",
	"3D000": "create the database: createdb -O authzd authzd",
	"42704": "PostgreSQL does not know a parameter in storage.postgres.url: to name a schema, use search_path",
	"42501": "run \"authzd migrate up\" once with a role that may create tables, and grant this one SELECT, INSERT, UPDATE and DELETE on them",
	"25006": readOnlyHint,
	"53100": "the server's disk is full",
	"08P01": "PgBouncer passes on only some parameters of a connection: leave others out of the URL, and set them by ALTER ROLE … SET, or name them in ignore_startup_parameters",
	"53300": "raise max_connections of the server, or lower storage.postgres.max_connections",
	"57P03": "the server starts, stops or recovers: try again when it takes connections",
}

// connectHint is for a server that can't be reached.
func connectHint(err error) string {
	switch {
	case strings.Contains(err.Error(), "read only connection"):
		return readOnlyHint
	case errors.As(err, new(*net.DNSError)):
		return "is that the name of the host in storage.postgres.url, and does this machine's name server know it?"
	case errors.As(err, new(*tls.CertificateVerificationError)):
		return "the URL must name the host as the server's certificate does, and the file of the authority that issued it: sslrootcert=FILE"
	case strings.Contains(err.Error(), "server refused TLS connection"):
		return "set ssl = on in the server's postgresql.conf; or sslmode=disable in the URL, if nobody can listen on the way"
	}
	return "is PostgreSQL running there, and may this machine reach it?"
}
