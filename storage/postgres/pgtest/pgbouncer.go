package pgtest

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Pool starts PgBouncer (Debian: apt-get install pgbouncer) before the server, with lines of its [pgbouncer]
// section, such as "pool_mode = transaction". It returns a function that turns a URL of the server into one
// behind PgBouncer. Without PgBouncer the test is skipped, or fails if CI=true.
func (s *Server) Pool(t testing.TB, settings ...string) (behind func(url string) string) {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		program = "/usr/sbin/pgbouncer"
		if _, err := os.Stat(program); err != nil {
			const lacks = "PgBouncer is not installed (Debian: apt-get install pgbouncer)"
			if os.Getenv("CI") == "true" {
				t.Fatal(lacks)
			}
			t.Skip(lacks)
		}
	}
	port, err := freePort()
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	folder, err := os.MkdirTemp("", "pgbouncer-")
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	users, ini := filepath.Join(folder, "users"), filepath.Join(folder, "ini")
	lines := append([]string{
		"[databases]", fmt.Sprintf("* = host=127.0.0.1 port=%d", s.Port), "[pgbouncer]",
		"listen_addr = 127.0.0.1", fmt.Sprintf("listen_port = %d", port), "unix_socket_dir =",
		"auth_type = scram-sha-256", "auth_file = " + users, "pidfile =",
	}, settings...)
	for name, text := range map[string]string{
		users: fmt.Sprintf("%q %q\n", superuser, s.password), ini: strings.Join(lines, "\n") + "\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatalf("pgtest: %v", err)
		}
	}
	for _, path := range []string{folder, users, ini} {
		if err := s.give(path); err != nil {
			t.Fatalf("pgtest: %v", err)
		}
	}
	var log strings.Builder
	cmd := exec.Command(program, ini)
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = folder, &log, &log, attributes(s.owner)
	if err := cmd.Start(); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(exited)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-exited
	})
	behind = func(direct string) string {
		u, err := url.Parse(direct)
		if err != nil {
			t.Fatalf("pgtest: %v", err)
		}
		u.Host = fmt.Sprintf("127.0.0.1:%d", port)
		return u.String()
	}
	deadline := time.After(2 * time.Minute)
	for {
		err := Exec(behind(s.URL("postgres")), "SELECT 1")
		if err == nil {
			return behind
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-exited:
			t.Fatalf("pgtest: PgBouncer has ended: %s", log.String())
		case <-deadline:
			t.Fatalf("pgtest: PgBouncer: %v", err)
		}
	}
}
