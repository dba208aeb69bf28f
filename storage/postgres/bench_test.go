package postgres_test

import (
	"context"
	"crypto/rand"
	"fmt"
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
			bare := server.CommitRate(b, workers)
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
			bare = (bare + server.CommitRate(b, workers)) / 2
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
