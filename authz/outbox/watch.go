package outbox

import (
	"context"
	"slices"

	"github.com/authzd/authzd/storage"
)

// Watch returns the store for all who may put deliveries into it: wake is called after each Apply that has stored one,
// so that nobody can forget it. The outbox itself uses the store below, since it moves the records that are there.
func Watch(store storage.Store, wake func()) storage.Store { return &watched{store, wake} }

type watched struct {
	storage.Store
	wake func()
}

// Apply is that of the store.
func (w *watched) Apply(ctx context.Context, writes ...storage.Write) error {
	err := w.Store.Apply(ctx, writes...)
	if err == nil && slices.ContainsFunc(writes, isDelivery) {
		w.wake()
	}
	return err
}

func isDelivery(w storage.Write) bool { return w.Table == storage.Deliveries.Table && w.Value != nil }
