package gate_test

import (
	"io"
	"net"
	"net/http"
	"testing"
)

// Error pages that the operator has for the whole server do not replace what the gate answers, or that it is away: they
// would be taken for its 200 (CVE-2026-24513).
func TestErrorPagesOfNginx(t *testing.T) {
	t.Parallel()
	s := openStreet(t, "nginx", http.HandlerFunc(printer),
		"    location / {", `    proxy_intercept_errors on;
    error_page 400 401 403 404 500 502 503 504 =200 /sorry;
    location = /sorry {
        return 200 "sorry";
    }

    location / {`,
		"        internal;\n", "        internal;\n        if ($request_uri = /away) {\n            return 502;\n        }\n")
	cookie, _ := s.signIn(t, bob(), s.host())
	for path, want := range map[string]int{"/users": 401, "/admin": 401, "/away": 500, "//users": 403} {
		if res, got := s.do(t, "GET", path, nil, nil); got != nil || res.StatusCode != want {
			t.Errorf("%s, nobody: %d, %+v", path, res.StatusCode, got)
		}
	}
	for path, want := range map[string]int{"/users": 200, "/admin": 403, "/away": 500} {
		if res, got := s.do(t, "GET", path, nil, nil, cookie); res.StatusCode != want || (got != nil) != (want == 200) {
			t.Errorf("%s, bob: %d, %+v", path, res.StatusCode, got)
		}
	}
}

// The gate's own host has what browsers need. What proxies ask does not get there, however it is spelled, since the gate
// would take the proxy's address for leave to ask.
func TestOwnHostThroughProxies(t *testing.T) {
	for _, kind := range []string{"nginx", "caddy"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := openStreet(t, kind, http.HandlerFunc(printer))
			_, port, _ := net.SplitHostPort(s.addr)
			get := func(target string) (status int, asked int64) {
				t.Helper()
				before := s.asked.Load()
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://gate.example.com:"+port, nil)
				if err != nil {
					t.Fatal(err)
				}
				r.URL.Opaque = target
				for name, value := range map[string]string{
					"X-Original-Method": "GET", "X-Original-Url": s.origin + "/", "X-Forwarded-Method": "GET", "X-Forwarded-Uri": "/",
				} {
					r.Header.Set(name, value)
				}
				res, err := s.client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				defer res.Body.Close()
				_, err = io.Copy(io.Discard, res.Body)
				if err != nil {
					t.Fatal(err)
				}
				return res.StatusCode, s.asked.Load() - before
			}
			if status, _ := get("/gate/jwks.json"); status != http.StatusOK {
				t.Errorf("the keys: %d", status)
			}
			for _, target := range []string{"/", "/gate/jwks.json", "/gate/start?host=x&tx=y", "/bff/login", "/bff/callback?code=x"} {
				if status, asked := get(target); asked != 1 {
					t.Errorf("%s does not get there: %d", target, status)
				}
			}
			for _, target := range []string{
				"/gate/nginx", "/gate/caddy", "/gate/traefik", "/gate/envoy/x", "/gate/gateway-api/", "/%67ate/nginx", "/gate%2fnginx", "/.//gate/nginx",
				"/gate//nginx", "/./gate/nginx", "/bff/../gate/nginx", "/bff/..%2fgate/nginx", "/gate/start/../caddy", "/gate/envoy/../../bff/x",
			} {
				if status, _ := get(target); status < 400 {
					t.Errorf("%s: %d", target, status)
				}
			}
		})
	}
}
