package authz_test

import (
	"fmt"
	"io"
	"path/filepath"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
	"github.com/authzd/authzd/storage/postgres"
	"github.com/authzd/authzd/storage/postgres/pgtest"
)

// BenchmarkEngines compares whole requests on bolt, on PostgreSQL, and on two replicas that share it, in
// one run. Of the latter, the metric "x-pgbench" is their rate as a share of what pgbench reaches, before
// and after, with commits of a single row on as many connections.
func BenchmarkEngines(b *testing.B) {
	database := pgtest.New(b, pgtest.Options{})
	for _, engine := range []struct {
		name     string
		replicas int // on PostgreSQL; 0: on bolt
	}{{"bolt", 0}, {"postgres", 1}, {"postgres, 2 replicas", 2}} {
		b.Run(engine.name, func(b *testing.B) {
			logger, err := observe.NewLogger(io.Discard, "info", "json")
			if err != nil {
				b.Fatal(err)
			}
			signing := authz.DefaultSigning
			signing.Alg = "ES256"
			server := authztest.StartReplicas(b, authz.Config{Signing: signing, Logger: logger}, nil, engineStores(b, database, engine.replicas)...)
			cookies := signIn(b, server)
			for _, s := range []struct {
				name    string
				prepare func(*caller) func()
			}{{"refresh", (*caller).refresh}, {"code", (*caller).code}} {
				for _, workers := range []int{16, 64} {
					b.Run(fmt.Sprintf("%s/workers=%d", s.name, workers), func(b *testing.B) {
						before := database.CommitRate(b, workers)
						work(b, workers, func(c *caller) func() {
							c.b, c.server, c.cookies = b, server, cookies
							return s.prepare(c)
						})
						rate := float64(b.N) / b.Elapsed().Seconds()
						b.StopTimer()
						bare := (before + database.CommitRate(b, workers)) / 2
						b.ReportMetric(rate, "ops/s")
						b.ReportMetric(rate/bare, "x-pgbench")
					})
				}
			}
		})
	}
}

// engineStores opens one store on bolt, or one for each replica on the same new database.
func engineStores(b *testing.B, server *pgtest.Server, replicas int) (stores []storage.Store) {
	if replicas == 0 {
		s, err := bolt.Open(filepath.Join(b.TempDir(), "authzd.db"), bolt.Options{})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { s.Close() })
		return []storage.Store{s}
	}
	url := server.Database(b)
	for range replicas {
		s, err := postgres.Open(b.Context(), url, postgres.Options{MaxConnections: 64 / replicas})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { s.Close() })
		stores = append(stores, s)
	}
	return stores
}
