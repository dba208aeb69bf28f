package outbox

import (
	"context"
	"slices"
	"strings"

	"github.com/authzd/authzd/storage"
)

// List returns up to limit deliveries with keys after a key, "" for the first: those that wait, the next that is due
// first, or those of the last seven days that were given up, the oldest first. It leaves out damaged records, so it
// returns the key to go on after too, "" at the end.
func (o *Outbox) List(ctx context.Context, givenUp bool, after string, limit int) (found []storage.Entry[storage.Delivery], next string, err error) {
	prefix := ""
	if givenUp {
		prefix = storage.FailedDeliveries
	}
	records, err := o.config.Store.Scan(ctx, storage.Deliveries.Table, prefix, after, limit)
	if err != nil {
		return nil, "", err
	}
	if len(records) == limit {
		next = records[limit-1].Key
	}
	if i := slices.IndexFunc(records, func(rec storage.Record) bool { return strings.HasPrefix(rec.Key, storage.FailedDeliveries) }); i >= 0 && !givenUp {
		records, next = records[:i], ""
	}
	for _, rec := range records {
		if e, err := decode(rec); err == nil {
			found = append(found, e)
		}
	}
	return found, next, nil
}
