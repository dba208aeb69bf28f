package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/authzd/authzd/config"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/archive"
	"github.com/authzd/authzd/storage/bolt"
	"github.com/authzd/authzd/storage/ship"
)

// checkJob has the arguments of a check.
type checkJob struct {
	of         *program
	configFile string
	decryption decryptionFlags

	p        *printer
	problems io.Writer
	progress *progress

	report checkReport
	judged bool // the report is complete
}

// checkReport is the result of a check.
type checkReport struct {
	Checked     string              `json:"checked"`
	Sound       bool                `json:"sound"`
	Records     int64               `json:"records"`
	Generations []checkedGeneration `json:"generations,omitempty"` // of a destination
	Problems    []string            `json:"problems"`
}

// checkedGeneration is a generation that could be restored.
type checkedGeneration struct {
	Generation uint64    `json:"generation"`
	Segments   int       `json:"segments"`
	From       time.Time `json:"from"`
	Until      time.Time `json:"until"`
}

func newCheckCommand(of *program) *cobra.Command {
	job := checkJob{of: of}
	var output string
	cmd := &cobra.Command{
		Use:   "check [FILE or DESTINATION]",
		Short: "read all of a database, a backup or a shipping destination, and report whether it is sound",
		Long: `Read a database file, a backup, or what storage.bolt.ship has kept in a directory or bucket, from its
beginning to its end, and say whether all of it is sound; without an argument, the store of the
configuration. Nothing is changed. Each problem is told.

The exit code is 0 if all of it is sound, 1 if it is not or can't be read, and 2 if the command line or
the configuration is wrong.

A database file is read when no server runs on it: the pages, and each record with its checksum. A store
that a server has open, and PostgreSQL, are asked for all their records. A destination is restored,
generation by generation, below $TMPDIR.`,
		Example: `  authzd check
  authzd check authzd-data/authzd.db
  authzd check monday.backup --identity key.txt
  authzd check s3://backups/authzd`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			job.p, job.problems = &printer{w: cmd.OutOrStdout(), json: output == "json"}, cmd.ErrOrStderr()
			job.report.Problems = []string{}
			job.progress = newProgress(cmd.ErrOrStderr())
			defer job.progress.end()
			if len(args) == 0 {
				return job.told(job.checkStore(cmd))
			}
			return job.told(job.checkNamed(cmd, args[0]))
		},
	}
	addOutputFlag(cmd, &output)
	of.addConfigFlag(cmd, &job.configFile)
	job.decryption.add(cmd)
	return cmd
}

// problem reports one.
func (job *checkJob) problem(err error) {
	job.report.Problems = append(job.report.Problems, err.Error())
	job.progress.end()
	fmt.Fprintf(job.problems, "authzd: %v\n", err)
}

// verdict ends a check: everything is sound, or not.
func (job *checkJob) verdict(what, hint string, records int64) error {
	job.progress.end()
	job.judged, job.report.Records = true, records
	if found := len(job.report.Problems); found > 0 {
		noun := "problems"
		if found == 1 {
			noun = "problem"
		}
		return hinted{fmt.Errorf("%s is not sound: %d %s", what, found, noun), hint}
	}
	job.report.Sound = true
	job.p.done("%s: sound, %d records", what, records)
	return nil
}

// told writes the report for programs. An error that stopped the check is one more problem.
func (job *checkJob) told(err error) error {
	if !job.p.json || err != nil && exitCode(err) == 2 {
		return err
	}
	if err != nil && !job.judged {
		job.report.Problems = append(job.report.Problems, err.Error())
	}
	return errors.Join(err, job.p.encode(job.report))
}

// checkNamed finds out what the name means, and checks it.
func (job *checkJob) checkNamed(cmd *cobra.Command, name string) error {
	job.report.Checked = name
	if strings.Contains(name, "://") {
		return job.checkDestination(cmd, name)
	}
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return hinted{err, "name a database file, a backup, or a directory or bucket that was shipped to"}
	case info.IsDir():
		return job.checkDestination(cmd, name)
	}
	isBackup, err := startsAsBackup(name)
	switch {
	case err != nil:
		return err
	case isBackup:
		return job.checkBackup(cmd, name)
	}
	return job.checkDatabase(cmd.Context(), name)
}

// startsAsBackup reports whether a file begins like a backup, encrypted or not. If it begins neither like a
// backup nor like a database, its reader reports it later.
func startsAsBackup(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	head := make([]byte, 64)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return false, err
	}
	return archive.Recognise(head[:n]), nil
}

// counting checks all records of one state of a store, and counts them.
func (job *checkJob) counting(records *int64) func(storage.Table, storage.Record) error {
	checker, show := storage.NewChecker(), job.progress.counting("check", 0)
	return func(table storage.Table, rec storage.Record) error {
		*records++
		if err := show(table, rec); err != nil {
			return err
		}
		return checker.Check(table, rec)
	}
}

const damagedDatabase = `restore the newest good backup: "authzd restore --replace"; it keeps this one`

func (job *checkJob) checkDatabase(ctx context.Context, path string) error {
	var records int64
	err := bolt.Check(ctx, path, job.problem, job.counting(&records))
	if errors.Is(err, bolt.ErrInUse) {
		return hinted{err, `a server runs on it: use "authzd check" without a name, which asks the server, or check a backup of it`}
	}
	if err != nil {
		return err
	}
	return job.verdict(path, damagedDatabase, records)
}

func (job *checkJob) checkBackup(cmd *cobra.Command, path string) error {
	var records int64
	b := backupFile{path: path, everyRecord: job.everyRecord(&records)}
	var err error
	if b.identities, err = job.decryption.identities(cmd); err != nil {
		return err
	}
	if cfg, err := job.of.load(job.configFile); err == nil {
		b.secret, _ = readSecret(cfg.Keeping) // optional: without it, less can be checked
	} else if job.configFile != "" {
		return err
	}
	if err := b.check(job.progress); err != nil {
		return err
	}
	return job.verdict(path, "take another backup", records)
}

// everyRecord is counting that reports each damaged record and goes on.
func (job *checkJob) everyRecord(records *int64) func(storage.Table, storage.Record) error {
	check := job.counting(records)
	return func(table storage.Table, rec storage.Record) error {
		err := check(table, rec)
		if errors.As(err, new(*storage.RecordError)) {
			job.problem(err)
			return nil
		}
		return err
	}
}

func (job *checkJob) checkDestination(cmd *cobra.Command, name string) error {
	cfg, err := job.of.load(job.configFile)
	if err != nil {
		return err
	}
	identities, err := job.decryption.identities(cmd)
	if err != nil {
		return err
	}
	from, err := openDestination(cfg.Keeping, name)
	if err != nil {
		return usageError{err, "name a directory, or s3://bucket/prefix"}
	}
	secret, err := readShipSecret(cfg.Keeping)
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "authzd-check-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	var records int64
	checked, err := ship.Check(cmd.Context(), ship.CheckConfig{
		From: from, Secret: shipSecret(secret), Identities: identities, Folder: folder, Found: job.problem,
		Records: func() func(storage.Table, storage.Record) error { records = 0; return job.counting(&records) },
	})
	if err != nil {
		return explainRestore(err)
	}
	job.progress.end()
	stamp := func(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
	for _, g := range checked {
		job.report.Generations = append(job.report.Generations, checkedGeneration{g.Generation, g.Segments, g.From.UTC(), g.Until.UTC()})
		job.p.done("generation %d: %d segments, from %s until %s", g.Generation, g.Segments, stamp(g.From), stamp(g.Until))
	}
	return job.verdict(name, `put the damaged objects back from another copy; "authzd restore --from" says which moments can be restored`, records)
}

// checkStore checks the store of the configuration. If a server has it open, that server reads it.
func (job *checkJob) checkStore(cmd *cobra.Command) error {
	cfg, err := job.of.load(job.configFile)
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	job.report.Checked = storeName(&cfg.Storage)
	if cfg.Storage.Postgres.URL == "" {
		if _, err := os.Stat(cfg.Storage.Bolt.Path); err != nil {
			return hinted{fmt.Errorf("there is no database %s", cfg.Storage.Bolt.Path), "name the configuration of the server by --config"}
		}
		err := job.checkDatabase(ctx, cfg.Storage.Bolt.Path)
		if !errors.Is(err, bolt.ErrInUse) {
			return err
		}
		return job.checkRunning(ctx, cfg.Keeping)
	}
	store, err := openOffline(ctx, &cfg.Storage)
	if err != nil {
		return err
	}
	defer store.Close()
	var records int64
	if err := store.Export(ctx, job.everyRecord(&records)); err != nil {
		return err
	}
	return job.verdict(storeName(&cfg.Storage), "restore the newest good backup into a new database", records)
}

// checkRunning lets the running server read all of its records, as for a backup.
func (job *checkJob) checkRunning(ctx context.Context, cfg *config.Keeping) error {
	var records int64
	r, w := io.Pipe()
	go func() {
		_, err := writeBackup(ctx, cfg, w, job.progress)
		w.CloseWithError(err)
	}()
	defer r.Close()
	backup, err := archive.Open(r)
	if err == nil {
		_, err = backup.Records(job.everyRecord(&records))
	}
	if err != nil {
		return hinted{fmt.Errorf("%s is not sound, or can't be read: %w", storeName(&cfg.Storage), err), "see the server's log; to see each problem, stop the server and check the file"}
	}
	return job.verdict(storeName(&cfg.Storage), damagedDatabase, records)
}
