package postgres_test

import (
	"testing"

	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/postgres/pgtest"
)

// TestHungUp: connections that the server has ended while nobody used them are not used again, so that no
// call has to be made twice.
func TestEndedConnections(t *testing.T) {
	for name, options := range map[string]pgtest.Options{"plain": {}, "TLS": {TLS: true}} {
		t.Run(name, func(t *testing.T) {
			server := pgtest.New(t, options)
			s := open(t, server.URL("postgres"))
			defer s.Close()
			apply := func() {
				t.Helper()
				if err := s.Apply(t.Context(), storage.Write{Table: storage.Codes.Table, Key: "a", Value: []byte("b"), If: storage.Any}); err != nil {
					t.Fatal(err)
				}
			}
			apply()
			if err := server.Exec("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = 'authzd'"); err != nil {
				t.Fatal(err)
			}
			apply()
			if again := s.Stats().Retries; again != 0 {
				t.Errorf("%d calls had to be made again", again)
			}
		})
	}
}
