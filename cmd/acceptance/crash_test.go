package acceptance

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// many is how often a test repeats itself: TEST_FULL=1 asks for the long run.
func many(short, full int) int {
	if on, _ := strconv.ParseBool(os.Getenv("TEST_FULL")); on {
		return full
	}
	return short
}

// forActors is the configuration that a cast needs. Codes outlive most tests, so that a second
// redemption is refused for being the second.
func forActors() string {
	return `
lifetimes: {code: 10m, refresh_grace: 10m}
registration: {mode: open, per_address_per_hour: 1000000}
` + forPeople()
}

// A server that is killed in the middle of its work has kept every promise that it made: what a
// client got is good, what was ended stays ended, a client that got no answer may ask again, nothing is
// given out twice, and the audit log is whole and has every change of an operator. Some of the kills find it starting or draining.
func TestCrashUnderLoad(t *testing.T) {
	t.Parallel()
	s := startServer(t, forActors())
	restartUnderLoad(t, s, many(10, 100), func(round int) error {
		switch round % 5 {
		case 2: // while it drains
			if err := s.proc.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				return err
			}
			<-time.After(rand.N(30 * time.Millisecond))
		case 4: // and once more while it starts
			if err := s.kill(); err != nil {
				return err
			}
			return killStarting(s)
		}
		return s.kill()
	})
}

// killStarting starts the server and kills it a moment later.
func killStarting(s *server) error {
	p, err := s.launch()
	if err != nil {
		return err
	}
	<-time.After(rand.N(400 * time.Millisecond)) // somewhat longer than a start takes
	return p.kill()
}

// The same holds, and the exit status is 0, for a server that is asked to stop.
func TestStopUnderLoad(t *testing.T) {
	t.Parallel()
	s := startServer(t, forActors())
	s.runRaced(t)
	restartUnderLoad(t, s, 3, func(int) error { return s.stop() })
}

func restartUnderLoad(t *testing.T, s *server, times int, end func(round int) error) {
	c := newCast(s, 7)
	o := &operator{}
	c.actors["operator"] = o
	ctx, stop := context.WithCancel(t.Context())
	var playing sync.WaitGroup
	playing.Go(func() { c.play(ctx) })
	defer playing.Wait()
	defer stop()
	for i := range times {
		c.waitForSteps(t, 20+rand.Int64N(40))
		if err := end(i); err != nil {
			t.Fatal(err)
		}
		if err := s.start(); err != nil {
			t.Fatalf("start %d: %v", i+1, err)
		}
	}
	c.waitForSteps(t, 20)
	stop()
	playing.Wait()
	c.settle(t)
	if err := c.err(); err != nil {
		t.Error(err)
	}
	o.wantAudited(t, s)
	t.Logf("%d restarts, %d steps", times, c.steps.Load())
}

// A server that is killed while it makes its data folder, its secret, its keys and its first user can be
// started as if nothing had happened.
func TestCrashAtFirstStart(t *testing.T) {
	t.Parallel()
	s := startServer(t, forActors())
	for range many(3, 30) {
		if err := s.stop(); err != nil {
			t.Fatal(err)
		}
		s.forget(t)
		if err := killStarting(s); err != nil {
			t.Fatal(err)
		}
		if err := s.start(); err != nil {
			t.Fatal(err)
		}
		c := newCast(s, 1)
		c.settle(t)
	}
}

// forget removes all data of a server that does not run.
func (s *server) forget(t *testing.T) {
	t.Helper()
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		path := filepath.Join(s.dir, e.Name())
		if path == s.configFile() || path == s.logFile() {
			continue
		}
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
	}
}

// The answer to a refresh got lost, and when the client asks again another process answers: with the
// same successor. Once that has been used, the old token is a thief's, and that too outlives a crash.
func TestCrashBetweenRotationAndReplay(t *testing.T) {
	t.Parallel()
	s := startServer(t, "")
	restart := func() {
		t.Helper()
		if err := s.kill(); err != nil {
			t.Fatal(err)
		}
		if err := s.start(); err != nil {
			t.Fatal(err)
		}
	}
	first := mustSignIn(t, s)
	lost := must(t)(s.refresh(first.RefreshToken))
	restart()
	replayed := must(t)(s.refresh(first.RefreshToken))
	if replayed.RefreshToken != lost.RefreshToken {
		t.Fatal("the replay after the crash gave another successor")
	}
	newest := must(t)(s.refresh(replayed.RefreshToken))
	restart()
	mustRefuse(t, "replay of a token whose successor was used")(s.refresh(first.RefreshToken))
	restart()
	mustRefuse(t, "the newest token after the replay")(s.refresh(newest.RefreshToken))
}
