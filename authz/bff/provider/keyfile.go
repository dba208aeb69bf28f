package provider

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

func readKeyFile(path string) (*keyRing, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the client's key: %w", err)
	}
	keys, err := parseKeys(text)
	if err != nil {
		return nil, fmt.Errorf("the client's key %s: %w", path, err)
	}
	return &keyRing{text, keys}, nil
}

// parseKeys never quotes the file in its errors.
func parseKeys(text []byte) (keys []clientKey, err error) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		one, err := parseKey(block)
		if err != nil {
			return nil, err
		}
		if keys = append(keys, one); len(keys) > maxKeys {
			return nil, fmt.Errorf("more than %d keys", maxKeys)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("not a PEM file with a PRIVATE KEY")
	}
	slices.SortStableFunc(keys, func(a, b clientKey) int { return a.signFrom.Compare(b.signFrom) })
	if !keys[0].signFrom.IsZero() {
		keys[0].signFrom = time.Time{} // there is none before it
	}
	return keys, nil
}

func parseKey(block *pem.Block) (clientKey, error) {
	if block.Type != keyBlock {
		return clientKey{}, errors.New("not a PEM file with a PRIVATE KEY")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return clientKey{}, errors.New("not a PKCS #8 key")
	}
	private, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || private.Curve != elliptic.P256() {
		return clientKey{}, errors.New("not a key of the curve P-256, which ES256 needs")
	}
	var from time.Time
	if text := block.Headers[signFromHeader]; text != "" {
		if from, err = time.Parse(time.RFC3339, text); err != nil {
			return clientKey{}, errors.New("its " + signFromHeader + " is no time")
		}
	}
	return newKey(private, from)
}

// Follow reads the file again when it changes, until ctx ends. changed is called after that; its error says that the file
// is unusable, and the keys of before stay. For a key in no file it does nothing.
func (k *Key) Follow(ctx context.Context, changed func(error)) {
	if k.path == "" {
		return
	}
	ticker := time.NewTicker(followEvery)
	defer ticker.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		set, err := readKeyFile(k.path)
		switch {
		case err != nil:
			if !failing {
				changed(err)
			}
		case !bytes.Equal(set.text, k.ring.Load().text):
			k.ring.Store(set)
			changed(nil)
		}
		failing = err != nil
	}
}

// RotateKeyFile adds a new key to a file, which signs from a time on, and drops those that are no longer published. It
// returns the id of the new key. The error is ErrRotating if there is one already whose time has not come.
func RotateKeyFile(path string, signFrom time.Time) (id string, err error) {
	set, err := readKeyFile(path)
	if err != nil {
		return "", err
	}
	if set.keys[len(set.keys)-1].signFrom.After(time.Now()) {
		return "", ErrRotating
	}
	added, err := makeKey()
	if err != nil {
		return "", err
	}
	added.signFrom = signFrom.UTC().Truncate(time.Second)
	var text bytes.Buffer
	for _, one := range append(slices.Clone(set.published(time.Now())), added) {
		if err := one.write(&text); err != nil {
			return "", err
		}
	}
	temp, err := writeTemp(path, text.Bytes())
	if err != nil {
		return "", err
	}
	defer os.Remove(temp)
	return added.id, os.Rename(temp, path)
}

// ErrRotating says that a new key waits for its time.
var ErrRotating = errors.New("a new key of the client waits for its time already")

func (one *clientKey) write(w io.Writer) error {
	der, err := x509.MarshalPKCS8PrivateKey(one.private)
	if err != nil {
		return err
	}
	block := &pem.Block{Type: keyBlock, Bytes: der}
	if !one.signFrom.IsZero() {
		block.Headers = map[string]string{signFromHeader: one.signFrom.Format(time.RFC3339)}
	}
	return pem.Encode(w, block)
}

// makeKeyFile makes the file whole or not at all. The error is fs.ErrExist if there is one.
func makeKeyFile(path string) error {
	if _, err := os.Stat(path); err == nil {
		return fs.ErrExist
	}
	one, err := makeKey()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	var text bytes.Buffer
	if err := one.write(&text); err != nil {
		return err
	}
	temp, err := writeTemp(path, text.Bytes())
	if err != nil {
		return err
	}
	defer os.Remove(temp)
	// The hard link decides between processes: unlike a rename, it never replaces the file of another.
	return os.Link(temp, path)
}

// writeTemp writes a file beside path, for the owner only.
func writeTemp(path string, text []byte) (name string, err error) {
	temp, err := os.CreateTemp(filepath.Dir(path), ".key-*") // 0600
	if err != nil {
		return "", err
	}
	_, err = temp.Write(text)
	if err = errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return "", errors.Join(err, os.Remove(temp.Name()))
	}
	return temp.Name(), nil
}

// KeyAnnounce is how long a new key is published before it signs, unless somebody says otherwise: providers keep a JWKS
// for hours at most.
const KeyAnnounce = 24 * time.Hour

// RotateEvery rotates the file when its newest key is that old, until ctx ends. Only one process may do so for a file, and
// all must read that one file. failed is called for each attempt that failed; it is tried again an hour later.
func (k *Key) RotateEvery(ctx context.Context, every time.Duration, failed func(error)) {
	ticker := time.NewTicker(time.Hour)
	defer ticker.Stop()
	for {
		if err := k.rotateIfOlder(every); err != nil {
			failed(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (k *Key) rotateIfOlder(every time.Duration) error {
	ring, err := readKeyFile(k.path)
	if err != nil {
		return err
	}
	since := ring.keys[len(ring.keys)-1].signFrom
	if since.IsZero() {
		info, err := os.Stat(k.path)
		if err != nil {
			return err
		}
		since = info.ModTime()
	}
	if time.Since(since) < every-KeyAnnounce {
		return nil
	}
	if _, err := RotateKeyFile(k.path, time.Now().Add(KeyAnnounce)); !errors.Is(err, ErrRotating) {
		return err
	}
	return nil
}
