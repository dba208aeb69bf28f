package keys

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/authzd/authzd/storage"
)

// ID names the current secret and reveals nothing else about it: 16 hexadecimal digits. A backup names the
// secret that it needs by it.
func (s *Secret) ID() string { return s.current() }

// Knows reports whether this Secret opens what the secret of an ID has sealed.
func (s *Secret) Knows(id string) bool { return s.knows(id) }

// BackupMACs returns the codes that prove that a holder of the secret made a backup with this digest: one for
// each secret, the current one's first.
func (s *Secret) BackupMACs(digest []byte) [][sha256.Size]byte {
	return s.Deriver("backup").Derive(digest)
}

// ShipMACs returns the function that does the same for the objects that a server ships.
func (s *Secret) ShipMACs() func(digest []byte) [][sha256.Size]byte { return s.Deriver("ship").Derive }

// CheckSealed returns an error if the record has a sealed part that the secret does not open.
func (s *Secret) CheckSealed(table storage.Table, rec storage.Record) error {
	for _, kind := range sealedKinds {
		if kind.table != table {
			continue
		}
		r, err := kind.read(rec)
		if err != nil || r == nil {
			return err
		}
		plain, err := s.Sealer(r.purpose).Open(*r.sealed, []byte(r.key))
		if errors.Is(err, ErrUnknownSecret) {
			return fmt.Errorf("%s: %w (%s)", r, err, r.secretID())
		} else if err != nil {
			return fmt.Errorf("%s: %w", r, err)
		}
		clear(plain)
	}
	return nil
}
