package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// baseline is the number of grants in a nearly empty store. Each connection needs some to refresh.
const baseline = 2000

// scale measures a store with many grants and a nearly empty one, in one run.
func (r *runner) scale(ctx context.Context) error {
	for _, grants := range []int{baseline, r.grants} {
		if err := r.filled(ctx, grants); err != nil {
			return fmt.Errorf("%d grants: %w", grants, err)
		}
	}
	return nil
}

// filled measures a server whose store has this many grants.
func (r *runner) filled(ctx context.Context, grants int) (err error) {
	dir := filepath.Join(r.dir, fmt.Sprint(grants))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	url, dropped, err := r.database(ctx, grants)
	if err != nil {
		return err
	}
	defer dropped()
	s := site{binary: r.binary, dir: dir, alg: "ES256", postgres: url}
	server, _, err := s.start(ctx) // makes keys and user
	if err != nil {
		return err
	}
	if err := server.stop(); err != nil {
		return err
	}
	store, err := openStore(ctx, s.bolt(), url)
	if err != nil {
		return err
	}
	empty, err := s.size(ctx)
	if err != nil {
		return errors.Join(err, store.Close())
	}
	start := time.Now()
	tokens, err := fill{grants, defaultAccount, time.Now().UTC()}.into(ctx, store)
	if err := errors.Join(err, store.Close()); err != nil {
		return err
	}
	r.figure(grants, "filled", time.Since(start).Seconds(), "s")
	full, err := s.size(ctx)
	if err != nil {
		return err
	}
	r.figure(grants, "size", mebibytes(full), "MiB")
	r.figure(grants, "size of a grant", float64(full-empty)/float64(grants), "bytes")

	if err := s.settle(ctx); err != nil {
		return err
	}
	server, startup, err := s.start(ctx)
	if err != nil {
		return err
	}
	defer func() { server.kill() }()
	began := time.Now()
	r.figure(grants, "start", milliseconds(startup), "ms")
	if err := r.oldRefreshes(grants, server, tokens); err != nil {
		return err
	}
	r.figure(grants, "memory", mebibytes(server.resident()), "MiB")
	if err := r.backup(ctx, grants, s); err != nil {
		return err
	}
	if grants == baseline {
		return nil
	}
	return r.sweep(ctx, grants, s, began)
}

// oldRefreshes refreshes grants that were refreshed long ago.
func (r *runner) oldRefreshes(grants int, server *process, tokens []string) error {
	users := newUsers(&target{url: "http://" + server.addr, addr: server.addr, account: defaultAccount}, slices.Max(r.connections))
	people := newOld(tokens)
	l, err := scenarioLoad(scenario{name: "old refresh", prepare: people.refresh}, server, users)
	if err != nil {
		return err
	}
	defer l.close()
	for l.elapsed < r.duration {
		if l.run(min(slice, r.duration)); l.err != nil {
			return l.err
		}
	}
	p := l.percentiles(0.5, 0.99)
	r.figure(grants, fmt.Sprintf("refreshes, %d connections", len(users)), l.rate(), "a second")
	r.figure(grants, "refresh, median", milliseconds(p[0]), "ms")
	r.figure(grants, "refresh, p99", milliseconds(p[1]), "ms")
	return nil
}

// backup asks the running server for a backup.
func (r *runner) backup(ctx context.Context, grants int, s site) error {
	file := filepath.Join(s.dir, "backup")
	cmd := exec.CommandContext(ctx, s.binary, "backup", "--config", s.config(), file)
	start := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("backup: %w\n%s", err, out)
	}
	r.figure(grants, "backup", time.Since(start).Seconds(), "s")
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	r.figure(grants, "backup, size", mebibytes(info.Size()), "MiB")
	return os.Remove(file)
}

// sweep waits until all expired records are swept. The first round begins a minute after the start.
func (r *runner) sweep(ctx context.Context, grants int, s site, began time.Time) error {
	for goal := float64(grants / expiredOf); ; {
		swept, err := s.swept()
		if err != nil {
			return err
		}
		if swept >= goal {
			r.figure(grants, "swept, since the start", time.Since(began).Seconds(), "s")
			return nil
		}
		select {
		case <-time.After(slice):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// figure prints one result.
func (r *runner) figure(grants int, what string, value float64, unit string) {
	fmt.Fprintf(r.table, "%9d grants  %-28s %12.2f %s\n", grants, what, value, unit)
}

// database makes one for so many grants, if it is PostgreSQL that is measured.
func (r *runner) database(ctx context.Context, grants int) (address string, dropped func(), err error) {
	if r.postgres == "" {
		return "", func() {}, nil
	}
	config, err := pgx.ParseConfig(r.postgres)
	if err != nil {
		return "", nil, err
	}
	own, err := url.Parse(r.postgres)
	if err != nil {
		return "", nil, err
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return "", nil, err
	}
	defer conn.Close(ctx)
	name := fmt.Sprintf("authzd_load_%d", grants)
	drop := "DROP DATABASE IF EXISTS " + name + " WITH (FORCE)"
	for _, statement := range []string{drop, "CREATE DATABASE " + name} {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return "", nil, err
		}
	}
	dropped = func() {
		ctx := context.WithoutCancel(ctx)
		if conn, err := pgx.ConnectConfig(ctx, config); err == nil {
			_, _ = conn.Exec(ctx, drop) // it stays, and the next run removes it
			_ = conn.Close(ctx)
		}
	}
	own.Path = name
	return own.String(), dropped, nil
}

// settle makes PostgreSQL do the work at once that it would do in the minutes after so many inserts.
func (s site) settle(ctx context.Context) error {
	if s.postgres == "" {
		return nil
	}
	conn, err := pgx.Connect(ctx, s.postgres)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, statement := range []string{"VACUUM (ANALYZE)", "CHECKPOINT"} {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// size is that of the store in bytes.
func (s site) size(ctx context.Context) (n int64, err error) {
	if s.postgres == "" {
		info, err := os.Stat(s.bolt())
		if err != nil {
			return 0, err
		}
		return info.Size(), nil
	}
	conn, err := pgx.Connect(ctx, s.postgres)
	if err != nil {
		return 0, err
	}
	defer conn.Close(ctx)
	err = conn.QueryRow(ctx, "SELECT pg_database_size(current_database())").Scan(&n)
	return n, err
}

// swept is how many records the server has swept, by its metrics.
func (s site) swept() (float64, error) { return s.metric("authzd_store_swept_total") }

// metric returns a metric of the server that has no labels.
func (s site) metric(name string) (n float64, err error) {
	operator := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(s.dir, "admin.sock"))
		},
	}}
	resp, err := operator.Get("http://admin/metrics")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if value, found := strings.CutPrefix(lines.Text(), name+" "); found {
			_, err := fmt.Sscan(value, &n)
			return n, err
		}
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	return 0, errors.New("no metric " + name)
}
