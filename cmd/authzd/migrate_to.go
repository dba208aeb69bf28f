package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/authzd/authzd/config"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

// migrateTo copies the store that the configuration names to another. That one must be empty, and is not used
// before it is complete.
func migrateTo(cmd *cobra.Command, cfg *config.Keeping, to string) error {
	ctx := cmd.Context()
	path, isBolt := strings.CutPrefix(to, "bolt:")
	isPostgres := strings.HasPrefix(to, "postgres://") || strings.HasPrefix(to, "postgresql://")
	if isBolt == isPostgres || isBolt && path == "" {
		return usageError{errors.New("--to does not name a database or a file"), "write it like postgres://authzd@db.example.com/authzd?sslmode=verify-full, or bolt:PATH"}
	}
	source, err := openOffline(ctx, &cfg.Storage)
	if errors.Is(err, bolt.ErrInUse) {
		return hinted{err, "stop the server: what it wrote meanwhile would be lost"}
	} else if err != nil {
		return err
	}
	defer source.Close() // it was only read
	if err := checkWhole(ctx, source, &cfg.Storage); err != nil {
		return err
	}
	if err := checkUnserved(ctx, source); err != nil {
		return err
	}
	p := newProgress(cmd.ErrOrStderr())
	defer p.end()
	f := filling{source.Export, time.Now(), true, p}
	if isBolt {
		_, err = f.intoBolt(ctx, path, false)
	} else {
		err = f.intoPostgres(ctx, to)
	}
	if err != nil {
		return err
	}
	p.end()
	next := "storage.postgres.url"
	if isBolt {
		next = "storage.bolt.path"
	}
	fmt.Fprintf(cmd.OutOrStdout(), "migrated: each table has the same count and digest on both sides\n")
	fmt.Fprintf(cmd.OutOrStdout(), "next, let %s name it, with the same secret_file and issuer; the source is unchanged\n", next)
	return nil
}

const (
	// leaseWatch is longer than the time between two renewals of a lease that a replica holds.
	leaseWatch = 7 * time.Second
	leaseLook  = 100 * time.Millisecond
)

// checkUnserved refuses a store on which a replica runs, which renews some lease every few seconds. A killed
// replica has left leases that nobody renews, so they are watched for a while. A stopped one has left none.
func checkUnserved(ctx context.Context, store storage.Store) error {
	before, err := leases(ctx, store)
	if err != nil || before == "" {
		return err
	}
	end, look := time.NewTimer(leaseWatch), time.NewTicker(leaseLook)
	defer end.Stop()
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-end.C:
			return nil
		case <-look.C:
		}
		if now, err := leases(ctx, store); err != nil {
			return err
		} else if now != before {
			return hinted{errors.New("a server is running on the store"), "stop every replica: what they wrote meanwhile would be lost"}
		}
	}
}

// leases returns a value that changes whenever a lease is taken, renewed or left.
func leases(ctx context.Context, store storage.Store) (string, error) {
	var b strings.Builder
	for rec, err := range storage.All(ctx, store, storage.Leases.Table, "") {
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "%s %d\n", rec.Key, rec.Version)
	}
	return b.String(), nil
}
