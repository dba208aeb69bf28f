package keys

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

const (
	// minSecret is the shortest secret that is accepted, in bytes: 256 bits.
	minSecret = 32
	// maxSecretFile bounds, in bytes, how much of a secret file is read.
	maxSecretFile = 4096
)

// Wrapper encrypts secrets under a key that is kept elsewhere. The result is JSON text.
type Wrapper interface {
	Wrap(secret []byte) (text []byte, err error)
	Unwrap(text []byte) (secret []byte, err error)
}

// envSource begins the name of an environment variable that holds a secret, instead of a file.
const envSource = "env:"

// OpenSecret reads the server secret from its sources: files, or environment variables if they begin with
// "env:". The first is the current secret, which seals and derives. The others, earlier or later ones, only
// open and verify. A source holds at least 256 bits as base64 text, or what w has wrapped. A file may be a
// symbolic link. A nil w unwraps nothing.
//
// If the first source is a missing file, OpenSecret makes it with its folder, wrapped by w. If several
// processes start at once, one makes it and all read the same. Another missing source is an error.
func OpenSecret(w Wrapper, sources ...string) (*Secret, error) {
	if len(sources) == 0 {
		return nil, errors.New("no secret file is named")
	}
	if err := ensureSecretFile(sources[0], w); err != nil {
		return nil, fmt.Errorf("make the secret file: %w", err)
	}
	return ReadSecret(w, sources...)
}

// ReadSecret is OpenSecret for existing secrets: all sources must exist.
func ReadSecret(w Wrapper, sources ...string) (*Secret, error) {
	var raw [][]byte
	var warnings []string
	for _, source := range sources {
		b, wrapped, err := readSecret(source, w)
		if err != nil {
			return nil, err
		}
		raw = append(raw, b)
		if w != nil && !wrapped {
			warnings = append(warnings, fmt.Sprintf("the secret in %s is not wrapped by the kms", source))
		}
		if !strings.HasPrefix(source, envSource) {
			warnings = append(warnings, looseModes(source)...)
		}
	}
	s, err := NewSecret(raw...)
	if err != nil {
		return nil, err
	}
	s.warnings = warnings
	return s, nil
}

// Warnings returns a sentence for each of the secret's files and folders that others than its owner can open.
func (s *Secret) Warnings() []string { return s.warnings }

// readSecret returns the secret of a source, and whether it was wrapped.
func readSecret(source string, w Wrapper) (secret []byte, wrapped bool, err error) {
	text, err := readSource(source)
	if err != nil {
		return nil, false, err
	}
	if !bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		if secret, err = decodeSecret(text); err != nil {
			return nil, false, &SecretError{fmt.Errorf("secret %s: %w", source, err), "it must hold one line of base64 text, as `openssl rand -base64 32` makes it"}
		}
		return secret, false, nil
	}
	if w == nil {
		return nil, true, &SecretError{fmt.Errorf("secret %s: is wrapped, and no kms is configured", source), "configure the kms that wrapped it"}
	}
	if secret, err = w.Unwrap(text); err != nil {
		return nil, true, fmt.Errorf("secret %s: %w", source, err)
	}
	if len(secret) < minSecret {
		return nil, true, fmt.Errorf("secret %s: %d bits, need %d", source, len(secret)*8, minSecret*8)
	}
	return secret, true, nil
}

// readSource returns the text of a source.
func readSource(source string) ([]byte, error) {
	if name, ok := strings.CutPrefix(source, envSource); ok {
		if text, ok := os.LookupEnv(name); ok {
			return []byte(text), nil
		}
		return nil, &SecretError{fmt.Errorf("the environment variable %s is not set", name), "put the server's secret into it"}
	}
	f, err := os.Open(source)
	if err != nil {
		return nil, fmt.Errorf("open the secret file: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	if err != nil {
		return nil, fmt.Errorf("read the secret file: %w", err)
	}
	return text, nil
}

// SecretError is an unusable secret.
type SecretError struct {
	Err  error
	Todo string
}

func (e *SecretError) Error() string { return e.Err.Error() }
func (e *SecretError) Unwrap() error { return e.Err }

// Hint says what the operator can do.
func (e *SecretError) Hint() string { return e.Todo }

// decodeSecret accepts both base64 alphabets, padded or not. Its errors never quote the text.
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

// ensureSecretFile makes the file of a source if there is none. It is no error if another process was faster.
func ensureSecretFile(source string, w Wrapper) error {
	if strings.HasPrefix(source, envSource) {
		return nil
	}
	if _, err := os.Stat(source); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := NewSecretFile(source, w); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}
