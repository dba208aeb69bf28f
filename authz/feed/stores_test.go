package feed_test

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/authzd/authzd/storage"
)

// away is a store that can be unreachable.
type away struct {
	storage.Store
	gone atomic.Bool
}

func (a *away) Scan(ctx context.Context, table storage.Table, prefix, after string, limit int) ([]storage.Record, error) {
	if a.gone.Load() {
		return nil, storage.ErrUnavailable
	}
	return a.Store.Scan(ctx, table, prefix, after, limit)
}

// slow is a store whose commits of revocations take a while, as with a distant or busy database.
type slow struct {
	storage.Store
	takes func() time.Duration
}

func (s slow) Apply(ctx context.Context, writes ...storage.Write) error {
	if writes[0].Table == storage.Revocations.Table {
		<-time.After(s.takes())
	}
	return s.Store.Apply(ctx, writes...)
}
