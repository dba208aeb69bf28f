package client

import (
	"crypto/sha256"
	"crypto/subtle"
	"time"
)

// secret is one client secret, by the hash that is all that has to be kept of it.
type secret struct {
	hash      [sha256.Size]byte
	expiresAt *time.Time // nil: never
}

func (m *Metadata) hashSecrets() []secret {
	var secrets []secret
	if m.Secret != "" {
		secrets = append(secrets, secret{hash: sha256.Sum256([]byte(m.Secret))})
	}
	for _, s := range m.Secrets {
		hash := sha256.Sum256([]byte(s.Value))
		if s.Hash != nil {
			hash = [sha256.Size]byte(s.Hash)
		}
		secrets = append(secrets, secret{hash, s.ExpiresAt})
	}
	return secrets
}

// CheckSecret tells whether this is one of the client's secrets that has not expired at now. It
// compares with all of them in constant time, and for a nil client too, so that an unknown client
// costs what a known one does.
func (c *Client) CheckSecret(presented string, now time.Time) bool {
	got := sha256.Sum256([]byte(presented))
	if c == nil || len(c.secrets) == 0 {
		subtle.ConstantTimeCompare(got[:], got[:])
		return false
	}
	matches := 0
	for _, s := range c.secrets {
		match := subtle.ConstantTimeCompare(got[:], s.hash[:])
		if s.expiresAt == nil || now.Before(*s.expiresAt) {
			matches |= match
		}
	}
	return matches == 1
}
