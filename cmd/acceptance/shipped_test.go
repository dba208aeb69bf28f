package acceptance

import (
	"context"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"
)

// link is a refresh token, and when the server had given it.
type link struct {
	token string
	at    time.Time
}

// timedChain is what one app was given, refresh by refresh, and when.
type timedChain struct{ links []link }

// extend refreshes until ctx ends. A server that is gone is asked again.
func (c *timedChain) extend(t *testing.T, ctx context.Context, s *server) {
	for ctx.Err() == nil {
		a, err := answered(s.refresh(c.links[len(c.links)-1].token))
		switch {
		case err != nil:
			wait(ctx, 5*time.Millisecond)
		case a.status != http.StatusOK:
			t.Errorf("refresh: %v", a)
			return
		default:
			c.links = append(c.links, link{a.RefreshToken, time.Now()})
		}
	}
}

// newestBefore returns the newest token that the server had given before a moment, "" if it had given none.
func (c *timedChain) newestBefore(at time.Time) (token string) {
	for _, l := range c.links {
		if l.at.Before(at) {
			token = l.token
		}
	}
	return token
}

// A server that ships is killed under load, and its machine with it: what was shipped is restored into a new
// folder, and every token that was acknowledged before the moment that the restore names works there. That
// moment is about a second before the kill. The killed server itself has lost nothing.
func TestKilledWhileShipping(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	shipped := filepath.Join(dir, "shipped")
	s := startServerOn(t, "bolt: {path: "+dir+"/authzd.db, ship: {to: "+shipped+"}}", dir, "", "", forActors())
	var chains []*timedChain
	for range 6 {
		var v visitor
		a, err := v.tokens(s, "openid offline_access orders.read")
		if err != nil {
			t.Fatal(err)
		}
		chains = append(chains, &timedChain{[]link{{a.RefreshToken, time.Now()}}})
	}
	var checked int
	var worst time.Duration
	rounds := many(2, 20)
	for range rounds {
		ctx, stop := context.WithCancel(t.Context())
		var refreshing sync.WaitGroup
		for _, c := range chains {
			refreshing.Go(func() { c.extend(t, ctx, s) })
		}
		waitForSegments(t, shipped, 2)
		wait(ctx, rand.N(1100*time.Millisecond)) // anywhere between two uploads, and in one
		killed := time.Now()
		if err := s.kill(); err != nil {
			t.Error(err)
		}
		stop()
		refreshing.Wait()

		other, until := restoreShipped(t, s, shipped)
		worst = max(worst, killed.Sub(until))
		for i, c := range chains {
			token := c.newestBefore(until)
			if token == "" {
				continue
			}
			checked++
			if a, err := other.refresh(token); err != nil || a.status != http.StatusOK {
				t.Errorf("app %d: a token of before %v, restored: %v, %v", i, until, a, err)
			}
		}
		other.finish(t)
		if err := s.start(); err != nil {
			t.Fatal(err)
		}
	}
	if checked < rounds*len(chains)/2 {
		t.Errorf("only %d tokens could be looked at", checked)
	}
	if worst > time.Duration(many(60, 15))*time.Second { // a second, and one upload of a machine that is busy with other tests
		t.Errorf("a kill lost %v", worst)
	}
	t.Logf("%d kills, %d tokens that had to work; at most %v were lost", rounds, checked, worst)
}

// waitForSegments returns once n more segments are in a destination.
func waitForSegments(t *testing.T, destination string, n int) {
	t.Helper()
	count := func() int {
		names, err := filepath.Glob(filepath.Join(destination, "generations", "*", "segments", "*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	for want := count() + n; count() < want; {
		if wait(ctx, 20*time.Millisecond); ctx.Err() != nil {
			t.Fatal("nothing is shipped")
		}
	}
}

var restoredUntil = regexp.MustCompile(`restored the state of (.{23}): group`)

// restoreShipped starts a server in the place of one that does not run, in another folder, with what that
// one had shipped. until is the moment of which all is there.
func restoreShipped(t *testing.T, s *server, from string) (other *server, until time.Time) {
	t.Helper()
	other = &server{issuer: s.issuer, addr: s.addr, dir: shortDir(t)}
	text := other.configure(boltIn(other.dir), "", "", forActors()+"secret_file: "+s.dir+"/secret\n")
	if err := os.WriteFile(other.configFile(), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(path, "restore", "--config", other.configFile(), "--from", from).CombinedOutput()
	if err != nil {
		t.Fatalf("restore: %v\n%s", err, out)
	}
	match := restoredUntil.FindSubmatch(out)
	if match == nil {
		t.Fatalf("restore says %s", out)
	}
	if until, err = time.ParseInLocation("2006-01-02 15:04:05.000", string(match[1]), time.Local); err != nil {
		t.Fatal(err)
	}
	if err := other.start(); err != nil {
		t.Fatalf("%v\n%s", err, other.log(t))
	}
	return other, until
}
