// Package upkeep is what every store of authzd needs, that of a server and that of a BFF, and what operators may do with
// it: its audit log, backups, compaction, and the rotation of the secret that seals its records.
//
//	admin.Handler ─> Routes: audit.go, backup.go, store.go ─> one Apply, with its event
//
//	Run ─┬─ every replica: seals records again, writes noted events, compacts when asked, misses the file
//	     └─ one replica, by a lease: seals the audit log, makes scheduled backups
package upkeep

import (
	"context"
	"log/slog"

	"golang.org/x/sync/errgroup"

	"github.com/authzd/authzd/authz/admin"
	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/backup"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/lease"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/storage"
)

// Config is the input of New.
type Config struct {
	Store    storage.Store
	File     StoreFile // of the store; nil: it is not one file
	Issuer   string    // in the header of backups
	Secret   *keys.Secret
	Sealing  *keys.Sealing
	Audit    *audit.Log
	Observer *observe.Observer
	Logger   *slog.Logger

	// Did returns the writes that record what the caller of the admin API has done.
	Did func(ctx context.Context, c *admin.Call, e audit.Event) []storage.Write

	// Backup says where scheduled backups go, and when; New fills in its functions. nil: none are made.
	Backup *backup.Config
}

// Upkeep looks after one store.
type Upkeep struct {
	Config
	backups   *backup.Schedule // nil: none are made
	compactor compactor
}

// New returns the upkeep of a store. Call Run too.
func New(c Config) (*Upkeep, error) {
	u := &Upkeep{Config: c}
	u.compactor.asked = make(chan struct{}, 1)
	if c.Backup == nil {
		return u, nil
	}
	scheduled := *c.Backup
	scheduled.Write, scheduled.Logger = u.scheduledBackup, c.Logger
	u.backups = backup.New(scheduled)
	return u, u.showBackups()
}

// Names of leases. The replica that holds a lease does the work for all replicas.
const (
	leaseAudit  = "audit log" // sealing it
	leaseBackup = "backup"    // making backups
)

// Run does the work in the background until ctx ends, and returns the first error, or that of ctx.
func (u *Upkeep) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return u.Sealing.Run(ctx) })
	group.Go(func() error { return u.compact(ctx) })
	group.Go(func() error { return u.watchFile(ctx) })
	group.Go(func() error { return u.Audit.Run(ctx) })
	group.Go(func() error { return lease.Run(ctx, u.Store, leaseAudit, u.Audit.Seal) })
	if u.backups != nil {
		group.Go(func() error { return lease.Run(ctx, u.Store, leaseBackup, u.backups.Run) })
	}
	return group.Wait()
}

// watchFile raises an alarm if the file of the store disappears.
func (u *Upkeep) watchFile(ctx context.Context) error {
	if u.File == nil {
		return nil
	}
	if lost := u.File.Lost(ctx); lost != nil {
		u.Observer.Alarm(ctx, observe.DatabaseLost, slog.String("found", lost.Error()))
	}
	return nil
}

// Routes returns the operations of the admin API that concern the store.
func (u *Upkeep) Routes() []admin.Route {
	route := admin.NewRoute
	return []admin.Route{
		route("backup", "GET", "/v1/backup", "A backup of everything that is stored, as it is now.", admin.Stream("application/octet-stream", u.takeBackup)),

		route("store_read", "GET", "/v1/store", "The store: its format, size, and the secrets that it needs.", admin.Read(u.readStore)),
		route("store_compact", "POST", "/v1/store/compact", "Begins to compact the embedded database.", admin.Do(u.compactStore)),

		route("audit_list", "GET", "/v1/audit/events", "Events of the audit log, the newest first.", admin.List(u.listAuditEvents), auditParams...),
		route("audit_verify", "GET", "/v1/audit/verify", "Checks some hundred blocks of the audit log.", admin.Read(u.verifyAuditLog), "after", "pin"),
		route("audit_export", "GET", "/v1/audit/export", "The audit log, with all that is needed to verify it.", admin.Stream("application/jsonl", u.exportAuditLog), "since"),
	}
}
