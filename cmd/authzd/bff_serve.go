package main

import (
	"context"
	"errors"
	"strings"

	"github.com/authzd/authzd/config"
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
	process, err := newBFFProcess(ctx, cfg, store, secret, logger, o.dev)
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
