package authz_test

import (
	"context"
	"io"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
	"github.com/authzd/authzd/storage/ship"
)

// BenchmarkShippingAndAudit puts two servers on bolt to work in turns: one that ships what it commits and
// keeps the audit log, and one that does neither. The metric "%-cost" is how much slower the first one is.
func BenchmarkShippingAndAudit(b *testing.B) {
	plain := durableServer(b, func(s *bolt.Store) storage.Store { return unaudited{s} })
	durable := durableServer(b, func(s *bolt.Store) storage.Store { shipTo(b, b.TempDir(), s); return s })
	for _, s := range []struct {
		name    string
		prepare func(*caller) func()
	}{{"refresh", (*caller).refresh}, {"code", (*caller).code}} {
		b.Run(s.name, func(b *testing.B) {
			const workers, turn = 16, 500 * time.Millisecond
			var operations [2][]func()
			for i, server := range []*authztest.Server{plain, durable} {
				cookies := signIn(b, server)
				for range workers {
					operations[i] = append(operations[i], s.prepare(&caller{b, server, cookies}))
				}
			}
			var rates [2][]float64
			for b.Loop() {
				for i := range operations {
					rates[i] = append(rates[i], rateFor(turn, operations[i]))
				}
			}
			without, with := median(rates[0]), median(rates[1])
			b.ReportMetric(without, "ops/s-without")
			b.ReportMetric(with, "ops/s-with")
			b.ReportMetric(100*(1-with/without), "%-cost")
		})
	}
}

func durableServer(b *testing.B, wrap func(*bolt.Store) storage.Store) *authztest.Server {
	s, err := bolt.Open(filepath.Join(b.TempDir(), "authzd.db"), bolt.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	logger, err := observe.NewLogger(io.Discard, "info", "json")
	if err != nil {
		b.Fatal(err)
	}
	signing := authz.DefaultSigning
	signing.Alg = "ES256"
	return authztest.Start(b, authz.Config{Signing: signing, Logger: logger, Store: wrap(s)}, nil)
}

// shipTo ships what s commits, as often as the configuration has it if it says nothing else.
func shipTo(b *testing.B, dir string, s *bolt.Store) {
	to, err := ship.Open(filepath.Join(dir, "shipped"), ship.S3{})
	if err == nil {
		err = ship.Make(to)
	}
	if err != nil {
		b.Fatal(err)
	}
	secret, err := keys.NewSecret(make([]byte, 32))
	if err != nil {
		b.Fatal(err)
	}
	shipper, err := ship.New(b.Context(), ship.Config{
		Store: s, To: to, Secret: ship.Secret{ID: secret.ID(), Knows: secret.Knows, MACs: secret.ShipMACs()}, Folder: filepath.Join(dir, "spool"),
		Every: time.Second, SnapshotEvery: time.Hour, Keep: time.Hour, SpoolBytes: 1 << 30,
	})
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(b.Context()))
	ended := make(chan error)
	go func() { ended <- shipper.Run(ctx) }()
	b.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	})
}

// unaudited is a store that forgets what happened.
type unaudited struct{ storage.Store }

func (u unaudited) Apply(ctx context.Context, writes ...storage.Write) error {
	return u.Store.Apply(ctx, slices.DeleteFunc(slices.Clone(writes), func(w storage.Write) bool {
		return w.Table == storage.AuditEvents.Table
	})...)
}

// rateFor is how often a second the operations were done, all of them at once, for so long.
func rateFor(turn time.Duration, operations []func()) float64 {
	began := time.Now()
	var all sync.WaitGroup
	done := make([]int, len(operations))
	for i, operation := range operations {
		all.Go(func() {
			for ; time.Since(began) < turn; done[i]++ {
				operation()
			}
		})
	}
	all.Wait()
	sum := 0
	for _, n := range done {
		sum += n
	}
	return float64(sum) / time.Since(began).Seconds()
}

func median(rates []float64) float64 {
	slices.Sort(rates)
	return rates[len(rates)/2]
}
