package authz

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
)

// Secrets that we hand out say what they are, so that secret scanners and people know them.
const (
	prefixCode    = "azc_"
	prefixDevice  = "azd_"
	prefixRefresh = "azr_"
	prefixAccess  = "azt_" // opaque access tokens

	prefixRegistration = "azg_" // registration access tokens
	prefixClientSecret = "azs_" // client secrets

	prefixPushed = "urn:ietf:params:oauth:request_uri:" // RFC 9126 section 2.2
)

// Purposes keep keys that are derived from the server secret apart.
const (
	purposeRefresh      = "refresh token successor"
	purposePage         = "page token of the admin API"
	purposeFlow         = "pending authorization"
	purposeConnect      = "upstream login"
	purposeNonce        = "nonce of DPoP proofs"
	purposeSubject      = "pairwise subject" // names the record of storage.ServerSecrets
	purposeClientSecret = "client secret"    // likewise
	purposeAudit        = "audit log"        // likewise
)

// What one replica does for all is under a lease of this name.
const (
	leaseAudit  = "audit log" // sealing it
	leaseBackup = "backup"    // making backups
)

// newToken returns a prefix and 256 random bits.
func newToken(prefix string) string {
	var b [32]byte
	rand.Read(b[:]) // never fails
	return prefix + base64.RawURLEncoding.EncodeToString(b[:])
}

const idLength = 22 // characters

// newID returns 128 random bits, for names that are no secret.
func newID() string {
	var b [16]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// newSalt returns 128 random bits.
func newSalt() []byte {
	salt := make([]byte, 16)
	rand.Read(salt) // never fails
	return salt
}

// hashToken is how tokens are stored and found: by the hash of every character of them.
func hashToken(token string) string {
	h := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(h[:])
}
