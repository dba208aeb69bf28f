package bolt_test

import (
	"context"
	"testing"

	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

func openStore(t testing.TB, path string) *bolt.Store {
	t.Helper()
	s, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func apply(t testing.TB, s storage.Store, writes ...storage.Write) {
	t.Helper()
	if err := s.Apply(context.Background(), writes...); err != nil {
		t.Errorf("apply: %v", err)
	}
}
