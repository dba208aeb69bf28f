package revocation

import (
	"crypto/sha256"
	"encoding/base64"
)

// Kind says what an id is of. It is a member of the claim "e".
type Kind byte

const (
	Grant   Kind = 'g' // the claim gid of an access token: all tokens of one authorization
	Session Kind = 's' // the claim sid: all tokens of one browser session
	Subject Kind = 'u' // the claim sub, as the tokens of one client have it
	Token   Kind = 't' // the claim jti: one token
	Client  Kind = 'c' // the claim client_id: all tokens of one client
)

// Kinds are all of them.
var Kinds = [...]Kind{Grant, Session, Subject, Token, Client}

// ID is a hashed id. The feed has no other, so that it may be public.
type ID [16]byte

// idLen is the length of an ID in base64url without padding.
const idLen = 22

// Hash returns the first 16 bytes of SHA-256(kind, NUL, issuer, NUL, id). It allocates nothing if issuer and id
// together have at most 250 bytes.
func Hash(kind Kind, issuer, id string) ID {
	var buffer [256]byte
	text := append(buffer[:0], byte(kind), 0)
	text = append(text, issuer...)
	text = append(text, 0)
	text = append(text, id...)
	sum := sha256.Sum256(text)
	return ID(sum[:len(ID{})])
}

// String returns the ID as documents have it.
func (id ID) String() string { return base64.RawURLEncoding.EncodeToString(id[:]) }

// parseID reads the only valid spelling of an ID.
func parseID(text []byte) (id ID, ok bool) {
	if len(text) != idLen {
		return id, false
	}
	n, err := base64.RawURLEncoding.Strict().Decode(id[:], text) // 22 characters without line ends are 16 bytes
	return id, err == nil && n == len(id)
}
