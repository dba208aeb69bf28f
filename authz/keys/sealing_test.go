package keys

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/authzd/authzd/storage"
)

// replica is what a server that starts with these secrets, the current one first, holds.
type replica struct {
	secret  *Secret
	sealing *Sealing
	ring    *Ring
	lasting *Deriver
	log     *bytes.Buffer
	earlier int
}

func startReplica(ctx context.Context, s storage.Store, secrets ...byte) (*replica, error) {
	var raw [][]byte
	for _, n := range secrets {
		raw = append(raw, counting(n))
	}
	r := &replica{log: &bytes.Buffer{}, earlier: -1}
	var err error
	if r.secret, err = NewSecret(raw...); err != nil {
		return nil, err
	}
	if r.sealing, err = OpenSealing(ctx, SealingConfig{
		Store: s, Secret: r.secret, Outside: time.Hour, Logger: slog.New(slog.NewTextHandler(r.log, nil)),
		Counted: func(n int) { r.earlier = n },
	}); err != nil {
		return nil, err
	}
	if r.ring, err = Open(ctx, s, r.secret, testPolicy()); err != nil {
		return nil, err
	}
	r.lasting, err = LastingDeriver(ctx, s, r.secret, "test")
	return r, err
}

func mustStart(t *testing.T, s storage.Store, secrets ...byte) *replica {
	t.Helper()
	r, err := startReplica(t.Context(), s, secrets...)
	if err != nil {
		t.Fatalf("start with secrets %v: %v", secrets, err)
	}
	return r
}

func (r *replica) reseal(t *testing.T) {
	t.Helper()
	if err := r.sealing.Reseal(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func idOf(t *testing.T, n byte) string { return newSecret(t, counting(n)).current() }

// sealedUnder counts the store's sealed records by the secret that sealed them.
func sealedUnder(t *testing.T, s storage.Store, n byte) (count int) {
	t.Helper()
	sealing := &Sealing{SealingConfig: SealingConfig{Store: s}}
	if err := sealing.each(t.Context(), func(r *sealedRecord) error {
		if r.secretID() == idOf(t, n) {
			count++
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return count
}

// TestRotationOfTheSecret goes the way that the documentation describes, with two replicas: the new
// secret is listed second everywhere, then first, then alone.
func TestRotationOfTheSecret(t *testing.T) {
	s := newStore(t)
	a, b := mustStart(t, s, 1), mustStart(t, s, 1)
	token := sign(t, a.ring, "ES256")
	value := a.lasting.Derive([]byte("input"))[0]
	both := func(earlier int) {
		t.Helper()
		for _, r := range []*replica{a, b, a} {
			r.reseal(t)
			step(t, r.ring)
			if _, err := r.ring.Verify(token); err != nil {
				t.Error(err)
			}
			if r.lasting.Derive([]byte("input"))[0] != value {
				t.Error("lasting values change")
			}
		}
		if a.earlier != earlier || b.earlier != earlier {
			t.Errorf("%d and %d records under an earlier secret, want %d", a.earlier, b.earlier, earlier)
		}
	}
	both(0)
	a, b = mustStart(t, s, 1, 2), mustStart(t, s, 1, 2)
	both(0)
	if n := sealedUnder(t, s, 1); n != 3 {
		t.Fatalf("%d records under the first secret, want 3", n)
	}
	a = mustStart(t, s, 2, 1)
	both(0) // b, which has the other order, does not undo it
	b = mustStart(t, s, 2, 1)
	both(0)
	if n := sealedUnder(t, s, 2); n != 3 || !strings.Contains(a.log.String(), "nothing in the store needs an earlier secret") {
		t.Errorf("%d records under the new secret, want 3; log:\n%s", n, a.log)
	}
	a, b = mustStart(t, s, 2), mustStart(t, s, 2)
	both(0)
}

// TestSecretOfYesterday: a replica that is started with the old order does not seal existing records, and the
// others find the records that it seals.
func TestSecretOfYesterday(t *testing.T) {
	s := newStore(t)
	mustStart(t, s, 1)
	mustStart(t, s, 2, 1).reseal(t)
	old := mustStart(t, s, 1, 2)
	if !strings.Contains(old.log.String(), "has been replaced by another replica") {
		t.Errorf("log:\n%s", old.log)
	}
	if err := old.ring.Rotate(t.Context(), "ES256", nil); err != nil {
		t.Fatal(err)
	}
	old.reseal(t)
	if n := sealedUnder(t, s, 1); n != 1 || old.earlier != 1 {
		t.Errorf("%d records under the earlier secret, %d counted, want 1", n, old.earlier)
	}
	mustStart(t, s, 2, 1).reseal(t)
	if n := sealedUnder(t, s, 1); n != 0 {
		t.Errorf("%d records under the earlier secret", n)
	}
}

// TestSecretUnknownToAReplica: one that was not told of the new secret in time goes on with what it has
// read, and is told why it does not start again.
func TestSecretUnknownToAReplica(t *testing.T) {
	s := newStore(t)
	a := mustStart(t, s, 1)
	token := sign(t, a.ring, "ES256")
	mustStart(t, s, 2, 1).reseal(t)
	step(t, a.ring)
	if _, err := a.ring.Verify(token); err != nil {
		t.Error(err)
	}
	sign(t, a.ring, "EdDSA")
	a.reseal(t)
	if n := sealedUnder(t, s, 2); n != 3 {
		t.Errorf("%d records under the new secret, want 3", n)
	}
	_, err := startReplica(t.Context(), s, 1)
	wantLockedOut(t, err, idOf(t, 2), "signing key ES256/1", "signing key EdDSA/1", "server secret test")
}

// TestSecretDroppedTooEarly: the error names what needs the earlier secret, and nothing has changed.
func TestSecretDroppedTooEarly(t *testing.T) {
	s := newStore(t)
	mustStart(t, s, 1)
	before := sealedUnder(t, s, 1)
	_, err := startReplica(t.Context(), s, 2)
	wantLockedOut(t, err, idOf(t, 1), "signing key ES256/1", "server secret test")
	if sealedUnder(t, s, 1) != before {
		t.Error("records were changed")
	}
	again := mustStart(t, s, 1)
	if status, err := again.sealing.Status(t.Context()); err != nil || len(status) != 1 {
		t.Errorf("the secret that was refused is remembered: %+v, %v", status, err)
	}
}

func wantLockedOut(t *testing.T, err error, id string, records ...string) {
	t.Helper()
	locked := new(LockedOutError)
	if !errors.As(err, &locked) || locked.Hint() == "" {
		t.Fatalf("error is %v", err)
	}
	for _, what := range append(records, id) {
		if !strings.Contains(err.Error(), what) {
			t.Errorf("%q does not name %s", err, what)
		}
	}
}

func TestSecretStatus(t *testing.T) {
	s := newStore(t)
	mustStart(t, s, 1)
	r := mustStart(t, s, 2, 1, 3)
	check := func(want ...string) {
		t.Helper()
		status, err := r.sealing.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, st := range status {
			got = append(got, fmt.Sprintf("%s newest %v listed %v records %d removable %v", st.ID, st.Newest, st.Listed, st.Records, st.Removable))
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("status:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	one, two, three := idOf(t, 1), idOf(t, 2), idOf(t, 3)
	check(two+" newest true listed true records 0 removable false",
		one+" newest false listed true records 3 removable false",
		three+" newest false listed true records 0 removable false") // which may be the next
	r.reseal(t)
	check(two+" newest true listed true records 3 removable false",
		one+" newest false listed true records 0 removable false", // what is outside the store may need it
		three+" newest false listed true records 0 removable false")
	r.sealing.Outside, r.sealing.OutsideMore = 0, func(context.Context) (time.Duration, error) { return time.Hour, nil }
	check(two+" newest true listed true records 3 removable false",
		one+" newest false listed true records 0 removable false", // nor may what can change meanwhile
		three+" newest false listed true records 0 removable false")
	r.sealing.OutsideMore = nil
	check(two+" newest true listed true records 3 removable false",
		one+" newest false listed true records 0 removable true",
		three+" newest false listed true records 0 removable false")
}

// TestResealKilled ends the process at each write of a rotation among many records; the next goes on.
func TestResealKilled(t *testing.T) {
	const records = 2*resealPage + 3
	for kill := range 4 {
		s := newStore(t)
		first := newSecret(t, counting(1))
		for i := range records {
			key := fmt.Sprintf("secret %02d", i)
			sealed := first.Sealer(purposeLasting).Seal(fmt.Append(nil, "value ", i), []byte(key))
			if err := s.Apply(t.Context(), storage.ServerSecrets.Put(key, &storage.ServerSecret{Sealed: sealed}, storage.Absent, time.Time{})); err != nil {
				t.Fatal(err)
			}
		}
		dying := &dyingStore{s, kill}
		sealing, err := OpenSealing(t.Context(), SealingConfig{Store: dying, Secret: newSecret(t, counting(2), counting(1))})
		if err == nil {
			err = sealing.Reseal(t.Context())
		}
		if !errors.Is(err, errDied) {
			t.Errorf("killed at write %d: %v", kill, err)
		}
		sealing, err = OpenSealing(t.Context(), SealingConfig{Store: s, Secret: newSecret(t, counting(2), counting(1))})
		if err != nil {
			t.Fatal(err)
		}
		if err := sealing.Reseal(t.Context()); err != nil {
			t.Fatal(err)
		}
		second := newSecret(t, counting(2)).Sealer(purposeLasting)
		for i := range records {
			key := fmt.Sprintf("secret %02d", i)
			record, _, err := storage.ServerSecrets.Get(t.Context(), s, key)
			if err != nil {
				t.Fatal(err)
			}
			if plain, err := second.Open(record.Sealed, []byte(key)); err != nil || string(plain) != fmt.Sprint("value ", i) {
				t.Errorf("%s: %q, %v", key, plain, err)
			}
		}
	}
}

var errDied = errors.New("died")

// dyingStore makes so many writes and no more.
type dyingStore struct {
	storage.Store
	left int
}

func (s *dyingStore) Apply(ctx context.Context, writes ...storage.Write) error {
	if s.left--; s.left < 0 {
		return errDied
	}
	return s.Store.Apply(ctx, writes...)
}

// TestResealTogether: replicas that seal records again while keys are rotated lose nothing, and expiries stay.
func TestResealTogether(t *testing.T) {
	s := newStore(t)
	a := mustStart(t, s, 1)
	if err := a.ring.Rotate(t.Context(), "ES256", nil); err != nil {
		t.Fatal(err)
	}
	expires := expiry(t, s, "ES256/1")
	token := sign(t, a.ring, "ES256")
	replicas := []*replica{mustStart(t, s, 2, 1), mustStart(t, s, 2, 1), mustStart(t, s, 2, 1)}
	var wg sync.WaitGroup
	for _, r := range replicas {
		wg.Go(func() {
			if err := r.sealing.Reseal(t.Context()); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if err := r.ring.Rotate(t.Context(), "EdDSA", nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	replicas[0].reseal(t)
	if n := sealedUnder(t, s, 1); n != 0 {
		t.Errorf("%d records under the first secret", n)
	}
	if got := expiry(t, s, "ES256/1"); !got.Equal(expires) {
		t.Errorf("expires %v, was %v", got, expires)
	}
	if _, err := mustStart(t, s, 2).ring.Verify(token); err != nil {
		t.Error(err)
	}
}

// TestResealOfASpoiltRecord: it is told, and the others are sealed all the same.
func TestResealOfASpoiltRecord(t *testing.T) {
	s := newStore(t)
	mustStart(t, s, 1)
	r := mustStart(t, s, 2, 1)
	record := readRecord(t, s, "ES256/1")
	record.Sealed[len(record.Sealed)-1] ^= 1
	if err := s.Apply(t.Context(), storage.SigningKeys.Put("ES256/1", record, storage.Any, time.Time{})); err != nil {
		t.Fatal(err)
	}
	if err := r.sealing.Reseal(t.Context()); !errors.Is(err, ErrTampered) || !strings.Contains(err.Error(), "signing key ES256/1") {
		t.Errorf("error is %v", err)
	}
	if r.earlier != 1 || sealedUnder(t, s, 2) != 2 {
		t.Errorf("%d left, %d sealed anew", r.earlier, sealedUnder(t, s, 2))
	}
}
