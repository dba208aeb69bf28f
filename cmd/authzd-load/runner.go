package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/term"
)

// slice is how long one load runs before the next.
const slice = time.Second

// runner makes the measurements of one run.
type runner struct {
	options
	dir   string
	bare  *process
	table io.Writer
	report
}

// algorithm measures a server that signs with alg.
func (r *runner) algorithm(ctx context.Context, alg string) error {
	if r.url != "" {
		u, err := url.Parse(r.url)
		if err != nil {
			return err
		}
		return r.measureAll(ctx, alg, nil, &target{url: r.url, addr: u.Host, account: r.account})
	}
	dir := filepath.Join(r.dir, alg)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	s := site{binary: r.binary, dir: dir, alg: alg}
	server, _, err := s.start(ctx) // makes keys and user
	if err != nil {
		return err
	}
	if err := server.stop(); err != nil {
		return err
	}
	server, startup, err := s.start(ctx)
	if err != nil {
		return err
	}
	defer func() { server.kill() }()
	r.atMost(alg+": cold start", milliseconds(startup), 150, "ms")
	time.Sleep(slice)
	r.atMost(alg+": memory when idle", mebibytes(server.resident()), 40, "MiB")

	t := &target{url: "http://" + server.addr, addr: server.addr, account: defaultAccount}
	if err := r.measureAll(ctx, alg, server, t); err != nil {
		return err
	}
	if alg == r.algs[0] && r.refreshes > 0 {
		if err := r.manyRefreshes(ctx, server, t); err != nil {
			return err
		}
	}
	if err := server.stop(); err != nil {
		return err
	}
	if server, startup, err = s.start(ctx); err != nil {
		return err
	}
	r.atMost(alg+": cold start after the run", milliseconds(startup), 150, "ms")
	return nil
}

// measureAll goes through scenarios and numbers of connections.
func (r *runner) measureAll(ctx context.Context, alg string, server *process, t *target) error {
	users := newUsers(t, slices.Max(r.connections))
	for _, s := range scenarios {
		if len(r.scenarios) > 0 && !slices.Contains(r.scenarios, s.name) {
			continue
		}
		for _, connections := range r.connections {
			row, err := r.measure(ctx, alg, s, server, users[:connections])
			if err != nil {
				return err
			}
			row.print(r.table)
			r.Rows = append(r.Rows, row)
			r.judge(row, s)
		}
	}
	return nil
}

// measure runs a scenario in turns with the loads that it is compared with, so that other programs disturb
// all of them equally.
func (r *runner) measure(ctx context.Context, alg string, s scenario, server *process, users []*user) (row, error) {
	bare := bareLoad(r.bare, len(users))
	defer bare.close()
	measured, err := scenarioLoad(s, server, users)
	if err != nil {
		return row{}, err
	}
	defer measured.close()
	var signatures *load
	if s.signatures > 0 && alg == "RS256" {
		if signatures, err = rsaLoad(); err != nil {
			return row{}, err
		}
	}
	for measured.elapsed < r.duration {
		if ctx.Err() != nil {
			return row{}, ctx.Err()
		}
		bare.run(min(slice, r.duration))
		measured.run(min(slice, r.duration))
		if signatures != nil {
			signatures.run(min(slice, r.duration))
		}
	}
	x := newRow(alg, s, &bare.sample, &measured.sample)
	x.Connections = len(users)
	if signatures != nil {
		x.OfRSA = x.Rate * float64(s.signatures) / signatures.rate()
	}
	return x, nil
}

// manyRefreshes reads the server's memory after a million refreshes, or the requested number.
func (r *runner) manyRefreshes(ctx context.Context, server *process, t *target) error {
	users := newUsers(t, slices.Max(r.connections))
	i := slices.IndexFunc(scenarios, func(s scenario) bool { return s.name == "refresh" })
	l, err := scenarioLoad(scenarios[i], server, users)
	if err != nil {
		return err
	}
	defer l.close()
	var most int64
	terminal := term.IsTerminal(int(os.Stderr.Fd()))
	for len(l.latencies) < r.refreshes {
		if l.run(slice); l.err != nil {
			return l.err
		}
		most = max(most, server.resident())
		if terminal {
			fmt.Fprintf(os.Stderr, "\r%d refreshes, %.0f a second, %.0f MiB ", len(l.latencies), l.rate(), mebibytes(most))
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if terminal {
		fmt.Fprintln(os.Stderr)
	}
	r.atMost(fmt.Sprintf("memory after %d refreshes (%.1f MiB on the way)", len(l.latencies), mebibytes(most)),
		mebibytes(server.resident()), 120, "MiB")
	return nil
}

// newUsers returns a user for each connection.
func newUsers(t *target, n int) []*user {
	users := make([]*user, n)
	for i := range users {
		users[i] = &user{target: t, conn: conn{addr: t.addr}}
	}
	return users
}

func mebibytes(bytes int64) float64 { return float64(bytes) / (1 << 20) }
