package archive

import (
	"context"

	"github.com/authzd/authzd/storage"
)

// Checked is a store whose export ends with an error at the first damaged record, because a backup with it
// would replace a good one.
type Checked struct{ Exporter }

// Export implements Exporter.
func (c Checked) Export(ctx context.Context, fn func(storage.Table, storage.Record) error) error {
	return c.Exporter.Export(ctx, func(table storage.Table, rec storage.Record) error {
		if err := storage.CheckRecord(table, rec); err != nil {
			return err
		}
		return fn(table, rec)
	})
}
