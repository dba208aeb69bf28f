package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/authzd/authzd/storage"
)

// errUnreadable replaces an error of the driver that repeats the URL, and in it perhaps the password.
var errUnreadable = errors.New("it can't be read")

const (
	defaultConnections = 20
	// connectTimeout is for each server of the URL.
	connectTimeout = 1900 * time.Millisecond
)

// Open connects to the database that url names (postgres://role:password@host/database?…; of several hosts it
// uses the one that takes writes). It makes or migrates the tables if necessary. If the database can't be
// used, nothing in it is changed, and the error says what to do; it is a *storage.FormatError if the records
// must be migrated first.
func Open(ctx context.Context, url string, opts Options) (*Store, error) {
	s, err := open(ctx, url, opts)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", explain(err))
	}
	due, err := storage.Current.Check(ctx, s) // marks a new store
	if err == nil && due {
		err = &storage.FormatError{Found: storage.Current.Format() - 1, Known: storage.Current.Format()}
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("the database %w", err)
	}
	s.sweeping.Add(1)
	go s.sweep(s.sweepEvery)
	return s, nil
}

// Migrate updates the tables of a database, and then its records. progress, unless nil, is called for the
// records. Nothing else may use the database meanwhile, except another Migrate.
func Migrate(ctx context.Context, url string, progress func(storage.Progress)) error {
	s, err := open(ctx, url, Options{})
	if err != nil {
		return fmt.Errorf("migrate database: %w", explain(err))
	}
	defer s.Close()
	return storage.Current.Run(ctx, s, progress)
}

// open makes a Store whose tables are up to date. Its records may not be.
func open(ctx context.Context, url string, opts Options) (*Store, error) {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.SweepEvery <= 0 {
		opts.SweepEvery = time.Minute
	}
	config, err := parse(url, opts)
	if err != nil {
		return nil, err
	}
	return openWith(ctx, config, opts)
}

func openWith(ctx context.Context, config *pgxpool.Config, opts Options) (*Store, error) {
	pooler, err := awaitDatabase(ctx, config.ConnConfig, opts)
	if err != nil {
		return nil, err
	}
	named := keepsStatements(config.ConnConfig)
	switch {
	case !pooler:
		tune(config.ConnConfig)
	case named: // one session for each connection, but a pooler passes on few parameters at its start
		config.AfterConnect = tuneSession
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	s := &Store{pool: pool, named: named, sweepEvery: opts.SweepEvery, closing: make(chan struct{})}
	s.gets = batcher[*get]{limit: getBatches, pick: pickGets, run: s.getAll}
	s.applies = batcher[*apply]{limit: groups, pick: pickGroup, run: s.applyAll}
	return s, nil
}

// parse reads a URL into the settings of the pool. Parameters in the URL win.
func parse(url string, opts Options) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("not the URL of a database: %w", cmp.Or(errors.Unwrap(err), errUnreadable))
	}
	config.MaxConns = defaultConnections
	if opts.MaxConnections > 0 {
		config.MaxConns = int32(opts.MaxConnections)
	}
	config.MaxConnIdleTime = 5 * time.Minute
	config.MaxConnLifetimeJitter = 10 * time.Minute
	config.HealthCheckPeriod = 15 * time.Second
	config.PingTimeout = time.Second
	config.PrepareConn = func(_ context.Context, conn *pgx.Conn) (bool, error) {
		// A ping would find more, but cost a round trip before every call.
		return !hungUp(conn.PgConn().Conn()), nil
	}
	c := config.ConnConfig
	if c.ConnectTimeout == 0 || c.ConnectTimeout > time.Minute { // two minutes is the driver's default
		c.ConnectTimeout = connectTimeout
	}
	lookup := c.LookupFunc // it may otherwise take as long as the machine's resolver does
	c.LookupFunc = func(ctx context.Context, host string) ([]string, error) {
		ctx, cancel := context.WithTimeout(ctx, c.ConnectTimeout)
		defer cancel()
		return lookup(ctx, host)
	}
	// If the URL has several servers, only one of them takes writes, and a fail-over changes which.
	c.ValidateConnect = func(ctx context.Context, conn *pgconn.PgConn) error {
		return pgconn.ValidateConnectTargetSessionAttrsReadWrite(ctx, conn)
	}
	if _, given := c.RuntimeParams["application_name"]; !given {
		c.RuntimeParams["application_name"] = "authzd"
	}
	return config, nil
}

// tuning are parameters of the sessions that serve requests, but not of migrations or of queries of the
// catalogue.
var tuning = map[string]string{
	"statement_timeout": fmt.Sprint(attempt.Milliseconds()),
	// Every statement can use an index. If a table was small when its statements were planned, it would be
	// read as a whole until somebody analyses it.
	"enable_seqscan": "off",
}

// tune makes sessions begin with these parameters, unless the URL sets them.
func tune(c *pgx.ConnConfig) {
	for name, value := range tuning {
		if _, given := c.RuntimeParams[name]; !given {
			c.RuntimeParams[name] = value
		}
	}
}

// tuneSession sets these parameters in an existing session.
func tuneSession(ctx context.Context, conn *pgx.Conn) error {
	for name, value := range tuning {
		_, err := conn.Exec(ctx, "SET "+name+" = "+value)
		if err != nil && !errors.As(err, new(*pgconn.PgError)) { // a server that refuses a parameter works without it
			return err
		}
	}
	return nil
}

// prepareDatabase checks whether a database can be used, and migrates it if only that is missing. It reports
// whether there is a pooler in front of it.
func prepareDatabase(ctx context.Context, config *pgx.ConnConfig, log *slog.Logger) (pooler bool, err error) {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return false, err
	}
	defer conn.Close(ctx)
	backend, err := checkSettings(ctx, conn, log)
	if err != nil {
		return false, err
	}
	pooler = backend != conn.PgConn().PID()
	if pooler && keepsStatements(config) {
		if err := checkPooler(ctx, conn, config); err != nil {
			return pooler, err
		}
	}
	return pooler, prepareTables(ctx, conn, config, log)
}

// prepareTables makes or migrates the tables if necessary.
func prepareTables(ctx context.Context, conn *pgx.Conn, config *pgx.ConnConfig, log *slog.Logger) error {
	s, err := readSchema(ctx, conn)
	if err != nil {
		return err
	}
	if err := s.check(newest()); err != nil || s.version == newest() {
		return err
	}
	before := s.version
	done, migrateErr := migrate(ctx, conn, config)
	if s, err = readSchema(ctx, conn); err != nil {
		return errors.Join(migrateErr, err)
	}
	if s.version != newest() { // otherwise another process may have done it meanwhile
		return migrateErr
	}
	if done > 0 && before == 0 {
		log.Warn("made the tables of a new, empty store", "host", config.Host, "database", config.Database)
	} else if done > 0 {
		log.Info("database migrated", "migrations", done, "schema", s.version)
	}
	return s.check(newest())
}

// checkSettings refuses a server that answers before a write is durable. It returns the id of the session's
// process.
func checkSettings(ctx context.Context, conn *pgx.Conn, log *slog.Logger) (backend uint32, err error) {
	var pid int64
	var commit, fsync string // empty if the server lacks the setting
	if err := conn.QueryRow(ctx, "SELECT coalesce(current_setting('synchronous_commit', true), ''), coalesce(current_setting('fsync', true), ''), pg_backend_pid()").
		Scan(&commit, &fsync, &pid); err != nil {
		return 0, err
	}
	if commit == "off" {
		return 0, hinted{errors.New("synchronous_commit is off: the server would forget commits that it has acknowledged"),
			"switch it on in postgresql.conf, or for this role: ALTER ROLE … SET synchronous_commit = on"}
	}
	if fsync == "off" {
		log.Warn("the database runs with fsync = off: a power cut will damage it")
	}
	return uint32(pid), nil
}

// checkPrimary fails on a server that takes no writes.
func checkPrimary(ctx context.Context, conn *pgx.Conn) error {
	var readOnly string
	if err := conn.QueryRow(ctx, "SHOW transaction_read_only").Scan(&readOnly); err != nil {
		return err
	}
	if readOnly == "on" {
		return errors.New("the server takes no writes")
	}
	return nil
}
