package admin

import (
	"context"
	"time"
)

// Store is the state of the database.
type Store struct {
	Format     int         `json:"format"`               // of the records
	FileBytes  int64       `json:"file_bytes,omitempty"` // of the embedded database; absent with another engine
	FreeBytes  int64       `json:"free_bytes,omitempty"` // the free part of it
	Compacting bool        `json:"compacting,omitempty"` // under way
	Compaction *Compaction `json:"compaction,omitempty"` // the last one that an operator requested from this process
	Secrets    []Secret    `json:"secrets"`              // the newest first
}

// Compaction is a finished compaction.
type Compaction struct {
	EndedAt      time.Time `json:"ended_at"`
	BeforeBytes  int64     `json:"before_bytes"`
	AfterBytes   int64     `json:"after_bytes"`
	WritesWaited string    `json:"writes_waited,omitempty"` // a Go duration
	Error        string    `json:"error,omitempty"`         // why nothing was changed
}

// Secret is a server secret, which seals records.
type Secret struct {
	ID        string     `json:"id"`                  // its name, which reveals nothing else
	Newest    bool       `json:"newest,omitempty"`    // records are sealed under it
	Listed    bool       `json:"listed"`              // in secret_file of this process
	Records   int        `json:"records"`             // sealed under it
	Removable bool       `json:"removable,omitempty"` // from secret_file, because nothing needs it any more
	Since     *time.Time `json:"since,omitempty"`     // when it became the newest
}

// ReadStore returns the state of the store.
func (c *Client) ReadStore(ctx context.Context) (*Store, error) {
	store := new(Store)
	return store, c.do(ctx, "GET", "/v1/store", nil, nil, nil, store)
}

// CompactStore begins a compaction of the embedded database, and does not wait for its end.
func (c *Client) CompactStore(ctx context.Context) error {
	return c.do(ctx, "POST", "/v1/store/compact", nil, nil, nil, nil)
}
