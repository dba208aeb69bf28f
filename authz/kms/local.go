package kms

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"
)

// Local is a Key that this machine holds: a credential of the service manager, or a file on a disk that is
// mounted for the start alone. It is XChaCha20-Poly1305.
type Local struct{ key []byte }

// NewLocal takes a key of 256 bits, as base64 text. Its errors never quote the text.
func NewLocal(text string) (*Local, error) {
	line := strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(strings.TrimSpace(text), "="))
	key, err := base64.RawURLEncoding.DecodeString(line)
	if err != nil || len(key) != chacha20poly1305.KeySize {
		return nil, &Error{errors.New("the key of kms.local is not 32 bytes of base64 text"), "make one with: openssl rand -base64 32"}
	}
	return &Local{key}, nil
}

func (*Local) Kind() string { return "local" }

// Name is a hash of the key.
func (l *Local) Name() string {
	sum := sha256.Sum256(append([]byte("authzd kms.local key name\x00"), l.key...))
	return hex.EncodeToString(sum[:8])
}

func (l *Local) Encrypt(plaintext, aad []byte) (nonce, ciphertext []byte, err error) {
	aead, err := chacha20poly1305.NewX(l.key)
	if err != nil {
		return nil, nil, err
	}
	nonce = make([]byte, chacha20poly1305.NonceSizeX)
	rand.Read(nonce) // never fails
	return nonce, aead.Seal(nil, nonce, plaintext, aad), nil
}

func (l *Local) Decrypt(name string, nonce, ciphertext, aad []byte) ([]byte, error) {
	if name != l.Name() {
		return nil, &Error{fmt.Errorf("it was wrapped by the key %s, and kms.local has the key %s", name, l.Name()), "configure the key that wrapped it"}
	}
	aead, err := chacha20poly1305.NewX(l.key)
	if err != nil {
		return nil, err
	}
	if len(nonce) != chacha20poly1305.NonceSizeX {
		return nil, ErrDamaged
	}
	plaintext, err := aead.Open(nil, nonce, ciphertext, aad)
	if err != nil {
		return nil, ErrDamaged
	}
	return plaintext, nil
}
