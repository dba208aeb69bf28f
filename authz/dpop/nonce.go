package dpop

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

const (
	nonceSlot = 2 * time.Minute           // how long a nonce is new, and then valid again
	nonceSkew = 5 * time.Second           // by which the clocks of a server's replicas may differ
	nonceLife = 2*nonceSlot + 2*nonceSkew // at most: a fast replica announces it early
	nonceTag  = 16                        // bytes of the MAC that a nonce carries
	nonceSize = 8 + nonceTag              // bytes: the slot's number and the MAC
	minKey    = 32                        // bytes
)

// Nonces makes and checks the nonces that keep proofs from being made long before they are sent (sections 8
// and 9). They are MACs of a slot of time: nothing is stored, and every replica with the same keys accepts
// the others' nonces.
//
//	slot        |--- n ---|-- n+1 --|-- n+2 --|
//	announced   |    n    |   n+1   |   n+2   |
//	nonce n     |<----- is valid -->|
//
// A server that announces Current in its answers gives its clients the next nonce while the present one is
// still valid.
type Nonces struct{ keys [][]byte }

// NewNonces makes nonces under the first key and accepts those of any key. A key has 32 random bytes or more,
// and no other use.
func NewNonces(keys ...[]byte) (*Nonces, error) {
	if len(keys) == 0 {
		return nil, errors.New("dpop: no key for nonces")
	}
	for _, key := range keys {
		if len(key) < minKey {
			return nil, fmt.Errorf("dpop: a nonce key of %d bytes, need %d", len(key), minKey)
		}
	}
	return &Nonces{keys: keys}, nil
}

// Current returns the nonce to announce: 32 characters of base64url, valid for 2 to 4 minutes.
func (n *Nonces) Current() string { return nonceOf(n.keys[0], slotOf(time.Now())) }

// Next returns the nonce to announce to a client that has sent one, or "" if it has the newest.
func (n *Nonces) Next(sent string) string {
	if current := n.Current(); current != sent {
		return current
	}
	return ""
}

// Valid reports whether the nonce is valid now.
func (n *Nonces) Valid(nonce string) bool {
	if len(nonce) != base64.RawURLEncoding.EncodedLen(nonceSize) {
		return false
	}
	raw, err := base64.RawURLEncoding.DecodeString(nonce)
	if err != nil || len(raw) != nonceSize {
		return false
	}
	slot, now := int64(binary.BigEndian.Uint64(raw)), time.Now()
	if slot < slotOf(now.Add(-nonceSkew))-1 || slot > slotOf(now.Add(nonceSkew)) {
		return false
	}
	for _, key := range n.keys {
		if hmac.Equal([]byte(nonceOf(key, slot)), []byte(nonce)) {
			return true
		}
	}
	return false
}

func slotOf(t time.Time) int64 { return t.Unix() / int64(nonceSlot/time.Second) }

func nonceOf(key []byte, slot int64) string {
	raw := binary.BigEndian.AppendUint64(nil, uint64(slot))
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("DPoP-Nonce "))
	mac.Write(raw)
	return base64.RawURLEncoding.EncodeToString(mac.Sum(raw)[:nonceSize])
}
