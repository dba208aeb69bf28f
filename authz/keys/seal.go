package keys

import (
	"bytes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
)

// SecretIDSize is how many bytes at the beginning of what a Sealer seals name the secret.
const SecretIDSize = idSize

// idSize is the length in bytes of the secret's id before every sealed message.
const idSize = 8

var (
	// ErrUnknownSecret says that the message was sealed under a secret that was not given.
	ErrUnknownSecret = errors.New("sealed under another secret")
	// ErrTampered says that the message, its additional data or its purpose is not what was sealed.
	ErrTampered = errors.New("sealed message was altered")
)

// Secret is the server secret, with earlier ones that still open what they sealed. It is the root of a Sealer
// or Deriver for each purpose. The key of one purpose reveals nothing about that of another.
//
// Each purpose has a 256-bit key by HKDF-SHA-256 (RFC 5869), made once with the Sealer or Deriver. Sealing is
// XChaCha20-Poly1305: its 192-bit nonces may be random for any number of messages, while AES-GCM's 96 bits
// would have to be counted. Deriving is HMAC-SHA-256.
type Secret struct {
	roots    []root // current first
	warnings []string
}

// root is one secret after HKDF's extract step.
type root struct {
	prk []byte
	id  [idSize]byte // names the secret that sealed a message, and reveals nothing else about it
}

// NewSecret makes a Secret of raw bytes, the current ones first. Each must have 32 bytes or more.
func NewSecret(raw ...[]byte) (*Secret, error) {
	if len(raw) == 0 {
		return nil, errors.New("no secret given")
	}
	s := &Secret{}
	for _, b := range raw {
		if len(b) < minSecret {
			return nil, fmt.Errorf("secret of %d bytes, need %d", len(b), minSecret)
		}
		prk, err := hkdf.Extract(sha256.New, b, nil)
		if err != nil {
			return nil, fmt.Errorf("extract the secret: %w", err)
		}
		r := root{prk: prk}
		copy(r.id[:], r.expand("id", ""))
		s.roots = append(s.roots, r)
	}
	return s, nil
}

// expand is HKDF's second step: it returns the key of one use and purpose.
func (r root) expand(use, purpose string) []byte {
	key, err := hkdf.Expand(sha256.New, r.prk, "authzd v1 "+use+" "+purpose, sha256.Size)
	if err != nil { // only for lengths that SHA-256 can't give
		panic(fmt.Sprintf("expand the secret: %v", err))
	}
	return key
}

// Sealer encrypts and authenticates for one purpose. It is safe for concurrent use.
type Sealer struct{ boxes []box }

type box struct {
	id   [idSize]byte
	aead cipher.AEAD
}

// Sealer returns the sealer of a purpose. Purposes are constants of the program; make each sealer
// once.
func (s *Secret) Sealer(purpose string) *Sealer {
	sealer := &Sealer{}
	for _, r := range s.roots {
		aead, err := chacha20poly1305.NewX(r.expand("seal", purpose))
		if err != nil { // only for a key of the wrong length
			panic(fmt.Sprintf("make the cipher: %v", err))
		}
		sealer.boxes = append(sealer.boxes, box{r.id, aead})
	}
	return sealer
}

// Seal encrypts plaintext under the current secret, and binds it to aad, which is not part of the
// result. The result is the secret's id, a random nonce and the ciphertext: 48 bytes longer.
func (s *Sealer) Seal(plaintext, aad []byte) []byte {
	b := s.boxes[0]
	out := make([]byte, idSize+chacha20poly1305.NonceSizeX, idSize+chacha20poly1305.NonceSizeX+len(plaintext)+chacha20poly1305.Overhead)
	copy(out, b.id[:])
	nonce := out[idSize:]
	rand.Read(nonce)
	return b.aead.Seal(out, nonce, plaintext, aad)
}

// Open returns the plaintext of a message that any of the secrets has sealed. The error is ErrUnknownSecret
// or ErrTampered.
func (s *Sealer) Open(sealed, aad []byte) ([]byte, error) {
	if len(sealed) < idSize+chacha20poly1305.NonceSizeX+chacha20poly1305.Overhead {
		return nil, ErrTampered
	}
	id, rest := sealed[:idSize], sealed[idSize:]
	for _, b := range s.boxes {
		if !bytes.Equal(id, b.id[:]) {
			continue
		}
		nonce, ciphertext := rest[:chacha20poly1305.NonceSizeX], rest[chacha20poly1305.NonceSizeX:]
		plaintext, err := b.aead.Open(nil, nonce, ciphertext, aad)
		if err != nil {
			return nil, ErrTampered
		}
		return plaintext, nil
	}
	return nil, ErrUnknownSecret
}

// Deriver computes values that only a holder of the secret can compute, for one purpose. It is safe for
// concurrent use.
type Deriver struct{ keys [][]byte }

// Deriver returns the deriver of a purpose. Purposes are constants of the program; make each
// deriver once.
func (s *Secret) Deriver(purpose string) *Deriver {
	d := &Deriver{}
	for _, r := range s.roots {
		d.keys = append(d.keys, r.expand("derive", purpose))
	}
	return d
}

// Derive returns 32 bytes for each secret, the current one's first. They are always the same for the same
// input, and look random without the secret.
func (d *Deriver) Derive(input []byte) [][sha256.Size]byte {
	out := make([][sha256.Size]byte, len(d.keys))
	for i, key := range d.keys {
		mac := hmac.New(sha256.New, key)
		mac.Write(input)
		mac.Sum(out[i][:0])
	}
	return out
}

// MAC returns the first of Derive: that of the current secret, or the only one of a LastingDeriver.
func (d *Deriver) MAC(message []byte) []byte {
	mac := d.Derive(message)[0]
	return mac[:]
}
