package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
	"github.com/authzd/authzd/storage/transfer"
)

// filling is what an empty store is to be filled with, by restore or migrate.
type filling struct {
	source   transfer.Source
	at       time.Time // when the source was as it is
	recheck  bool      // others could write to the source
	progress *progress
}

func (f filling) into(ctx context.Context, target storage.Store) error {
	job := transfer.Job{Target: target, Source: f.source, At: f.at, Recheck: f.recheck, Progress: f.progress.show}
	_, err := job.Run(ctx)
	return err
}

// intoPostgres fills a database. If it is interrupted, no server takes it before the rest is there too.
func (f filling) intoPostgres(ctx context.Context, url string) error {
	store, err := openPostgresOffline(ctx, url)
	if err != nil {
		return err
	}
	err = f.into(ctx, store)
	switch {
	case err == nil: // what an older authzd has written comes in its format
		err = storage.Current.Run(ctx, store, nil)
	case errors.Is(err, transfer.ErrNotEmpty):
		err = hinted{err, "give it an empty database: no server may have run on it"}
	case errors.Is(err, transfer.ErrOther), errors.Is(err, transfer.ErrDiffers):
		err = hinted{err, "drop the database, make it anew, and see that no server runs on either; then begin again"}
	}
	return errors.Join(err, store.Close())
}

// intoBolt makes a database beside the one that is there, and puts it in its place once it is whole.
// kept is the name that the old one got, unless it was empty.
func (f filling) intoBolt(ctx context.Context, path string, replace bool) (kept string, err error) {
	path = bolt.Resolve(path)
	part := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".filling")
	if sameFile(part, path) { // one that was killed when the database already had its name
		if err := os.Remove(part); err != nil {
			return "", err
		}
	}
	old, err := openReplaced(ctx, path, replace)
	if err != nil {
		return "", err
	}
	defer old.close() // as long as it is open, no server starts on it
	if err := f.intoPart(ctx, part); err != nil {
		return "", err
	}
	return old.replaceBy(part, path)
}

// replaceBy gives a database that is whole the name of the one that is replaced.
func (r *replaced) replaceBy(part, path string) (kept string, err error) {
	switch {
	case !r.exists:
		if err := os.Link(part, path); err != nil { // unlike a rename, never replaces another
			return "", err
		}
		err = os.Remove(part)
	case r.empty:
		err = os.Rename(part, path)
	default:
		if kept, err = keepBeside(path); err != nil {
			return "", err
		}
		err = os.Rename(part, path)
	}
	return kept, errors.Join(err, syncFolder(filepath.Dir(path)))
}

// keepBeside gives a database another name that nothing has, with the time in it.
func keepBeside(path string) (kept string, err error) {
	stamp := path + time.Now().UTC().Format(".before-20060102T150405Z")
	kept = stamp
	for n := 2; ; n++ { // more than one in a second
		if err = os.Link(path, kept); !errors.Is(err, fs.ErrExist) {
			return kept, err
		}
		kept = fmt.Sprintf("%s-%d", stamp, n)
	}
}

// intoPart fills a database that has no server yet. What an earlier attempt left there, it goes on
// with; something else it removes.
func (f filling) intoPart(ctx context.Context, part string) error {
	for {
		store, err := bolt.Open(part, bolt.Options{SweepEvery: unswept})
		if errors.Is(err, bolt.ErrInUse) {
			return hinted{err, "another restore or migration is under way; wait for it"}
		}
		if err == nil {
			err = errors.Join(f.into(ctx, store), store.Close())
		}
		if !errors.Is(err, transfer.ErrNotEmpty) && !errors.Is(err, transfer.ErrOther) {
			return err
		}
		if err := os.Remove(part); err != nil {
			return err
		}
	}
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
		return nil, hinted{err, `to have a backup take its place, use "authzd restore --replace": it is kept beside it`}
	case err != nil:
		return &replaced{exists: true}, nil
	}
	r := &replaced{exists: true, empty: true, store: store}
	switch err := transfer.CheckEmpty(ctx, store); {
	case errors.Is(err, transfer.ErrNotEmpty) && !replace:
		r.close()
		return nil, hinted{fmt.Errorf("%s: %w", path, err), `name another file; or to have a backup take its place, use "authzd restore --replace", which keeps it`}
	case errors.Is(err, transfer.ErrNotEmpty), err != nil && replace: // it is kept, even if it is damaged
		r.empty = false
	case err != nil:
		r.close()
		return nil, err
	}
	return r, nil
}

// sameFile reports whether both are there, and one file.
func sameFile(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

func syncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
