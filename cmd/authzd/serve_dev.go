package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"github.com/authzd/authzd/authz/playground"
	"github.com/authzd/authzd/config"
)

// devBFFAddress is where the BFF of a demo listens: for a browser, another site than the issuer's localhost.
const devBFFAddress = "127.0.0.1:9020"

// development is "serve --dev".
type development struct {
	file, data string // as the flags name them; both may be empty
	bff        string // the address of a BFF beside the server; empty: none
	out, log   io.Writer
}

// serve is serve with the demo set-up, in a temporary folder unless one is given.
func (d *development) serve(ctx context.Context) error {
	if d.data == "" {
		var err error
		if d.data, err = os.MkdirTemp("", "authzd-dev-"); err != nil {
			return err
		}
		defer os.RemoveAll(d.data)
	}
	var err error
	if d.data, err = filepath.Abs(d.data); err != nil {
		return err
	}
	if d.bff != "" {
		return d.serveWithBFF(ctx)
	}
	cfg, err := config.LoadDev(d.file, d.data, os.Environ())
	if err != nil {
		return err
	}
	return serve(ctx, cfg, serveOptions{log: d.log, dev: true, ready: func() { welcome(d.out, cfg) }})
}

// serveWithBFF runs a BFF beside the server, as another process would, with data of its own. If one ends, both do.
func (d *development) serveWithBFF(ctx context.Context) error {
	if host, _, err := net.SplitHostPort(d.bff); err != nil || net.ParseIP(host) == nil || !net.ParseIP(host).IsLoopback() {
		return usageError{fmt.Errorf("--bff %s: not an address of this machine", d.bff), "write it like " + devBFFAddress + ", with the port that is free"}
	}
	cfg, err := config.LoadDevWithBFF(d.file, d.data, d.bff, os.Environ())
	if err != nil {
		return err
	}
	folder := filepath.Join(d.data, "bff")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	if err := playground.WriteCookieMode(filepath.Join(folder, "app")); err != nil {
		return err
	}
	bffConfig, err := config.DevBFF(cfg, folder, d.bff)
	if err != nil {
		return err
	}
	ready := make(chan struct{}, 2)
	isReady := func() { ready <- struct{}{} }
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return serve(ctx, cfg, serveOptions{log: d.log, dev: true, ready: isReady}) })
	group.Go(func() error { return serveBFF(ctx, bffConfig, serveOptions{log: d.log, dev: true, ready: isReady}) })
	group.Go(func() error {
		for range cap(ready) {
			select {
			case <-ready:
			case <-ctx.Done():
				return nil
			}
		}
		welcome(d.out, cfg)
		fmt.Fprintf(d.out, "cookie mode   http://%s\n", d.bff)
		return nil
	})
	return group.Wait()
}

// welcome prints everything that is needed to try the server.
func welcome(out io.Writer, cfg *config.Config) {
	fmt.Fprintf(out, "issuer        %s\n", cfg.Issuer)
	fmt.Fprintf(out, "playground    %s/playground\n", cfg.Issuer)
	for _, u := range cfg.Users {
		if u.Username == config.DevUsername && string(u.Password) == config.DevPassword {
			fmt.Fprintf(out, "user          %s, password %s\n", config.DevUsername, config.DevPassword)
		}
	}
	fmt.Fprintf(out, "mails         %s/dev/mail\n", cfg.Issuer)
	if u, err := url.Parse(cfg.Issuer); err == nil && net.ParseIP(u.Hostname()) != nil {
		fmt.Fprintf(out, "passkeys      none at an IP address; set the issuer to http://localhost:%s\n", cmp.Or(u.Port(), "80"))
	}
	fmt.Fprintf(out, "admin socket  %s\n", cfg.Admin.Socket)
	fmt.Fprintf(out, "try           curl -s --unix-socket %s http://localhost/v1/users\n", cfg.Admin.Socket)
}
