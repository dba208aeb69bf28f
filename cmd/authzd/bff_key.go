package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/bff/provider"
	"github.com/authzd/authzd/config"
)

// clientKey is the key of a BFF's client in a process.
type clientKey struct {
	*provider.Key
	every    time.Duration                   // it is rotated by itself; 0: it is not
	announce func(ctx context.Context) error // records the newest key
	logger   *slog.Logger
}

// openKey opens the key of the client, and makes one if there is none.
func (p *bffProcess) openKey(cfg *config.BFF) (*clientKey, error) {
	isNew := missing(cfg.KeyFile)
	key, err := provider.OpenKey(cfg.KeyFile)
	if err != nil {
		return nil, err
	}
	k := &clientKey{Key: key, every: cfg.ClientAuthentication.RotateEvery, logger: p.logger}
	k.announce = func(ctx context.Context) error {
		if p.upkeep == nil { // the log line is the record
			return nil
		}
		kid, from := key.Newest()
		e := audit.Event{
			Type: audit.KeyRotated, Outcome: audit.Success, Actor: audit.Actor{Kind: audit.ByServer}, ClientID: cfg.ClientID,
			Details: map[string]string{"key": "client", "alg": "ES256", "kid": kid},
		}
		if !from.IsZero() {
			e.Details["sign_from"] = from.Format(time.RFC3339)
		}
		return p.upkeep.Store.Apply(ctx, p.upkeep.Audit.Put(ctx, e))
	}
	if isNew {
		err = k.announce(context.Background())
	}
	return k, err
}

// run reads the file when it changes, and rotates it if that is wanted, until ctx ends.
func (k *clientKey) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		k.Follow(ctx, func(err error) {
			if err != nil {
				k.logger.Error("the changed key of the client cannot be used; the one of before is", "err", err)
				return
			}
			kid, from := k.Newest()
			k.logger.Info("the client has another key", "kid", kid, "sign_from", from)
			if err := k.announce(ctx); err != nil {
				k.logger.Error("the key of the client is not in the audit log", "err", err)
			}
		})
		return ctx.Err()
	})
	if k.every > 0 {
		group.Go(func() error {
			k.RotateEvery(ctx, k.every, func(err error) { k.logger.Error("the key of the client was not rotated", "err", err) })
			return ctx.Err()
		})
	}
	return group.Wait()
}

func newBFFKeyCommand() *cobra.Command {
	return newSubgroup("key", "the key of the BFF's client: rotate", newBFFKeyRotateCommand())
}

func newBFFKeyRotateCommand() *cobra.Command {
	var file string
	var after time.Duration
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "add a new key of the client, which signs after a while",
		Long: `Add a new key to key_file. A BFF that runs notices it within a minute: /bff/jwks.json has both keys then.
The new one signs after --after, and the older one is left out an hour later. Replicas need the same file.
If the client is registered with jwks in place of jwks_uri, register what "authzd bff jwks" prints before.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, cfg, err := loadBFF(file)
			if err != nil {
				return err
			}
			if cfg.KeyFile == "" {
				return usageError{fmt.Errorf("there is no key: the client authenticates by %s", cfg.ClientAuthentication.Method), "only private_key_jwt needs one"}
			}
			if after < 0 {
				return usageError{fmt.Errorf("--after %s is in the past", after), "0s lets the new key sign at once"}
			}
			from := time.Now().Add(after)
			kid, err := provider.RotateKeyFile(cfg.KeyFile, from)
			if errors.Is(err, provider.ErrRotating) {
				return hinted{err, "wait until it signs"}
			} else if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "the new key %s signs from %s\n", kid, when(from))
			return nil
		},
	}
	theBFF.addConfigFlag(cmd, &file)
	cmd.Flags().DurationVar(&after, "after", provider.KeyAnnounce, "how long the new key is published before it signs")
	return cmd
}
