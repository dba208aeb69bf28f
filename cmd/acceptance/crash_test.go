package acceptance

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const refreshers = 8

// crashLoad is the clients that go on while their server is killed under them.
type crashLoad struct {
	t       *testing.T
	s       *server
	running context.Context // done: finish what you do and stop
	steps   atomic.Int64    // how much the clients have got done

	mu       sync.Mutex
	newest   []string    // every refresher's last refresh token
	redeemed []*codeFlow // every code that gave tokens
}

// A server that is killed in the middle of its work has kept every promise that it made: what a
// client got is good, a client that got no answer may ask again, and nothing is given out twice.
func TestCrashUnderLoad(t *testing.T) {
	restartUnderLoad(t, 20, (*server).kill)
}

// The same holds, and the exit status is 0, for a server that is asked to stop.
func TestStopUnderLoad(t *testing.T) {
	restartUnderLoad(t, 3, (*server).stop)
}

func restartUnderLoad(t *testing.T, times int, end func(*server) error) {
	// Codes outlive the test, so that a second redemption is refused for being the second.
	s := startServer(t, "lifetimes: {code: 10m, refresh_grace: 10m}")
	b := newBrowser(t, s)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	load := &crashLoad{t: t, s: s, running: ctx}

	var wg sync.WaitGroup
	for range refreshers {
		token := must(t)(mustCode(t, s, b).redeem()).RefreshToken
		wg.Go(func() { load.refresh(token) })
	}
	wg.Go(func() { load.redeem(b) })

	for i := range times {
		load.waitForSteps(int64(20 + i)) // not always the same moment
		if err := end(s); err != nil {
			t.Fatal(err)
		}
		if err := s.start(); err != nil {
			t.Fatalf("start %d: %v", i+1, err)
		}
	}
	load.waitForSteps(20)
	stop()
	wg.Wait()

	for _, token := range load.newest {
		must(t)(s.refresh(token))
	}
	for _, code := range load.redeemed {
		mustRefuse(t, "a code that was redeemed before")(code.redeem())
	}
	if len(load.newest) != refreshers || len(load.redeemed) == 0 {
		t.Errorf("%d refreshers and %d codes came through", len(load.newest), len(load.redeemed))
	}
	if b.logins != 1 {
		t.Errorf("the user signed in %d times, want 1: the session was lost", b.logins)
	}
	t.Logf("%d restarts, %d steps, %d codes redeemed", times, load.steps.Load(), len(load.redeemed))
}

// refresh is a client that keeps refreshing. It asks twice with every token, as two tabs do: both
// answers must name one successor, whether a crash lay between them or not.
func (l *crashLoad) refresh(token string) {
	for l.running.Err() == nil {
		first := l.insist(func() (answer, error) { return l.s.refresh(token) })
		second := l.insist(func() (answer, error) { return l.s.refresh(token) })
		if first.status != http.StatusOK || second.status != http.StatusOK {
			l.t.Errorf("a client was logged out: %v, %v", first, second)
			return
		}
		if first.RefreshToken != second.RefreshToken {
			l.t.Error("one refresh token has two successors")
			return
		}
		token = first.RefreshToken
		l.steps.Add(1)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.newest = append(l.newest, token)
}

// redeem is a client whose user keeps coming back: the session gives a code, the code gives tokens.
func (l *crashLoad) redeem(b *browser) {
	for l.running.Err() == nil {
		f, err := newCode(l.s, b)
		if err != nil {
			l.waitReady()
			continue
		}
		// A code whose answer was lost may be redeemed or not: both answers to the retry are right.
		switch a := l.insist(f.redeem); {
		case a.status == http.StatusOK:
			l.mu.Lock()
			l.redeemed = append(l.redeemed, f)
			l.mu.Unlock()
		case !a.refused():
			l.t.Errorf("a code after a crash: %v", a)
			return
		}
		l.steps.Add(1)
	}
}

// insist asks until an answer arrives, as a client does whose network fails.
func (l *crashLoad) insist(ask func() (answer, error)) answer {
	for {
		a, err := ask()
		if err == nil || l.t.Failed() {
			return a
		}
		l.waitReady()
	}
}

func (l *crashLoad) waitReady() {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	if err := l.s.waitReady(ctx); err != nil {
		l.t.Error(err)
	}
}

// waitForSteps returns once the clients together have done n more steps.
func (l *crashLoad) waitForSteps(n int64) {
	l.t.Helper()
	goal := l.steps.Load() + n
	deadline := time.After(time.Minute)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for l.steps.Load() < goal {
		select {
		case <-tick.C:
		case <-deadline:
			l.t.Fatal("the clients made no progress for a minute")
		}
		if l.t.Failed() {
			l.t.FailNow()
		}
	}
}
