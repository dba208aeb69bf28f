package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"filippo.io/age"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/outbound"
	"github.com/authzd/authzd/config"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/archive"
	"github.com/authzd/authzd/storage/bolt"
	"github.com/authzd/authzd/storage/ship"
)

// shipFolder has the spool of a database and the id of its node.
func shipFolder(cfg *config.Keeping) string { return cfg.Storage.Bolt.Path + ".ship" }

// openDestination opens a destination. It reaches a bucket as the configuration says.
func openDestination(cfg *config.Keeping, to string) (ship.Destination, error) {
	s3 := &cfg.Storage.Bolt.Ship.S3
	roots, err := outbound.Roots(cfg.Outbound.CAFile)
	if err != nil {
		return nil, fmt.Errorf("outbound: %w", err)
	}
	return ship.Open(to, ship.S3{
		Endpoint:        s3.Endpoint,
		Region:          s3.Region,
		AccessKeyID:     s3.AccessKeyID,
		SecretAccessKey: string(s3.SecretAccessKey),
		PathStyle:       s3.PathStyle,
		RootCAs:         roots,
	})
}

// shipSecret signs and verifies shipped objects.
func shipSecret(secret *keys.Secret) ship.Secret {
	return ship.Secret{ID: secret.ID(), Knows: secret.Knows, MACs: secret.ShipMACs()}
}

// readShipSecret reads the secret for the objects in a destination.
func readShipSecret(cfg *config.Keeping) (*keys.Secret, error) {
	secret, err := readSecret(cfg)
	if err != nil {
		return nil, hinted{err, "put the secret of the server that shipped there; it does not ship its secret"}
	}
	return secret, nil
}

// startShipping ships later commits, if the configuration says so. stop ships the rest. allowEmptyDestination
// is ship.Config's.
func startShipping(ctx context.Context, cfg *config.Keeping, store storage.Store, secret *keys.Secret, allowEmptyDestination bool, metrics *prometheus.Registry, logger *slog.Logger) (stop func() error, err error) {
	s := &cfg.Storage.Bolt.Ship
	engine, isBolt := store.(*bolt.Store)
	if !isBolt {
		return func() error { return nil }, nil
	}
	if err := ship.CheckNoStandby(shipFolder(cfg)); err != nil {
		return nil, hinted{err, `run "authzd promote", which makes it a primary; if its primary and destination are lost for good, remove that file`}
	}
	if s.To == "" {
		return func() error { return nil }, nil
	}
	to, err := openDestination(cfg, s.To)
	if err != nil {
		return nil, err
	}
	var recipients []age.Recipient
	if recipients, err = parseRecipients(s.Recipients); err != nil {
		return nil, err
	}
	shipper, err := ship.New(ctx, ship.Config{
		Store:         engine,
		To:            to,
		Secret:        shipSecret(secret),
		Folder:        shipFolder(cfg),
		Every:         s.Every,
		SnapshotEvery: s.SnapshotEvery,
		Keep:          s.Keep,
		SpoolBytes:    int64(*s.SpoolMiB) << 20,
		Recipients:    recipients,
		Logger:        logger,

		AllowEmptyDestination: allowEmptyDestination,
	})
	if errors.As(err, new(*ship.FencedError)) {
		return nil, hinted{err, `if that one is gone for good and this database is to be served, run "authzd promote"; to follow it, move the database away and run "authzd standby"; else ship to another place`}
	}
	if err != nil {
		return nil, err
	}
	registerShipMetrics(metrics, shipper)
	// It goes on while the server drains. Call stop when nothing writes any more.
	running, end := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- shipper.Run(running) }()
	return func() error {
		end()
		return <-ended
	}, nil
}

func registerShipMetrics(registry *prometheus.Registry, shipper *ship.Shipper) {
	gauge := func(name, help string, value func(ship.Status) float64) {
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "authzd_ship_" + name, Help: help},
			func() float64 { return value(shipper.Status()) }))
	}
	counter := func(name, help string, value func(ship.Status) float64) {
		registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "authzd_ship_" + name, Help: help},
			func() float64 { return value(shipper.Status()) }))
	}
	gauge("lag_seconds", "Age of the oldest change that is not shipped.", func(s ship.Status) float64 { return s.Lag.Seconds() })
	gauge("lag_bytes", "Bytes of changes that are not shipped.", func(s ship.Status) float64 { return float64(s.LagBytes) })
	gauge("failing", "1 if the last request to the destination failed.", func(s ship.Status) float64 { return oneIf(s.Failing != nil) })
	gauge("fenced", "1 if another authzd has taken over, and this one writes no more.", func(s ship.Status) float64 { return oneIf(s.Fenced != nil) })
	counter("segments_total", "Segments that this process has shipped.", func(s ship.Status) float64 { return float64(s.Segments) })
	counter("failures_total", "Requests to the destination that failed.", func(s ship.Status) float64 { return float64(s.Failures) })
	counter("spool_full_total", "Times that shipping had to start over because the spool was full.", func(s ship.Status) float64 { return float64(s.SpoolFull) })
}

func oneIf(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// restoreShipped makes a database from what was shipped, as of a moment (zero: the last), and puts it in the
// place of the existing one.
func (job *restoreJob) restoreShipped(ctx context.Context, cfg *config.Keeping, identities []age.Identity) (r ship.Restored, kept string, err error) {
	if cfg.Storage.Postgres.URL != "" {
		return r, "", usageError{errors.New("what was shipped is a bolt database"), `restore it under a configuration with storage.bolt, then use "authzd migrate --to"`}
	}
	from, err := openDestination(cfg, job.from)
	if err != nil {
		return r, "", usageError{err, "name a directory, or s3://bucket/prefix"}
	}
	secret, err := readShipSecret(cfg)
	if err != nil {
		return r, "", err
	}
	path := bolt.Resolve(cfg.Storage.Bolt.Path)
	old, err := openReplaced(ctx, path, job.replace)
	if err != nil {
		return r, "", err
	}
	defer old.close() // as long as it is open, no server starts on it
	part := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".restored")
	if err := os.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) { // left by a process that was killed
		return r, "", err
	}
	r, err = ship.Restore(ctx, ship.RestoreConfig{From: from, Secret: shipSecret(secret), Identities: identities, At: job.at, Path: part})
	if err == nil {
		err = checkOpens(ctx, part, secret)
	}
	if err != nil {
		return r, "", explainRestore(err)
	}
	if err := ship.Forget(shipFolder(cfg)); err != nil {
		return r, "", err
	}
	kept, err = old.replaceBy(part, path)
	return r, kept, err
}

// checkOpens removes a restored database if the secret does not open it.
func checkOpens(ctx context.Context, path string, secret *keys.Secret) error {
	store, err := bolt.Open(path, bolt.Options{Follow: true}) // it is only read
	if err != nil {
		return err
	}
	if err = errors.Join(keys.CheckOpens(ctx, store, secret), store.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

func explainRestore(err error) error {
	if gap := new(ship.GapError); errors.As(err, &gap) {
		near := gap.Until
		if near.IsZero() {
			near = gap.From
		}
		return hinted{err, "--at " + near.UTC().Format(time.RFC3339Nano)}
	}
	hint := ""
	switch {
	case errors.Is(err, ship.ErrOtherSecret), errors.Is(err, keys.ErrUnknownSecret):
		hint = "name the secret of the server that shipped it by secret_file, after the current one if it was replaced since; if it is listed, somebody else wrote there"
	case errors.Is(err, ship.ErrDamaged), errors.Is(err, ship.ErrLost):
		hint = "put that object back (an older version of it in the bucket, another copy of the directory), or restore an earlier moment by --at"
	case errors.Is(err, archive.ErrEncrypted), errors.Is(err, archive.ErrWrongKey):
		hint = "give the private key of one of storage.bolt.ship.recipients by --identity"
	}
	return hinted{err, hint}
}

func (job *restoreJob) runFrom(cmd *cobra.Command) error {
	cfg, err := job.of.load(job.configFile)
	if err != nil {
		return err
	}
	identities, err := job.decryption.identities(cmd)
	if err != nil {
		return err
	}
	r, kept, err := job.restoreShipped(cmd.Context(), cfg.Keeping, identities)
	if err != nil {
		return err
	}
	if kept != "" {
		fmt.Fprintf(cmd.OutOrStdout(), "the old database is now %s\n", kept)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "restored the state of %s: group %d, %d bytes\n", r.Until.Local().Format("2006-01-02 15:04:05.000"), r.Position.Sequence, r.Bytes)
	return nil
}
