package bolt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/bits"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/authzd/authzd/storage"
)

var (
	// metaBucket is not a table: it holds the format, the sequence of versions and the position.
	metaBucket = []byte("authzd.meta")
	formatKey  = []byte("format")
	probeKey   = []byte("probe")
)

// format is raised when a change of the file's layout would mislead an older authzd. A new table is no such
// change, and changes of records are counted by storage.Format.
const format = 1

const (
	lockTimeout = time.Second

	// mapRoom is how much larger the file's address space is than the file, where addresses have 64 bits and
	// it costs nothing. When the file has grown that much, it must be mapped again. That waits for all
	// readers, an export among them, while all writers wait; and if it fails, nothing can be read any more.
	mapRoom = (bits.UintSize / 64) << 34

	// freelist: each commit stores the list of free pages, 8 bytes for each. Otherwise each start and each
	// failed commit would read every page, in a goroutine whose panics can't be caught. An array costs less
	// to store than the other kind, a map. It also gives the lowest page, which keeps the file small. It is
	// slow only for records of many pages.
	freelist = bbolt.FreelistArrayType

	// allocSize is the step in which the file grows. Each step costs one more fsync.
	allocSize = 1 << 20
)

// ErrInUse says that another process has the database open.
var ErrInUse = errors.New("is in use")

// Open opens the database at path, and creates it and its folder if there is none. If anything else is at
// path, it stays as it is, and the error names it.
func Open(path string, opts Options) (*Store, error) {
	opts = opts.complete()
	name := path
	path = Resolve(path)
	g, err := open(path, opts)
	if err != nil {
		return nil, withHint(fmt.Errorf("open database %s: %w", path, err))
	}
	warnOfModes(path, opts.Logger)
	s := startStore(name, path, g, opts)
	if opts.Follow {
		return s, nil
	}
	if _, err := opts.migrations.Check(context.Background(), s); err != nil { // marks a new store
		return nil, errors.Join(err, s.Close())
	}
	s.sweeping.Add(1)
	go s.sweep(opts.SweepEvery)
	return s, nil
}

// Resolve returns where the database at path is: elsewhere, if path is a symbolic link. A file that replaces
// the database must take that place; otherwise it would replace the link.
func Resolve(path string) string {
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() == fs.ModeSymlink {
		if file, err := filepath.EvalSymlinks(path); err == nil {
			return file
		}
	}
	return path
}

// startStore serves an open database. name is the caller's path, path the resolved one.
func startStore(name, path string, g *guarded, opts Options) *Store {
	s := &Store{name: name, path: path, g: g, log: opts.Logger, stage: opts.stage,
		follows: opts.Follow, closing: make(chan struct{}), unseen: make(chan error, 1)}
	s.c = newCommitter(g, opts.Logger, s.checkFile)
	if !opts.KeepSize {
		s.compactFrom = compactFrom
	}
	go s.c.run()
	return s
}

// open finds or makes the file, checks it without changing it, migrates it if necessary, and only then opens
// it for writing.
func open(path string, opts Options) (*guarded, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := create(path, opts.migrations.Format()); err != nil {
			return nil, fmt.Errorf("create: %w", err)
		}
		info, err = os.Stat(path)
	}
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, errors.New("is a folder, not a database file")
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("is not a regular file (%v)", info.Mode().Type())
	case info.Size() == 0:
		return nil, hinted{errors.New("is empty, not a database"), "restore a backup, or remove it to start with an empty database"}
	}
	due, err := inspect(path, opts.migrations)
	switch {
	case err != nil:
		return nil, err
	case due && opts.Follow:
		return nil, errors.New("has the format of an older authzd; update the primary that it follows first")
	case due:
		if err := upgrade(path, opts); err != nil {
			return nil, err
		}
	}
	g, err := openBolt(path, &bbolt.Options{FreelistType: freelist, InitialMmapSize: int(info.Size()) + mapRoom})
	if err != nil {
		return nil, err
	}
	if err := g.settle(path); err != nil {
		return nil, errors.Join(err, g.close())
	}
	removeLeftovers(path)
	return g, nil
}

// openBolt opens an existing file with bbolt. bbolt alone would create a missing file, panic over some kinds
// of damage, and forget to close the file then.
func openBolt(path string, o *bbolt.Options) (*guarded, error) {
	g := &guarded{commit: (*bbolt.Tx).Commit, stuck: make(chan struct{})}
	opened := &opened{}
	o.Timeout = lockTimeout
	o.OpenFile = func(path string, flag int, mode fs.FileMode) (f *os.File, err error) {
		opened.file, err = os.OpenFile(path, flag&^os.O_CREATE, mode)
		return opened.file, err
	}
	err := catch(func() (err error) {
		if opened.db, err = bbolt.Open(path, fileMode, o); err != nil {
			return err
		}
		opened.page = opened.db.Info().PageSize
		return opened.db.View(func(tx *bbolt.Tx) error {
			opened.committed.Store(uint64(tx.ID()))
			return nil
		})
	})
	if errors.Is(err, errDamaged) {
		_ = unlockAndClose(opened.file)
	}
	if err != nil {
		return nil, explain(path, err)
	}
	if opened.info, err = opened.file.Stat(); err != nil {
		return nil, errors.Join(err, opened.db.Close())
	}
	opened.bytes.Store(opened.info.Size())
	opened.db.AllocSize = allocSize
	g.open.Store(opened)
	return g, nil
}

// explain says in our words why bbolt could not open a file.
func explain(path string, err error) error {
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		who := "another process"
		if pid := lockHolder(path); pid == os.Getpid() {
			return errors.New("is already open in this process")
		} else if pid != 0 {
			who = fmt.Sprintf("process %d", pid)
		}
		return hinted{fmt.Errorf("%w by %s: most likely another authzd is running on it", ErrInUse, who),
			"stop that one, or give this one another database"}
	case errors.Is(err, berrors.ErrChecksum), errors.Is(err, errDamaged):
		return damaged(err)
	}
	if errno := syscall.Errno(0); errors.As(err, &errno) {
		return err
	}
	return hinted{fmt.Errorf("is not an authzd database, or only a part of one (%w)", err), "name another file, or restore a backup in its place"}
}

// inspect checks a file without changing it: it is ours, of a known format, complete, and every table can be
// entered. Reading every page would take too long for a large file; a damaged page further in becomes an
// error of the read that meets it. due means that its records have an earlier format.
func inspect(path string, migrations storage.Migrations) (due bool, err error) {
	g, err := openBolt(path, &bbolt.Options{ReadOnly: true})
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, g.close()) }()
	return g.inspect(walkEdges, migrations)
}

// inspect is inspect of an open file. walk checks more or fewer of its pages.
func (g *guarded) inspect(walk func(*bbolt.Tx, io.ReaderAt) error, migrations storage.Migrations) (due bool, err error) {
	o := g.open.Load()
	err = g.view(func(tx *bbolt.Tx) error {
		if want := tx.Size(); o.info.Size() < want {
			return damaged(fmt.Errorf("cut to %d of at least %d bytes", o.info.Size(), want))
		}
		if err := walk(tx, o.file); err != nil { // before bbolt goes there, perhaps without end
			return damaged(err)
		}
		if err := checkFormat(tx); err != nil {
			return err
		}
		empty := true
		for _, table := range storage.Tables {
			if b := tx.Bucket([]byte(table)); b != nil {
				first, _ := b.Cursor().First()
				b.Cursor().Last() // once: later reads would find the same
				empty = empty && first == nil
			}
		}
		value, err := formatValue(tx)
		if err == nil {
			due, err = migrations.Judge(value)
		}
		due = due && !empty && !beingFilled(tx)
		return err
	})
	if p := new(panicError); errors.As(err, &p) {
		return false, damaged(err)
	}
	return due, err
}

// beingFilled reports whether a transfer has begun to fill the database and has not finished.
func beingFilled(tx *bbolt.Tx) bool {
	b := tx.Bucket([]byte(storage.Transfers.Table))
	return b != nil && b.Get([]byte(storage.TransferKey)) != nil
}

func damaged(err error) error {
	return hinted{fmt.Errorf("is damaged (%w)", err), `restore a backup: "authzd restore --replace" keeps this file; "authzd check" names what is damaged`}
}

func checkFormat(tx *bbolt.Tx) error {
	meta := tx.Bucket(metaBucket)
	if meta == nil {
		return errors.New("is a bbolt database of another program, not of authzd")
	}
	b := string(meta.Get(formatKey))
	switch found, err := strconv.Atoi(b); {
	case err != nil || found < 1:
		return fmt.Errorf("has no known format (%.20q)", b)
	case found > format:
		return &storage.FormatError{Found: found, Known: format}
	}
	return nil
}

// settle makes durable what was read from the file before anything is built upon it. It also adds the tables
// that are new in this version.
//
// If a process was killed, or its last sync failed, the newest meta page may be only in the kernel's cache.
// Everything that it points to was synced before. But it is safe to free and overwrite pages of the state
// before it only when the meta page itself is on the disk. Writing both meta pages again unchanged marks them
// dirty, so that the next sync must store them.
func (g *guarded) settle(path string) error {
	o := g.open.Load()
	if err := g.stillNamed(path); err != nil {
		return err
	}
	metas, err := o.metas()
	if err != nil {
		return err
	}
	if _, err := o.file.WriteAt(metas, 0); err != nil {
		return err
	}
	if err := o.file.Sync(); err != nil {
		return err
	}
	if _, err := g.update(addTables); !errors.Is(err, errNoChange) {
		return err
	}
	return nil
}

func addTables(tx *bbolt.Tx) error {
	added := false
	for _, table := range storage.Tables {
		if tx.Bucket([]byte(table)) != nil {
			continue
		}
		if _, err := tx.CreateBucket([]byte(table)); err != nil {
			return err
		}
		added = true
	}
	if !added {
		return errNoChange
	}
	return nil
}

// warnOfModes warns the operator if others could read the database.
func warnOfModes(path string, log *slog.Logger) {
	for _, f := range []struct {
		what, path string
		mode       fs.FileMode
	}{
		{"folder", filepath.Dir(path), folderMode},
		{"file", path, fileMode},
	} {
		info, err := os.Stat(f.path)
		if err != nil || info.Mode().Perm()&^f.mode == 0 {
			continue
		}
		log.Warn("the database's "+f.what+" is open to other users of this machine",
			"path", f.path, "mode", fmt.Sprintf("%04o", info.Mode().Perm()),
			"do", fmt.Sprintf("chmod %04o %s", f.mode, f.path))
	}
}
