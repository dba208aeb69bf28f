package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/authzd/authzd/authz/admin"
	"github.com/authzd/authzd/config"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/archive"
	"github.com/authzd/authzd/storage/bolt"
)

// backupJob has the arguments of a backup.
type backupJob struct {
	of         *program
	configFile string
	encryption encryptionFlags
	force      bool
}

func newBackupCommand(of *program) *cobra.Command {
	job := backupJob{of: of}
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "write everything that is stored into one file, while the server runs or not",
		Long: `Write everything that is stored, as it is at one moment, into one file; "-" is standard output.
A server that runs is asked over its admin socket and is not held up; if none runs, the store is read
directly. The file appears whole or not at all, and only its owner may read it.

The server's secret is not in it. Keep a copy of that apart: without it a backup can't be restored.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return job.run(cmd, args[0]) },
	}
	of.addConfigFlag(cmd, &job.configFile)
	job.encryption.add(cmd)
	cmd.Flags().BoolVar(&job.force, "force", false, "replace FILE if there is one")
	cmd.AddCommand(newBackupVerifyCommand(of))
	return cmd
}

func (job *backupJob) run(cmd *cobra.Command, path string) error {
	cfg, err := job.of.load(job.configFile)
	if err != nil {
		return err
	}
	recipients, err := job.encryption.recipients(cmd)
	if err != nil {
		return err
	}
	p := newProgress(cmd.ErrOrStderr())
	defer p.end()
	var sum archive.Summary
	write := func(w io.Writer) error {
		e, err := archive.Encrypt(w, recipients...)
		if err != nil {
			return err
		}
		if sum, err = writeBackup(cmd.Context(), cfg.Keeping, e, p); err != nil {
			return err
		}
		return e.Close()
	}
	if path == "-" {
		return explainBackup(write(cmd.OutOrStdout()))
	}
	if err := archive.Create(path, job.force, write); err != nil {
		return explainBackup(err)
	}
	p.end()
	fmt.Fprintf(cmd.OutOrStdout(), "%s: %d records\n", path, sum.Records())
	return nil
}

// writeBackup lets the running server write a backup, or writes it itself if none runs.
func writeBackup(ctx context.Context, cfg *config.Keeping, w io.Writer, p *progress) (archive.Summary, error) {
	if cfg.Admin.Socket != "" {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "unix", cfg.Admin.Socket)
		if err == nil {
			conn.Close()
			return fetchBackup(ctx, &admin.Client{Socket: cfg.Admin.Socket}, w, p)
		}
	}
	secret, err := readSecret(cfg)
	if err != nil {
		return archive.Summary{}, hinted{err, "a backup is tied to the secret that its store was used with: name it by secret_file"}
	}
	store, err := openOffline(ctx, &cfg.Storage)
	if errors.Is(err, bolt.ErrInUse) {
		err = hinted{err, "a running server is asked over admin.socket, which does not answer: is it set, and the same as the server's?"}
	} else if err == nil {
		err = checkWhole(ctx, store, &cfg.Storage)
	}
	if err != nil {
		return archive.Summary{}, err
	}
	sum, err := archive.Write(ctx, w, archive.Checked{Exporter: counted{store, p}}, archive.Header{Issuer: cfg.Issuer, Secret: secret.ID()},
		func(digest []byte) []byte { return secret.BackupMACs(digest)[0][:] })
	return sum, errors.Join(err, store.Close())
}

// fetchBackup copies the backup that a server makes, and reads it on the way: the result is whole, or an
// error.
func fetchBackup(ctx context.Context, server *admin.Client, w io.Writer, p *progress) (archive.Summary, error) {
	answer, err := server.Do(ctx, http.MethodGet, "/v1/backup", nil, nil, nil)
	if problem := new(admin.Problem); errors.As(err, &problem) {
		return archive.Summary{}, explainProblem(problem)
	} else if err != nil {
		return archive.Summary{}, fmt.Errorf("ask the running server: %w", err)
	}
	defer answer.Body.Close()
	r, err := archive.Open(io.TeeReader(answer.Body, w))
	if err != nil {
		return archive.Summary{}, fmt.Errorf("backup from the running server: %w", err)
	}
	sum, err := r.Records(p.counting("backup", 0))
	if err != nil {
		return sum, fmt.Errorf("backup from the running server: %w", err)
	}
	return sum, nil
}

// counted is a store that reports the progress of its export.
type counted struct {
	archive.Exporter
	progress *progress
}

func (c counted) Export(ctx context.Context, fn func(storage.Table, storage.Record) error) error {
	count := c.progress.counting("backup", 0)
	return c.Exporter.Export(ctx, func(table storage.Table, rec storage.Record) error {
		if err := count(table, rec); err != nil {
			return err
		}
		return fn(table, rec)
	})
}

// explainBackup says what to do about a backup that could not be written.
func explainBackup(err error) error {
	switch {
	case errors.As(err, new(hinted)):
	case errors.As(err, new(*storage.RecordError)), errors.Is(err, storage.ErrUnavailable):
		return hinted{fmt.Errorf("the database can't be backed up: %w", err), `keep the existing backups; "authzd check" says what is damaged, and "authzd restore --replace" brings the newest good backup back`}
	case errors.Is(err, archive.ErrExists):
		return hinted{err, "give another name, or --force to replace it"}
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return hinted{fmt.Errorf("write the backup: %w", err), "free some space, or name a file on another disk; nothing was left behind"}
	case errors.Is(err, os.ErrNotExist):
		return hinted{err, "make the folder first, with the access rights that you want"}
	}
	return err
}

func newBackupVerifyCommand(of *program) *cobra.Command {
	var file string
	var decryption decryptionFlags
	cmd := &cobra.Command{
		Use:   "verify FILE",
		Short: "read a backup from its beginning to its end, and describe it",
		Long: `Read a backup from its beginning to its end: every byte of it is checked. If there is a configuration
whose secret the backup needs, it is also checked that it was made with that secret.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			identities, err := decryption.identities(cmd)
			if err != nil {
				return err
			}
			p := newProgress(cmd.ErrOrStderr())
			defer p.end()
			b := backupFile{path: args[0], identities: identities, everyRecord: storage.NewChecker().Check}
			if cfg, err := of.load(file); err == nil {
				b.secret, _ = readSecret(cfg.Keeping) // optional: without it, less can be checked
			} else if file != "" {
				return err
			}
			if err := b.check(p); err != nil {
				return err
			}
			p.end()
			return b.describe(cmd.OutOrStdout())
		},
	}
	of.addConfigFlag(cmd, &file)
	decryption.add(cmd)
	return cmd
}
