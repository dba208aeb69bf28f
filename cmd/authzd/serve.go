package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/config"
	"github.com/authzd/authzd/storage/bolt"
)

// drainTimeout is how long requests under way may take after SIGTERM.
const drainTimeout = 20 * time.Second

func newServeCommand() *cobra.Command {
	var file, data, bffAddress string
	var dev bool
	var o serveOptions
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "run the server",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			defer holdHangups()()
			if dev {
				d := development{file: file, data: data, bff: bffAddress, out: cmd.OutOrStdout(), log: cmd.ErrOrStderr()}
				return d.serve(cmd.Context())
			}
			if bffAddress != "" {
				return usageError{errors.New("--bff is for --dev"), `"authzd bff" runs cookie mode in front of apps`}
			}
			if data != "" {
				return usageError{errors.New("--data is for --dev"), "set storage.bolt.path in the configuration file"}
			}
			cfg, err := loadConfig(file)
			if err != nil {
				return err
			}
			o.log = cmd.ErrOrStderr()
			return serve(cmd.Context(), cfg, o)
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "configuration file (default ./authzd.yaml, else /etc/authzd/authzd.yaml)")
	cmd.Flags().BoolVar(&dev, "dev", false, "a demo set-up on this machine: no file needed")
	cmd.Flags().StringVar(&data, "data", "", "with --dev: keep the data in this folder")
	cmd.Flags().StringVar(&bffAddress, "bff", "", "with --dev: run a BFF too, with a playground in cookie mode at this `address`; default 127.0.0.1:9020")
	cmd.Flags().Lookup("bff").NoOptDefVal = devBFFAddress
	cmd.Flags().BoolVar(&o.allowNewDatabase, "new", false, "start with an empty database although an earlier one is missing")
	cmd.Flags().BoolVar(&o.allowEmptyDestination, "ship-anew", false, "begin again in a storage.bolt.ship.to that has lost what was shipped there")
	return cmd
}

// serveOptions are options that are not in a configuration.
type serveOptions struct {
	log   io.Writer
	dev   bool
	ready func() // called once when the server listens; nil: no call

	allowNewDatabase      bool // one may be made although the secret of an earlier one exists
	allowEmptyDestination bool // shipping may start over in a destination that has lost its objects
}

// serve runs until ctx ends, then drains. Only here are the parts put together.
func serve(ctx context.Context, cfg *config.Config, o serveOptions) (err error) {
	tune()
	logger, endLog, err := openLog(o.log, &cfg.Log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, endLog()) }()
	warnOfConfig(logger, cfg.Warnings)
	files := missingFiles(&cfg.Storage, cfg.SecretFile)
	if !o.dev && !o.allowNewDatabase {
		if err := checkThere(cfg); err != nil {
			return err
		}
	}
	store, err := openStore(ctx, &cfg.Storage, logger)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) { // asked to stop while it waited for the database
		logger.Info("stopped")
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	files = announce(logger, files, o.dev)
	if err := errors.Join(checkWhole(ctx, store, &cfg.Storage), checkOwner(ctx, store, &cfg.Storage, false)); err != nil {
		return err
	}
	secret, err := openSecret(ctx, cfg.SecretFile, &cfg.KMS, store)
	if err != nil {
		return err
	}
	announce(logger, files, o.dev)
	for _, warning := range secret.Warnings() {
		logger.Warn(warning)
	}
	warnOfExpired(logger, cfg.Clients)
	if !cfg.Mail.On() && !o.dev {
		logger.Info(noMail, "do", noMailHint)
	}
	serverConfig, err := authzConfig(cfg, o.dev)
	if err != nil {
		return err
	}
	serverConfig.Store, serverConfig.Secret, serverConfig.Logger = store, secret, logger
	if file, ok := store.(*bolt.Store); ok {
		serverConfig.File = boltFile{file}
	}
	registerStoreMetrics(serverConfig.Metrics, store)
	stopShipping, err := startShipping(ctx, cfg.Keeping(), store, secret, o.allowEmptyDestination, serverConfig.Metrics, logger) // before anything writes
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopShipping()) }()
	server, err := authz.New(ctx, serverConfig)
	if err != nil {
		return err
	}
	doors, err := openDoors(cfg, server, newWatch(serverConfig.Metrics, logger))
	if err != nil {
		return err
	}
	logger.Info("serving", "issuer", cfg.Issuer, "listen", cfg.Listen)
	if o.ready != nil {
		o.ready()
	}
	debug.FreeOSMemory() // memory of the start: a first one hashes the users' passwords
	err = runUntilDone(ctx, server, doors, cfg.ShutdownDelay, logger)
	logger.Info("stopped")
	return err
}

// service is what a process serves: an authorization server, or a BFF.
type service interface {
	Run(context.Context) error // its own work, until the context ends
	Drain()                    // makes the readiness probe fail
}

// runUntilDone serves on every door. When asked ends, it turns unready, and serves for the delay, so that
// load balancers send nothing new. Then, or if a door fails, it stops accepting, waits for running requests
// for drainTimeout at most, and returns. The server's own work ends last: it writes the last events of those
// requests to the audit log.
func runUntilDone(asked context.Context, server service, doors []door, delay time.Duration, logger *slog.Logger) error {
	group, ctx := errgroup.WithContext(asked)
	running, stopRunning := context.WithCancel(context.WithoutCancel(ctx))
	group.Go(func() error {
		if err := server.Run(running); !errors.Is(err, context.Canceled) {
			return err
		}
		return nil
	})
	for _, d := range doors {
		group.Go(func() error {
			if err := d.serve(); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("listener %s: %w", d.listener.Addr(), err)
			}
			return nil
		})
	}
	group.Go(func() error {
		defer stopRunning()
		<-ctx.Done()
		server.Drain()
		if asked.Err() != nil && delay > 0 {
			<-time.After(delay)
		}
		return drain(doors, drainTimeout, logger)
	})
	return group.Wait()
}
