package acceptance

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"
)

// Three replicas are restarted one after the other while clients refresh, redeem, register, revoke and
// sign out; and then one after the other is killed. A client without an answer asks again and succeeds:
// nothing that was promised is lost, nobody has to sign in again, and it is as fast as before.
func TestReplicasRollingRestart(t *testing.T) {
	r := startReplicas(t, 3, "", forActors())
	r.runRaced(t)
	c := newCast(&r.server, 7)
	c.pause = pace
	ctx, stop := context.WithCancel(t.Context())
	var playing sync.WaitGroup
	playing.Go(func() { c.play(ctx) })
	defer playing.Wait()
	defer stop()

	c.waitForSteps(t, 50)
	before := r.slowest(t, 50)
	for round := range many(4, 60) {
		node, end := r.nodes[round%3], (*server).stop
		if round%6 >= 3 {
			end = (*server).kill
		}
		c.waitForSteps(t, 30)
		if err := end(node); err != nil {
			t.Fatal(err)
		}
		c.waitForSteps(t, 30) // by the others
		if err := node.start(); err != nil {
			t.Fatalf("start: %v", err)
		}
	}
	c.waitForSteps(t, 50)
	if after := r.slowest(t, 50); after > 5*before+time.Duration(many(20_000, 500))*time.Millisecond {
		t.Errorf("the 99th percentile of refreshes took %v before, %v afterwards", before, after)
	} else {
		t.Logf("%d steps; the 99th percentile of refreshes took %v before, %v afterwards", c.steps.Load(), before, after)
	}
	stop()
	playing.Wait()
	c.settle(t)
	if err := c.err(); err != nil {
		t.Error(err)
	}
}

// Three replicas that go on serving for a while when they are asked to stop are restarted one after the
// other, behind a balancer that asks them whether they are ready: every request is answered, at once.
func TestReplicasRollingRestartUnnoticed(t *testing.T) {
	r := startReplicas(t, 3, "", forActors()+"\nshutdown_delay: 1s")
	r.balancer.watch(t)
	c := newCast(&r.server, 7)
	c.pause = pace
	c.demanding = true
	ctx, stop := context.WithCancel(t.Context())
	var playing sync.WaitGroup
	playing.Go(func() { c.play(ctx) })
	defer playing.Wait()
	defer stop()

	for round := range many(3, 30) {
		node := r.nodes[round%3]
		c.waitForSteps(t, 30)
		if err := node.stop(); err != nil {
			t.Fatal(err)
		}
		if err := node.start(); err != nil {
			t.Fatalf("start: %v", err)
		}
		served := r.balancer.servedBy(node.addr)
		for r.balancer.servedBy(node.addr) == served { // until it is one of them again
			c.waitForSteps(t, 1)
		}
	}
	stop()
	playing.Wait()
	if err := c.err(); err != nil {
		t.Error(err)
	}
	t.Logf("%d steps, every one of them answered", c.steps.Load())
}

// slowest is the 99th percentile of n refreshes in a row.
func (r *replicas) slowest(t *testing.T, n int) time.Duration {
	t.Helper()
	token := mustSignIn(t, &r.server).RefreshToken
	var took []time.Duration
	for range n {
		began := time.Now()
		token = must(t)(r.refresh(token)).RefreshToken
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	return took[len(took)*99/100-1]
}
