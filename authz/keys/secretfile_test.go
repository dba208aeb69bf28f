package keys

import (
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/authzd/authzd/authz/kms"
)

func newWrapper(t testing.TB, n byte) Wrapper {
	t.Helper()
	key, err := kms.NewLocal(base64.StdEncoding.EncodeToString(counting(n)))
	if err != nil {
		t.Fatal(err)
	}
	return kms.Wrapper{Key: key}
}

// With a wrapper the first start makes a file that is wrapped, once, and without it the file is of no use.
func TestWrappedSecretIsMade(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", "secret")
	w := newWrapper(t, 1)
	var wg sync.WaitGroup
	ids := make([]string, 8)
	for i := range ids {
		wg.Go(func() {
			s, err := OpenSecret(w, path)
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = s.ID()
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("ids are %v", ids)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil || !strings.HasPrefix(string(text), "{") {
		t.Errorf("the file holds %.20q, %v", text, err)
	}
	for name, other := range map[string]Wrapper{"none": nil, "another": newWrapper(t, 2)} {
		if _, err := OpenSecret(other, path); err == nil {
			t.Errorf("opened with %s", name)
		}
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("left over: %v, %v", entries, err)
	}
}

// A plain secret is taken with a wrapper too, with a warning, until it is wrapped.
func TestWrapSecretFile(t *testing.T) {
	path := writeSecret(t, "secret", base64.StdEncoding.EncodeToString(counting(0)))
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	w := newWrapper(t, 1)
	s, err := OpenSecret(w, path)
	if err != nil || len(s.Warnings()) != 1 || !strings.Contains(s.Warnings()[0], "not wrapped") {
		t.Fatalf("%v, %v", s.Warnings(), err)
	}
	for range 2 {
		if err := WrapSecretFile(link, w); err != nil {
			t.Fatal(err)
		}
		again, err := OpenSecret(w, path)
		if err != nil || again.ID() != s.ID() || len(again.Warnings()) != 0 {
			t.Errorf("wrapped: %v", err)
		}
	}
	if info, err := os.Lstat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode().Type() != fs.ModeSymlink {
		t.Errorf("the link: %v, %v", info.Mode(), err)
	}
}

// badWrapper wraps what it cannot unwrap.
type badWrapper struct{}

var errUnwrap = errors.New("no")

func (badWrapper) Wrap(secret []byte) ([]byte, error)   { return []byte("{}"), nil }
func (badWrapper) Unwrap(secret []byte) ([]byte, error) { return nil, errUnwrap }

func TestWrapSecretFileFails(t *testing.T) {
	text := base64.StdEncoding.EncodeToString(counting(0))
	path := writeSecret(t, "secret", text)
	if err := WrapSecretFile(path, badWrapper{}); !errors.Is(err, errUnwrap) {
		t.Errorf("error is %v", err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != text {
		t.Errorf("the file was changed: %v", err)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("left over: %v, %v", entries, err)
	}
	if err := NewSecretFile(path, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("made over another: %v", err)
	}
}

func TestSecretFromEnvironment(t *testing.T) {
	t.Setenv("TEST_SECRET", base64.StdEncoding.EncodeToString(counting(0))+"\n")
	s, err := OpenSecret(nil, "env:TEST_SECRET")
	if err != nil || s.ID() != newSecret(t, counting(0)).ID() {
		t.Errorf("error is %v", err)
	}
	wrapped, err := newWrapper(t, 1).Wrap(counting(3))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("TEST_WRAPPED", string(wrapped))
	if s, err := OpenSecret(newWrapper(t, 1), "env:TEST_WRAPPED"); err != nil || s.ID() != newSecret(t, counting(3)).ID() {
		t.Errorf("wrapped: %v", err)
	}
	t.Setenv("TEST_SECRET", "hunter2")
	for _, source := range []string{"env:", "env:TEST_ABSENT", "env:TEST_SECRET"} {
		hinted := new(SecretError)
		if _, err := OpenSecret(nil, source); !errors.As(err, &hinted) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", source, err)
		}
	}
}

// FuzzSecretText: no content of a secret file causes a panic, no error quotes it, and an accepted secret has
// 256 bits.
func FuzzSecretText(f *testing.F) {
	f.Add([]byte(base64.StdEncoding.EncodeToString(counting(0))))
	f.Add([]byte("hunter2-hunter2-hunter2"))
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := decodeSecret(text)
		switch {
		case err == nil && len(b) < minSecret:
			t.Errorf("accepted %d bytes", len(b))
		case err != nil && len(text) > 12 && strings.Contains(err.Error(), string(text)):
			t.Errorf("the error quotes %q", text)
		}
	})
}
