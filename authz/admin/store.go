package admin

import (
	"context"
	"time"
)

// Store is the state of what everything is kept in.
type Store struct {
	Format     int         `json:"format"`               // of the records
	FileBytes  int64       `json:"file_bytes,omitempty"` // of the embedded database; absent: it is another one
	FreeBytes  int64       `json:"free_bytes,omitempty"` // of these, free for new records
	Compacting bool        `json:"compacting,omitempty"` // under way
	Compaction *Compaction `json:"compaction,omitempty"` // the last that an operator asked of this process
	Secrets    []Secret    `json:"secrets"`              // the newest first
}

// Compaction is one that has ended.
type Compaction struct {
	EndedAt      time.Time `json:"ended_at"`
	BeforeBytes  int64     `json:"before_bytes"`
	AfterBytes   int64     `json:"after_bytes"`
	WritesWaited string    `json:"writes_waited,omitempty"` // a Go duration
	Error        string    `json:"error,omitempty"`         // why everything is as it was
}

// Secret is a server secret, by which records are sealed.
type Secret struct {
	ID        string     `json:"id"`                  // names it and tells nothing else about it
	Newest    bool       `json:"newest,omitempty"`    // what is sealed anew is sealed under it
	Listed    bool       `json:"listed"`              // in secret_file of this process
	Records   int        `json:"records"`             // that are sealed under it
	Removable bool       `json:"removable,omitempty"` // from secret_file: nothing needs it any more
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
