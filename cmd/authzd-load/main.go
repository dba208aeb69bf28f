// Command authzd-load measures how fast authzd is, as a share of a net/http handler that does nothing.
//
//	authzd-load ──starts──> itself, as the bare handler: 200 bytes for every request
//	     │      ──starts──> authzd serve, with its own configuration and database
//	     │                  (or drives the server that --url names)          processes.go
//	     ├─ sign in, through the pages                                       signin.go
//	     ├─ each scenario with each number of connections                    scenarios.go, client.go
//	     │     a second of the bare handler, a second of the scenario, …     measure.go
//	     └─ the results, and the goals                                     report.go
//
// With --grants it measures a filled store and one that is nearly empty:    scale.go, fill.go
// With --followers it measures the revocation feed:                         follow.go
//
// The generator, the bare handler and the server share the processors of one machine, so only the ratios of
// one run mean something. It uses only loopback.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/authzd/authzd/authz/weburl"
)

// options are the flags.
type options struct {
	binary      string
	url         string
	account     account
	algs        []string
	scenarios   []string
	connections []int
	duration    time.Duration
	refreshes   int
	grants      int
	postgres    string
	followers   int
	ended, rate int
	json, check bool
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == bareCommand {
		fail(1, serveBare(os.Stdout))
	}
	o, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	} else if err != nil {
		fail(2, err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	missed, err := run(ctx, o, os.Stdout)
	stop()
	if err != nil {
		fail(1, err)
	}
	if missed && o.check {
		os.Exit(1)
	}
}

func fail(code int, err error) {
	fmt.Fprintln(os.Stderr, "error:", err)
	os.Exit(code)
}

func parse(args []string) (o options, err error) {
	o.account = defaultAccount
	var algs, names, connections, output string
	f := flag.NewFlagSet("authzd-load", flag.ContinueOnError)
	f.StringVar(&o.binary, "authzd", "", "the authzd `binary` to measure (default: built from this module)")
	f.StringVar(&o.url, "url", "", "drive the running server with this `issuer` on loopback instead")
	f.StringVar(&o.account.client, "client", o.account.client, "with --url: client_id of a first-party client with client_secret_basic, all grant types and refresh_token_rotation")
	f.StringVar(&o.account.secret, "client-secret", o.account.secret, "with --url: its secret")
	f.StringVar(&o.account.redirectURI, "redirect-uri", o.account.redirectURI, "with --url: its redirect URI")
	f.StringVar(&o.account.username, "username", o.account.username, "with --url: who signs in")
	f.StringVar(&o.account.password, "password", o.account.password, "with --url: the password")
	f.StringVar(&algs, "alg", "ES256,RS256", "signature algorithms; with --url, the one that the server uses")
	f.StringVar(&names, "scenarios", "", "scenarios to run, separated by commas (default: all)")
	f.StringVar(&connections, "connections", "1,16,64", "numbers of keep-alive connections")
	f.DurationVar(&o.duration, "duration", 2*time.Second, "for each measurement, in slices of a second")
	f.IntVar(&o.refreshes, "refreshes", 1_000_000, "after how many refreshes to read the memory; 0: don't")
	f.IntVar(&o.grants, "grants", 0, "fill a store with this many grants, and measure it instead of the scenarios")
	f.StringVar(&o.postgres, "postgres", "", "with --grants: `URL` of a database of a PostgreSQL server on which databases may be made; default: bolt")
	f.IntVar(&o.followers, "followers", 0, "measure the revocation feed with this many followers instead of the scenarios")
	f.IntVar(&o.ended, "ended", 10_000, "with --followers: how many tokens have ended before")
	f.IntVar(&o.rate, "ends", 35, "with --followers: how many tokens end in a second")
	f.StringVar(&output, "o", "table", "output: table or json")
	f.BoolVar(&o.check, "check", false, "exit with 1 if a goal is missed")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 || (output != "table" && output != "json") {
		return o, errors.New("usage: authzd-load [flags], see authzd-load -h")
	}
	o.json = output == "json"
	o.algs = strings.Split(algs, ",")
	if names != "" {
		o.scenarios = strings.Split(names, ",")
	}
	for _, name := range o.scenarios {
		if !slices.ContainsFunc(scenarios, func(s scenario) bool { return s.name == name }) {
			return o, fmt.Errorf("unknown scenario %q", name)
		}
	}
	for _, alg := range o.algs {
		if alg != "ES256" && alg != "RS256" {
			return o, fmt.Errorf("unknown algorithm %q: must be ES256 or RS256", alg)
		}
	}
	if o.duration <= 0 {
		return o, errors.New("the duration must be positive")
	}
	for text := range strings.SplitSeq(connections, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return o, fmt.Errorf("malformed number of connections %q", text)
		}
		o.connections = append(o.connections, n)
	}
	if o.grants < 0 || (o.postgres != "" && o.grants == 0) || (o.grants > 0 && (o.url != "" || o.json)) {
		return o, errors.New("--grants must be positive, goes with --postgres, and with neither --url nor -o json")
	}
	if o.followers < 0 || o.ended < 0 || o.rate < 1 || (o.followers > 0 && (o.url != "" || o.json || o.grants > 0)) {
		return o, errors.New("--followers, --ended and --ends must be positive, and go with neither --url, --grants nor -o json")
	}
	if o.url != "" && len(o.algs) != 1 {
		return o, errors.New("with --url, --alg must name the one algorithm that the server uses")
	}
	return o, checkLoopback(o.url)
}

// checkLoopback refuses to load other people's machines.
func checkLoopback(issuer string) error {
	if issuer == "" {
		return nil
	}
	u, err := url.Parse(issuer)
	if err != nil {
		return err
	}
	if u.Scheme != "http" || u.Port() == "" || u.Hostname() == "localhost" || !weburl.IsLoopback(u.Hostname()) || u.Path != "" {
		return fmt.Errorf("--url %s: must be http://127.0.0.1:PORT or http://[::1]:PORT", issuer)
	}
	return nil
}

// run measures everything and prints it.
func run(ctx context.Context, o options, out io.Writer) (missed bool, err error) {
	dir, err := os.MkdirTemp("", "authzd-load-")
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if o.binary == "" && o.url == "" {
		o.binary = filepath.Join(dir, "authzd")
		build := exec.CommandContext(ctx, "go", "build", "-o", o.binary, "github.com/authzd/authzd/cmd/authzd")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return false, fmt.Errorf("build authzd: %w", err)
		}
	}
	if o.grants > 0 {
		return false, (&runner{options: o, dir: dir, table: out}).scale(ctx)
	}
	if o.followers > 0 {
		return false, (&runner{options: o, dir: dir, table: out}).follow(ctx)
	}
	bare, err := startBare(ctx)
	if err != nil {
		return false, err
	}
	defer bare.kill()
	r := &runner{options: o, dir: dir, bare: bare, table: out}
	if o.json {
		r.table = io.Discard
	}
	fmt.Fprint(r.table, heading)
	for _, alg := range o.algs {
		if err := r.algorithm(ctx, alg); err != nil {
			return false, err
		}
	}
	if o.json {
		return r.missed(), r.printJSON(out)
	}
	r.printGoals(out)
	return r.missed(), nil
}
