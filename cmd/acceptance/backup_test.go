package acceptance

import (
	"context"
	"net/http"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// chain is what one app was given, refresh by refresh.
type chain struct {
	mu     sync.Mutex
	tokens []string
	access string // the first access token
}

func (c *chain) newest() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.tokens) - 1
}

// extend refreshes until ctx ends.
func (c *chain) extend(t *testing.T, ctx context.Context, s *server) {
	for ctx.Err() == nil {
		a, err := s.refresh(c.tokens[c.newest()])
		if err != nil || a.status != http.StatusOK {
			t.Errorf("refresh: %v, %v", a, err)
			return
		}
		c.mu.Lock()
		c.tokens = append(c.tokens, a.RefreshToken)
		c.mu.Unlock()
	}
}

// A backup that is made while apps refresh shows one moment: once it is restored, each app's chain ends
// at a token that works, which it had at that moment; those before it are spent, and those after it were
// never given out. Two that are made at once are both good.
func TestBackupUnderLoad(t *testing.T) {
	t.Parallel()
	s := startServer(t, "lifetimes: {refresh_grace: 0s}")
	s.runRaced(t)
	var chains []*chain
	for range 6 {
		var v visitor
		a, err := v.tokens(s, "openid offline_access orders.read")
		if err != nil {
			t.Fatal(err)
		}
		chains = append(chains, &chain{tokens: []string{a.RefreshToken}, access: a.AccessToken})
	}
	ctx, stop := context.WithCancel(t.Context())
	var refreshing sync.WaitGroup
	for _, c := range chains {
		refreshing.Go(func() { c.extend(t, ctx, s) })
	}
	defer refreshing.Wait()
	defer stop()

	type moment struct{ begun, ended int } // the newest token's place in its chain
	files := []string{"one", "two"}
	moments := make([][]moment, len(files))
	waitForLinks(t, chains, 5)
	var backups sync.WaitGroup
	for i, file := range files {
		backups.Go(func() {
			for _, c := range chains {
				moments[i] = append(moments[i], moment{begun: c.newest()})
			}
			authzd(t, s, "backup", file)
			for j, c := range chains {
				moments[i][j].ended = c.newest()
			}
		})
	}
	backups.Wait()
	waitForLinks(t, chains, moments[0][0].ended+5)
	stop()
	refreshing.Wait()

	for i, file := range files {
		if err := s.stop(); err != nil {
			t.Fatal(err)
		}
		authzd(t, s, "restore", "--replace", file)
		if err := s.start(); err != nil {
			t.Fatal(err)
		}
		for j, c := range chains {
			if status := userinfo(t, s, c.access); status != http.StatusOK {
				t.Errorf("%s: an access token of before: status %d", file, status)
			}
			// From the newest on, so that nothing looks like a theft: a token that was not given out yet
			// is unknown.
			last := min(moments[i][j].ended+1, len(c.tokens)-1)
			live := last
			for ; live >= 0; live-- {
				a, err := s.refresh(c.tokens[live])
				if err != nil {
					t.Fatal(err)
				}
				if a.status == http.StatusOK {
					break
				}
			}
			if live < moments[i][j].begun {
				t.Errorf("%s: the live token is number %d of a chain that had %d when the backup began", file, live, moments[i][j].begun)
			}
			if live > 0 {
				if a, err := s.refresh(c.tokens[live-1]); err != nil || a.status == http.StatusOK {
					t.Errorf("%s: the token before the live one is spent, and was taken: %v, %v", file, a, err)
				}
			}
		}
	}
}

// waitForLinks returns once every chain has more than n tokens.
func waitForLinks(t *testing.T, chains []*chain, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	for _, c := range chains {
		for c.newest() < n {
			if wait(ctx, 5*time.Millisecond); ctx.Err() != nil {
				t.Fatal("the chains do not grow")
			}
		}
	}
}

// authzd runs a command beside the server, which must succeed. Its last argument is a file in the
// server's folder.
func authzd(t *testing.T, s *server, args ...string) {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Error(err)
		return
	}
	args[len(args)-1] = filepath.Join(s.dir, args[len(args)-1])
	cmd := exec.Command(path, append([]string{args[0], "--config", s.configFile()}, args[1:]...)...)
	cmd.Dir = s.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("authzd %v: %v\n%s", args, err, out)
	}
}
