package oauth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
)

// Prefixes of the secrets that we hand out, by which secret scanners and people know them.
const (
	PrefixCode    = "azc_" // authorization codes
	PrefixDevice  = "azd_" // device codes
	PrefixRefresh = "azr_" // refresh tokens
	PrefixAccess  = "azt_" // opaque access tokens

	PrefixRegistration = "azg_" // registration access tokens
	PrefixClientSecret = "azs_" // client secrets

	PrefixPushed = "urn:ietf:params:oauth:request_uri:" // request URIs (RFC 9126 section 2.2)
)

// NewToken returns a prefix and 256 random bits, in base64url.
func NewToken(prefix string) string {
	var b [32]byte
	rand.Read(b[:]) // never fails
	return prefix + base64.RawURLEncoding.EncodeToString(b[:])
}

// IDLength is the length of what NewID returns, in characters.
const IDLength = 22

// NewID returns 128 random bits in base64url, for identifiers that are no secret.
func NewID() string {
	var b [16]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// NewSalt returns 128 random bits.
func NewSalt() []byte {
	salt := make([]byte, 16)
	rand.Read(salt) // never fails
	return salt
}

// HashToken returns the SHA-256 of a token, prefix included, in base64url. The store keeps and finds tokens by
// it only.
func HashToken(token string) string {
	h := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(h[:])
}
