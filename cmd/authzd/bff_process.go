package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/authzd/authzd/authz/admin"
	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/bff"
	"github.com/authzd/authzd/authz/bff/operator"
	"github.com/authzd/authzd/authz/bff/provider"
	"github.com/authzd/authzd/authz/bff/wire"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/outbound"
	"github.com/authzd/authzd/authz/upkeep"
	"github.com/authzd/authzd/config"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

// bffProcess is cookie mode with what a process needs around it: events, metrics, health, the admin API, and the upkeep of
// its store.
type bffProcess struct {
	mode     *bff.BFF
	upkeep   *upkeep.Upkeep // nil: nothing is stored
	admin    http.Handler   // nil too
	key      *clientKey     // nil: the client has none
	observer *observe.Observer
	health   *observe.Health
	metrics  *prometheus.Registry
	logger   *slog.Logger
}

// purposeBFFAudit names the record of storage.ServerSecrets by which the database of a BFF is known.
const purposeBFFAudit = "audit log of a BFF"

// sealedOutside is how long browsers may hold what a secret has sealed: a sign-in under way, a page to sign out.
const sealedOutside = time.Hour

// newBFFProcess is for sessions in a store, or in the cookies of browsers if it is nil.
func newBFFProcess(ctx context.Context, cfg *config.BFF, store storage.Store, secret *keys.Secret, metrics *prometheus.Registry, logger *slog.Logger, dev bool) (*bffProcess, error) {
	p := &bffProcess{metrics: metrics, health: observe.NewHealth(), logger: logger}
	if store != nil {
		p.health = observe.NewHealth(observe.Check{Name: "storage", Ready: store.Ready})
		registerStoreMetrics(p.metrics, store)
	}
	var err error
	p.observer, err = observe.New(observe.Config{
		Logger: logger, Registry: p.metrics, TrustedProxies: cfg.TrustedProxies,
		Routes: slices.Concat(bff.Routes(), operator.RouteNames(), []string{healthRoute}), LoginMethods: []string{bff.LoginMethod},
	})
	if err != nil {
		return nil, err
	}
	if store != nil {
		if err := p.openUpkeep(ctx, cfg, store, secret, logger); err != nil {
			return nil, err
		}
	}
	if err := p.openMode(cfg, store, secret, logger, dev); err != nil {
		return nil, err
	}
	if p.upkeep != nil {
		api := &operator.API{BFF: p.mode, Upkeep: p.upkeep, PageTokens: secret.Sealer("page token of the admin API"), Observer: p.observer}
		p.admin = api.Handler()
	}
	return p, nil
}

// openMode opens cookie mode itself.
func (p *bffProcess) openMode(cfg *config.BFF, store storage.Store, secret *keys.Secret, logger *slog.Logger, dev bool) (err error) {
	mode := cfg.CookieMode()
	if p.upkeep != nil {
		mode.Audit = p.upkeep.Audit
	}
	if err := p.proveClient(&mode.Authentication, cfg); err != nil {
		return err
	}
	if mode.RootCAs, err = outbound.Roots(cfg.Outbound.CAFile); err != nil {
		return fmt.Errorf("outbound: %w", err)
	}
	if mode.HTTPClient, err = newIssuerClient(cfg.Outbound); err != nil {
		return err
	}
	mode.Store, mode.Secret, mode.Observer, mode.Logger, mode.Diagnostics = store, secret, p.observer, logger, dev
	if p.mode, err = bff.New(*mode); err != nil {
		return err
	}
	if follower := p.mode.Follower(); follower != nil {
		registerFeedMetrics(p.metrics, follower.Stats)
	}
	return nil
}

// openUpkeep opens what looks after the store: its sealed records, its audit log and its backups.
func (p *bffProcess) openUpkeep(ctx context.Context, cfg *config.BFF, store storage.Store, secret *keys.Secret, logger *slog.Logger) error {
	deriver, err := keys.LastingDeriver(ctx, store, secret, purposeBFFAudit)
	if err != nil {
		return err
	}
	log := audit.New(audit.Config{
		Store: store, MAC: deriver.MAC, Keep: cfg.Audit.Keep, Logger: logger,
		Tampered: func(ctx context.Context, found string) {
			p.observer.Alarm(ctx, observe.AuditTampered, slog.String("found", found))
		},
	})
	sealing, err := keys.OpenSealing(ctx, keys.SealingConfig{
		Store: store, Secret: secret, Outside: sealedOutside, Logger: logger, Counted: p.observer.SetEarlierSecretRecords,
		Replaced: func(ctx context.Context, id string) ([]storage.Write, error) {
			e := audit.Event{Type: audit.SecretRotated, Outcome: audit.Success, Actor: audit.Actor{Kind: audit.ByServer}, Details: map[string]string{"secret": id}}
			return []storage.Write{log.Put(ctx, e)}, nil
		},
	})
	if err != nil {
		return err
	}
	c := upkeep.Config{
		Store: store, Issuer: cfg.Issuer, Secret: secret, Sealing: sealing, Audit: log, Observer: p.observer, Logger: logger, Did: operator.Did(log),
	}
	if file, ok := store.(*bolt.Store); ok {
		c.File = boltFile{file}
	}
	if c.Backup, err = newBackups(&cfg.Backup); err != nil {
		return err
	}
	p.upkeep, err = upkeep.New(c)
	return err
}

// proveClient reads the key or the certificate by which the client proves itself.
func (p *bffProcess) proveClient(a *provider.Authentication, cfg *config.BFF) (err error) {
	switch {
	case a.UsesKey():
		p.key, err = p.openKey(cfg)
		if err != nil {
			return err
		}
		a.Key = p.key.Key
	case a.UsesCertificate():
		pair, err := tls.LoadX509KeyPair(cfg.ClientAuthentication.CertFile, cfg.ClientAuthentication.KeyFile)
		if err != nil {
			return fmt.Errorf("client_authentication: %w", err)
		}
		a.Certificate = &pair
	}
	return nil
}

// Run does what cookie mode does by itself, and looks after the store, until ctx ends.
func (p *bffProcess) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	if p.upkeep != nil {
		group.Go(func() error { return p.upkeep.Run(ctx) })
	}
	if p.key != nil {
		group.Go(func() error { return p.key.run(ctx) })
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
		o.tcp(cfg.Admin.Listen, newHTTPServer(p.operations(nil), watch))
	}
	if cfg.Admin.Socket != "" {
		local := newHTTPServer(p.operations(p.admin), watch)
		local.ConnContext = admin.WithPeer
		o.unix(operatorSocket, cfg.Admin.Socket, local)
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

// operations serves health and metrics, and all other paths by rest, if it is not nil.
func (p *bffProcess) operations(rest http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", p.health.Live)
	mux.HandleFunc("GET /readyz", p.health.Ready)
	mux.HandleFunc("GET /healthz", p.health.Ready)
	mux.Handle("GET /metrics", p.observer.MetricsHandler())
	if rest != nil {
		mux.Handle("/v1/", rest)
		mux.Handle("/openapi.json", rest)
	}
	return mux
}
