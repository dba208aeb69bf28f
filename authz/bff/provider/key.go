package provider

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Key is the private key by which the client proves itself (private_key_jwt, RFC 7523). The provider knows its public
// half from /bff/jwks.json, or from the registration of the client. Its methods are safe for concurrent use.
//
// While it is rotated, it is more than one: each signs from a time on, and the others are published beside it.
//
//	RotateKeyFile ──> file: a second key ──> Follow: all processes publish both ──> its time: it signs ──> the first is dropped
type Key struct {
	path string // empty: in no file
	ring atomic.Pointer[keyRing]
}

// keyRing is the content of a file. It is never changed.
type keyRing struct {
	text []byte
	keys []clientKey // by the time from which they sign
}

type clientKey struct {
	private  *ecdsa.PrivateKey
	id       string
	signFrom time.Time // zero: always
}

const (
	keyBlock       = "PRIVATE KEY" // PKCS #8
	signFromHeader = "Sign-From"   // of a PEM block, RFC 3339; without it, the key has always signed
	maxKeys        = 8             // in a file
	// keyAfterlife is how long a key is published after it has signed for the last time.
	keyAfterlife = time.Hour
	followEvery  = 30 * time.Second
)

// OpenKey reads the key from a PEM file. A missing file is made, with its folder, for the owner only. If several
// processes start at once, one makes it and all read the same.
func OpenKey(path string) (*Key, error) {
	if err := makeKeyFile(path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make the client's key: %w", err)
	}
	set, err := readKeyFile(path)
	if err != nil {
		return nil, err
	}
	k := &Key{path: path}
	k.ring.Store(set)
	return k, nil
}

// NewKey returns a new key that is in no file.
func NewKey() (*Key, error) {
	one, err := makeKey()
	if err != nil {
		return nil, err
	}
	k := &Key{}
	k.ring.Store(&keyRing{keys: []clientKey{one}})
	return k, nil
}

func makeKey() (clientKey, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return clientKey{}, err
	}
	return newKey(private, time.Time{})
}

func newKey(private *ecdsa.PrivateKey, signFrom time.Time) (clientKey, error) {
	public := jose.JSONWebKey{Key: private.Public()}
	thumbprint, err := public.Thumbprint(crypto.SHA256)
	if err != nil {
		return clientKey{}, err
	}
	return clientKey{private, base64.RawURLEncoding.EncodeToString(thumbprint), signFrom}, nil
}

// current returns the key that signs now.
func (s *keyRing) current(now time.Time) clientKey {
	found := s.keys[0]
	for _, one := range s.keys {
		if !one.signFrom.After(now) {
			found = one
		}
	}
	return found
}

// published returns the keys that the provider has to know now: all but those that were replaced long ago.
func (s *keyRing) published(now time.Time) []clientKey {
	for i := len(s.keys) - 1; i > 0; i-- {
		if now.After(s.keys[i].signFrom.Add(keyAfterlife)) {
			return s.keys[i:]
		}
	}
	return s.keys
}

// JWKS returns the public halves as a JSON Web Key Set.
func (k *Key) JWKS() []byte {
	set := jose.JSONWebKeySet{}
	for _, one := range k.ring.Load().published(time.Now()) {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: one.private.Public(), KeyID: one.id, Algorithm: string(jose.ES256), Use: "sig"})
	}
	text, err := json.MarshalIndent(set, "", "  ")
	if err != nil { // a P-256 key can always be written
		panic(fmt.Sprintf("write the client's public key: %v", err))
	}
	return append(text, '\n')
}

// Newest returns the id of the key that signs last, and from when on; the zero time says that it has always signed.
func (k *Key) Newest() (id string, signFrom time.Time) {
	keys := k.ring.Load().keys
	return keys[len(keys)-1].id, keys[len(keys)-1].signFrom
}

// sign signs the claims of a client assertion (RFC 7523 section 3).
func (k *Key) sign(claims any) (string, error) {
	one := k.ring.Load().current(time.Now())
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: one.private, KeyID: one.id}},
		(&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}
