package bolt_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

// BenchmarkRefresh does what a token refresh does to the store: one Apply that marks the presented
// refresh token as used and adds its successor. The same two writes are also measured as bare
// bbolt, one db.Update for each, and the metric "x-bare" is how many times as fast the store is.
func BenchmarkRefresh(b *testing.B) {
	for _, workers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			s := openStore(b, filepath.Join(b.TempDir(), "store.db"))
			chains := make([]*chain, workers)
			for i := range chains {
				chains[i] = startChain(b, s)
			}
			bare := bareRate(b, workers)

			var lone []time.Duration
			before := s.Stats()
			b.ResetTimer()
			start := time.Now()
			race(workers, b.N, func(w int) {
				t := time.Now()
				chains[w].refresh(b, s)
				if workers == 1 {
					lone = append(lone, time.Since(t))
				}
			})
			rate := float64(b.N) / time.Since(start).Seconds()
			b.StopTimer()
			after := s.Stats()
			bare = (bare + bareRate(b, workers)) / 2 // the machine may have other things to do
			b.ReportMetric(rate, "ops/s")
			b.ReportMetric(rate/bare, "x-bare")
			b.ReportMetric(float64(b.N)/float64(after.Groups-before.Groups), "ops/group")
			if workers == 1 {
				slices.Sort(lone)
				b.ReportMetric(float64(lone[len(lone)/2].Microseconds()), "µs-median")
			}
		})
	}
}

func BenchmarkGet(b *testing.B) {
	s := openStore(b, filepath.Join(b.TempDir(), "store.db"))
	c := startChain(b, s)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.Get(context.Background(), storage.RefreshTokens.Table, c.key); err != nil {
				b.Error(err)
			}
		}
	})
}

// chain is a refresh token family as the store sees it.
type chain struct {
	key  string
	n    uint64
	seed [8]byte
}

func startChain(t testing.TB, s *bolt.Store) *chain {
	c := &chain{}
	rand.Read(c.seed[:])
	c.key = c.hash()
	apply(t, s, storage.RefreshTokens.Put(c.key, &storage.RefreshToken{GrantID: c.hash()}, storage.Absent, in30Days()))
	return c
}

// hash returns a new key of the shape that token hashes have.
func (c *chain) hash() string {
	c.n++
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(c.seed[:], c.n))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func (c *chain) refresh(t testing.TB, s *bolt.Store) {
	rt, version, err := storage.RefreshTokens.Get(context.Background(), s, c.key)
	if err != nil {
		t.Error(err)
		return
	}
	now, next := time.Now().UTC(), c.hash()
	rt.UsedAt, rt.Next = &now, next
	apply(t, s,
		storage.RefreshTokens.Put(c.key, rt, storage.At(version), in30Days()),
		storage.RefreshTokens.Put(next, &storage.RefreshToken{GrantID: rt.GrantID}, storage.Absent, in30Days()))
	c.key = next
}

func in30Days() time.Time { return time.Now().Add(30 * 24 * time.Hour) }

// bareRate measures refreshes per second with one bbolt.Update per write.
func bareRate(b *testing.B, workers int) float64 {
	db, err := bbolt.Open(filepath.Join(b.TempDir(), "bare.db"), 0o600, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	bucket, value := []byte("b"), make([]byte, 120)
	put := func(key []byte) {
		err := db.Update(func(tx *bbolt.Tx) error {
			bucket, err := tx.CreateBucketIfNotExists(bucket)
			if err != nil {
				return err
			}
			return bucket.Put(key, value)
		})
		if err != nil {
			b.Error(err)
		}
	}
	n := 500
	if b.N == 1 { // it only proves that it runs
		n = workers
	}
	start := time.Now()
	race(workers, n, func(int) {
		old, next := make([]byte, 43), make([]byte, 43)
		rand.Read(old)
		rand.Read(next)
		put(old)
		put(next)
	})
	return float64(n) / time.Since(start).Seconds()
}

// race shares n calls of f among workers.
func race(workers, n int, f func(worker int)) {
	var left atomic.Int64
	left.Store(int64(n))
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				f(w)
			}
		})
	}
	wg.Wait()
}
