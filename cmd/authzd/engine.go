package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/authzd/authzd/config"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
	"github.com/authzd/authzd/storage/postgres"
)

// openStore opens the store that the configuration names.
func openStore(ctx context.Context, cfg *config.Storage, logger *slog.Logger) (storage.Store, error) {
	if cfg.Postgres.URL != "" {
		return postgres.Open(ctx, string(cfg.Postgres.URL), postgres.Options{Logger: logger, MaxConnections: *cfg.Postgres.MaxConnections, StartTimeout: cfg.Postgres.StartTimeout})
	}
	return bolt.Open(cfg.Bolt.Path, bolt.Options{Logger: logger, KeepSize: cfg.Bolt.KeepSize})
}

// checkThere refuses to make a database if an earlier start has left its secret: the sealed records would be
// gone, and an empty database would hide that.
func checkThere(cfg *config.Config) error {
	path := cfg.Storage.Bolt.Path
	if cfg.Storage.Postgres.URL != "" || !missing(path) {
		return nil
	}
	for _, secret := range cfg.SecretFile {
		if _, err := os.Stat(secret); err == nil && sameFile(filepath.Dir(secret), filepath.Dir(path)) {
			return hinted{fmt.Errorf("there is no database %s, but the secret of an earlier start: %s", path, secret),
				`put the database back, or restore a backup ("authzd restore"); to start with an empty one: "authzd serve --new"`}
		}
	}
	return nil
}

// checkOwner refuses the database of the other program: the gate of a BFF would take a server's signing keys for its own,
// and a server those of the gate. Each keeps secrets in its database that the other does not.
func checkOwner(ctx context.Context, store storage.Store, engine *config.Storage, isBFF bool) error {
	for secret, err := range storage.ServerSecrets.All(ctx, store, "") {
		if err != nil {
			return err
		}
		switch ofBFF := secret.Key == purposeBFFAudit; {
		case isBFF && !ofBFF:
			return hinted{fmt.Errorf("%s is the database of an authzd", storeName(engine)), "give the BFF a database of its own: storage.bolt.path, or storage.postgres.url"}
		case !isBFF && ofBFF:
			return hinted{fmt.Errorf("%s is the database of a BFF", storeName(engine)), "give the server a database of its own: storage.bolt.path, or storage.postgres.url"}
		}
	}
	return nil
}

// registerStoreMetrics exports the size and the work of the store.
func registerStoreMetrics(registry *prometheus.Registry, store storage.Store) {
	switch store := store.(type) {
	case *bolt.Store:
		registerBoltMetrics(registry, store)
	case *postgres.Store:
		registerPostgresMetrics(registry, store)
	}
}

func registerBoltMetrics(registry *prometheus.Registry, store *bolt.Store) {
	r := storeMetrics[bolt.Stats]{registry, store.Stats}
	r.gauge("file_bytes", "Size of the database file.", func(s bolt.Stats) float64 { return float64(s.FileBytes) })
	r.gauge("free_bytes", "Bytes of the database file that are free for new records.", func(s bolt.Stats) float64 { return float64(s.FreeBytes) })
	r.counter("groups_total", "Group commits: each is one durable write.", func(s bolt.Stats) float64 { return float64(s.Groups) })
	r.counter("commits_total", "Commits of requests; one group makes many of them durable.", func(s bolt.Stats) float64 { return float64(s.Commits) })
	r.counter("swept_total", "Expired records that were removed.", func(s bolt.Stats) float64 { return float64(s.Swept) })
}

func registerPostgresMetrics(registry *prometheus.Registry, store *postgres.Store) {
	r := storeMetrics[postgres.Stats]{registry, store.Stats}
	r.gauge("connections", "Connections to the database that are open.", func(s postgres.Stats) float64 { return float64(s.Connections) })
	r.gauge("connections_in_use", "Connections to the database that serve a call.", func(s postgres.Stats) float64 { return float64(s.InUse) })
	r.gauge("connections_max", "Connections to the database that may be open.", func(s postgres.Stats) float64 { return float64(s.MaxConnections) })
	r.counter("connection_waits_total", "Calls that found no connection free.", func(s postgres.Stats) float64 { return float64(s.Waits) })
	r.counter("connection_wait_seconds_total", "Time that calls have waited for a connection.", func(s postgres.Stats) float64 { return s.Waited.Seconds() })
	r.counter("groups_total", "Transactions that commits of requests have shared.", func(s postgres.Stats) float64 { return float64(s.Groups) })
	r.counter("commits_total", "Commits of requests.", func(s postgres.Stats) float64 { return float64(s.Commits) })
	r.counter("conflicts_total", "Commits that lost a race.", func(s postgres.Stats) float64 { return float64(s.Conflicts) })
	r.counter("retries_total", "Round trips that had to be repeated.", func(s postgres.Stats) float64 { return float64(s.Retries) })
	r.counter("swept_total", "Expired records that this process has removed.", func(s postgres.Stats) float64 { return float64(s.Swept) })
}

// storeMetrics exports the counters of a store.
type storeMetrics[Stats any] struct {
	registry *prometheus.Registry
	stats    func() Stats
}

func (m storeMetrics[Stats]) gauge(name, help string, value func(Stats) float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "authzd_store_" + name, Help: help},
		func() float64 { return value(m.stats()) }))
}

func (m storeMetrics[Stats]) counter(name, help string, value func(Stats) float64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "authzd_store_" + name, Help: help},
		func() float64 { return value(m.stats()) }))
}
