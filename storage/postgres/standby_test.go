package postgres_test

import (
	"errors"
	"sync"
	"testing"

	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/postgres/pgtest"
)

// TestStandbyAway: a commit that the synchronous standby does not have is never acknowledged, though
// the primary has it and every reader there sees it.
func TestStandbyAway(t *testing.T) {
	primary := pgtest.New(t, pgtest.Options{})
	standby := primary.Standby(t)
	s := open(t, primary.URL("postgres"))
	defer s.Close()
	put := func(key string, cond storage.Condition, value string) error {
		return s.Apply(t.Context(), storage.Write{Table: storage.Codes.Table, Key: key, Value: []byte(value), If: cond})
	}
	if err := put("a", storage.Absent, "before"); err != nil {
		t.Fatal(err)
	}
	before, err := s.Get(t.Context(), storage.Codes.Table, "a")
	if err != nil {
		t.Fatal(err)
	}
	standby.Stop()

	var wg sync.WaitGroup
	for key, cond := range map[string]storage.Condition{"a": storage.At(before.Version), "b": storage.Any, "c": storage.Absent} {
		wg.Go(func() {
			if err := put(key, cond, "alone"); !errors.Is(err, storage.ErrUnavailable) {
				t.Errorf("%s: %v, want ErrUnavailable", key, err)
			}
		})
	}
	wg.Wait()
	if rec, err := s.Get(t.Context(), storage.Codes.Table, "a"); err != nil || string(rec.Value) != "alone" {
		t.Errorf("the primary does not have what the standby lacks, so nothing was tested: %q, %v", rec.Value, err)
	}

	if err := standby.Start(); err != nil {
		t.Fatal(err)
	}
	if err := put("a", storage.Any, "after"); err != nil {
		t.Errorf("with the standby back: %v", err)
	}
}
