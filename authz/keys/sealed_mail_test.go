package keys

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/storage"
)

// A mail that waits is sealed under the new secret too, wherever the outbox has moved its record. Deliveries without a
// sealed part, and damaged ones, are in nobody's way.
func TestRotationReachesMailsThatWait(t *testing.T) {
	s := newStore(t)
	const id, says = "the-id", `{"link":"/reset?token=x"}`
	first := newSecret(t, counting(1)).Sealer(PurposeMail)
	mail := &storage.Delivery{Mail: &storage.Mail{To: "alice@example.com", Sealed: first.Seal([]byte(says), []byte(id))}}
	due := func(d time.Duration, id string) string { return storage.DueKey(time.Now().Add(d), id) }
	key, moved := due(0, id), due(time.Hour, id)
	if err := s.Apply(t.Context(),
		storage.Deliveries.Put(key, mail, storage.Absent, time.Time{}),
		storage.Deliveries.Put(due(0, "token"), &storage.Delivery{Logout: &storage.Logout{ClientID: "app"}}, storage.Absent, time.Time{}),
		storage.Deliveries.Put(storage.FailedDeliveries+due(0, "lost"), &storage.Delivery{Mail: &storage.Mail{To: "bob@example.com"}}, storage.Absent, time.Time{}),
		storage.Write{Table: storage.Deliveries.Table, Key: due(0, "spoilt"), Value: []byte("["), If: storage.Absent}); err != nil {
		t.Fatal(err)
	}
	locked := new(LockedOutError)
	if err := CheckOpens(t.Context(), s, newSecret(t, counting(2))); !errors.As(err, &locked) || !strings.Contains(err.Error(), "mail "+id) {
		t.Errorf("the secret of a mail that waits is missed: %v", err)
	}
	if err := s.Apply(t.Context(), storage.Deliveries.Delete(key, storage.Any), storage.Deliveries.Put(moved, mail, storage.Absent, time.Time{})); err != nil {
		t.Fatal(err)
	}
	sealing, err := OpenSealing(t.Context(), SealingConfig{Store: s, Secret: newSecret(t, counting(2), counting(1))})
	if err != nil {
		t.Fatal(err)
	}
	if err := sealing.Reseal(t.Context()); err != nil {
		t.Fatal(err)
	}
	now, _, err := storage.Deliveries.Get(t.Context(), s, moved)
	if err != nil {
		t.Fatal(err)
	}
	secret := newSecret(t, counting(2))
	if plain, err := secret.Sealer(PurposeMail).Open(now.Mail.Sealed, []byte(id)); err != nil || string(plain) != says {
		t.Errorf("%q, %v", plain, err)
	}
	if err := CheckOpens(t.Context(), s, secret); err != nil {
		t.Error(err)
	}
	for rec, err := range storage.All(t.Context(), s, storage.Deliveries.Table, "") {
		if err != nil {
			t.Fatal(err)
		}
		if err := secret.CheckSealed(storage.Deliveries.Table, rec); err != nil {
			t.Errorf("%s: %v", rec.Key, err)
		}
	}
}
