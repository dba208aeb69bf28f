package pgtest

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
)

// Standby starts a server that follows this one by streaming, and makes this one wait for it: later commits
// are on both disks. It is removed when the test ends.
func (s *Server) Standby(t testing.TB) *Server {
	t.Helper()
	standby, err := s.follow()
	if standby != nil {
		t.Cleanup(standby.remove)
	}
	if err == nil {
		err = s.awaitStandby()
	}
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	return standby
}

// follow copies a running server and starts the copy.
func (s *Server) follow() (*Server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "pgtest-")
	if err != nil {
		return nil, err
	}
	standby := &Server{Port: port, Folder: folder, bin: s.bin, own: true, password: s.password, owner: s.owner}
	if err := s.give(folder); err != nil {
		return standby, err
	}
	if _, err := s.Run("pg_basebackup", "-D", standby.data(), "--write-recovery-conf", "--checkpoint=fast", "--no-sync",
		"-d", strings.Replace(s.URL("postgres"), "/postgres?", "/?", 1)); err != nil {
		return standby, err
	}
	if err := standby.Configure(fmt.Sprintf("port = %d", port), "unix_socket_directories = '"+folder+"'"); err != nil {
		return standby, err
	}
	return standby, standby.Start()
}

// awaitStandby makes commits wait until they are on the standby's disk.
func (s *Server) awaitStandby() error {
	if err := s.Configure("synchronous_standby_names = '*'"); err != nil {
		return err
	}
	if err := s.Exec("SELECT pg_reload_conf()"); err != nil {
		return err
	}
	return s.await("SELECT 1 / count(*) FROM pg_stat_replication WHERE sync_state = 'sync'")
}

// Promote makes a standby a primary, and returns when it takes writes.
func (s *Server) Promote() error {
	_, err := s.Run("pg_ctl", "promote", "-D", s.data())
	return err
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}
