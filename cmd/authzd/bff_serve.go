package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/authzd/authzd/authz/bff"
	"github.com/authzd/authzd/authz/bff/provider"
	"github.com/authzd/authzd/authz/bff/relay"
	"github.com/authzd/authzd/authz/bff/wire"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/config"
	"github.com/authzd/authzd/storage"
)

// serveBFF runs a BFF until ctx ends, then drains: serve does the same for a server.
func serveBFF(ctx context.Context, cfg *config.BFF, o serveOptions) (err error) {
	tune()
	logger, endLog, err := openLog(o.log, &cfg.Log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, endLog()) }()
	warnOfConfig(logger, ownWarnings(cfg))
	engine := cfg.Storage.Engine()
	files := missingFiles(&engine, cfg.SecretFile)
	if cfg.KeyFile != "" && missing(cfg.KeyFile) {
		files = append(files, newFile{"key of the client", cfg.KeyFile})
	}
	store, err := openStore(ctx, &engine, logger)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) { // asked to stop while it waited for the database
		logger.Info("stopped")
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if err := checkWhole(ctx, store, &engine); err != nil {
		return err
	}
	secret, err := openSecret(ctx, cfg.SecretFile, &cfg.KMS, store)
	if err != nil {
		return err
	}
	for _, warning := range secret.Warnings() {
		logger.Warn(warning)
	}
	process, err := newBFFProcess(cfg, store, secret, logger, o.dev)
	if err != nil {
		return err
	}
	announce(logger, files, o.dev)
	doors, err := process.openDoors(cfg, newWatch(process.metrics, logger))
	if err != nil {
		return err
	}
	logger.Info("serving cookie mode", "issuer", cfg.Issuer, "listen", cfg.Listen, "frontends", len(cfg.Frontends))
	if o.ready != nil {
		o.ready()
	}
	err = runUntilDone(ctx, process, doors, cfg.ShutdownDelay, logger)
	logger.Info("stopped")
	return err
}

// ownWarnings are those that authz/bff does not log by itself.
func ownWarnings(cfg *config.BFF) (own config.Errors) {
	for _, w := range cfg.Warnings {
		if !strings.HasPrefix(w.Key, "frontends") {
			own = append(own, w)
		}
	}
	return own
}

// bffProcess is cookie mode with what a process needs around it: events, metrics and health.
type bffProcess struct {
	mode     *bff.BFF
	observer *observe.Observer
	health   *observe.Health
	metrics  *prometheus.Registry
}

func newBFFProcess(cfg *config.BFF, store storage.Store, secret *keys.Secret, logger *slog.Logger, dev bool) (*bffProcess, error) {
	p := &bffProcess{
		metrics: prometheus.NewRegistry(),
		health:  observe.NewHealth(observe.Check{Name: "storage", Ready: store.Ready}),
	}
	registerStoreMetrics(p.metrics, store)
	var err error
	p.observer, err = observe.New(observe.Config{
		Logger: logger, Registry: p.metrics, TrustedProxies: cfg.TrustedProxies,
		Routes: append(bff.Routes(), relay.RouteAPI, relay.RouteApp, healthRoute), LoginMethods: []string{bff.LoginMethod},
	})
	if err != nil {
		return nil, err
	}
	mode := cfg.CookieMode()
	if err := proveClient(&mode.Authentication, cfg); err != nil {
		return nil, err
	}
	if mode.HTTPClient, err = newIssuerClient(cfg.Outbound); err != nil {
		return nil, err
	}
	mode.Store, mode.Secret, mode.Observer, mode.Logger, mode.Diagnostics = store, secret, p.observer, logger, dev
	p.mode, err = bff.New(*mode)
	return p, err
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

// Run does what cookie mode does by itself.
func (p *bffProcess) Run(ctx context.Context) error {
	p.mode.Run(ctx)
	return ctx.Err()
}

// Drain makes the readiness probe fail.
func (p *bffProcess) Drain() { p.health.SetDraining() }

func (p *bffProcess) openDoors(cfg *config.BFF, watch *watch) ([]door, error) {
	public := newHTTPServer(p.observer.Handler(http.HandlerFunc(p.serve)), watch)
	public.RegisterOnShutdown(p.mode.Close)
	if _, err := serveTLS(public, cfg.TLS, watch); err != nil {
		return nil, err
	}
	o := opening{watch: watch, plain: wire.Listener}
	o.tcp(cfg.Listen, public)
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
