package keys

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/authzd/authzd/storage"
)

// The purposes of sealed parts in the store.
const (
	purposeSigningKey = "signing key"
	purposeLasting    = "lasting secret"
	// PurposeTOTP seals the secrets of authenticator apps.
	PurposeTOTP = "authenticator app"
	// PurposeBFFSession seals the tokens of a session of cookie mode.
	PurposeBFFSession = "bff session"
	// PurposeGateTransaction seals the cookie of a sign-in at a gate. It lives for minutes, in browsers only.
	PurposeGateTransaction = "gate transaction"
	// PurposeMail seals what a mail says while it waits in the outbox.
	PurposeMail = "mail"
)

// sealedKinds are all kinds of records with a sealed part, which is bound to the record's key.
var sealedKinds = []sealedKind{
	sealedIn(storage.SigningKeys, "signing key", purposeSigningKey, func(k *storage.SigningKey) *[]byte { return &k.Sealed }),
	sealedIn(storage.BFFSessions, "session of an app", PurposeBFFSession, func(s *storage.BFFSession) *[]byte { return &s.Sealed }),
	{storage.Deliveries.Table, sealedMail},
	sealedIn(storage.TOTPs, "authenticator app of", PurposeTOTP, func(a *storage.TOTP) *[]byte { return &a.Sealed }),
	sealedIn(storage.ServerSecrets, "server secret", purposeLasting, func(s *storage.ServerSecret) *[]byte { return &s.Sealed }),
}

// sealedKind is a kind of record that has a sealed part.
type sealedKind struct {
	table storage.Table
	read  func(storage.Record) (*sealedRecord, error) // nil: the record has no sealed part
}

// sealedRecord is such a record, as it was read.
type sealedRecord struct {
	what, key string // the sealed part is bound to the key
	purpose   string
	sealed    *[]byte
	put       func() storage.Write // of the record with the present value of sealed
}

func sealedIn[T any](kind storage.Kind[T], what, purpose string, field func(*T) *[]byte) sealedKind {
	return sealedKind{kind.Table, func(rec storage.Record) (*sealedRecord, error) {
		e, err := kind.Entry(rec)
		if err != nil {
			return nil, err
		}
		return &sealedRecord{what: what, key: rec.Key, purpose: purpose, sealed: field(e.Value), put: func() storage.Write {
			return kind.Put(rec.Key, e.Value, storage.At(rec.Version), rec.Expires)
		}}, nil
	}}
}

// sealedMail reads a delivery. What a mail says is bound to its id, because its key changes. The outbox removes a
// damaged one.
func sealedMail(rec storage.Record) (*sealedRecord, error) {
	e, err := storage.Deliveries.Entry(rec)
	if err != nil || e.Value.Mail == nil || len(e.Value.Mail.Sealed) == 0 {
		return nil, nil
	}
	_, id, _ := strings.Cut(rec.Key, "/")
	return &sealedRecord{what: "mail", key: id, purpose: PurposeMail, sealed: &e.Value.Mail.Sealed, put: func() storage.Write {
		return storage.Deliveries.Put(rec.Key, e.Value, storage.At(rec.Version), rec.Expires)
	}}, nil
}

func (r *sealedRecord) String() string { return r.what + " " + r.key }

// secretID returns the id of the secret that sealed the record.
func (r *sealedRecord) secretID() string {
	return hex.EncodeToString((*r.sealed)[:min(idSize, len(*r.sealed))])
}

// reseal is the write that seals the same content under the current secret.
func (r *sealedRecord) reseal(secret *Secret) (storage.Write, error) {
	sealer := secret.Sealer(r.purpose)
	plain, err := sealer.Open(*r.sealed, []byte(r.key))
	if err != nil {
		return storage.Write{}, fmt.Errorf("open %s: %w", r, err)
	}
	defer clear(plain)
	*r.sealed = sealer.Seal(plain, []byte(r.key))
	return r.put(), nil
}

// each calls fn with every sealed record of the store.
func (s *Sealing) each(ctx context.Context, fn func(*sealedRecord) error) error {
	for _, kind := range sealedKinds {
		for rec, err := range storage.All(ctx, s.Store, kind.table, "") {
			if err != nil {
				return fmt.Errorf("read %s: %w", kind.table, err)
			}
			r, err := kind.read(rec)
			if err == nil && r != nil {
				err = fn(r)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}
