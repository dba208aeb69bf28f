package acceptance

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// startDev is startServer with --dev: the playground and its client are there, and Alice has the
// password of the other tests. more is appended to the configuration file.
func startDev(t *testing.T, more string) *server {
	t.Helper()
	return startDevWith(t, more)
}

// startDevWith is startDev with more arguments of the command.
func startDevWith(t *testing.T, more string, args ...string) *server {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "authzd-")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{dir: dir}
	t.Cleanup(func() { s.finish(t) })
	for {
		s.addr = freeAddr()
		s.issuer = localhost(s.addr)
		text := fmt.Sprintf("issuer: %s\nlisten: %s\nusers: [{username: alice, password: %s, name: Alice Liddell, email: alice@example.com, email_verified: true}]\n%s", s.issuer, s.addr, password, more)
		if err := os.WriteFile(s.configFile(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(path, append([]string{"serve", "--dev", "--config", s.configFile(), "--data", dir}, args...)...)
		if s.proc, err = startProcess(cmd, s.logFile(), s.issuer+"/readyz"); err == nil {
			return s
		}
		if log := s.log(t); !strings.Contains(log, "address already in use") {
			t.Fatalf("start: %v\n%s", err, log)
		}
	}
}

// localhost is the URL of a loopback address by its name: browsers keep cookies apart by name.
func localhost(addr string) string {
	return "http://" + strings.Replace(addr, "127.0.0.1", "localhost", 1)
}

// startProcess runs a command that serves, with its output in a file, and returns once ready, a
// URL, answers 200.
func startProcess(cmd *exec.Cmd, logFile, ready string) (*process, error) {
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	p := &process{cmd: cmd, exited: make(chan struct{})}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = cmd.Wait()
		close(p.exited)
	}()

	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if isUp(ctx, ready) {
			return p, nil
		}
		select {
		case <-tick.C:
		case <-p.exited:
			return nil, fmt.Errorf("ended before it was ready: %w", p.err)
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), p.kill())
		}
	}
}

func isUp(ctx context.Context, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}
