package postgres_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/postgres"
	"github.com/authzd/authzd/storage/postgres/pgtest"
)

// BenchmarkRefresh does what a token refresh does to the store: a read, and one Apply that marks the
// presented refresh token as used and adds its successor. The metric "x-pgbench" is its rate as a
// share of what pgbench reaches, before and after it, with commits of a single row on as many connections.
func BenchmarkRefresh(b *testing.B) {
	server := pgtest.New(b, pgtest.Options{})
	for _, workers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			s, err := postgres.Open(b.Context(), server.Database(b), postgres.Options{MaxConnections: max(workers, 2)})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			keys := make([]string, workers)
			for i := range keys {
				keys[i] = rand.Text()
				err := s.Apply(b.Context(), storage.RefreshTokens.Put(keys[i], &storage.RefreshToken{GrantID: "g"}, storage.Absent, in30Days()))
				if err != nil {
					b.Fatal(err)
				}
			}
			bare := pgbench(b, server, workers)
			var left atomic.Int64
			left.Store(int64(b.N))
			var wg sync.WaitGroup
			b.ResetTimer()
			start := time.Now()
			for i := range workers {
				wg.Go(func() {
					for left.Add(-1) >= 0 {
						keys[i] = refresh(b, s, keys[i])
					}
				})
			}
			wg.Wait()
			rate := float64(b.N) / time.Since(start).Seconds()
			b.StopTimer()
			bare = (bare + pgbench(b, server, workers)) / 2
			b.ReportMetric(rate, "ops/s")
			b.ReportMetric(bare, "pgbench/s")
			b.ReportMetric(rate/bare, "x-pgbench")
		})
	}
}

func in30Days() time.Time { return time.Now().Add(30 * 24 * time.Hour) }

// refresh returns the key of the successor.
func refresh(b *testing.B, s *postgres.Store, key string) string {
	ctx := context.Background()
	token, version, err := storage.RefreshTokens.Get(ctx, s, key)
	if err != nil {
		b.Error(err)
		return key
	}
	now, next := time.Now().UTC(), rand.Text()
	token.UsedAt, token.Next = &now, next
	if err := s.Apply(ctx,
		storage.RefreshTokens.Put(key, token, storage.At(version), in30Days()),
		storage.RefreshTokens.Put(next, &storage.RefreshToken{GrantID: token.GrantID}, storage.Absent, in30Days())); err != nil {
		b.Error(err)
	}
	return next
}

var tps = regexp.MustCompile(`tps = ([0-9.]+)`)

// pgbench is PostgreSQL's own rate of single-row commits: prepared inserts of a row of 120 bytes under a
// random key.
func pgbench(b *testing.B, server *pgtest.Server, connections int) float64 {
	b.Helper()
	if err := server.Exec("CREATE TABLE IF NOT EXISTS bare (key uuid PRIMARY KEY, value text)"); err != nil {
		b.Fatal(err)
	}
	script := filepath.Join(server.Folder, "insert.sql")
	if err := os.WriteFile(script, []byte("INSERT INTO bare VALUES (gen_random_uuid(), repeat('x', 120));\n"), 0o644); err != nil {
		b.Fatal(err)
	}
	out, err := server.Run("pgbench", "-n", "-M", "prepared", "-T", "3", "-c", strconv.Itoa(connections), "-j", "2", "-f", script,
		"-h", "127.0.0.1", "-p", strconv.Itoa(server.Port), "-U", "postgres", "postgres")
	if err != nil {
		b.Fatal(err)
	}
	found := tps.FindStringSubmatch(out)
	if found == nil {
		b.Fatalf("pgbench: %s", out)
	}
	rate, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		b.Fatal(err)
	}
	return rate
}
