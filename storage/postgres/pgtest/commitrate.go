package pgtest

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
)

var tps = regexp.MustCompile(`tps = ([0-9.]+)`)

// CommitRate is PostgreSQL's rate of single-row commits a second on this many connections. pgbench measures
// it in three seconds: prepared inserts of a row of 120 bytes under a random key. A benchmark of one operation,
// which proves only that it runs, gets the rate of one commit on one connection.
func (s *Server) CommitRate(b *testing.B, connections int) (perSecond float64) {
	b.Helper()
	limit := []string{"-T", "3"}
	if b.N == 1 {
		limit, connections = []string{"-t", "1"}, 1
	}
	script := filepath.Join(s.Folder, "insert.sql")
	err := errors.Join(
		s.Exec("CREATE TABLE IF NOT EXISTS bare (key uuid PRIMARY KEY, value text)"),
		os.WriteFile(script, []byte("INSERT INTO bare VALUES (gen_random_uuid(), repeat('x', 120));\n"), 0o644))
	if err != nil {
		b.Fatalf("pgtest: %v", err)
	}
	out, err := s.Run("pgbench", append(limit, "-n", "-M", "prepared", "-c", strconv.Itoa(connections), "-j", "2", "-f", script,
		"-h", "127.0.0.1", "-p", strconv.Itoa(s.Port), "-U", superuser, "postgres")...)
	if err != nil {
		b.Fatalf("pgtest: %v", err)
	}
	found := tps.FindStringSubmatch(out)
	if found == nil {
		b.Fatalf("pgbench: %s", out)
	}
	if perSecond, err = strconv.ParseFloat(found[1], 64); err != nil {
		b.Fatalf("pgbench: %v", err)
	}
	return perSecond
}
