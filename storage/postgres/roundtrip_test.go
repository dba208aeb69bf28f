package postgres

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/postgres/pgtest"
)

// TestRoundTrips: each call needs one round trip, even with much to send, as soon as its connection
// knows the statements. Only a lost condition costs another, to end the transaction.
func TestRoundTrips(t *testing.T) {
	config, err := parse(pgtest.Database(t), Options{MaxConnections: 1})
	if err != nil {
		t.Fatal(err)
	}
	var trips atomic.Int64
	dial := config.ConnConfig.DialFunc
	config.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		return &counted{Conn: conn, trips: &trips}, err
	}
	s, err := openWith(t.Context(), config, Options{Logger: slog.New(slog.DiscardHandler), SweepEvery: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()

	write := func(key string, cond storage.Condition) storage.Write {
		return storage.Write{Table: storage.Codes.Table, Key: key, Value: []byte("v"), If: cond}
	}
	apply := func(writes ...storage.Write) func() error {
		return func() error { return s.Apply(t.Context(), writes...) }
	}
	for _, call := range []struct {
		name string
		run  func() error
		want int64
	}{
		{"get", func() error { _, err := s.Get(t.Context(), storage.Codes.Table, "none"); return err }, 1},
		{"scan", func() error { _, err := s.Scan(t.Context(), storage.Codes.Table, "", "", 10); return err }, 1},
		{"ready", func() error { return s.Ready(t.Context()) }, 1},
		{"one write", apply(write("a", storage.Any)), 1},
		{"three writes", apply(write("a", storage.Any), write("b", storage.Any), storage.Write{Table: storage.Grants.Table, Key: "c", If: storage.Any}), 1},
		{"lost condition", apply(write("a", storage.Absent)), 1},
		{"lost condition of several", apply(write("a", storage.Any), write("b", storage.At(1))), 2},
		{"after it", apply(write("a", storage.Any), write("b", storage.Any)), 1},
	} {
		for range 2 { // the first time, statements are prepared
			trips.Store(0)
			err := call.run()
			if err != nil && !errors.Is(err, storage.ErrNotFound) && !storage.IsConflict(err) {
				t.Fatalf("%s: %v", call.name, err)
			}
		}
		if n := trips.Load(); n != call.want {
			t.Errorf("%s: %d round trips, want %d", call.name, n, call.want)
		}
	}
}

// counted counts how often a connection is written to after it was read from.
type counted struct {
	net.Conn
	trips   *atomic.Int64
	written atomic.Bool
}

func (c *counted) Write(b []byte) (int, error) {
	if !c.written.Swap(true) {
		c.trips.Add(1)
	}
	return c.Conn.Write(b)
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.written.Store(false)
	}
	return n, err
}
