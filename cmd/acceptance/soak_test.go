package acceptance

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// forSoak lets everything that the actors leave behind expire, so that the sweeper has to keep up. In half
// an hour a disk may halt for longer than in two minutes, and is to log nobody out. Signatures by RSA would take
// most of the processor's time.
const forSoak = `
lifetimes: {code: %[1]s, refresh_token: %[2]s, refresh_idle: %[1]s, refresh_grace: %[1]s}
sessions: {idle: %[1]s, max: %[2]s, remember_me: %[2]s}
registration: {mode: open, per_address_per_hour: 1000000}
signing: {alg: ES256}
`

// A server under mixed load, for two minutes, or half an hour in full: after a while nothing of it grows.
func TestSoak(t *testing.T) {
	t.Parallel()
	length := time.Duration(many(2, 30)) * time.Minute
	idle := time.Duration(many(30, 120)) * time.Second
	s := startServer(t, fmt.Sprintf(forSoak, idle, 2*idle)+forPeople())
	c := newCast(s, 7)
	c.pause, c.life = 80*time.Millisecond, 20*time.Second // more than two hundred requests a second: see TestGaugesTellLeaks
	ctx, stop := context.WithTimeout(t.Context(), length)
	defer stop()
	var playing sync.WaitGroup
	playing.Go(func() { c.play(ctx) })
	playing.Go(func() { readAll(ctx, s) })

	values := make(map[string][]float64)
	warmUp := time.Now().Add(length/2 + 10*time.Second) // the sweeper has come by, once in two minutes
	if length > 10*time.Minute {
		warmUp = time.Now().Add(5 * time.Minute)
	}
	logged := 0 // bytes of the audit log after the warm-up
	tick := time.NewTicker(length / 120)
	defer tick.Stop()
	for ctx.Err() == nil {
		if logged == 0 && time.Now().After(warmUp) {
			logged = s.auditLog(t)
		}
		metrics, err := s.metrics()
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range gauges {
			if time.Now().After(warmUp) {
				values[g.name] = append(values[g.name], metrics[g.metric])
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	playing.Wait()
	if err := c.err(); err != nil {
		t.Error(err)
	}
	for _, g := range gauges {
		seen := values[g.name]
		if g.name == "database" { // what users did is kept for as long as the operator wants
			g.most += float64(2 * (s.auditLog(t) - logged))
		}
		if err := g.check(seen); err != nil {
			t.Error(err)
			continue
		}
		t.Logf("%-16s %.0f at first, %.0f at last, of %d values", g.name, seen[0], seen[len(seen)-1], len(seen))
	}
	t.Logf("%d steps in %v, %d members came and went", c.steps.Load(), length, lives.Load())
	if lives.Load() == 0 {
		t.Error("nobody has signed up, used a second factor, and left")
	}
}

// auditLog is the size of the audit log.
func (s *server) auditLog(t *testing.T) int {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "audit", "export", "--config", s.configFile())
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return len(out)
}

// readAll asks for what needs no writing.
func readAll(ctx context.Context, s *server) {
	for ctx.Err() == nil {
		for _, path := range []string{"/jwks.json", "/.well-known/openid-configuration", "/login", "/nowhere", "/userinfo"} {
			if resp, err := tokenClient.Get(s.issuer + path); err == nil {
				resp.Body.Close()
			}
			wait(ctx, 40*time.Millisecond)
		}
	}
}

// metrics are those without labels, by name, from the operator's socket.
func (s *server) metrics() (map[string]float64, error) {
	socket := filepath.Join(s.dir, "admin.sock")
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	resp, err := client.Get("http://admin/metrics")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	found := make(map[string]float64)
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		var name string
		var value float64
		if !strings.HasPrefix(lines.Text(), "#") {
			if _, err := fmt.Sscan(lines.Text(), &name, &value); err == nil {
				found[name] = value
			}
		}
	}
	for _, g := range gauges {
		if _, there := found[g.metric]; !there {
			return nil, fmt.Errorf("no metric %s: status %d", g.metric, resp.StatusCode)
		}
	}
	return found, nil
}
