package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
	"github.com/authzd/authzd/storage/postgres"
)

func newMigrateCommand(of *program) *cobra.Command {
	var file, to string
	group := &cobra.Command{
		Use:   "migrate",
		Short: "bring the store up to date, or move it to another engine",
		Long: `With --to, copy everything from the store that the configuration names to another one, which must be
empty, and compare the two. No server may run on either. If it is interrupted, run it again: it goes on
where it was.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if to == "" {
				return usageError{errors.New("migrate to where?"),
					`name another store by --to; "authzd migrate up" brings the present one up to date`}
			}
			cfg, err := of.load(file)
			if err != nil {
				return err
			}
			return migrateTo(cmd, cfg.Keeping, to)
		},
	}
	of.addConfigFlag(group, &file)
	group.Flags().StringVar(&to, "to", "", "`store` to move to: the URL of a PostgreSQL database, or bolt:PATH")
	group.AddCommand(newMigrateUpCommand(of))
	return group
}

func newMigrateUpCommand(of *program) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "up",
		Short: "bring the store up to date for this version: its tables, and the format of its records",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := of.load(file)
			if err != nil {
				return err
			}
			progress := func(p storage.Progress) {
				fmt.Fprintf(cmd.ErrOrStderr(), "format %d: %d records, now %s\n", p.Format, p.Records, p.Table)
			}
			if url := string(cfg.Storage.Postgres.URL); url != "" {
				err = postgres.Migrate(cmd.Context(), url, progress)
			} else {
				err = migrateBolt(cfg.Storage.Bolt.Path)
			}
			if err == nil {
				fmt.Fprintln(cmd.OutOrStdout(), "the store is up to date")
			}
			return err
		},
	}
	of.addConfigFlag(cmd, &file)
	return cmd
}

// migrateBolt opens the database, which migrates it.
func migrateBolt(path string) error {
	store, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		return err
	}
	return store.Close()
}
