package acceptance

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/authzd/authzd/storage/postgres/pgtest"
)

// TestPostgresPooler: people sign in through PgBouncer in transaction mode, many at once.
func TestPostgresPooler(t *testing.T) {
	db := pgtest.New(t, pgtest.Options{})
	s := startOnPostgres(t, db.Pool(t, "pool_mode = transaction")(db.Database(t))+"&default_query_exec_mode=exec")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			f, err := newCode(s, openBrowser(s))
			if err != nil {
				t.Error(err)
				return
			}
			tokens, err := f.redeem()
			if err != nil || tokens.status != http.StatusOK {
				t.Errorf("code: %v, %v", tokens, err)
			}
			if tokens, err = s.refresh(tokens.RefreshToken); err != nil || tokens.status != http.StatusOK {
				t.Errorf("refresh: %v, %v", tokens, err)
			}
		})
	}
	all.Wait()
}

// TestPostgresAway: while PostgreSQL is away, what is known is said at once, and when it is back, so is service.
func TestPostgresAway(t *testing.T) {
	db := pgtest.New(t, pgtest.Options{})
	s := startOnPostgres(t, db.Database(t))
	tokens := mustSignIn(t, s)
	db.Stop()
	paths := []string{"/.well-known/openid-configuration", "/jwks.json", "/livez", "/"}
	for round := range 3 {
		for _, path := range paths {
			begun := time.Now()
			response, err := http.Get(s.issuer + path)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if took := time.Since(begun); response.StatusCode != http.StatusOK || round > 0 && took > quickly { // 60 ms, on a machine that is not busy
				t.Errorf("round %d: %s answered %s after %v", round, path, response.Status, took)
			}
		}
		<-time.After(300 * time.Millisecond) // now and then the database is asked again
	}
	if err := db.Start(); err != nil {
		t.Fatal(err)
	}
	if refreshed, err := s.refresh(tokens.RefreshToken); err != nil || refreshed.status != http.StatusOK {
		t.Errorf("refresh: %v, %v", refreshed, err)
	}
}
