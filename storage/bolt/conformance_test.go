package bolt_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
	"github.com/authzd/authzd/storage/storagetest"
)

func TestConformance(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storage.Store {
		// A sweeper that hardly ever rests must not be noticed.
		s, err := bolt.Open(filepath.Join(t.TempDir(), "store.db"), bolt.Options{SweepEvery: time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}
