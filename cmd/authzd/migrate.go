package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
	"github.com/authzd/authzd/storage/postgres"
)

func newMigrateCommand() *cobra.Command {
	group := &cobra.Command{
		Use:   "migrate",
		Short: "bring the store up to date",
		Args:  cobra.NoArgs,
		RunE:  needSubcommand,
	}
	group.AddCommand(newMigrateUpCommand())
	return group
}

func newMigrateUpCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "up",
		Short: "make what the store lacks for this version: tables, and records in its format",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(file)
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
	addConfigFlag(cmd, &file)
	return cmd
}

// migrateBolt opens the database, which is all that it takes.
func migrateBolt(path string) error {
	store, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		return err
	}
	return store.Close()
}
