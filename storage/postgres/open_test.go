package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/postgres"
	"github.com/authzd/authzd/storage/postgres/pgtest"
)

// TestRefusesToOpen is every database that can't be used: the error says why and what to do, soon, and
// nothing was touched.
func TestRefusesToOpen(t *testing.T) {
	encrypted := pgtest.New(t, pgtest.Options{TLS: true})
	migrated := func(sql ...string) func(*testing.T) string {
		return func(t *testing.T) string {
			url := pgtest.Database(t)
			open(t, url).Close()
			execute(t, url, sql...)
			return url
		}
	}
	for name, tc := range map[string]struct {
		database   func(*testing.T) string
		want, hint string
	}{
		"nobody there": {nobodyThere, "connection refused", "is PostgreSQL running there"},
		"silence":      {silence, "timeout", "is PostgreSQL running there"},
		"another protocol": {func(t *testing.T) string {
			return "postgres://u:hunter2@" + answering(t, "HTTP/1.1 400 Bad Request\r\n\r\n") + "/d?sslmode=disable"
		}, "failed to connect", "is PostgreSQL running there"},
		"starting": {func(t *testing.T) string {
			said, err := (&pgproto3.ErrorResponse{Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: "57P03", Message: "the database system is starting up"}).Encode(nil)
			if err != nil {
				t.Fatal(err)
			}
			return "postgres://u:hunter2@" + answering(t, string(said)) + "/d?sslmode=disable"
		}, "starting up", "try again when it takes connections"},
		"no such host":         {func(t *testing.T) string { return atNameServer(t, true) }, "no such host", "name server"},
		"a name server silent": {func(t *testing.T) string { return atNameServer(t, false) }, "i/o timeout", "name server"},
		"encryption refused": {func(t *testing.T) string {
			return strings.Replace(pgtest.Database(t), "sslmode=disable", "sslmode=require", 1)
		}, "server refused TLS connection", "sslmode=disable"},
		"encryption demanded": {func(t *testing.T) string {
			before, _, _ := strings.Cut(encrypted.Database(t), "?")
			return before + "?sslmode=disable"
		}, "no pg_hba.conf entry", "sslmode in the URL"},
		"certificate of an unknown authority": {func(t *testing.T) string {
			before, _, _ := strings.Cut(encrypted.Database(t), "?")
			return before + "?sslmode=verify-full"
		}, "certificate signed by unknown authority", "sslrootcert=FILE"},
		"certificate of another host": {func(t *testing.T) string {
			return strings.Replace(encrypted.Database(t), "@127.0.0.1:", "@localhost:", 1)
		}, "wanted to match localhost", "sslrootcert=FILE"},
		"wrong password": {func(t *testing.T) string {
			before, after, _ := strings.Cut(pgtest.Database(t), "@")
			return before[:strings.LastIndex(before, ":")] + ":hunter2@" + after
		}, "password authentication failed", "the password in storage.postgres.url"},
		"no such database": {func(t *testing.T) string {
			return strings.Replace(pgtest.Database(t), "?", "x?", 1)
		}, "does not exist", "createdb"},
		"a parameter that nobody knows": {func(t *testing.T) string { return pgtest.Database(t) + "&schema=authzd" }, "unrecognized configuration parameter", "search_path"},
		"newer schema":                  {migrated("INSERT INTO schema_versions (version_id, is_applied) VALUES (999, true)"), "the database has schema 999", "install the newer authzd"},
		"newer records":                 {migrated(`UPDATE formats SET value = '{"format":99}'`), "has format 99", "run the authzd that last used it"},
		"half a schema":                 {migrated("DROP TABLE grants"), `lacks the table "grants"`, "restore a whole backup"},
		"column missing":                {migrated("ALTER TABLE codes DROP COLUMN expires_at"), `lacks the table "codes", or a column of it`, "restore a whole backup"},
		"no versions":                   {migrated("DROP TABLE schema_versions"), `has a table "users", but nothing says that it is authzd's`, "a separate database"},
		"half migrated":                 {migrated("DELETE FROM schema_versions WHERE version_id > 0"), `has a table "users", but nothing says that it is authzd's`, "a separate database"},
		"foreign table": {func(t *testing.T) string {
			url := pgtest.Database(t)
			execute(t, url, "CREATE TABLE clients (id int)")
			return url
		}, `has a table "clients", but nothing says that it is authzd's`, "a separate database"},
		"read-only": {func(t *testing.T) string {
			url := pgtest.Database(t)
			execute(t, url, "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$")
			return url
		}, "read only", "takes no writes"},
		"commits not waited for": {func(t *testing.T) string {
			url := pgtest.Database(t)
			execute(t, url, "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database()); END $$")
			return url
		}, "synchronous_commit is off", "ALTER ROLE"},
		"role without rights": {func(t *testing.T) string {
			url := pgtest.Database(t)
			role := fmt.Sprintf("poor_%d", time.Now().UnixNano())
			execute(t, url, "CREATE ROLE "+role+" LOGIN PASSWORD 'hunter2'", "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
			_, host, _ := strings.Cut(url, "@")
			return "postgres://" + role + ":hunter2@" + host
		}, "permission denied", `run "authzd migrate up"`},
	} {
		t.Run(name, func(t *testing.T) {
			url := tc.database(t)
			look := func() string {
				if strings.HasPrefix(tc.hint, "is PostgreSQL running") || tc.want == "i/o timeout" { // there is nothing to see
					return ""
				}
				return dump(t, url)
			}
			before := look()
			start := time.Now()
			s, err := postgres.Open(t.Context(), url, postgres.Options{})
			took := time.Since(start)
			if err == nil {
				s.Close()
				t.Fatal("opened")
			}
			hint := (interface{ Hint() string })(nil)
			if !errors.As(err, &hint) || !strings.Contains(hint.Hint(), tc.hint) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error is %v, hint %v", err, hint)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the password is in the error: %v", err)
			}
			if took > time.Minute { // two seconds, if the machine has nothing else to do
				t.Errorf("took %v", took)
			}
			if after := look(); after != before {
				t.Errorf("it changed the database\n%s\n%s", before, after)
			}
		})
	}
}

// TestOpenTogether has replicas start at the same moment on an empty database, of PostgreSQL and of
// servers that lack its advisory locks, or pretend to have them.
func TestOpenTogether(t *testing.T) {
	const gone = "UPDATE pg_proc SET proname = 'gone' WHERE proname = 'pg_advisory_lock' AND pronargs = 1"
	const fake = "CREATE FUNCTION pg_catalog.pg_advisory_lock(bigint) RETURNS void LANGUAGE plpgsql AS 'BEGIN %s; END'"
	for name, changes := range map[string][]string{
		"PostgreSQL":                   nil,
		"no function, as CockroachDB":  {gone},
		"not supported, as YugabyteDB": {gone, fmt.Sprintf(fake, "RAISE ''not yet implemented'' USING ERRCODE = ''0A000''")},
		"pretended":                    {gone, fmt.Sprintf(fake, "NULL")},
	} {
		t.Run(name, func(t *testing.T) {
			url := pgtest.Database(t)
			for _, sql := range changes {
				execute(t, url+"&allow_system_table_mods=on", sql)
			}
			openTogether(t, url)
			locked := strings.Contains(dump(t, url), "schema_locks.")
			if locked != (changes != nil) {
				t.Errorf("a table was locked: %v", locked)
			}
		})
	}
}

func openTogether(t *testing.T, url string) {
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			s, err := postgres.Open(t.Context(), url, postgres.Options{})
			if err != nil {
				t.Errorf("replica %d: %v", i, err)
				return
			}
			defer s.Close()
			if err := s.Apply(t.Context(), storage.Write{Table: storage.Users.Table, Key: fmt.Sprint(i), Value: []byte("v")}); err != nil {
				t.Errorf("replica %d: %v", i, err)
			}
		})
	}
	wg.Wait()
}

// TestRoleWithoutDDL: once the tables are there, a role that can only read and write them will do.
func TestRoleWithoutDDL(t *testing.T) {
	url := pgtest.Database(t)
	if err := postgres.Migrate(t.Context(), url, nil); err != nil {
		t.Fatal(err)
	}
	role := fmt.Sprintf("modest_%d", time.Now().UnixNano())
	execute(t, url, "CREATE ROLE "+role+" LOGIN PASSWORD 'secret'", "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
		"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO "+role)
	_, host, _ := strings.Cut(url, "@")
	s := open(t, "postgres://"+role+":secret@"+host)
	if err := s.Apply(t.Context(), storage.Write{Table: storage.Users.Table, Key: "k", Value: []byte("v")}); err != nil {
		t.Error(err)
	}
}

// TestSchemaOfItsOwn: a search_path keeps authzd's tables apart from others of the same name.
func TestSchemaOfItsOwn(t *testing.T) {
	url := pgtest.Database(t)
	execute(t, url, "CREATE TABLE clients (id int)", "CREATE SCHEMA authzd")
	s := open(t, url+"&search_path=authzd")
	if err := s.Apply(t.Context(), storage.Write{Table: storage.Clients.Table, Key: "k", Value: []byte("v")}); err != nil {
		t.Error(err)
	}
}

// TestSocket connects through the server's socket, without TCP.
func TestSocket(t *testing.T) {
	server := pgtest.New(t, pgtest.Options{})
	if _, err := os.Stat(filepath.Join(server.Folder, fmt.Sprintf(".s.PGSQL.%d", server.Port))); err != nil {
		t.Fatal(err)
	}
	user, _, _ := strings.Cut(server.URL(""), "@")
	s := open(t, fmt.Sprintf("%s@/postgres?host=%s&port=%d", user, server.Folder, server.Port))
	if err := s.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

func open(t *testing.T, url string) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), url, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// TestOpenWhileAnotherMigrates: a process that looks at the tables while another one makes some sees those of one
// moment, and not the tables of before with the version of afterwards.
func TestOpenWhileAnotherMigrates(t *testing.T) {
	url := pgtest.Database(t)
	open := func() error {
		s, err := postgres.Open(t.Context(), url, postgres.Options{})
		if err == nil {
			s.Close()
		}
		return err
	}
	if err := open(); err != nil {
		t.Fatal(err)
	}
	newest, err := os.ReadFile("migrations/00005_people.sql")
	if err != nil {
		t.Fatal(err)
	}
	for table := range strings.SplitSeq(string(newest), "\n") {
		if name, made := strings.CutPrefix(table, "CREATE TABLE "); made {
			execute(t, url, "DROP TABLE "+strings.Fields(name)[0])
		}
	}
	execute(t, url, "DELETE FROM schema_versions WHERE version_id = 5")

	other, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(t.Context())
	do := func(sql string) {
		t.Helper()
		if _, err := other.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatal(err)
		}
	}
	do("BEGIN; LOCK TABLE schema_versions IN ACCESS EXCLUSIVE MODE;" + string(newest) +
		"; INSERT INTO schema_versions (version_id, is_applied) VALUES (5, true)")
	opened := make(chan error, 1)
	go func() { opened <- open() }()
	for waits := 0; waits == 0; { // for the version: it has seen the tables
		if err := other.QueryRow(t.Context(), "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'schema_versions'::regclass").Scan(&waits); err != nil {
			t.Fatal(err)
		}
	}
	do("COMMIT")
	if err := <-opened; err != nil {
		t.Error(err)
	}
}

func execute(t *testing.T, url string, statements ...string) {
	t.Helper()
	for _, sql := range statements {
		if err := pgtest.Exec(url, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// dump describes what is in a database, if it can be reached: the columns of its tables and how many
// rows the tables have.
func dump(t *testing.T, url string) (text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return ""
	}
	defer conn.Close(t.Context())
	rows, err := conn.Query(t.Context(), `SELECT c.table_name || '.' || c.column_name || ' ' || c.data_type || ' ' ||
		(xpath('/row/n/text()', query_to_xml(format('SELECT count(*) AS n FROM %I.%I', c.table_schema, c.table_name), false, true, '')))[1]::text
		FROM information_schema.columns c WHERE c.table_schema = 'public' ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}
