package authz_test

import (
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
	"github.com/authzd/authzd/storage/postgres"
	"github.com/authzd/authzd/storage/postgres/pgtest"
)

var databaseProcessors = flag.String("database-processors", "", "those that PostgreSQL and pgbench run on in BenchmarkEngines, as taskset lists them; start the test on the others: taskset -c 1 go test …")

// BenchmarkEngines compares whole requests on bolt, on PostgreSQL, and on two replicas that share it, in
// one run. The metrics: "x-pgbench" is the rate as a share of what pgbench reaches, before and after, with
// commits of a single row on as many connections; "self-µs/op" and "database-µs/op" are the processor time
// that this process, clients included, and PostgreSQL took for a request.
//
// Where all share the processors, pgbench has them to itself, while a request's signatures and JSON come
// out of the database's part. A database that has a machine of its own is what -database-processors is for.
func BenchmarkEngines(b *testing.B) {
	database := pgtest.New(b, pgtest.Options{Processors: *databaseProcessors})
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
						self, theirs := ownCPU(b), database.CPU()
						work(b, workers, func(c *caller) func() {
							c.b, c.server, c.cookies = b, server, cookies
							return s.prepare(c)
						})
						rate := float64(b.N) / b.Elapsed().Seconds()
						b.StopTimer()
						b.ReportMetric(perOperation(b, ownCPU(b)-self), "self-µs/op")
						b.ReportMetric(perOperation(b, since(theirs, database.CPU())), "database-µs/op")
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

func perOperation(b *testing.B, used time.Duration) float64 {
	return float64(used.Microseconds()) / float64(b.N)
}

// since is what processes that are there have used more than before.
func since(before, now map[int]time.Duration) (used time.Duration) {
	for pid, t := range now {
		used += t - before[pid]
	}
	return used
}

func ownCPU(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
