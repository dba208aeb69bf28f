// Package pgtest runs PostgreSQL for tests: a real one, private to the test binary, with fsync on.
//
// It needs the server's programs (Debian: apt-get install postgresql). Without them tests are skipped, or
// fail if CI=true. A package that uses it stops the shared server in TestMain:
//
//	func TestMain(m *testing.M) {
//		code := m.Run()
//		pgtest.Stop()
//		os.Exit(code)
//	}
package pgtest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
)

var shared struct {
	mu     sync.Mutex
	server *Server
}

// Database returns the URL of a new, empty database on a server that all tests of this binary share. It is
// removed with the server.
func Database(t testing.TB) string {
	t.Helper()
	bin := binaries(t)
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.server == nil {
		s, err := create(bin, Options{})
		if err != nil {
			t.Fatalf("pgtest: %v", err)
		}
		shared.server = s
		if err := s.Start(); err != nil {
			t.Fatalf("pgtest: %v", err)
		}
	}
	return shared.server.Database(t)
}

// Stop stops the shared server, if one was started, and removes it.
func Stop() {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.server != nil {
		shared.server.remove()
		shared.server = nil
	}
}

// Options of a server.
type Options struct {
	// Settings are lines of postgresql.conf, such as "synchronous_commit = off".
	Settings []string
	// TLS makes the server take encrypted connections only; its URLs name its certificate.
	TLS bool
	// Folder is for the data: it must exist and be empty. Empty: a temporary folder.
	Folder string
	// Processors are the ones that run the server and pgbench, in the form of taskset ("0-3"). Empty: all.
	Processors string
}

// New starts a server for this test alone, which may be stopped and killed. It is removed when the test ends.
func New(t testing.TB, opts Options) *Server {
	t.Helper()
	s, err := create(binaries(t), opts)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(s.remove)
	if err := s.Start(); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	return s
}

// Database returns the URL of a new, empty database, which is removed with the server.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("test_%d", databases.Add(1))
	if err := s.Exec("CREATE DATABASE " + name); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	return s.URL(name)
}

// Copy is Database with what is in another one, which nobody uses meanwhile.
func (s *Server) Copy(t testing.TB, url string) string {
	t.Helper()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	name := fmt.Sprintf("test_%d", databases.Add(1))
	if err := s.Exec("CREATE DATABASE " + name + " TEMPLATE " + config.Database); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	return s.URL(name)
}

var databases atomic.Int64

// URL names a database of the server. Its role may do anything.
func (s *Server) URL(database string) string {
	query := "sslmode=disable"
	if s.authority != "" {
		query = "sslmode=verify-full&sslrootcert=" + s.authority
	}
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(superuser, s.password),
		Host: fmt.Sprintf("127.0.0.1:%d", s.Port), Path: "/" + database, RawQuery: query,
	}
	return u.String()
}

// Exec runs one statement as superuser, in no particular database.
func (s *Server) Exec(sql string) error { return Exec(s.URL("postgres"), sql) }

// Exec runs one statement in the database that a URL names.
func Exec(url, sql string) error {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol)
	return err
}

// binaries is the folder of the server's programs, of the newest version that is installed.
func binaries(t testing.TB) string {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(found) == 0 {
		const lacks = "PostgreSQL is not installed: nothing in /usr/lib/postgresql (Debian: apt-get install postgresql)"
		if os.Getenv("CI") == "true" {
			t.Fatal(lacks)
		}
		t.Skip(lacks)
	}
	slices.SortFunc(found, func(a, b string) int {
		return len(a) - len(b) + strings.Compare(a, b)
	})
	return filepath.Dir(found[len(found)-1])
}
