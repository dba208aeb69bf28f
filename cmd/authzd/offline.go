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
)

// unswept keeps a store from removing what expires while it is copied and compared.
const unswept = 10 * 365 * 24 * time.Hour

// openOffline opens the store that the configuration names, which must be there, for a command in
// place of a server.
func openOffline(ctx context.Context, cfg *config.Storage) (storage.Store, error) {
	if cfg.Postgres.URL != "" {
		return postgres.Open(ctx, string(cfg.Postgres.URL), postgres.Options{SweepEvery: unswept})
	}
	return openBoltOffline(cfg.Bolt.Path)
}

// openBoltOffline opens a database that exists and that nobody else has open.
func openBoltOffline(path string) (storage.Store, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, hinted{fmt.Errorf("there is no database %s", path), "name the configuration of the server by --config, and run this where it runs"}
	}
	store, err := bolt.Open(path, bolt.Options{SweepEvery: unswept})
	if errors.Is(err, bolt.ErrInUse) {
		return nil, hinted{err, "a server that runs is asked over admin.socket, but there nobody answers: is it set, and the same as the server's?"}
	}
	return store, err
}
