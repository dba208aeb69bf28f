// Package backup makes scheduled backups of a running server, and removes old ones:
//
//	newest file in the folder ─> wait until the next is due ─> archive.Create(archive.Encrypt(Write))
//	       ▲                                                        │ done            │ failed
//	       └───────── forget what neither keep nor keep-for holds ──┘                 └─> log, count, again soon
//
// It knows only the files in the folder, so any replica can go on with the work. It never removes the newest
// backup, and removes none before a newer one is whole and on the disk.
package backup

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"filippo.io/age"

	"github.com/authzd/authzd/storage/archive"
)

// Config is the input of New.
type Config struct {
	Folder     string          // made with mode 0700 if it does not exist
	Every      time.Duration   // from one backup to the next
	Keep       int             // how many are kept, at least 1
	KeepFor    time.Duration   // and all that are younger; zero: no more
	Recipients []age.Recipient // none: they are not encrypted

	// Write writes a backup.
	Write  func(ctx context.Context, w io.Writer) (archive.Summary, error)
	Logger *slog.Logger
}

// Schedule makes backups.
type Schedule struct {
	config   Config
	failures atomic.Uint64
}

// New returns a Schedule that makes none yet.
func New(c Config) *Schedule { return &Schedule{config: c} }

// File names have the time at which a backup began, to the second, and sort by it.
const (
	namePrefix = "authzd-"
	nameLayout = "20060102T150405Z"
	nameSuffix = ".backup"
)

// retry is how soon a backup that failed is tried again.
const retry = 5 * time.Minute

// Run makes backups until ctx ends. Only one may run on a folder.
func (s *Schedule) Run(ctx context.Context) error {
	for {
		wait := s.untilDue(time.Now())
		if wait <= 0 {
			wait = s.run(ctx)
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// untilDue returns the time until the next backup.
func (s *Schedule) untilDue(now time.Time) time.Duration {
	files := list(s.config.Folder, now)
	if len(files) == 0 {
		return 0
	}
	return s.config.Every - now.Sub(files[0].time)
}

// run makes one backup now, and returns when to look again.
func (s *Schedule) run(ctx context.Context) (wait time.Duration) {
	start := time.Now()
	path := filepath.Join(s.config.Folder, namePrefix+start.UTC().Format(nameLayout)+nameSuffix)
	sum, err := s.write(ctx, path)
	switch {
	case err == nil:
		s.config.Logger.Info("made a backup", "file", path, "records", sum.Records(), "took", time.Since(start).Round(time.Millisecond).String())
		s.forget(time.Now())
		return s.untilDue(time.Now())
	case ctx.Err() != nil:
	default:
		s.failures.Add(1)
		s.config.Logger.Error("could not make a backup", "file", path, "err", err, "do", "see docs/backup.md; it is tried again soon")
	}
	return min(retry, s.config.Every)
}

func (s *Schedule) write(ctx context.Context, path string) (sum archive.Summary, err error) {
	if err := os.MkdirAll(s.config.Folder, 0o700); err != nil {
		return sum, err
	}
	err = archive.Create(path, false, func(w io.Writer) error {
		e, err := archive.Encrypt(w, s.config.Recipients...)
		if err != nil {
			return err
		}
		if sum, err = s.config.Write(ctx, e); err != nil {
			return err
		}
		return e.Close()
	})
	return sum, err
}

// forget removes the backups that no rule keeps. Every rule keeps the newest.
func (s *Schedule) forget(now time.Time) {
	for i, f := range list(s.config.Folder, now) {
		if i < max(s.config.Keep, 1) || now.Sub(f.time) < s.config.KeepFor {
			continue
		}
		if err := os.Remove(f.path); err != nil {
			s.config.Logger.Error("could not remove an old backup", "file", f.path, "err", err)
		}
	}
}

// Status is the state of a Schedule.
type Status struct {
	Newest   time.Time // of the newest backup in the folder; zero: there is none
	Bytes    int64     // its size
	Failures uint64    // of this process
}

// Status reads the folder.
func (s *Schedule) Status() Status {
	st := Status{Failures: s.failures.Load()}
	if files := list(s.config.Folder, time.Now()); len(files) > 0 {
		st.Newest = files[0].time
		if info, err := os.Stat(files[0].path); err == nil {
			st.Bytes = info.Size()
		}
	}
	return st
}

type file struct {
	path string
	time time.Time
}

// list returns the backups in a folder that were made by a Schedule, the newest first. It ignores other
// files, and backups from the future, of a wrong clock, which would stop the next one.
func list(folder string, now time.Time) (files []file) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil // the attempt to write will report it
	}
	for _, e := range entries {
		stamp, isOurs := strings.CutPrefix(e.Name(), namePrefix)
		stamp, ends := strings.CutSuffix(stamp, nameSuffix)
		made, err := time.Parse(nameLayout, stamp)
		if isOurs && ends && err == nil && !made.After(now) && e.Type().IsRegular() {
			files = append(files, file{filepath.Join(folder, e.Name()), made})
		}
	}
	slices.SortFunc(files, func(a, b file) int { return b.time.Compare(a.time) })
	return files
}
