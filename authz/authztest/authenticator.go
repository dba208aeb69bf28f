package authztest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"slices"
	"testing"

	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
)

// Authenticator is a person's security key or password manager, in software. It answers the options that a page has
// for navigator.credentials, as the browser of the origin would. Its members change what it answers next.
type Authenticator struct {
	Origin string // of the page, such as http://localhost:9010
	AAGUID [16]byte

	BackupEligible, BackedUp bool // the keys can be copied to other devices, and are
	NoCounter                bool // it counts nothing, as password managers do

	NoPresence, NoVerification, BogusSignature bool

	// Attest returns the attestation of a new key, over authenticator data and hash of client data. nil: none.
	Attest func(signed []byte) (format string, statement map[string]any) `json:"-"`

	Keys []*AuthenticatorKey
}

// AuthenticatorKey is a discoverable key of an Authenticator. It can be kept as JSON.
type AuthenticatorKey struct {
	ID         []byte
	RPID       string
	UserHandle []byte
	Counter    uint32

	private *ecdsa.PrivateKey
}

// storedKey is an AuthenticatorKey as JSON.
type storedKey struct {
	ID, UserHandle, Private []byte
	RPID                    string
	Counter                 uint32
}

// MarshalJSON implements json.Marshaler.
func (k *AuthenticatorKey) MarshalJSON() ([]byte, error) {
	private, err := k.private.Bytes()
	if err != nil {
		return nil, err
	}
	return json.Marshal(storedKey{k.ID, k.UserHandle, private, k.RPID, k.Counter})
}

// UnmarshalJSON implements json.Unmarshaler.
func (k *AuthenticatorKey) UnmarshalJSON(text []byte) error {
	var s storedKey
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), s.Private)
	*k = AuthenticatorKey{s.ID, s.RPID, s.UserHandle, s.Counter, private}
	return err
}

// encoded is a value of JSON in base64url.
type encoded []byte

func (e encoded) MarshalText() ([]byte, error) {
	return []byte(base64.RawURLEncoding.EncodeToString(e)), nil
}

func (e *encoded) UnmarshalText(text []byte) (err error) {
	*e, err = base64.RawURLEncoding.DecodeString(string(text))
	return err
}

type descriptor struct {
	ID encoded `json:"id"`
}

// Create answers the options of navigator.credentials.create: it makes a key, as JSON for the server.
func (a *Authenticator) Create(t testing.TB, options string) string {
	t.Helper()
	var o struct {
		Challenge encoded             `json:"challenge"`
		RP        struct{ ID string } `json:"rp"`
		User      struct {
			ID encoded `json:"id"`
		} `json:"user"`
		Exclude []descriptor `json:"excludeCredentials"`
	}
	decode(t, options, &o)
	for _, known := range o.Exclude {
		if slices.ContainsFunc(a.Keys, func(k *AuthenticatorKey) bool { return bytes.Equal(k.ID, known.ID) }) {
			t.Fatal("the authenticator holds a key of this account: InvalidStateError")
		}
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key := &AuthenticatorKey{ID: make([]byte, 16), RPID: o.RP.ID, UserHandle: o.User.ID, private: private}
	rand.Read(key.ID) // never fails
	a.Keys = append(a.Keys, key)

	point, err := private.PublicKey.Bytes() // 0x04, x, y
	if err != nil {
		t.Fatal(err)
	}
	cose := marshal(t, map[int]any{1: 2, 3: -7, -1: 1, -2: point[1:33], -3: point[33:]}) // RFC 9053 section 7.1.1: EC2, ES256, P-256
	data := slices.Concat(a.data(key, 0x40), a.AAGUID[:], []byte{0, byte(len(key.ID))}, key.ID, cose)
	client := a.clientData(t, "webauthn.create", o.Challenge)
	format, statement := "none", map[string]any{}
	if a.Attest != nil {
		hash := sha256.Sum256(client)
		format, statement = a.Attest(append(slices.Clone(data), hash[:]...))
	}
	return a.answer(t, key, map[string]any{
		"clientDataJSON": encoded(client), "transports": []string{"internal"},
		"attestationObject": encoded(marshal(t, map[string]any{"fmt": format, "attStmt": statement, "authData": data})),
	})
}

// Get answers the options of navigator.credentials.get with its newest key that they ask for, as JSON for the server.
func (a *Authenticator) Get(t testing.TB, options string) string {
	t.Helper()
	var o struct {
		Challenge encoded      `json:"challenge"`
		RPID      string       `json:"rpId"`
		Allow     []descriptor `json:"allowCredentials"`
	}
	decode(t, options, &o)
	for _, key := range slices.Backward(a.Keys) {
		asked := len(o.Allow) == 0 || slices.ContainsFunc(o.Allow, func(d descriptor) bool { return bytes.Equal(d.ID, key.ID) })
		if key.RPID == o.RPID && asked {
			return a.Sign(t, key, o.Challenge)
		}
	}
	t.Fatal("the authenticator has no such key: NotAllowedError")
	return ""
}

// Sign answers a challenge with a key. It does not look at what the page has asked for.
func (a *Authenticator) Sign(t testing.TB, key *AuthenticatorKey, challenge []byte) string {
	t.Helper()
	if !a.NoCounter {
		key.Counter++
	}
	data, client := a.data(key, 0), a.clientData(t, "webauthn.get", challenge)
	hash := sha256.Sum256(client)
	sum := sha256.Sum256(append(slices.Clone(data), hash[:]...))
	if a.BogusSignature {
		rand.Read(sum[:]) // a valid signature, of something else
	}
	signature, err := ecdsa.SignASN1(rand.Reader, key.private, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return a.answer(t, key, map[string]any{
		"clientDataJSON": encoded(client), "authenticatorData": encoded(data), "signature": encoded(signature), "userHandle": encoded(key.UserHandle),
	})
}

// Challenge returns the challenge in options.
func Challenge(t testing.TB, options string) []byte {
	t.Helper()
	var o struct {
		Challenge encoded `json:"challenge"`
	}
	decode(t, options, &o)
	return o.Challenge
}

// data is the authenticator data (Web Authentication Level 3 section 6.1), without a new key.
func (a *Authenticator) data(key *AuthenticatorKey, flags byte) []byte {
	for flag, set := range map[byte]bool{0x01: !a.NoPresence, 0x04: !a.NoVerification, 0x08: a.BackupEligible, 0x10: a.BackedUp} {
		if set {
			flags |= flag
		}
	}
	hash := sha256.Sum256([]byte(key.RPID))
	return binary.BigEndian.AppendUint32(append(hash[:], flags), key.Counter)
}

func (a *Authenticator) clientData(t testing.TB, kind string, challenge []byte) []byte {
	raw, err := json.Marshal(map[string]any{"type": kind, "challenge": encoded(challenge), "origin": a.Origin, "crossOrigin": false})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// answer is the JSON form of a PublicKeyCredential.
func (a *Authenticator) answer(t testing.TB, key *AuthenticatorKey, response map[string]any) string {
	raw, err := json.Marshal(map[string]any{
		"id": encoded(key.ID), "rawId": encoded(key.ID), "type": "public-key", "response": response, "clientExtensionResults": map[string]any{},
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func decode(t testing.TB, options string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(options), into); err != nil {
		t.Fatalf("options %q: %v", options, err)
	}
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	raw, err := webauthncbor.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
