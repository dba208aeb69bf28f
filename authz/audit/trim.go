package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/authzd/authzd/storage"
)

// trim drops the oldest blocks that are older than the log is kept. The head records that under its MAC, so
// the beginning of the log can't be forged without the secret. The last block stays.
func (l *Log) trim(ctx context.Context) error {
	if l.config.Keep == 0 {
		return nil
	}
	for {
		dropped, err := l.trimPage(ctx)
		if err != nil || dropped < pageBlocks {
			return err
		}
	}
}

func (l *Log) trimPage(ctx context.Context) (dropped int, err error) {
	head, version, damage, err := l.trustedHead(ctx)
	if err != nil || damage != "" { // seal will say so
		return 0, err
	}
	page, err := l.config.Store.Scan(ctx, storage.AuditBlocks.Table, "", blockKey(head.First-1), pageBlocks)
	if err != nil {
		return 0, err
	}
	limit := time.Now().Add(-l.config.Keep)
	var writes []storage.Write
	for _, rec := range page {
		block, err := storage.AuditBlocks.Entry(rec)
		if err != nil || rec.Key != blockKey(head.First) || head.First == head.Last || !block.Value.Sealed.Before(limit) {
			break // a damaged block stays, so that somebody can look at it
		}
		head.First++
		writes = append(writes, storage.Write{Table: storage.AuditBlocks.Table, Key: rec.Key, If: storage.At(rec.Version)})
	}
	if len(writes) == 0 {
		return 0, nil
	}
	err = l.config.Store.Apply(ctx, append(writes, l.putHeads(head, version)...)...)
	if storage.IsConflict(err) { // another replica does it
		return 0, nil
	} else if err != nil {
		return 0, fmt.Errorf("drop old audit blocks: %w", err)
	}
	return len(writes), nil
}
