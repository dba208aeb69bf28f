package acceptance

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/authzd/authzd/storage/storagetest"
)

// wantReadOnly demands what a server that can't write does: it says so, and serves what it can.
func wantReadOnly(t *testing.T, s *server, accessToken string) {
	t.Helper()
	for path, want := range map[string]int{
		"/readyz": http.StatusServiceUnavailable, "/livez": http.StatusOK, "/jwks.json": http.StatusOK,
		"/.well-known/openid-configuration": http.StatusOK,
	} {
		resp, err := http.Get(s.issuer + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: status %d, want %d", path, resp.StatusCode, want)
		}
	}
	if status := userinfo(t, s, accessToken); status != http.StatusOK {
		t.Errorf("userinfo: status %d", status)
	}
}

// A full disk stops what must be written, and nothing else; and when there is room, all goes on.
func TestFullDisk(t *testing.T) {
	folder := storagetest.SmallDisk(t, "size=20m")
	s := startServerIn(t, folder, "", "", forActors())
	token := mustSignIn(t, s).AccessToken
	c := newCast(s, 3)
	c.settle(t)
	ctx, stop := context.WithCancel(t.Context())
	var playing sync.WaitGroup
	playing.Go(func() { c.play(ctx) })
	defer playing.Wait()
	defer stop()
	c.waitForSteps(t, 50)
	filler := storagetest.FillDisk(t, folder)
	s.waitUnready(t)
	wantReadOnly(t, s, token)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if err := s.waitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.waitForSteps(t, 50)
	stop()
	playing.Wait()

	// Nobody writes while it fills up again, and it crashes.
	filler = storagetest.FillDisk(t, folder)
	for room := true; room; { // in the file
		err := (&registrant{}).step(s, func() {})
		if room = err == nil; !room && !errors.Is(err, errUnanswered) {
			t.Fatal(err)
		}
	}
	for name, a := range c.actors { // some are so small that there is room for them
		_ = c.act(name, a) // a broken promise is kept in c
	}
	if err := c.err(); err != nil {
		t.Fatal(err)
	}
	if err := s.kill(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	c.settle(t)
}

// waitUnready returns once /readyz says that something is wrong.
func (s *server) waitUnready(t *testing.T) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(5 * time.Minute); time.Now().Before(deadline); <-tick.C {
		resp, err := http.Get(s.issuer + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusServiceUnavailable {
			return
		}
	}
	t.Fatal("the server stays ready")
}

// refusal runs a server that can't start, and returns what it says.
func refusal(t *testing.T, config string) string {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "serve", "--config", config)
	cmd.Dir = filepath.Dir(config)
	cmd.WaitDelay = startTimeout
	start := time.Now()
	timer := time.AfterFunc(startTimeout, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Fatalf("%v, want exit status 1\n%s", err, out)
	}
	if took := time.Since(start); took > time.Duration(many(20, 2))*time.Second {
		t.Errorf("it took %v to say:\n%s", took, out)
	}
	if !strings.Contains(string(out), "\nhint: ") || strings.Contains(string(out), "panic") {
		t.Errorf("no hint:\n%s", out)
	}
	return string(out)
}

// A disk that can't be written: the server says so at once, and touches nothing.
func TestReadOnlyDisk(t *testing.T) {
	folder := storagetest.SmallDisk(t, "size=20m")
	s := startServerIn(t, folder, "", "", "")
	mustSignIn(t, s)
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	before := folderState(t, folder)
	for _, flags := range []uintptr{unix.MS_REMOUNT | unix.MS_RDONLY, unix.MS_REMOUNT} {
		if err := unix.Mount("", folder, "", flags, ""); err != nil {
			t.Fatal(err)
		}
		if flags == unix.MS_REMOUNT {
			break
		}
		if text := refusal(t, s.configFile()); !strings.Contains(text, "read-only file system") {
			t.Errorf("the disk is read-only, and the server says:\n%s", text)
		}
		if after := folderState(t, folder); after != before {
			t.Errorf("the folder has changed from\n%s\nto\n%s", before, after)
		}
	}
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
}

// folderState is the names, sizes and times of the files of a folder.
func folderState(t *testing.T, folder string) string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var state strings.Builder
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&state, info.Name(), info.Mode(), info.Size(), info.ModTime())
	}
	return state.String()
}

// A second server on the same database is refused at once, and the first does not notice.
func TestDatabaseInUse(t *testing.T) {
	s := startServer(t, "")
	text, err := os.ReadFile(s.configFile())
	if err != nil {
		t.Fatal(err)
	}
	other := strings.ReplaceAll(string(text), s.addr, freeAddr()) + "\nadmin: {socket: " + s.dir + "/other.sock}\n"
	config := filepath.Join(s.dir, "other.yaml")
	if err := os.WriteFile(config, []byte(other), 0o600); err != nil {
		t.Fatal(err)
	}
	if text := refusal(t, config); !strings.Contains(text, fmt.Sprintf("in use by process %d", s.proc.cmd.Process.Pid)) {
		t.Errorf("it does not say who has the database:\n%s", text)
	}
	mustSignIn(t, s)
}
