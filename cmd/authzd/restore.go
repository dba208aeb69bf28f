package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/config"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
	"github.com/authzd/authzd/storage/transfer"
)

// restoreJob is what the command line says about a backup to be restored.
type restoreJob struct {
	configFile string
	decryption decryptionFlags
	replace    bool
}

func newRestoreCommand() *cobra.Command {
	var job restoreJob
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "fill the store with what a backup holds",
		Long: `Fill the store that the configuration names with what a backup holds. The whole backup is checked
before anything is touched; the store must be empty, and no server may run on it. If it is interrupted,
run it again.

The secret file must be that of the server that made the backup.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return job.run(cmd, args[0]) },
	}
	addConfigFlag(cmd, &job.configFile)
	job.decryption.add(cmd)
	cmd.Flags().BoolVar(&job.replace, "replace", false, "bolt: put it in the place of the database that is there, which is kept beside it")
	return cmd
}

func (job *restoreJob) run(cmd *cobra.Command, path string) error {
	cfg, err := loadConfig(job.configFile)
	if err != nil {
		return err
	}
	b := &backupFile{path: path}
	if b.identities, err = job.decryption.identities(cmd); err != nil {
		return err
	}
	if b.secret, err = keys.ReadSecret(cfg.SecretFile...); err != nil {
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
	kept, err := restoreBolt(cmd.Context(), cfg.Storage.Bolt.Path, b, job.replace, p)
	if err != nil {
		return err
	}
	p.end()
	if kept != "" {
		fmt.Fprintf(cmd.OutOrStdout(), "the database that was there is now %s\n", kept)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "restored %d records of %s\n", b.summary.Records(), b.header.Created.Local().Format("2006-01-02 15:04:05"))
	return nil
}

// restoreBolt makes a database beside the one that is there, and puts it in its place once it is whole.
// kept is the name that the old one got, unless it was empty.
func restoreBolt(ctx context.Context, path string, b *backupFile, replace bool, p *progress) (kept string, err error) {
	old, err := openReplaced(ctx, path, replace)
	if err != nil {
		return "", err
	}
	defer old.close() // as long as it is open, no server starts on it
	part := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".restoring")
	if err := fillPart(ctx, part, b, p); err != nil {
		return "", err
	}
	switch {
	case !old.exists:
		if err := os.Link(part, path); err != nil { // unlike a rename, never replaces another
			return "", err
		}
		err = os.Remove(part)
	case old.empty:
		err = os.Rename(part, path)
	default:
		kept = path + time.Now().UTC().Format(".before-20060102T150405Z")
		if err := os.Link(path, kept); err != nil {
			return "", err
		}
		err = os.Rename(part, path)
	}
	return kept, errors.Join(err, syncFolder(filepath.Dir(path)))
}

// replaced is the database that is to be replaced.
type replaced struct {
	exists, empty bool
	store         storage.Store // nil: there is none, or it can't be opened
}

func (r *replaced) close() {
	if r.store != nil {
		_ = r.store.Close() // it was only looked at
	}
}

// openReplaced refuses a database that is in use, and one that is not empty unless it may be replaced.
// One that is damaged may be replaced too: it is what backups are for.
func openReplaced(ctx context.Context, path string, replace bool) (*replaced, error) {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return &replaced{}, nil
	}
	store, err := bolt.Open(path, bolt.Options{SweepEvery: unswept})
	switch {
	case errors.Is(err, bolt.ErrInUse):
		return nil, hinted{err, "stop the server, restore, and start it again"}
	case err != nil && !replace:
		return nil, hinted{err, "to restore in its place, give --replace: it is kept beside it"}
	case err != nil:
		return &replaced{exists: true}, nil
	}
	r := &replaced{exists: true, empty: true, store: store}
	switch err := transfer.CheckEmpty(ctx, store); {
	case errors.Is(err, transfer.ErrNotEmpty) && !replace:
		r.close()
		return nil, hinted{fmt.Errorf("restore into %s: %w", path, err), "to put the backup in its place, give --replace: what is there is kept beside it"}
	case errors.Is(err, transfer.ErrNotEmpty):
		r.empty = false
	case err != nil:
		r.close()
		return nil, err
	}
	return r, nil
}

// fillPart fills a database that has no server yet. What an earlier attempt left there, it goes on
// with; something else it removes.
func fillPart(ctx context.Context, part string, b *backupFile, p *progress) error {
	for {
		store, err := bolt.Open(part, bolt.Options{SweepEvery: unswept})
		if errors.Is(err, bolt.ErrInUse) {
			return hinted{err, "another restore is under way; wait for it"}
		}
		if err == nil {
			_, _, err = transfer.Run(ctx, store, b.source, b.header.Created, p.show)
			err = errors.Join(err, store.Close())
		}
		if !errors.Is(err, transfer.ErrNotEmpty) && !errors.Is(err, transfer.ErrOther) {
			return err
		}
		if err := os.Remove(part); err != nil {
			return err
		}
	}
}

func syncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// checkWhole refuses a store that a restore or a migration has not filled to the end.
func checkWhole(ctx context.Context, store storage.Store, cfg *config.Storage) error {
	err := transfer.Unfinished(ctx, store)
	if errors.Is(err, transfer.ErrUnfinished) {
		return hinted{fmt.Errorf("%s: %w", storeName(cfg), err), `run the same "authzd restore" or "authzd migrate --to" again: it goes on where it was interrupted`}
	}
	return err
}

// storeName is how messages call a store.
func storeName(cfg *config.Storage) string { return cfg.Bolt.Path }
