package gate_test

import (
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/authzd/authzd/authz/bff/gate"
	"github.com/authzd/authzd/authz/bff/websession"
	"github.com/authzd/authzd/storage/postgres"
	"github.com/authzd/authzd/storage/postgres/pgtest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	pgtest.Stop()
	os.Exit(code)
}

// Two replicas on PostgreSQL are one gate: a code that 64 requests bring to both lets one in, what one signs the other
// publishes, and a session that ends at one has ended at the other.
func TestReplicas(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	var both [2]*fixture
	for i := range both {
		store, err := postgres.Open(t.Context(), url, postgres.Options{MaxConnections: 16})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { store.Close() })
		both[i] = newFixture(t, func(c *gate.Config) { c.Store = store })
	}
	j := jar{}
	for round := range many(3, 1000) {
		location := both[round%2].enterURL(t, j, appURL+"/users")
		before := j["app.example.com"]
		var entered atomic.Int32
		var last sync.Map
		var wg sync.WaitGroup
		for i := range 64 {
			mine := jar{"app.example.com": {}}
			for name, value := range before {
				mine["app.example.com"][name] = value
			}
			wg.Go(func() {
				res := both[i%2].visit(mine, location)
				if res.StatusCode == http.StatusSeeOther && res.Header.Get("Location") == appURL+"/users" {
					entered.Add(1)
					last.Store("cookie", mine["app.example.com"]["__Host-Http-gate"])
				}
			})
		}
		wg.Wait()
		if entered.Load() != 1 {
			t.Fatalf("round %d: %d entered", round, entered.Load())
		}
		value, _ := last.Load("cookie")
		cookie := &http.Cookie{Name: "__Host-Http-gate", Value: value.(string)}
		ask := func(f *fixture) *http.Response { return f.ask(contracts["nginx"]("GET", appURL+"/users", nil), cookie) }
		for i, f := range both {
			res := ask(f)
			if res.StatusCode != http.StatusOK {
				t.Fatalf("round %d: replica %d: %d", round, i, res.StatusCode)
			}
			if _, err := both[1-i].check(res.Header.Get("X-Auth-Token"), "app.example.com"); err != nil {
				t.Errorf("round %d: what replica %d signs: %v", round, i, err)
			}
		}
		id := websession.Hash(j["gate.example.com"]["__Host-Http-gate"])
		if err := both[0].sessions.End(t.Context(), id, websession.SignedOut); err != nil {
			t.Fatal(err)
		}
		for i, f := range both {
			if res := ask(f); res.StatusCode != http.StatusUnauthorized {
				t.Errorf("round %d: after the end, replica %d: %d", round, i, res.StatusCode)
			}
		}
		j = jar{}
	}
}
