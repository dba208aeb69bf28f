package bolt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"

	"github.com/authzd/authzd/storage"
)

// The stages of an upgrade, for tests that end the process there.
const (
	stageCopied   = "copied"
	stageMigrated = "migrated"
	stageLinked   = "linked"
	stageRenamed  = "renamed"
)

// upgrade migrates the records of a database that an older authzd wrote. It works on a copy, which replaces
// the database when it is complete and on the disk:
//
//	lock ─> copy ─> migrate the copy ─> give the database a second name ─> rename the copy to the first
//
// If it ends on the way, path leads to the old database or the new one, whole. The old one stays under the
// name that snapshotName returns, until the operator removes it.
func upgrade(path string, opts Options) (err error) {
	g, err := openBolt(path, &bbolt.Options{FreelistType: freelist})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, g.close()) }() // and with it the lock
	// Another process may have migrated it while this one waited for the lock.
	if err := g.stillNamed(path); err != nil {
		return err
	}
	found := opts.migrations.Format()
	if err := g.view(func(tx *bbolt.Tx) (err error) {
		found, err = recordFormat(tx)
		return err
	}); err != nil {
		return err
	}
	opts.Logger.Info("migrating the database", "from_format", found, "to_format", opts.migrations.Format())
	began := time.Now()
	temp, err := g.copyBeside(path)
	if err != nil {
		return fmt.Errorf("copy it before its migration: %w", err)
	}
	defer os.Remove(temp)
	opts.stage(stageCopied)
	if err := migrateFile(temp, opts); err != nil {
		return err
	}
	opts.stage(stageMigrated)
	if err := g.stillNamed(path); err != nil {
		return err
	}
	snapshot, err := keepAs(path, found)
	if err != nil {
		return err
	}
	opts.stage(stageLinked)
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	opts.stage(stageRenamed)
	opts.Logger.Info("database migrated", "format", opts.migrations.Format(), "took", time.Since(began).String(), "before_it", snapshot)
	return syncFile(filepath.Dir(path))
}

// copyBeside writes a copy of the database into a new file in its folder, syncs it, and returns its name.
func (g *guarded) copyBeside(path string) (temp string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), leftoverPrefix(path)+"*") // 0600
	if err != nil {
		return "", err
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			os.Remove(f.Name())
		}
	}()
	if err := g.view(func(tx *bbolt.Tx) error {
		_, err := tx.WriteTo(f)
		return err
	}); err != nil {
		return "", err
	}
	return f.Name(), f.Sync()
}

// migrateFile migrates a database that no other process knows, and syncs it once, at the end.
func migrateFile(path string, opts Options) error {
	g, err := openBolt(path, &bbolt.Options{FreelistType: freelist, NoSync: true})
	if err != nil {
		return err
	}
	if _, err := g.update(addTables); err != nil && !errors.Is(err, errNoChange) {
		return errors.Join(err, g.close())
	}
	s := startStore(path, path, g, opts)
	err = opts.migrations.Run(context.Background(), s, nil)
	return errors.Join(err, g.sync(), s.Close())
}

// keepAs gives a database that will be replaced a second name, unless an unfinished upgrade has done so.
func keepAs(path string, format int) (snapshot string, err error) {
	mine, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	kept, err := filepath.Glob(fmt.Sprintf("%s.format-%d-*", escapeGlob(path), format))
	if err != nil {
		return "", err
	}
	for _, name := range kept {
		if info, err := os.Stat(name); err == nil && os.SameFile(mine, info) {
			return name, nil
		}
	}
	now := time.Now()
	for { // until the name is free: another database may have been replaced in the same second
		snapshot = snapshotName(path, format, now)
		if err := os.Link(path, snapshot); !errors.Is(err, fs.ErrExist) {
			return snapshot, errors.Join(err, syncFile(filepath.Dir(path)))
		}
		now = now.Add(time.Second)
	}
}

// snapshotName returns the name for a database that a migration has replaced: authzd.db becomes
// authzd.db.format-1-20310203T040506Z.
func snapshotName(path string, format int, at time.Time) string {
	return fmt.Sprintf("%s.format-%d-%s", path, format, at.UTC().Format("20060102T150405Z"))
}

// escapeGlob makes a pattern that matches exactly one name.
func escapeGlob(name string) string {
	var b []byte
	for i := range len(name) {
		switch c := name[i]; c {
		case '*', '?', '[', '\\':
			b = append(b, '\\', c)
		default:
			b = append(b, c)
		}
	}
	return string(b)
}

// recordFormat returns the format that the records have reached.
func recordFormat(tx *bbolt.Tx) (int, error) {
	value, err := formatValue(tx)
	if err != nil {
		return 0, err
	}
	return storage.FormatOf(value)
}

// formatValue returns the value of the record with the records' format, or nil if there is none.
func formatValue(tx *bbolt.Tx) ([]byte, error) {
	bucket := tx.Bucket([]byte(storage.Formats.Table))
	if bucket == nil {
		return nil, nil
	}
	b := bucket.Get([]byte(storage.FormatKey))
	if b == nil {
		return nil, nil
	}
	r, err := decodeRow(b)
	return r.value, err
}
