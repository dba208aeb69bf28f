package keys

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/authzd/authzd/storage"
)

func lasting(t *testing.T, s storage.Store, secret *Secret) [32]byte {
	t.Helper()
	d, err := LastingDeriver(t.Context(), s, secret, "test")
	if err != nil {
		t.Fatal(err)
	}
	values := d.Derive([]byte("input"))
	if len(values) != 1 {
		t.Fatalf("%d values", len(values))
	}
	return values[0]
}

// The values outlive every rotation of the server secret, and the old one is not needed afterwards.
func TestLastingDeriverOutlivesTheSecret(t *testing.T) {
	s := newStore(t)
	first, second, third := counting(1), counting(2), counting(3)
	want := lasting(t, s, newSecret(t, first))
	for i, secrets := range [][][]byte{{first}, {second, first}, {second}, {third, second}, {third}} {
		sealing, err := OpenSealing(t.Context(), SealingConfig{Store: s, Secret: newSecret(t, secrets...)})
		if err != nil {
			t.Fatal(err)
		}
		if err := sealing.Reseal(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := lasting(t, s, newSecret(t, secrets...)); got != want {
			t.Errorf("start %d: the values have changed", i)
		}
	}
}

func TestLastingDeriverNeedsTheSecret(t *testing.T) {
	s := newStore(t)
	lasting(t, s, newSecret(t, counting(1)))
	if _, err := LastingDeriver(t.Context(), s, newSecret(t, counting(2)), "test"); !errors.Is(err, ErrUnknownSecret) {
		t.Errorf("another secret: %v", err)
	}
	record, _, err := storage.ServerSecrets.Get(t.Context(), s, "test")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(t.Context(), storage.ServerSecrets.Put("other", record, storage.Absent, time.Time{})); err != nil {
		t.Fatal(err)
	}
	if _, err := LastingDeriver(t.Context(), s, newSecret(t, counting(1)), "other"); !errors.Is(err, ErrTampered) {
		t.Errorf("the record of another purpose: %v", err)
	}
}

// Replicas that start at once, some with a new server secret already, agree.
func TestLastingDeriverOfManyReplicas(t *testing.T) {
	s := newStore(t)
	const replicas = 64
	values := make([][32]byte, replicas)
	var wg sync.WaitGroup
	for i := range replicas {
		wg.Go(func() {
			d, err := LastingDeriver(t.Context(), s, newSecret(t, counting(byte(i%2)), counting(byte(1-i%2))), "test")
			if err != nil {
				t.Error(err)
				return
			}
			values[i] = d.Derive([]byte("input"))[0]
		})
	}
	wg.Wait()
	for i := range values {
		if values[i] != values[0] || values[i] == [32]byte{} {
			t.Fatalf("replica %d differs", i)
		}
	}
}
