package gate_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

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
