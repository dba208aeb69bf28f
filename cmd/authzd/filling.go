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

// filling is the content for an empty store, of restore or migrate.
type filling struct {
	source   transfer.Source
	at       time.Time // the moment of the source's state
	recheck  bool      // others could write to the source
	progress *progress
}

func (f filling) into(ctx context.Context, target storage.Store) error {
	job := transfer.Job{Target: target, Source: f.source, At: f.at, Recheck: f.recheck, Progress: f.progress.show}
	_, err := job.Run(ctx)
	return err
}

// intoPostgres fills a database. If it is interrupted, no server starts on the database before the rest is
// there too.
func (f filling) intoPostgres(ctx context.Context, url string) error {
	store, err := openPostgresOffline(ctx, url)
	if err != nil {
		return err
	}
	err = f.into(ctx, store)
	switch {
	case err == nil: // records of an older authzd come in its format
		err = storage.Current.Run(ctx, store, nil)
	case errors.Is(err, transfer.ErrNotEmpty):
		err = hinted{err, "give it an empty database: no server may have run on it"}
	case errors.Is(err, transfer.ErrOther), errors.Is(err, transfer.ErrDiffers):
		err = hinted{err, "drop the database, make an empty one, and make sure that no server runs on either; then start again"}
	}
	return errors.Join(err, store.Close())
}

// intoBolt makes a database beside the existing one, and puts it in its place when it is complete. kept is
// the new name of the old one, unless it was empty.
func (f filling) intoBolt(ctx context.Context, path string, replace bool) (kept string, err error) {
	path = bolt.Resolve(path)
	part := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".filling")
	if sameFile(part, path) { // left by a process that was killed when the database already had its name
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

// replaceBy gives a complete database the name of the one that it replaces.
func (r *replaced) replaceBy(part, path string) (kept string, err error) {
	switch {
	case !r.exists:
		if err := os.Link(part, path); err != nil { // unlike a rename, it never replaces another
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

// keepBeside gives a database another name, with the time in it, that no file has.
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

// intoPart fills a database that has no server yet. It goes on with what an earlier attempt left there, and
// removes anything else.
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

// replaced is the database that will be replaced.
type replaced struct {
	exists, empty bool
	store         storage.Store // nil: there is none, or it can't be opened
}

func (r *replaced) close() {
	if r.store != nil {
		_ = r.store.Close() // it was only read
	}
}

// openReplaced refuses a database that is in use, and one that is not empty unless it may be replaced. A
// damaged one may be replaced too: that is what backups are for.
func openReplaced(ctx context.Context, path string, replace bool) (*replaced, error) {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return &replaced{}, nil
	}
	store, err := bolt.Open(path, bolt.Options{SweepEvery: unswept})
	switch {
	case errors.Is(err, bolt.ErrInUse):
		return nil, hinted{err, "stop the server, restore, and start it again"}
	case err != nil && !replace:
		return nil, hinted{err, `to put a backup in its place, use "authzd restore --replace", which keeps the old one`}
	case err != nil:
		return &replaced{exists: true}, nil
	}
	r := &replaced{exists: true, empty: true, store: store}
	switch err := transfer.CheckEmpty(ctx, store); {
	case errors.Is(err, transfer.ErrNotEmpty) && !replace:
		r.close()
		return nil, hinted{fmt.Errorf("%s: %w", path, err), `name another file; or to put a backup in its place, use "authzd restore --replace", which keeps it`}
	case errors.Is(err, transfer.ErrNotEmpty), err != nil && replace: // it is kept, even if it is damaged
		r.empty = false
	case err != nil:
		r.close()
		return nil, err
	}
	return r, nil
}

// sameFile reports whether both exist and are one file.
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
