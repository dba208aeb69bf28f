package authztest

import (
	"context"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/storage"
)

// replicas is how many servers stand behind each URL: one, unless AUTHZTEST_REPLICAS says otherwise. They
// share a store and nothing else, and each request goes to the next of them, so that whatever a test
// does shows that no server remembers what another one needs.
func replicas(t testing.TB) int {
	t.Helper()
	text := os.Getenv("AUTHZTEST_REPLICAS")
	if text == "" {
		return 1
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("AUTHZTEST_REPLICAS=%s: want a number of servers", text)
	}
	return n
}

func startEach(t testing.TB, c authz.Config, stores []storage.Store) []*authz.Server {
	t.Helper()
	servers := make([]*authz.Server, len(stores))
	for i, store := range stores {
		if i > 0 && c.Metrics != nil {
			c.Metrics = prometheus.NewRegistry() // each has its own
		}
		c.Store = store
		server, err := authz.New(context.Background(), c)
		if err != nil {
			t.Fatalf("start authorization server: %v", err)
		}
		servers[i] = server
	}
	return servers
}

// roundRobin gives each request to the next server.
type roundRobin struct {
	servers []*authz.Server
	turn    atomic.Uint64
}

func (b *roundRobin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.servers[b.turn.Add(1)%uint64(len(b.servers))].ServeHTTP(w, r)
}
