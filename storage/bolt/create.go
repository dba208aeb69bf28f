package bolt

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"github.com/authzd/authzd/storage"
)

const (
	fileMode   fs.FileMode = 0o600
	folderMode fs.FileMode = 0o700
)

// create makes an empty database at path, whole or not at all: it is complete and synced under another name
// before it gets its final name. If another process makes one meanwhile, that one stays. The new records will
// have this format.
func create(path string, recordFormat int) error {
	if err := makeFolder(filepath.Dir(path)); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), leftoverPrefix(path)+"*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err := f.Close(); err != nil {
		return err
	}
	err = fill(f.Name(), recordFormat)
	if err == nil {
		err = os.Link(f.Name(), path) // unlike a rename, it never replaces another file
	}
	if _, statErr := os.Lstat(path); err != nil && statErr != nil {
		return err
	}
	return syncFile(filepath.Dir(path))
}

// createEmpty makes an empty database at path, where no file may be, for a caller that fills it.
func createEmpty(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, fileMode)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return fill(path, 1)
}

// fill writes an empty database into an empty file and syncs it.
func fill(path string, recordFormat int) error {
	// Keys are hashes, so each changed record is on another page. Pages of more than 4096 bytes, as some
	// machines have them, would only make each write larger.
	g, err := openBolt(path, &bbolt.Options{PageSize: 4096})
	if err != nil {
		return err
	}
	_, err = g.update(func(tx *bbolt.Tx) error {
		meta, err := tx.CreateBucket(metaBucket)
		if err != nil {
			return err
		}
		if err := meta.Put(formatKey, strconv.AppendInt(nil, format, 10)); err != nil {
			return err
		}
		if err := addTables(tx); err != nil || recordFormat == 1 {
			return err
		}
		return markFormat(tx, recordFormat)
	})
	return errors.Join(err, g.sync(), g.close())
}

// markFormat stores the format of a new database's records. It is not a commit: those are counted from 1.
func markFormat(tx *bbolt.Tx, number int) error {
	w := storage.Formats.Put(storage.FormatKey, &storage.Format{Number: number}, storage.Absent, time.Time{})
	row := encodeRow([]byte(w.Key), w.Value, w.Expires)
	setVersion(row, 1)
	return tx.Bucket([]byte(w.Table)).Put([]byte(w.Key), row)
}

// makeFolder makes folder and those above it, each durable in its parent.
func makeFolder(folder string) error {
	if _, err := os.Stat(folder); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(folder)
	if err := makeFolder(parent); err != nil {
		return err
	}
	if err := os.Mkdir(folder, folderMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncFile(parent)
}

func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// leftoverPrefix is the beginning of the name of an unfinished database.
func leftoverPrefix(path string) string { return "." + filepath.Base(path) + ".new-" }

// removeLeftovers removes what is left of a process that died in create. The caller has locked the database,
// so a process that is creating one at this moment is too late anyway.
func removeLeftovers(path string) {
	folder := filepath.Dir(path)
	entries, err := os.ReadDir(folder)
	if err != nil {
		return // they do no harm
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), leftoverPrefix(path)) {
			os.Remove(filepath.Join(folder, e.Name()))
		}
	}
}
