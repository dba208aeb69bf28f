package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/authzd/authzd/config"
)

// restoreJob has the arguments of a restore.
type restoreJob struct {
	of         *program
	configFile string
	decryption decryptionFlags
	replace    bool
	from       string // a destination of storage.bolt.ship; empty: a backup file
	at         time.Time
}

func newRestoreCommand(of *program) *cobra.Command {
	job := restoreJob{of: of}
	cmd := &cobra.Command{
		Use:   "restore FILE | restore --from DIR|s3://BUCKET/PREFIX [--at TIME]",
		Short: "fill the store from a backup, or from what was shipped",
		Long: `Fill the store that the configuration names with what a backup holds. The whole backup is checked
before anything is touched; the store must be empty, and no server may run on it. If it is interrupted,
run it again.

With --from, what storage.bolt.ship has kept elsewhere is brought back, as it was at any moment or as it
was last. A bucket is reached with the keys of storage.bolt.ship.s3. If another machine has shipped it,
run "authzd promote" next, so that this one may go on shipping and that one may not.

The secret file must be that of the server that made the backup.`,
		Example: `  authzd restore monday.backup
  authzd restore --from s3://backups/authzd
  authzd restore --from /mnt/backup/authzd --at 2026-02-03T04:05:06Z --replace`,
		Args: func(cmd *cobra.Command, args []string) error {
			if job.from != "" {
				return cobra.NoArgs(cmd, args)
			}
			return cobra.ExactArgs(1)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if job.from != "" {
				return job.runFrom(cmd)
			}
			if !job.at.IsZero() {
				return usageError{errors.New("--at without --from"), "a backup is of one moment; name by --from where changes were shipped"}
			}
			return job.run(cmd, args[0])
		},
	}
	of.addConfigFlag(cmd, &job.configFile)
	job.decryption.add(cmd)
	cmd.Flags().StringVar(&job.from, "from", "", "restore what was shipped to this `place`")
	cmd.Flags().TimeVar(&job.at, "at", time.Time{}, []string{time.RFC3339Nano}, "with --from: as it was at this `time`, such as 2026-02-03T04:05:06Z")
	cmd.Flags().BoolVar(&job.replace, "replace", false, "bolt: replace the existing database, which is kept beside the new one")
	return cmd
}

func (job *restoreJob) run(cmd *cobra.Command, path string) error {
	cfg, err := job.of.load(job.configFile)
	if err != nil {
		return err
	}
	b := &backupFile{path: path}
	if b.identities, err = job.decryption.identities(cmd); err != nil {
		return err
	}
	if b.secret, err = readSecret(cfg.Keeping); err != nil {
		return hinted{err, "put the secret of the server that made the backup there; a backup does not contain it"}
	}
	p := newProgress(cmd.ErrOrStderr())
	defer p.end()
	if err := b.check(p); err != nil {
		return err
	}
	if b.header.Issuer != cfg.Issuer {
		fmt.Fprintf(cmd.ErrOrStderr(), "authzd: warning: the backup is of the issuer %s: its tokens are not those of %s\n", b.header.Issuer, cfg.Issuer)
	}
	kept, err := job.fill(cmd.Context(), &cfg.Storage, filling{b.source, b.header.Created, false, p})
	if err != nil {
		return err
	}
	p.end()
	if kept != "" {
		fmt.Fprintf(cmd.OutOrStdout(), "the old database is now %s\n", kept)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "restored %d records of %s\n", b.summary.Records(), b.header.Created.Local().Format("2006-01-02 15:04:05"))
	return nil
}

// fill fills the store that the configuration names.
func (job *restoreJob) fill(ctx context.Context, cfg *config.Storage, f filling) (kept string, err error) {
	if cfg.Postgres.URL == "" {
		return f.intoBolt(ctx, cfg.Bolt.Path, job.replace)
	}
	if job.replace {
		return "", usageError{errors.New("--replace is for bolt"), "restore into a new, empty database, and let storage.postgres.url name that one"}
	}
	return "", f.intoPostgres(ctx, string(cfg.Postgres.URL))
}
