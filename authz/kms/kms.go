// Package kms encrypts the server's secrets under a key that is kept elsewhere. The file of a wrapped secret is
// useless without the key. Local keeps the key in a separate file. docs/decisions/key-wrapping.md says what a key in
// a cloud service would need.
//
//	secret ─> Wrap ─> text in the secret's file ─> Unwrap ─> secret
//	           │                                     │
//	           └──────── Key: encrypt, decrypt ──────┘   at the start only, never for a request
package kms

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/authzd/authzd/authz/strictjson"
)

// Key encrypts and authenticates a few bytes under a key that it names.
type Key interface {
	// Kind names the implementation, and Name the key that Encrypt uses.
	Kind() string
	Name() string
	// Encrypt returns a ciphertext that is bound to aad.
	Encrypt(plaintext, aad []byte) (nonce, ciphertext []byte, err error)
	// Decrypt uses the key of a name. The error is ErrDamaged if the ciphertext, aad or key is not the one
	// of Encrypt.
	Decrypt(name string, nonce, ciphertext, aad []byte) ([]byte, error)
}

var (
	// ErrDamaged: what is wrapped was altered, or another key wrapped it.
	ErrDamaged = errors.New("the wrapped secret is damaged, or was wrapped by another key")
	// ErrMalformed: the text is not that of a wrapped secret.
	ErrMalformed = errors.New("not a wrapped secret")
)

// Error is a failure that the operator can do something about.
type Error struct {
	Err  error
	Todo string
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Hint says what to do.
func (e *Error) Hint() string { return e.Todo }

// maxText bounds what is read as a wrapped secret, in bytes.
const maxText = 4096

// version is of envelope.
const version = 1

// envelope is a wrapped secret as text.
type envelope struct {
	Version    int    `json:"authzd_wrapped_secret"`
	KMS        string `json:"kms"`
	Key        string `json:"key"`
	Nonce      []byte `json:"nonce"`
	Ciphertext []byte `json:"ciphertext"`
}

// aad binds the ciphertext to what stands beside it.
func (e *envelope) aad() []byte {
	return fmt.Appendf(nil, "authzd wrapped secret %d\x00%s\x00%s", e.Version, e.KMS, e.Key)
}

// Wrapper wraps secrets by a Key.
type Wrapper struct{ Key Key }

// Wrap returns the text of a wrapped secret: one line of JSON.
func (w Wrapper) Wrap(secret []byte) ([]byte, error) {
	e := &envelope{Version: version, KMS: w.Key.Kind(), Key: w.Key.Name()}
	var err error
	if e.Nonce, e.Ciphertext, err = w.Key.Encrypt(secret, e.aad()); err != nil {
		return nil, fmt.Errorf("wrap the secret: %w", err)
	}
	text, err := json.Marshal(e)
	return append(text, '\n'), err
}

// Unwrap returns the secret. The error is ErrMalformed, ErrDamaged or one of the Key's.
func (w Wrapper) Unwrap(text []byte) ([]byte, error) {
	e, err := parse(text)
	if err != nil {
		return nil, err
	}
	if e.KMS != w.Key.Kind() {
		return nil, &Error{fmt.Errorf("was wrapped by the kms %q, and %q is configured", e.KMS, w.Key.Kind()), "configure the kms that wrapped it"}
	}
	secret, err := w.Key.Decrypt(e.Key, e.Nonce, e.Ciphertext, e.aad())
	if err != nil {
		return nil, fmt.Errorf("unwrap the secret: %w", err)
	}
	return secret, nil
}

// KeyName returns the name of the key that wrapped a secret.
func KeyName(text []byte) (string, error) {
	e, err := parse(text)
	if err != nil {
		return "", err
	}
	return e.Key, nil
}

func parse(text []byte) (*envelope, error) {
	if len(text) > maxText {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrMalformed, maxText)
	}
	e := new(envelope)
	if err := strictjson.Unmarshal(text, e); err != nil {
		return nil, fmt.Errorf("%w: it is cut, or not JSON with the members that there should be: %w", ErrMalformed, err)
	}
	switch {
	case e.Version > version:
		return nil, &Error{fmt.Errorf("%w that this authzd knows: version %d", ErrMalformed, e.Version), "use the authzd that wrapped it, or a newer one"}
	case e.Version != version || e.KMS == "" || e.Key == "" || len(e.Nonce) == 0 || len(e.Ciphertext) == 0:
		return nil, fmt.Errorf("%w: a member is missing", ErrMalformed)
	}
	return e, nil
}
