package pgtest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const superuser = "postgres"

// Server is a PostgreSQL server. Its methods are for one goroutine.
type Server struct {
	Port   int    // on 127.0.0.1, the same after each start
	Folder string // its data
	bin    string

	processors string
	own        bool // pgtest removes the folder
	password   string
	authority  string              // the file of its certificate; empty: no TLS
	owner      *syscall.Credential // the user that runs it; nil: this process's
	cmd        *exec.Cmd
	exited     chan struct{}
	log        *os.File
}

// create makes the data folder of a server that is not started yet.
func create(bin string, opts Options) (s *Server, err error) {
	s = &Server{bin: bin, Folder: opts.Folder, processors: opts.Processors, password: rand.Text()}
	if s.owner, err = owner(); err != nil {
		return nil, err
	}
	if s.Folder == "" {
		if s.Folder, err = os.MkdirTemp("", "pgtest-"); err != nil {
			return nil, err
		}
		s.own = true
	}
	err = s.initialise(opts.Settings)
	if err == nil && opts.TLS {
		err = s.useTLS()
	}
	if err != nil {
		s.remove()
		return nil, err
	}
	return s, nil
}

// initialise runs initdb, and writes the configuration.
func (s *Server) initialise(settings []string) error {
	if err := s.give(s.Folder); err != nil {
		return err
	}
	passwords := s.Folder + ".password"
	if err := os.WriteFile(passwords, []byte(s.password), 0o600); err != nil {
		return err
	}
	defer os.Remove(passwords)
	if err := s.give(passwords); err != nil {
		return err
	}
	if _, err := s.Run("initdb", "-D", s.data(), "-U", superuser, "-A", "scram-sha-256", "--pwfile", passwords,
		"-E", "UTF8", "--locale=C", "--no-sync"); err != nil {
		return err
	}
	var err error
	if s.Port, err = freePort(); err != nil {
		return err
	}
	return s.Configure(append([]string{
		"listen_addresses = '127.0.0.1'", fmt.Sprintf("port = %d", s.Port),
		"unix_socket_directories = '" + s.Folder + "'", "max_connections = 200",
		"shared_buffers = 64MB", "log_checkpoints = off",
	}, settings...)...)
}

// Configure adds lines to postgresql.conf. A running server reads them after a restart or a reload.
func (s *Server) Configure(lines ...string) error {
	f, err := os.OpenFile(filepath.Join(s.data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(strings.Join(lines, "\n") + "\n")
	return errors.Join(err, f.Close())
}

// Start starts the server and waits until it takes connections. After a kill it may have to try again,
// because the last of the old processes needs a moment to notice that the others are gone.
func (s *Server) Start() error {
	for tries := 0; ; tries++ {
		if err := s.launch(); err != nil {
			return err
		}
		err := s.await("SELECT 1")
		if err == nil || tries == 50 || !strings.Contains(err.Error(), "pre-existing shared memory block") {
			return err
		}
	}
}

// await runs a statement until it succeeds.
func (s *Server) await(sql string) error {
	deadline := time.NewTimer(5 * time.Minute)
	defer deadline.Stop()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		err := s.Exec(sql)
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-s.exited:
			return fmt.Errorf("the server has ended: %s", s.tail())
		case <-deadline.C:
			return fmt.Errorf("%w: %s", err, s.tail())
		}
	}
}

// launch starts the server in a thread that lives as long as this process. When the thread ends, the system
// kills the server, so no server outlives a test that was killed.
func (s *Server) launch() (err error) {
	if s.log, err = os.OpenFile(filepath.Join(s.Folder, "log"), os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600); err != nil {
		return err
	}
	cmd := s.command("postgres", "-D", s.data())
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.Folder, s.log, s.log
	cmd.SysProcAttr = attributes(s.owner)
	started, exited := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread()
		started <- cmd.Start()
		_ = cmd.Wait()
		s.log.Close()
		close(exited)
		runtime.UnlockOSThread()
	}()
	if err := <-started; err != nil {
		return err
	}
	s.cmd, s.exited = cmd, exited
	return nil
}

// command is one of PostgreSQL's programs, on the server's processors.
func (s *Server) command(program string, args ...string) *exec.Cmd {
	path := filepath.Join(s.bin, program)
	if s.processors == "" {
		return exec.Command(path, args...)
	}
	return exec.Command("taskset", append([]string{"--cpu-list", s.processors, path}, args...)...)
}

// Running reports whether the server was started and has not ended.
func (s *Server) Running() bool {
	if s.cmd == nil {
		return false
	}
	select {
	case <-s.exited:
		return false
	default:
		return true
	}
}

// Stop is a fast shutdown: connections are cut, running transactions are rolled back.
func (s *Server) Stop() {
	if s.Running() {
		_ = s.cmd.Process.Signal(syscall.SIGINT) // fast shutdown
		<-s.exited
	}
}

// Kill is kill -9 of the server and all of its processes.
func (s *Server) Kill() {
	if !s.Running() {
		return
	}
	pid := s.cmd.Process.Pid
	_ = syscall.Kill(pid, syscall.SIGSTOP) // it must not start others meanwhile
	for _, child := range children(pid) {
		_ = syscall.Kill(child, syscall.SIGKILL)
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
	<-s.exited
}

// Run runs one of PostgreSQL's programs, as the user who owns the server, and returns what it prints.
func (s *Server) Run(program string, args ...string) (string, error) {
	cmd := s.command(program, args...)
	cmd.Dir, cmd.Env = s.Folder, append(os.Environ(), "PGPASSWORD="+s.password)
	cmd.SysProcAttr = attributes(s.owner)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", program, err, out)
	}
	return string(out), nil
}

// remove ends the server and deletes what is left of it.
func (s *Server) remove() {
	s.Kill()
	if s.own {
		os.RemoveAll(s.Folder)
	}
}

func (s *Server) data() string { return filepath.Join(s.Folder, "data") }

// tail is the end of the server's log.
func (s *Server) tail() string {
	b, err := os.ReadFile(filepath.Join(s.Folder, "log"))
	if err != nil {
		return err.Error()
	}
	return string(b[max(len(b)-2000, 0):])
}

// owner returns a user that can run the server, which refuses root.
func owner() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return nil, err
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("no user postgres or nobody: the server does not run as root")
}

func (s *Server) give(path string) error {
	if s.owner == nil {
		return nil
	}
	return os.Chown(path, int(s.owner.Uid), int(s.owner.Gid))
}
