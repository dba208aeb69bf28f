package gate_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/authzd/authzd/authz/bff/gate"
)

// One question of nginx, without the network: for a user, with a signed assertion too, and for nobody.
func BenchmarkAsk(b *testing.B) {
	for name, c := range map[string]struct {
		path    string
		headers map[string]string
		want    int
	}{
		"signed in": {"/users/7?x=1", map[string]string{"X-Auth-User": "sub", "X-Auth-Roles": "roles", "X-Auth-Email": "email"}, 200},
		"assertion": {"/users/7?x=1", map[string]string{"X-Auth-User": "sub", "X-Auth-Token": "assertion"}, 200},
		"anonymous": {"/public", map[string]string{"X-Auth-User": "sub"}, 200},
		"refused":   {"/closed", map[string]string{"X-Auth-User": "sub"}, 403},
	} {
		b.Run(name, func(b *testing.B) {
			f := newFixture(b, func(cfg *gate.Config) { cfg.Headers = c.headers })
			cookie, _ := f.signIn(b, alice(), "app.example.com")
			r := contracts["nginx"]("GET", appURL+c.path, http.Header{"Cookie": {cookie.Name + "=" + cookie.Value}})
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					w := httptest.NewRecorder()
					if f.ServeHTTP(w, r); w.Code != c.want {
						b.Fatal(w.Code)
					}
				}
			})
		})
	}
}

// Questions over the network, as a proxy asks them, beside a handler that does nothing: the share of the gate is what is
// between the two.
func BenchmarkAskOverHTTP(b *testing.B) {
	f := newFixture(b)
	cookie, _ := f.signIn(b, alice(), "app.example.com")
	question := contracts["nginx"]("GET", appURL+"/users/7?x=1", http.Header{"Cookie": {cookie.Name + "=" + cookie.Value}})
	for name, handler := range map[string]http.Handler{
		"gate": f,
		"bare": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }),
	} {
		b.Run(name, func(b *testing.B) {
			server := httptest.NewServer(handler)
			defer server.Close()
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
			defer client.CloseIdleConnections()
			var mu sync.Mutex
			var all []time.Duration
			b.RunParallel(func(pb *testing.PB) {
				var mine []time.Duration
				for pb.Next() {
					r, err := http.NewRequest(http.MethodGet, server.URL+"/gate/nginx", nil)
					if err != nil {
						b.Fatal(err)
					}
					r.Header = question.Header
					began := time.Now()
					res, err := client.Do(r)
					if err != nil || res.StatusCode != http.StatusOK {
						b.Fatal(res, err)
					}
					res.Body.Close()
					mine = append(mine, time.Since(began))
				}
				mu.Lock()
				all = append(all, mine...)
				mu.Unlock()
			})
			slices.Sort(all)
			b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), "p99-µs")
		})
	}
}
