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
// it in three seconds: prepared inserts of a row of 120 bytes under a random key.
func (s *Server) CommitRate(t testing.TB, connections int) (perSecond float64) {
	t.Helper()
	script := filepath.Join(s.Folder, "insert.sql")
	err := errors.Join(
		s.Exec("CREATE TABLE IF NOT EXISTS bare (key uuid PRIMARY KEY, value text)"),
		os.WriteFile(script, []byte("INSERT INTO bare VALUES (gen_random_uuid(), repeat('x', 120));\n"), 0o644))
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	out, err := s.Run("pgbench", "-n", "-M", "prepared", "-T", "3", "-c", strconv.Itoa(connections), "-j", "2", "-f", script,
		"-h", "127.0.0.1", "-p", strconv.Itoa(s.Port), "-U", superuser, "postgres")
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	found := tps.FindStringSubmatch(out)
	if found == nil {
		t.Fatalf("pgbench: %s", out)
	}
	if perSecond, err = strconv.ParseFloat(found[1], 64); err != nil {
		t.Fatalf("pgbench: %v", err)
	}
	return perSecond
}
