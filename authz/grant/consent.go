package grant

import (
	"context"
	"errors"
	"time"

	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/storage"
)

// Withdraw withdraws the consent of a user to a client. The grants of the client are void from now on (see Owner).
func (g *Grants) Withdraw(ctx context.Context, userID, clientID string) error {
	return storage.Retry(func() error {
		consent, version, err := g.Consent(ctx, userID, clientID)
		if err != nil || !InForce(consent) {
			return err
		}
		consent.Permissions, consent.Hosts, consent.GrantedAt = nil, nil, time.Time{}
		consent.Withdrawals++
		write := storage.Consents.Put(ConsentKey(userID, clientID), consent, storage.At(version), time.Time{})
		return g.Store.Apply(ctx, append(g.Events.Consented(ctx, audit.ConsentWithdrawn, userID, clientID, nil), write)...)
	})
}

// Consent returns what a user has allowed a client, and the version of the record. If the user has allowed
// nothing, it is the zero Consent with version 0.
func (g *Grants) Consent(ctx context.Context, userID, clientID string) (*storage.Consent, uint64, error) {
	consent, version, err := storage.Consents.Get(ctx, g.Store, ConsentKey(userID, clientID))
	if errors.Is(err, storage.ErrNotFound) {
		return &storage.Consent{}, 0, nil
	}
	return consent, version, err
}

// ConsentKey returns the key of the record of a consent.
func ConsentKey(userID, clientID string) string { return userID + "/" + clientID }

// InForce reports whether a consent was given and not withdrawn since.
func InForce(c *storage.Consent) bool { return !c.GrantedAt.IsZero() }
