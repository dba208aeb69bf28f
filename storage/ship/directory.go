package ship

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// directory is a Destination: each object is a file with mode 0600.
type directory string

func (d directory) String() string { return string(d) }

// partial begins the names of files that are being written.
const partial = ".partial-"

// Put implements Destination. The file gets its name when it is complete and synced.
func (d directory) Put(ctx context.Context, name string, object []byte) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	path := filepath.Join(string(d), filepath.FromSlash(name))
	if _, err := os.Lstat(path); err == nil {
		return ErrExists
	}
	defer func() {
		if err != nil { // a full disk may have room for a folder, whose name alone would mean something
			d.removeEmpty(filepath.Dir(path))
		}
	}()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), partial+"*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(object)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	err = os.Link(f.Name(), path) // unlike a rename, it never replaces another file
	if errors.Is(err, fs.ErrExist) {
		return ErrExists
	}
	return errors.Join(err, syncFolder(filepath.Dir(path)))
}

func syncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Get implements Destination. It reads only regular files: a device has no end, and reading a pipe may block.
func (d directory) Get(ctx context.Context, name string) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	path := filepath.Join(string(d), filepath.FromSlash(name))
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // opening a pipe does not block
	if errors.Is(err, fs.ErrNotExist) {
		return nil, d.missing()
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", path)
	case info.Size() > maxObject:
		return nil, fmt.Errorf("%s has %d bytes", path, info.Size())
	}
	object, err := io.ReadAll(io.LimitReader(f, maxObject+1))
	if err == nil && len(object) > maxObject { // it grew meanwhile
		err = fmt.Errorf("%s has more than %d bytes", path, maxObject)
	}
	return object, err
}

// missing is ErrMissing, unless the whole directory is missing, for example because it is not mounted.
func (d directory) missing() error {
	if _, err := os.Stat(string(d)); err != nil {
		return err
	}
	return ErrMissing
}

// List implements Destination.
func (d directory) List(ctx context.Context, folder string) (names []string, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(filepath.Join(string(d), filepath.FromSlash(folder)))
	if errors.Is(err, fs.ErrNotExist) {
		if err := d.missing(); !errors.Is(err, ErrMissing) {
			return nil, err
		}
		return nil, nil
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), partial) {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// Delete implements Destination. It also removes folders that become empty.
func (d directory) Delete(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	path := filepath.Join(string(d), filepath.FromSlash(name))
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	d.removeEmpty(filepath.Dir(path))
	return nil
}

// removeEmpty removes a folder if it is empty, and then its parents if they are.
func (d directory) removeEmpty(folder string) {
	for ; len(folder) > len(string(d)) && os.Remove(folder) == nil; folder = filepath.Dir(folder) {
	}
}
