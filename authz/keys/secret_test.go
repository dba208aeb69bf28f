package keys

import (
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// writeSecret writes a secret file and returns its path.
func writeSecret(t *testing.T, name, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// fingerprint tells secrets apart.
func fingerprint(s *Secret) [32]byte { return s.Deriver("test").Derive(nil)[0] }

func TestOpenSecretRefuses(t *testing.T) {
	good := writeSecret(t, "good", base64.StdEncoding.EncodeToString(counting(0)))
	for name, paths := range map[string][]string{
		"no path":        nil,
		"empty file":     {writeSecret(t, "s", "")},
		"not base64":     {writeSecret(t, "s", "correct horse battery staple, thirty-two and more")},
		"too short":      {writeSecret(t, "s", base64.RawURLEncoding.EncodeToString(make([]byte, 31)))},
		"too long":       {writeSecret(t, "s", strings.Repeat("A", maxSecretFile+4))},
		"two lines":      {writeSecret(t, "s", strings.Repeat("A", 44)+" "+strings.Repeat("A", 44))},
		"a folder":       {t.TempDir()},
		"absent earlier": {good, filepath.Join(t.TempDir(), "absent")},
		"bad earlier":    {good, writeSecret(t, "s", "x")},
		"folder is file": {filepath.Join(good, "secret")},
	} {
		if s, err := OpenSecret(nil, paths...); err == nil {
			t.Errorf("%s: accepted as %x", name, fingerprint(s))
		}
	}
}

func TestOpenSecretErrorDoesNotQuoteIt(t *testing.T) {
	const text = "hunter2-hunter2"
	_, err := OpenSecret(nil, writeSecret(t, "s", text))
	if err == nil || strings.Contains(err.Error(), text) {
		t.Errorf("error is %v", err)
	}
	if hinted := new(SecretError); !errors.As(err, &hinted) || hinted.Hint() == "" {
		t.Errorf("no hint in: %v", err)
	}
}

func TestOpenSecretTakesWhatOtherToolsWrite(t *testing.T) {
	raw := counting(200) // has both characters that differ between the alphabets
	want := fingerprint(newSecret(t, raw))
	for name, text := range map[string]string{
		"url":              base64.RawURLEncoding.EncodeToString(raw),
		"url padded, line": base64.URLEncoding.EncodeToString(raw) + "\n",
		"openssl rand":     base64.StdEncoding.EncodeToString(raw) + "\n",
		"crlf":             base64.StdEncoding.EncodeToString(raw) + "\r\n",
	} {
		s, err := OpenSecret(nil, writeSecret(t, "s", text))
		if err != nil || fingerprint(s) != want {
			t.Errorf("%s: another secret, or %v", name, err)
		}
	}
}

func TestOpenSecretMakesTheFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data", "deep")
	path := filepath.Join(dir, "secret")
	made, err := OpenSecret(nil, path)
	if err != nil {
		t.Fatal(err)
	}
	if w := made.Warnings(); len(w) != 0 {
		t.Errorf("warned of what it made itself: %q", w)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("secret file: %v, %v", info, err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder: %v, %v", info, err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("left behind: %v", files)
	}
	again, err := OpenSecret(nil, path)
	if err != nil || fingerprint(again) != fingerprint(made) {
		t.Errorf("read back as another secret, or %v", err)
	}
	text, _ := os.ReadFile(path)
	if b, err := base64.RawURLEncoding.DecodeString(strings.TrimSpace(string(text))); err != nil || len(b) != 32 {
		t.Errorf("file holds %d bytes, %v; want 256 bits of base64url", len(b), err)
	}
}

func TestOpenSecretRotation(t *testing.T) {
	old := writeSecret(t, "old", base64.RawURLEncoding.EncodeToString(counting(1)))
	before, err := OpenSecret(nil, old)
	if err != nil {
		t.Fatal(err)
	}
	after, err := OpenSecret(nil, filepath.Join(t.TempDir(), "new"), old)
	if err != nil {
		t.Fatal(err)
	}
	if fingerprint(after) == fingerprint(before) {
		t.Error("the new path's secret is not the current one")
	}
	if _, err := after.Sealer("a").Open(before.Sealer("a").Seal(nil, nil), nil); err != nil {
		t.Errorf("the earlier secret does not open: %v", err)
	}
}

func TestOpenSecretAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", "secret")
	var wg sync.WaitGroup
	prints := make([][32]byte, 16)
	for i := range prints {
		wg.Go(func() {
			s, err := OpenSecret(nil, path)
			if err != nil {
				t.Error(err)
				return
			}
			prints[i] = fingerprint(s)
		})
	}
	wg.Wait()
	for _, p := range prints {
		if p != prints[0] {
			t.Fatal("processes that start at once have different secrets")
		}
	}
}

func TestWarnings(t *testing.T) {
	path := writeSecret(t, "s", base64.RawURLEncoding.EncodeToString(counting(0)))
	link := filepath.Join(filepath.Dir(path), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		file, dir os.FileMode
		warnings  int
	}{{0o600, 0o700, 0}, {0o400, 0o700, 0}, {0o644, 0o700, 1}, {0o600, 0o750, 1}, {0o640, 0o755, 2}} {
		if err := os.Chmod(path, step.file); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Dir(path), step.dir); err != nil {
			t.Fatal(err)
		}
		for _, p := range []string{path, link} {
			s, err := OpenSecret(nil, p)
			if err != nil {
				t.Fatal(err)
			}
			if got := s.Warnings(); len(got) != step.warnings {
				t.Errorf("file %v, folder %v: %q, want %d warnings", step.file, step.dir, got, step.warnings)
			}
		}
	}
}

func FuzzDecodeSecret(f *testing.F) {
	f.Add([]byte(base64.StdEncoding.EncodeToString(counting(0)) + "\n"))
	f.Add([]byte("=\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := decodeSecret(text)
		if err == nil && len(b) < minSecret {
			t.Errorf("accepted %d bytes", len(b))
		}
	})
}
