package keys

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	// minSecret is the shortest secret that is accepted, in bytes: 256 bits.
	minSecret = 32
	// maxSecretFile bounds what is read of a secret file, in bytes.
	maxSecretFile = 4096
)

// OpenSecret reads the server secret from its files. The first path is the current secret, which
// seals and derives; the others are earlier ones, which only open and verify. A file holds at
// least 256 bits as base64 text, and may be a symbolic link.
//
// If the first file is absent it is made, with its folder. Of several processes that start at
// once, one makes it and all read the same. An absent earlier secret is an error.
func OpenSecret(paths ...string) (*Secret, error) {
	if len(paths) == 0 {
		return nil, errors.New("no secret file is named")
	}
	if err := ensureSecretFile(paths[0]); err != nil {
		return nil, fmt.Errorf("make the secret file: %w", err)
	}
	return ReadSecret(paths...)
}

// ReadSecret is OpenSecret, for those who need the secret that is there: all files must exist.
func ReadSecret(paths ...string) (*Secret, error) {
	var raw [][]byte
	var warnings []string
	for _, path := range paths {
		b, err := readSecretFile(path)
		if err != nil {
			return nil, err
		}
		raw = append(raw, b)
		warnings = append(warnings, looseModes(path)...)
	}
	s, err := NewSecret(raw...)
	if err != nil {
		return nil, err
	}
	s.warnings = warnings
	return s, nil
}

// Warnings tells which of the secret's files and folders are open to more than their owner, a
// sentence each.
func (s *Secret) Warnings() []string { return s.warnings }

func readSecretFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the secret file: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	if err != nil {
		return nil, fmt.Errorf("read the secret file: %w", err)
	}
	b, err := decodeSecret(text)
	if err != nil {
		return nil, fmt.Errorf("secret file %s: %w\nhint: it must hold one line of base64 text, as `openssl rand -base64 32` makes it", path, err)
	}
	return b, nil
}

// decodeSecret takes either base64 alphabet, padded or not. Its errors never quote the text.
func decodeSecret(text []byte) ([]byte, error) {
	if len(text) > maxSecretFile {
		return nil, fmt.Errorf("longer than %d bytes", maxSecretFile)
	}
	line := strings.TrimRight(strings.TrimSpace(string(text)), "=")
	line = strings.NewReplacer("+", "-", "/", "_").Replace(line)
	b, err := base64.RawURLEncoding.DecodeString(line)
	if err != nil {
		return nil, errors.New("not base64 text")
	}
	if len(b) < minSecret {
		return nil, fmt.Errorf("%d bits, need %d", len(b)*8, minSecret*8)
	}
	return b, nil
}

// ensureSecretFile makes the file whole or not at all. The hard link is what decides between
// processes: unlike a rename, it never replaces the file of another.
func ensureSecretFile(path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	temp, err := writeTemp(dir)
	if err != nil {
		return err
	}
	defer os.Remove(temp)
	if err := os.Link(temp, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(dir)
}

// writeTemp writes a new secret to a temporary file (0600) in dir, durably, and returns its path.
func writeTemp(dir string) (path string, err error) {
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
	b := make([]byte, minSecret)
	rand.Read(b)
	var text bytes.Buffer
	text.WriteString(base64.RawURLEncoding.EncodeToString(b))
	text.WriteByte('\n')
	if _, err := f.Write(text.Bytes()); err != nil {
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
