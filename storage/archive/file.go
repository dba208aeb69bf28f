package archive

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// ErrExists says that there is a file of that name, which may not be replaced.
var ErrExists = errors.New("file exists")

// Create makes a file from what fill writes, with mode 0600, whole or not at all. It gets its name when its
// whole content is on the disk and was read again. If overwrite is true, it replaces a file of that name;
// otherwise the error is ErrExists.
func Create(path string, overwrite bool, fill func(io.Writer) error) (err error) {
	if _, err := os.Lstat(path); err == nil && !overwrite {
		return fmt.Errorf("%s: %w", path, ErrExists)
	}
	removeParts(path)
	f, err := newPart(path)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	sum := sha256.New()
	if err := fill(io.MultiWriter(f, sum)); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := readAgain(f, sum.Sum(nil)); err != nil {
		return err
	}
	if overwrite {
		err = os.Rename(f.Name(), path)
	} else if err = os.Link(f.Name(), path); errors.Is(err, fs.ErrExist) { // unlike a rename, it never replaces
		err = fmt.Errorf("%s: %w", path, ErrExists)
	}
	return errors.Join(err, syncFolder(filepath.Dir(path)))
}

// readAgain checks that the disk returns what was written to a file.
func readAgain(f *os.File, want []byte) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return fmt.Errorf("read it again: %w", err)
	}
	if !bytes.Equal(sum.Sum(nil), want) {
		return errors.New("the disk returns something other than what was written")
	}
	return nil
}

// newPart makes the file that will become path, and locks it while this process works on it.
func newPart(path string) (*os.File, error) {
	for {
		f, err := os.CreateTemp(filepath.Dir(path), partPrefix(path)+"*") // 0600
		if err != nil {
			return nil, err
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
			os.Remove(f.Name())
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
		}
		if _, err := os.Stat(f.Name()); err == nil {
			return f, nil
		}
		f.Close() // another process took it for a leftover before it was locked
	}
}

func partPrefix(path string) string { return "." + filepath.Base(path) + ".part-" }

// removeParts removes what is left of a process that died in Create. A process that still works on a part has
// locked it.
func removeParts(path string) {
	folder := filepath.Dir(path)
	entries, err := os.ReadDir(folder)
	if err != nil {
		return // Create will report it
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), partPrefix(path)) {
			continue
		}
		f, err := os.Open(filepath.Join(folder, e.Name()))
		if err != nil {
			continue
		}
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			os.Remove(f.Name())
		}
		f.Close()
	}
}

func syncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
