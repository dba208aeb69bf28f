package ship

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

// BenchmarkShipping does what refreshes do to a store, in turns with and without shipping, and the
// metric "%-cost" is how much slower it is with it.
func BenchmarkShipping(b *testing.B) {
	const workers, turn = 16, 300 * time.Millisecond
	var rates [2][]float64
	var stores [2]*bolt.Store
	for i := range stores {
		path := filepath.Join(b.TempDir(), "store.db")
		s, err := bolt.Open(path, bolt.Options{})
		if err != nil {
			b.Fatal(err)
		}
		defer s.Close()
		if stores[i] = s; i == 0 {
			continue
		}
		c := config(directory(b.TempDir()), path)
		c.Store, c.Every = s, time.Second
		shipper, err := New(b.Context(), c)
		if err != nil {
			b.Fatal(err)
		}
		ctx, stop := context.WithCancel(b.Context())
		ended := make(chan error)
		go func() { ended <- shipper.Run(ctx) }()
		defer func() {
			stop()
			<-ended
		}()
	}
	var n atomic.Int64
	for b.Loop() {
		for i, s := range stores {
			before, began := n.Load(), time.Now()
			var all sync.WaitGroup
			for range workers {
				all.Go(func() {
					for time.Since(began) < turn {
						refresh(b, s, n.Add(1))
					}
				})
			}
			all.Wait()
			rates[i] = append(rates[i], float64(n.Load()-before)/time.Since(began).Seconds())
		}
	}
	without, with := median(rates[0]), median(rates[1])
	b.ReportMetric(without, "refreshes/s-without")
	b.ReportMetric(with, "refreshes/s-with")
	b.ReportMetric(100*(1-with/without), "%-cost")
}

// refresh marks a token as used and adds its successor, keys as long and as scattered as hashes.
func refresh(b *testing.B, s *bolt.Store, n int64) {
	key := func(n int64) string { return fmt.Sprintf("%016x%027x", uint64(n)*0x9e3779b97f4a7c15, n) }
	put := func(n int64) storage.Write {
		return storage.RefreshTokens.Put(key(n), &storage.RefreshToken{GrantID: key(-n), Next: key(n + 1)}, storage.Any, time.Now().Add(time.Hour))
	}
	if err := s.Apply(b.Context(), put(n), put(n+1<<32)); err != nil {
		b.Error(err)
	}
}

func median(rates []float64) float64 {
	slices.Sort(rates)
	return rates[len(rates)/2]
}
