package oauth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
)

// Secrets that we hand out say what they are, so that secret scanners and people know them.
const (
	PrefixCode    = "azc_"
	PrefixDevice  = "azd_"
	PrefixRefresh = "azr_"
	PrefixAccess  = "azt_" // opaque access tokens

	PrefixRegistration = "azg_" // registration access tokens
	PrefixClientSecret = "azs_" // client secrets

	PrefixPushed = "urn:ietf:params:oauth:request_uri:" // RFC 9126 section 2.2
)

// NewToken returns a prefix and 256 random bits.
func NewToken(prefix string) string {
	var b [32]byte
	rand.Read(b[:]) // never fails
	return prefix + base64.RawURLEncoding.EncodeToString(b[:])
}

const IDLength = 22 // characters

// NewID returns 128 random bits, for names that are no secret.
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

// HashToken is how tokens are stored and found: by the hash of every character of them.
func HashToken(token string) string {
	h := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(h[:])
}
