package acceptance

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/authzd/authzd/storage/postgres/pgtest"
)

// backWithin is how soon after its database authzd must serve as before: everything, and quickly. It is five seconds,
// but the machine may have all other tests to run.
var backWithin = time.Duration(many(60, 5)) * time.Second

// startOnPostgres is a server with the cast's configuration whose database a URL names.
func startOnPostgres(t *testing.T, url string) *server {
	t.Helper()
	return startServerOn(t, "postgres: {url: \""+url+"\"}", shortDir(t), "", "", forActors())
}

// outages plays the cast, lets its database fail a number of times, and demands after each that service
// is back in time, and that no promise was broken. fail returns when the database could serve again.
func outages(t *testing.T, s *server, times int, fail func(round int)) {
	t.Helper()
	c, w := newCast(s, 7), &watcher{s: s}
	c.pause = pace
	ctx, stop := context.WithCancel(t.Context())
	var playing sync.WaitGroup
	playing.Go(func() { c.play(ctx) })
	playing.Go(func() { w.watch(ctx) })
	defer explain(t, s)
	defer playing.Wait()
	defer stop()
	var longest time.Duration
	for round := range times {
		c.waitForSteps(t, 20+rand.Int64N(40))
		fail(round)
		start := time.Now()
		w.waitUntilWell(t, start.Add(backWithin))
		longest = max(longest, time.Since(start))
		// From here to the next outage nobody may be turned away.
		failures := w.failures.Load()
		c.waitForSteps(t, 40)
		if n := w.failures.Load() - failures; n > 0 {
			t.Errorf("round %d: %d requests failed after service was back", round, n)
		}
	}
	stop()
	playing.Wait()
	c.settle(t)
	if err := c.err(); err != nil {
		t.Error(err)
	}
	t.Logf("%d outages, %d steps, service back within %v", times, c.steps.Load(), longest.Round(time.Millisecond))
}

// explain shows what the server says of errors that it had no name for.
func explain(t *testing.T, s *server) {
	t.Helper()
	for line := range strings.Lines(s.log(t)) {
		if strings.Contains(line, `"status":500`) {
			t.Errorf("an error that is not an outage: %s", line)
		}
	}
}

// watcher refreshes one token over and over, and notes how that goes.
type watcher struct {
	s        *server
	failures atomic.Int64
	well     atomic.Int64 // requests in a row that were answered quickly
}

// quickly is what a request may take.
var quickly = time.Duration(many(20, 1)) * time.Second

func (w *watcher) watch(ctx context.Context) {
	r := &refresher{}
	for ctx.Err() == nil {
		start := time.Now()
		if err := r.step(w.s, func() {}); err != nil || time.Since(start) > quickly {
			w.failures.Add(1)
			w.well.Store(0)
		} else {
			w.well.Add(1)
		}
		wait(ctx, pace/4)
	}
}

// waitUntilWell returns when ten requests in a row were answered, all since it was called.
func (w *watcher) waitUntilWell(t *testing.T, deadline time.Time) {
	t.Helper()
	w.well.Store(0)
	late := time.NewTimer(time.Until(deadline))
	defer late.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for w.well.Load() < 10 {
		select {
		case <-tick.C:
		case <-late.C:
			t.Fatalf("service is not back after %v", backWithin)
		}
	}
}

// A database that is killed, or stopped, and started again costs waiting time, and no promise.
func TestPostgresRestarts(t *testing.T) {
	db := pgtest.New(t, pgtest.Options{})
	s := startOnPostgres(t, db.Database(t))
	outages(t, s, many(2, 20), func(round int) {
		if round%2 == 0 {
			db.Kill()
		} else {
			db.Stop()
		}
		<-time.After(rand.N(time.Second))
		if err := db.Start(); err != nil {
			t.Fatal(err)
		}
	})
	if resp, err := http.Get(s.issuer + "/jwks.json"); err != nil || resp.StatusCode != http.StatusOK {
		t.Error(err)
	}
}

// When the primary is lost its standby takes over. Both are named in the URL, and commits waited for
// both, so that nothing is forgotten.
func TestPostgresFailover(t *testing.T) {
	primary := pgtest.New(t, pgtest.Options{})
	url := primary.Database(t)
	standby := primary.Standby(t)
	first, rest, _ := strings.Cut(url, "/test_")
	_, second, _ := strings.Cut(standby.URL(""), "@")
	second, _, _ = strings.Cut(second, "/")
	s := startOnPostgres(t, first+","+second+"/test_"+rest)
	outages(t, s, 1, func(int) {
		primary.Kill()
		<-time.After(rand.N(time.Second))
		if err := standby.Promote(); err != nil {
			t.Fatal(err)
		}
	})
}
