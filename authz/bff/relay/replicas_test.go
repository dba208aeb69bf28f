package relay_test

import (
	"os"
	"testing"

	"github.com/authzd/authzd/authz/bff/relay"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/postgres"
	"github.com/authzd/authzd/storage/postgres/pgtest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	pgtest.Stop()
	os.Exit(code)
}

// A ticket that one replica gave opens one socket, even if it is shown at several.
func TestTicketRaceOfReplicas(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	var stores []storage.Store
	for range 2 {
		store, err := postgres.Open(t.Context(), url, postgres.Options{MaxConnections: 16})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { store.Close() })
		stores = append(stores, store)
	}
	a, _ := echo(t)
	rt := relay.Route{Path: "/ws/", URL: a.URL + "/", WebSocket: true, Token: relay.TokenNone}
	first := newSiteOn(t, stores[0], nil, nil, rt)
	second := newSiteOn(t, stores[1], first, func(c *relay.Config) { c.URL = first.url }, rt)
	raceForTickets(t, many(10, 1000), first, second)
}
