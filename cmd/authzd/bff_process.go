package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/authzd/authzd/authz/bff"
	"github.com/authzd/authzd/authz/bff/provider"
	"github.com/authzd/authzd/authz/bff/wire"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/outbound"
	"github.com/authzd/authzd/config"
	"github.com/authzd/authzd/storage"
)

// bffProcess is cookie mode with what a process needs around it: events, metrics, health, and the rotation of secrets.
type bffProcess struct {
	mode     *bff.BFF
	sealing  *keys.Sealing // nil: nothing is stored
	observer *observe.Observer
	health   *observe.Health
	metrics  *prometheus.Registry
}

// sealedOutside is how long browsers may hold what a secret has sealed: a sign-in under way, a page to sign out.
const sealedOutside = time.Hour

// newBFFProcess is for sessions in a store, or in the cookies of browsers if it is nil.
func newBFFProcess(ctx context.Context, cfg *config.BFF, store storage.Store, secret *keys.Secret, logger *slog.Logger, dev bool) (*bffProcess, error) {
	p := &bffProcess{metrics: prometheus.NewRegistry(), health: observe.NewHealth()}
	if store != nil {
		p.health = observe.NewHealth(observe.Check{Name: "storage", Ready: store.Ready})
		registerStoreMetrics(p.metrics, store)
	}
	var err error
	p.observer, err = observe.New(observe.Config{
		Logger: logger, Registry: p.metrics, TrustedProxies: cfg.TrustedProxies,
		Routes: append(bff.Routes(), healthRoute), LoginMethods: []string{bff.LoginMethod},
	})
	if err != nil {
		return nil, err
	}
	if store != nil {
		p.sealing, err = keys.OpenSealing(ctx, keys.SealingConfig{
			Store: store, Secret: secret, Outside: sealedOutside, Logger: logger, Counted: p.observer.SetEarlierSecretRecords,
		})
		if err != nil {
			return nil, err
		}
	}
	mode := cfg.CookieMode()
	if err := proveClient(&mode.Authentication, cfg); err != nil {
		return nil, err
	}
	if mode.RootCAs, err = outbound.Roots(cfg.Outbound.CAFile); err != nil {
		return nil, fmt.Errorf("outbound: %w", err)
	}
	if mode.HTTPClient, err = newIssuerClient(cfg.Outbound); err != nil {
		return nil, err
	}
	mode.Store, mode.Secret, mode.Observer, mode.Logger, mode.Diagnostics = store, secret, p.observer, logger, dev
	if p.mode, err = bff.New(*mode); err != nil {
		return nil, err
	}
	if follower := p.mode.Follower(); follower != nil {
		registerFeedMetrics(p.metrics, follower.Stats)
	}
	return p, nil
}

// proveClient reads the key or the certificate by which the client proves itself.
func proveClient(a *provider.Authentication, cfg *config.BFF) error {
	switch {
	case a.UsesKey():
		key, err := provider.OpenKey(cfg.KeyFile)
		if err != nil {
			return err
		}
		a.Key = key
	case a.UsesCertificate():
		pair, err := tls.LoadX509KeyPair(cfg.ClientAuthentication.CertFile, cfg.ClientAuthentication.KeyFile)
		if err != nil {
			return fmt.Errorf("client_authentication: %w", err)
		}
		a.Certificate = &pair
	}
	return nil
}

// Run does what cookie mode does by itself, and seals the records of an earlier secret again, until ctx ends.
func (p *bffProcess) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	if p.sealing != nil {
		group.Go(func() error { return p.sealing.Run(ctx) })
	}
	group.Go(func() error {
		p.mode.Run(ctx)
		return ctx.Err()
	})
	return group.Wait()
}

// Drain makes the readiness probe fail.
func (p *bffProcess) Drain() { p.health.SetDraining() }

func (p *bffProcess) openDoors(cfg *config.BFF, watch *watch) ([]door, error) {
	newServer := func() *http.Server {
		server := newHTTPServer(p.observer.Handler(http.HandlerFunc(p.serve)), watch)
		server.RegisterOnShutdown(p.mode.Close)
		return server
	}
	public := newServer()
	if _, err := serveTLS(public, cfg.TLS, watch); err != nil {
		return nil, err
	}
	o := opening{watch: watch, plain: wire.Listener}
	o.tcp(cfg.Listen, public)
	if cfg.Socket != "" {
		o.unix(proxySocket, cfg.Socket, newServer())
	}
	if cfg.Admin.Listen != "" {
		o.tcp(cfg.Admin.Listen, newHTTPServer(p.operations(), watch))
	}
	return o.all()
}

const healthRoute = "health"

// serve answers probes at any host, and everything else by the frontend of its host.
func (p *bffProcess) serve(w http.ResponseWriter, r *http.Request) {
	probe := map[string]http.HandlerFunc{"/livez": p.health.Live, "/readyz": p.health.Ready, "/healthz": p.health.Ready}[r.RequestURI]
	if probe == nil || r.Method != http.MethodGet && r.Method != http.MethodHead {
		p.mode.ServeHTTP(w, r)
		return
	}
	observe.Event(r.Context()).SetRoute(healthRoute)
	probe(w, r)
}

// operations are what the operator's address serves: health and metrics.
func (p *bffProcess) operations() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", p.health.Live)
	mux.HandleFunc("GET /readyz", p.health.Ready)
	mux.HandleFunc("GET /healthz", p.health.Ready)
	mux.Handle("GET /metrics", p.observer.MetricsHandler())
	return mux
}
