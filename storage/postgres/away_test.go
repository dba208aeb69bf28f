package postgres_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/postgres/pgtest"
)

// TestServerAway: no call waits for a server that does not come back, not even one whose caller would
// wait for ever.
func TestServerAway(t *testing.T) {
	server := pgtest.New(t, pgtest.Options{})
	s := open(t, server.URL("postgres"))
	defer s.Close()
	server.Stop()

	codes := storage.Codes.Table
	var wg sync.WaitGroup
	for name, call := range map[string]func(context.Context) error{
		"get":  func(ctx context.Context) error { _, err := s.Get(ctx, codes, "a"); return err },
		"scan": func(ctx context.Context) error { _, err := s.Scan(ctx, codes, "", "", 1); return err },
		"apply": func(ctx context.Context) error {
			return s.Apply(ctx, storage.Write{Table: codes, Key: "a", Value: []byte("b")})
		},
		"export": func(ctx context.Context) error {
			return s.Export(ctx, func(storage.Table, storage.Record) error { return nil })
		},
	} {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			begun := time.Now()
			if err := call(ctx); !errors.Is(err, storage.ErrUnavailable) {
				t.Errorf("%s: %v, want ErrUnavailable", name, err)
			}
			if waited := time.Since(begun); waited > time.Minute { // 5 s, on a machine that is not busy
				t.Errorf("%s gave up after %v", name, waited)
			}
		})
	}
	wg.Wait()
}
