package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/authzd/authzd/authz/keys"
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
	store, secret, err := openSessions(ctx, cfg, logger)
	if store != nil {
		defer func() { err = errors.Join(err, store.Close()) }()
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) { // asked to stop while it waited for the database
		logger.Info("stopped")
		return nil
	}
	if err != nil {
		return err
	}
	for _, warning := range secret.Warnings() {
		logger.Warn(warning)
	}
	metrics := prometheus.NewRegistry()
	stopShipping := func() error { return nil }
	if store != nil { // before anything writes
		if stopShipping, err = startShipping(ctx, cfg.Keeping(), store, secret, false, metrics, logger); err != nil {
			return err
		}
	}
	defer func() { err = errors.Join(err, stopShipping()) }()
	process, err := newBFFProcess(ctx, cfg, store, secret, metrics, logger, o.dev)
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

// openSessions opens where sessions are kept, and what seals them. The store is nil if the browsers keep them. If there
// is one, it has to be closed, after an error too.
func openSessions(ctx context.Context, cfg *config.BFF, logger *slog.Logger) (storage.Store, *keys.Secret, error) {
	if cfg.Storage.Sealed {
		wrapper, err := newWrapper(&cfg.KMS)
		if err != nil {
			return nil, nil, err
		}
		secret, err := keys.OpenSecret(wrapper, cfg.SecretFile...)
		return nil, secret, err
	}
	engine := cfg.Storage.Engine()
	store, err := openStore(ctx, &engine, logger)
	if err != nil {
		return nil, nil, err
	}
	if err := checkWhole(ctx, store, &engine); err != nil {
		return store, nil, err
	}
	if err := checkOwner(ctx, store, &engine, true); err != nil {
		return store, nil, err
	}
	secret, err := openSecret(ctx, cfg.SecretFile, &cfg.KMS, store)
	return store, secret, err
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
