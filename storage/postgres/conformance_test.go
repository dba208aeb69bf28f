package postgres_test

import (
	"os"
	"testing"
	"time"

	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/postgres"
	"github.com/authzd/authzd/storage/postgres/pgtest"
	"github.com/authzd/authzd/storage/storagetest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	pgtest.Stop()
	os.Exit(code)
}

func TestConformance(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storage.Store {
		// A sweeper that rests little must not be noticed.
		s, err := postgres.Open(t.Context(), pgtest.Database(t), postgres.Options{SweepEvery: 20 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}
