package ship

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/authzd/authzd/storage/bolt"
)

// snapshot starts over with the newest generation.
func (f *Follower) snapshot(ctx context.Context) error {
	g, err := f.choose(ctx, time.Time{})
	if err == nil {
		err = g.hole
	}
	if err != nil {
		return err
	}
	return f.snapshotOf(ctx, g.generation)
}

// snapshotOf replaces the standby's database by the base of a generation.
func (f *Follower) snapshotOf(ctx context.Context, g generation) error {
	temp, err := f.temporary()
	if err != nil {
		return err
	}
	defer os.Remove(temp)
	if err := f.base(ctx, g, temp); err != nil {
		return err
	}
	store, err := openBase(temp, g)
	if err != nil {
		return err
	}
	if err := store.Close(); err != nil {
		return err
	}
	if err := f.replaceBy(temp); err != nil {
		return err
	}
	f.statusMu.Lock()
	f.status.Snapshots++
	f.statusMu.Unlock()
	f.Logger.Info("the standby has a snapshot", "generation", g.Generation, "bytes", g.manifest.bytes())
	f.at = g.start()
	return f.advanced()
}

// temporary returns a path for another database, on the disk of the one that it will replace.
func (f *Follower) temporary() (path string, err error) {
	path = filepath.Join(filepath.Dir(f.Path), "."+filepath.Base(f.Path)+".standby")
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return path, nil
}

// replaceBy puts a complete database in the place of the standby's. The caller then sets the standby's
// position. If it fails, the standby starts over.
func (f *Follower) replaceBy(temp string) (err error) {
	f.at = cursor{}
	if f.store != nil {
		err, f.store = f.store.Close(), nil
		if err != nil {
			return err
		}
	}
	if err := os.Rename(temp, f.Path); err != nil {
		return err
	}
	if err := syncFolder(filepath.Dir(f.Path)); err != nil {
		return err
	}
	f.store, err = bolt.Open(f.Path, bolt.Options{Logger: f.Logger, Follow: true})
	return err
}

// compactIfDue compacts the database under the same rule as a primary's. It is called at the start and with
// each new generation, between two groups.
func (f *Follower) compactIfDue(ctx context.Context) {
	if f.store == nil || f.KeepSize {
		return
	}
	st := f.store.Stats()
	if st.FileBytes < f.compactFrom || st.FreeBytes < st.FileBytes/2 {
		return
	}
	if err := f.compact(ctx); err != nil {
		f.Logger.Warn("the standby's database was not compacted", "err", err)
		return
	}
	f.Logger.Info("the standby's database was compacted", "before_bytes", st.FileBytes, "after_bytes", f.store.Stats().FileBytes)
}

func (f *Follower) compact(ctx context.Context) error {
	temp, err := f.temporary()
	if err != nil {
		return err
	}
	defer os.Remove(temp)
	if _, _, err := f.store.CopyTo(ctx, temp); err != nil {
		return err
	}
	at := f.at
	if err := f.replaceBy(temp); err != nil {
		return err
	}
	f.at = at
	return nil
}
