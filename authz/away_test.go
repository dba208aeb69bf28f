package authz_test

import (
	"context"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/operator"
	"github.com/authzd/authzd/storage"
)

// awayPatience is how long a store that is away tries before it gives up, as that of PostgreSQL does.
const awayPatience = time.Minute

// leavingStore goes away when it is told to: its calls then wait, and fail. Scans wait although their caller
// does not, as those that were sent to PostgreSQL do.
type leavingStore struct {
	storage.Store
	away atomic.Bool
	back chan struct{} // closed when it is back for good
}

func (s *leavingStore) wait(ctx context.Context) error {
	if !s.away.Load() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, awayPatience)
	defer cancel()
	select {
	case <-ctx.Done():
	case <-s.back:
	}
	return storage.ErrUnavailable
}

func (s *leavingStore) Get(ctx context.Context, table storage.Table, key string) (storage.Record, error) {
	if err := s.wait(ctx); err != nil {
		return storage.Record{}, err
	}
	return s.Store.Get(ctx, table, key)
}

func (s *leavingStore) Scan(ctx context.Context, table storage.Table, prefix, after string, limit int) ([]storage.Record, error) {
	if err := s.wait(context.WithoutCancel(ctx)); err != nil {
		return nil, err
	}
	return s.Store.Scan(ctx, table, prefix, after, limit)
}

func (s *leavingStore) Apply(ctx context.Context, writes ...storage.Write) error {
	if err := s.wait(ctx); err != nil {
		return err
	}
	return s.Store.Apply(ctx, writes...)
}

// TestStoreAway: while the store is away, what can be said without it is said at once. The first requests
// find out that it is away, which takes them half a second.
func TestStoreAway(t *testing.T) {
	store := &leavingStore{Store: blackbox.OpenBolt(t), back: make(chan struct{})}
	operator := &operator.Config{Server: &client.Server{}}
	s := authztest.Start(t, authz.Config{Store: store, Operator: operator}, nil)
	_, challenge := authztest.PKCE()
	const form = "application/x-www-form-urlencoded"
	requests := []struct {
		name, method, target, contentType, body string
		header                                  http.Header
		status                                  int
	}{
		{name: "discovery", target: "/.well-known/openid-configuration", status: 200},
		{name: "RFC 8414", target: "/.well-known/oauth-authorization-server", status: 200},
		{name: "JWKS", target: "/jwks.json", status: 200},
		{name: "preflight", method: http.MethodOptions, target: "/token", status: 204,
			header: http.Header{"Origin": {"https://elsewhere.example"}, "Access-Control-Request-Method": {"POST"}}},
		{name: "livez", target: "/livez", status: 200},
		{name: "home", target: "/", status: 200},
		{name: "sign-in", target: "/authorize?" + authztest.AuthorizationParams(authztest.SPA, challenge).Encode(), status: 200},
		{name: "logged out", target: "/logout?client_id=" + authztest.SPA, status: 200},
		{name: "device page", target: "/device", status: 200},
		{name: "not found", target: "/nowhere", status: 404},
		{name: "token, unknown grant", method: http.MethodPost, target: "/token", contentType: form, body: "grant_type=nonsense", status: 400},
		{name: "introspection without a client", method: http.MethodPost, target: "/introspect", contentType: form, body: "token=x", status: 401},
	}
	for _, away := range []bool{false, true} {
		store.away.Store(away)
		for round := range 2 {
			for _, request := range requests {
				r, err := http.NewRequestWithContext(t.Context(), request.method, s.URL+request.target, strings.NewReader(request.body))
				if err != nil {
					t.Fatal(err)
				}
				for name, values := range request.header {
					r.Header[name] = values
				}
				if request.contentType != "" {
					r.Header.Set("Content-Type", request.contentType)
				}
				begun := time.Now()
				jar, _ := cookiejar.New(nil) // never fails
				response, err := (&http.Client{Jar: jar}).Do(r)
				if err != nil {
					t.Fatal(err)
				}
				response.Body.Close()
				if response.StatusCode != request.status {
					t.Errorf("%s, away: %t: %d, want %d", request.name, away, response.StatusCode, request.status)
				}
				if waited := time.Since(begun); round > 0 && waited > awayPatience/5 { // 50 ms at most, on a machine that is not busy
					t.Errorf("%s, away: %t: answered after %v", request.name, away, waited)
				}
			}
		}
		// Nobody waits for one that waits for the store.
		if away {
			begun := time.Now()
			done := make(chan struct{})
			for range 50 {
				go func() {
					if response, err := http.Get(s.URL + "/jwks.json"); err == nil {
						response.Body.Close()
					}
					done <- struct{}{}
				}()
			}
			for range 50 {
				<-done
			}
			if waited := time.Since(begun); waited > awayPatience/2 {
				t.Errorf("50 at once were answered after %v", waited)
			}
		}
	}
	store.away.Store(false)
	close(store.back)
}
