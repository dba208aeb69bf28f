package keys

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// NewSecretFile makes a secret file, with its folder, whole or not at all. w wraps the secret; nil: the file
// has it as base64 text. The error is fs.ErrExist if the path exists.
func NewSecretFile(path string, w Wrapper) error {
	secret := make([]byte, minSecret)
	rand.Read(secret) // never fails
	defer clear(secret)
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	temp, err := writeTemp(dir, secret, w)
	if err != nil {
		return err
	}
	defer os.Remove(temp)
	// The hard link decides between processes: unlike a rename, it never replaces the file of another.
	if err := os.Link(temp, path); err != nil {
		return err
	}
	return syncDir(dir)
}

// WrapSecretFile puts the secret of a file under the present key of w, whether it was wrapped before or not.
// The file is replaced whole or not at all, after a check that w can unwrap it. The old content stays
// readable on the disk until it is overwritten there.
func WrapSecretFile(path string, w Wrapper) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	secret, _, err := readSecret(path, w)
	if err != nil {
		return err
	}
	defer clear(secret)
	temp, err := writeTemp(filepath.Dir(path), secret, w)
	if err != nil {
		return err
	}
	defer os.Remove(temp) // does nothing after the rename
	if again, _, err := readSecret(temp, w); err != nil || string(again) != string(secret) {
		return errors.Join(errors.New("the wrapped secret cannot be unwrapped; the file is unchanged"), err)
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// writeTemp writes a secret to a temporary file (0600) in dir, durably, and returns its path.
func writeTemp(dir string, secret []byte, w Wrapper) (path string, err error) {
	text := append([]byte(base64.RawURLEncoding.EncodeToString(secret)), '\n')
	if w != nil {
		if text, err = w.Wrap(secret); err != nil {
			return "", err
		}
	}
	f, err := os.CreateTemp(dir, ".secret-*")
	if err != nil {
		return "", err
	}
	defer func() {
		err = errors.Join(err, f.Close())
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	if _, err := f.Write(text); err != nil {
		return "", err
	}
	return f.Name(), f.Sync()
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func looseModes(path string) []string {
	var warnings []string
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
		warnings = append(warnings, fmt.Sprintf("the secret file %s has mode %#o, should be 0600", path, info.Mode().Perm()))
	}
	dir := filepath.Dir(path)
	if info, err := os.Stat(dir); err == nil && info.Mode().Perm()&0o077 != 0 {
		warnings = append(warnings, fmt.Sprintf("the secret's folder %s has mode %#o, should be 0700", dir, info.Mode().Perm()))
	}
	return warnings
}
