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

// emptyStore is a database with the tables of a store. To copy it is quicker than to make them.
func emptyStore(t *testing.T, server *pgtest.Server) (url string) {
	t.Helper()
	url = server.Database(t)
	if err := postgres.Migrate(t.Context(), url, nil); err != nil {
		t.Fatal(err)
	}
	return url
}

func TestConformance(t *testing.T) {
	server := pgtest.New(t, pgtest.Options{})
	empty := emptyStore(t, server)
	storagetest.Run(t, func(t *testing.T) storage.Store {
		// A sweeper that rests little must not be noticed.
		s, err := postgres.Open(t.Context(), server.Copy(t, empty), postgres.Options{SweepEvery: 20 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}
