package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/authzd/authzd/config"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
	"github.com/authzd/authzd/storage/postgres"
	"github.com/authzd/authzd/storage/transfer"
)

// unswept keeps a store from removing expired records while it is copied and compared.
const unswept = 10 * 365 * 24 * time.Hour

// openOffline opens the existing store that the configuration names, for a command that works without a
// server.
func openOffline(ctx context.Context, cfg *config.Storage) (storage.Store, error) {
	if cfg.Postgres.URL != "" {
		return openPostgresOffline(ctx, string(cfg.Postgres.URL))
	}
	return openBoltOffline(cfg.Bolt.Path)
}

// openBoltOffline opens an existing database that no other process has open.
func openBoltOffline(path string) (storage.Store, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, hinted{fmt.Errorf("there is no database %s", path), "name the configuration of the server by --config, and run this where it runs"}
	}
	return bolt.Open(path, bolt.Options{SweepEvery: unswept})
}

// openPostgresOffline opens a database and makes missing tables.
func openPostgresOffline(ctx context.Context, url string) (storage.Store, error) {
	return postgres.Open(ctx, url, postgres.Options{SweepEvery: unswept})
}

// storeName names a store in messages. The URL of a database may have a password in it.
func storeName(cfg *config.Storage) string {
	if cfg.Postgres.URL != "" {
		return "the PostgreSQL database"
	}
	return cfg.Bolt.Path
}

// checkWhole refuses a store that a restore or a migration has not filled completely.
func checkWhole(ctx context.Context, store storage.Store, cfg *config.Storage) error {
	err := transfer.Unfinished(ctx, store)
	if errors.Is(err, transfer.ErrUnfinished) {
		return hinted{fmt.Errorf("%s: %w", storeName(cfg), err), `run the same "authzd restore" or "authzd migrate --to" again: it goes on where it was interrupted`}
	}
	return err
}
