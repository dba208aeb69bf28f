package keys

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/storage"
)

const rsaBits = 2048

// keyName is the store's name of a key: its algorithm and a running number. The name of the next key is known
// beforehand, and a record can be created only once, so two replicas can't both create it.
type keyName struct {
	alg        jose.SignatureAlgorithm
	generation int // from 1
}

func (n keyName) String() string { return fmt.Sprintf("%s/%d", n.alg, n.generation) }

func (n keyName) next() keyName { return keyName{n.alg, n.generation + 1} }

func parseKeyName(s string) (keyName, error) {
	alg, number, _ := strings.Cut(s, "/")
	generation, err := strconv.Atoi(number)
	name := keyName{jose.SignatureAlgorithm(alg), generation}
	if err != nil || generation < 1 || name.String() != s {
		return keyName{}, fmt.Errorf("signing key has the malformed name %q", s)
	}
	return name, nil
}

// key is one key of the ring, as it is stored.
type key struct {
	name    keyName
	record  storage.SigningKey
	version uint64
	expires time.Time // zero: no successor yet
	pair    *pair
}

// pair is a key's cryptographic part, prepared for signing and verifying.
type pair struct {
	public *jose.JSONWebKey
	forms  []*form
}

// generate makes a new key pair. PS256 has separate RSA keys, so that no key is used with two algorithms.
func generate(alg jose.SignatureAlgorithm) (*jose.JSONWebKey, error) {
	var private crypto.Signer
	var err error
	switch alg {
	case jose.RS256, jose.PS256:
		private, err = rsa.GenerateKey(rand.Reader, rsaBits)
	case jose.ES256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jose.EdDSA:
		_, private, err = ed25519.GenerateKey(rand.Reader)
	default:
		err = errors.New("unsupported algorithm")
	}
	if err != nil {
		return nil, fmt.Errorf("generate %s key: %w", alg, err)
	}
	jwk := &jose.JSONWebKey{Key: private, Algorithm: string(alg), Use: "sig"}
	jwk.KeyID, err = thumbprint(jwk)
	return jwk, err
}

// thumbprint returns the JWK thumbprint (RFC 7638), which is the kid of our keys.
func thumbprint(jwk *jose.JSONWebKey) (string, error) {
	sum, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("compute key thumbprint: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}

// seal makes the record of a new key. The private half is bound to the name, so that no record can replace
// another.
func seal(sealer *Sealer, name keyName, jwk *jose.JSONWebKey, created, signFrom time.Time) (*storage.SigningKey, error) {
	private, err := json.Marshal(jwk)
	if err != nil {
		return nil, fmt.Errorf("encode private key: %w", err)
	}
	public, err := json.Marshal(jwk.Public())
	if err != nil {
		return nil, fmt.Errorf("encode public key: %w", err)
	}
	return &storage.SigningKey{
		Alg:       string(name.alg),
		Public:    public,
		Sealed:    sealer.Seal(private, []byte(name.String())),
		CreatedAt: created.UTC(),
		SignFrom:  signFrom.UTC(),
	}, nil
}

// unseal prepares a record's pair. It uses only the sealed half; the public half in the record is for people
// and tools.
func unseal(sealer *Sealer, name keyName, rec *storage.SigningKey) (*pair, error) {
	plain, err := sealer.Open(rec.Sealed, []byte(name.String()))
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	jwk := new(jose.JSONWebKey)
	if err := json.Unmarshal(plain, jwk); err != nil {
		return nil, fmt.Errorf("decode private key: %w", err)
	}
	if private, ok := jwk.Key.(*rsa.PrivateKey); ok {
		private.Precompute() // a decoded key lacks the values that make signing fast
	}
	return newPair(name.alg, jwk)
}

func newPair(alg jose.SignatureAlgorithm, private *jose.JSONWebKey) (*pair, error) {
	public := private.Public()
	p := &pair{public: &public}
	for _, typ := range []string{TypeJWT, TypeAccessToken, TypeLogoutToken, TypeIntrospection, TypeGate, TypeRevocations} {
		f, err := newForm(alg, typ, private, p.public)
		if err != nil {
			return nil, err
		}
		p.forms = append(p.forms, f)
	}
	return p, nil
}

// readKey decodes a stored record. known is the same key as read earlier, or nil. If the record has not
// changed, readKey takes the pair from known; otherwise it unseals it.
func readKey(sealer *Sealer, name keyName, rec storage.Record, known *key) (*key, error) {
	k := &key{name: name, version: rec.Version, expires: rec.Expires}
	if err := json.Unmarshal(rec.Value, &k.record); err != nil {
		return nil, fmt.Errorf("decode signing key %s: %w", name, err)
	}
	if known != nil && bytes.Equal(known.record.Sealed, k.record.Sealed) {
		k.pair = known.pair
		return k, nil
	}
	var err error
	k.pair, err = unseal(sealer, name, &k.record)
	if known != nil && errors.Is(err, ErrUnknownSecret) {
		// Another replica has sealed it under a secret that this one does not know yet. A key never changes.
		k.pair, err = known.pair, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open signing key %s: %w", name, err)
	}
	return k, nil
}
