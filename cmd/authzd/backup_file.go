package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"filippo.io/age"

	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/archive"
)

// backupFile is an existing backup.
type backupFile struct {
	path       string
	identities []age.Identity
	secret     *keys.Secret // nil: the origin of the backup is not checked
	// everyRecord checks each record; nil: a restore trusts the records of a whole backup.
	everyRecord func(storage.Table, storage.Record) error

	// The results of check.
	header  archive.Header
	summary archive.Summary
	own     bool // it was made with the secret
}

var errOtherSecret = errors.New("the backup was made with another secret")

// check reads the whole file, and finds everything that is wrong with it before anything is done with it.
func (b *backupFile) check(p *progress) error {
	sum, header, err := b.read(p.counting("check", 0), func(h archive.Header) error {
		if b.secret != nil && !b.secret.Knows(h.Secret) {
			return fmt.Errorf("%w (%s, this one is %s)", errOtherSecret, h.Secret, b.secret.ID())
		}
		return nil
	})
	if err != nil {
		return explainBackupFile(b.path, err)
	}
	b.header, b.summary = header, sum
	if b.secret != nil {
		if b.own = sum.Authentic(b.secret.BackupMACs(sum.Digest[:])); !b.own {
			return explainBackupFile(b.path, fmt.Errorf("%w: it names this one, but does not prove it", errOtherSecret))
		}
	}
	return nil
}

// read opens the file and reads all of it.
func (b *backupFile) read(fn func(storage.Table, storage.Record) error, begin func(archive.Header) error) (archive.Summary, archive.Header, error) {
	f, err := os.Open(b.path)
	if err != nil {
		return archive.Summary{}, archive.Header{}, err
	}
	defer f.Close()
	plain, err := archive.Decrypt(f, b.identities...)
	if err != nil {
		return archive.Summary{}, archive.Header{}, err
	}
	r, err := archive.Open(plain)
	if err != nil {
		return archive.Summary{}, archive.Header{}, err
	}
	if err := begin(r.Header()); err != nil {
		return archive.Summary{}, archive.Header{}, err
	}
	sum, err := r.Records(func(table storage.Table, rec storage.Record) error {
		if err := b.checkRecord(table, rec); err != nil {
			return err
		}
		return fn(table, rec)
	})
	return sum, r.Header(), err
}

// checkRecord checks the records that decide whether a server can use the others.
func (b *backupFile) checkRecord(table storage.Table, rec storage.Record) error {
	if table == storage.Formats.Table && rec.Key == storage.FormatKey {
		if _, err := storage.Current.Judge(rec.Value); err != nil {
			return err
		}
	}
	if b.everyRecord != nil {
		if err := b.everyRecord(table, rec); err != nil {
			return err
		}
	}
	if b.secret != nil {
		return b.secret.CheckSealed(table, rec)
	}
	return nil
}

// source is the file for transfer, which reads it again. It must not have changed since the check.
func (b *backupFile) source(ctx context.Context, fn func(storage.Table, storage.Record) error) error {
	sum, _, err := b.read(func(table storage.Table, rec storage.Record) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return fn(table, rec)
	}, func(archive.Header) error { return nil })
	if err == nil && sum.Digest != b.summary.Digest {
		err = errors.New("it was replaced while it was being read")
	}
	if err != nil && ctx.Err() == nil {
		return explainBackupFile(b.path, err)
	}
	return err
}

func (b *backupFile) describe(w io.Writer) error {
	fmt.Fprintf(w, "issuer    %s\n", b.header.Issuer)
	fmt.Fprintf(w, "created   %s by authzd %s\n", b.header.Created.Format(time.RFC3339), b.header.Version)
	fmt.Fprintf(w, "secret    %s\n", b.header.Secret)
	for _, table := range storage.Tables {
		if t, ok := b.summary.Tables[table]; ok {
			fmt.Fprintf(w, "%9d %s\n", t.Records, table)
		}
	}
	verdict := "whole"
	if b.own {
		verdict = "whole, and made with this server's secret"
	}
	_, err := fmt.Fprintf(w, "%s: %d records, %s\n", b.path, b.summary.Records(), verdict)
	return err
}

// explainBackupFile says what to do about an unusable file.
func explainBackupFile(path string, err error) error {
	hint := ""
	format := new(storage.FormatError)
	switch {
	case errors.As(err, new(*storage.RecordError)):
		hint = "take another backup: in this one, the record was damaged before the backup was made"
	case errors.Is(err, archive.ErrDamaged):
		hint = "take another backup: nothing in this one can be trusted"
	case errors.Is(err, archive.ErrNoArchive):
		hint = `name a file that "authzd backup" has written`
	case errors.Is(err, archive.ErrNewer), errors.As(err, &format):
		hint = "restore it with the authzd that wrote it, or a newer one"
	case errors.Is(err, archive.ErrEncrypted):
		hint = "give the key by --identity, or the passphrase by --passphrase or --passphrase-file"
	case errors.Is(err, archive.ErrWrongKey):
		hint = "give the key or the passphrase that it was encrypted with"
	case errors.Is(err, errOtherSecret), errors.Is(err, keys.ErrUnknownSecret):
		hint = "name the secret of the server that made the backup by secret_file; a backup does not contain it"
	}
	return hinted{fmt.Errorf("%s: %w", path, err), hint}
}
