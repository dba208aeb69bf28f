package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/authzd/authzd/authz/admin"
	"github.com/authzd/authzd/storage/bolt"
)

// compactPoll is how often the command asks whether a compaction has ended.
const compactPoll = 200 * time.Millisecond

// boltFile is the file of a bolt store, as the admin API knows it.
type boltFile struct{ *bolt.Store }

func (f boltFile) Size() (bytes, free int64) {
	st := f.Stats()
	return st.FileBytes, st.FreeBytes
}

func (f boltFile) Compact(ctx context.Context) (waited time.Duration, err error) {
	done, err := f.Store.Compact(ctx)
	return done.Pause, err
}

func newCompactCommand(of *program) *cobra.Command {
	r := &remote{of: of}
	cmd := &cobra.Command{
		Use:   "compact",
		Short: "make the embedded database of the running server as small as its records are",
		Long: `Make the embedded database of the running server as small as its records are. The server goes on
meanwhile; writes wait once, for milliseconds. The disk must have room for the copy.`,
		Args: cobra.NoArgs,
		RunE: r.run(func(ctx context.Context, c *admin.Client, p *printer, _ []string) error {
			done, err := compact(ctx, c)
			if err != nil {
				return err
			}
			if p.json {
				return p.encode(done)
			}
			p.done("%d bytes, were %d; writes waited %s", done.AfterBytes, done.BeforeBytes, done.WritesWaited)
			return nil
		}),
	}
	r.addTo(cmd)
	return cmd
}

// compact begins a compaction, and waits for its end.
func compact(ctx context.Context, server *admin.Client) (*admin.Compaction, error) {
	if err := server.CompactStore(ctx); err != nil {
		return nil, err
	}
	ticker := time.NewTicker(compactPoll)
	defer ticker.Stop()
	for {
		store, err := server.ReadStore(ctx)
		if err != nil {
			return nil, err
		}
		if done := store.Compaction; !store.Compacting && done != nil {
			if done.Error != "" {
				return nil, errors.New(done.Error)
			}
			return done, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-ticker.C:
		}
	}
}

func newSecretStatusCommand(of *program) *cobra.Command {
	r := &remote{of: of}
	cmd := &cobra.Command{
		Use:   "status",
		Short: "ask the running server which of its secrets are still needed",
		Args:  cobra.NoArgs,
		RunE: r.run(func(ctx context.Context, c *admin.Client, p *printer, _ []string) error {
			store, err := c.ReadStore(ctx)
			if err != nil {
				return err
			}
			if p.json {
				return p.encode(store.Secrets)
			}
			w := tabwriter.NewWriter(p.w, 0, 0, 2, ' ', 0)
			for _, s := range store.Secrets {
				fmt.Fprintf(w, "%s\t%d records\t%s\n", s.ID, s.Records, secretState(s))
			}
			return w.Flush()
		}),
	}
	r.addTo(cmd)
	return cmd
}

func secretState(s admin.Secret) string {
	switch {
	case s.Newest && !s.Listed:
		return "newest, not listed here"
	case s.Newest:
		return "newest"
	case s.Removable:
		return "may be removed"
	case !s.Listed:
		return "not listed"
	case s.Since == nil:
		return "listed for later"
	}
	return "still needed"
}
