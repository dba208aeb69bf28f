package acceptance

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// injectFaults makes system calls of a running server fail, on its database alone, until undo is called.
// fault is what strace's -e inject takes.
func injectFaults(t *testing.T, s *server, fault string) (undo func()) {
	t.Helper()
	cmd := exec.Command(needTool(t, "strace"), "-f", "-P", filepath.Join(s.dir, "authzd.db"), "-e", "inject="+fault,
		"-o", os.DevNull, "-p", strconv.Itoa(s.proc.cmd.Process.Pid))
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	undo = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(os.Interrupt) // it lets go of the server
		_ = cmd.Wait()                       // it was interrupted
	})
	t.Cleanup(undo)
	attached := false
	said := bufio.NewScanner(stderr)
	for !attached && said.Scan() {
		attached = strings.Contains(said.Text(), "attached")
		if strings.Contains(said.Text(), "Operation not permitted") {
			missing(t, "strace may not trace here: "+said.Text())
		}
	}
	if !attached {
		t.Fatalf("strace: %v", cmd.Wait())
	}
	go func() {
		for said.Scan() {
		}
	}()
	return undo
}

// wantNoWrites demands 503 of everything that would have to be written.
func wantNoWrites(t *testing.T, c *cast) {
	t.Helper()
	for name, a := range c.actors {
		r, refreshes := a.(*refresher)
		if !refreshes {
			continue
		}
		if r.Next != "" { // ask for something new
			r.Token, r.Next = r.Next, ""
		}
		if err := c.act(name, a); !errors.Is(err, errUnanswered) {
			t.Errorf("%s: %v, want 503", name, err)
		}
	}
}

// A disk that fails to store what was written is never covered up: who waited for it gets 503, the
// server says that it is not ready, and what it said before that is there after a restart.
func TestFailingDisk(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]string{
		"sync":                   "fdatasync,fsync:error=EIO",
		"sync, later":            "fdatasync,fsync:error=EIO:when=21+",
		"sync of the meta page":  "fdatasync,fsync:error=EIO:when=2",
		"write":                  "pwrite64:error=EIO:when=9+",
		"one write":              "pwrite64:error=EIO:when=30",
		"no space for the sync":  "fdatasync,fsync:error=ENOSPC:when=2",
		"disk gone":              "pwrite64,fdatasync,fsync:error=EROFS:when=5+",
		"no space for meta page": "pwrite64:error=ENOSPC:when=2+",
	} {
		t.Run(name, func(t *testing.T) {
			s := startServer(t, forActors())
			token := mustSignIn(t, s).AccessToken
			c := newCast(s, 3)
			c.settle(t)
			ctx, stop := context.WithCancel(t.Context())
			var playing sync.WaitGroup
			playing.Go(func() { c.play(ctx) })
			defer playing.Wait()
			defer stop()
			c.waitForSteps(t, 30)
			undo := injectFaults(t, s, fault)
			s.waitUnready(t)
			stop()
			playing.Wait()
			wantReadOnly(t, s, token)
			wantNoWrites(t, c)
			undo() // a disk that has lost something is not trusted again, even if it seems well now
			if !strings.Contains(fault, "ENOSPC") || strings.Contains(fault, "sync") {
				wantReadOnly(t, s, token)
				wantNoWrites(t, c)
			}
			if err := s.kill(); err != nil {
				t.Fatal(err)
			}
			if err := s.start(); err != nil {
				t.Fatal(err)
			}
			c.settle(t)
		})
	}
}
