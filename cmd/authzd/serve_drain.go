package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// drain stops accepting on every door and waits for running requests. After the limit it ends their
// connections: one slow client does not make an orderly stop a failure.
func drain(doors []door, limit time.Duration, logger *slog.Logger) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	errs := make([]error, len(doors))
	var all sync.WaitGroup
	for i, d := range doors {
		all.Go(func() {
			errs[i] = d.server.Shutdown(ctx)
			if !errors.Is(errs[i], context.DeadlineExceeded) {
				return
			}
			logger.Warn("requests did not end within the time for draining: their connections were closed",
				"listener", d.listener.Addr().String(), "after", limit.String())
			if errs[i] = d.server.Close(); errs[i] != nil {
				errs[i] = fmt.Errorf("listener %s: %w", d.listener.Addr(), errs[i])
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}
