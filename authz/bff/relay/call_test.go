package relay_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/authzd/authzd/authz/bff/provider"
	"github.com/authzd/authzd/authz/bff/relay"
	"github.com/authzd/authzd/authz/bff/websession"
	"github.com/authzd/authzd/storage"
)

// Each route says whose token its API gets.
func TestTokens(t *testing.T) {
	a := newAPI(t, nil)
	s := newSite(t, nil,
		relay.Route{Path: "/none/", URL: a.URL + "/", Token: relay.TokenNone}, relay.Route{Path: "/user/", URL: a.URL + "/"},
		relay.Route{Path: "/client/", URL: a.URL + "/", Token: relay.TokenClient, Resource: "https://a.example"}, relay.Route{Path: "/either/", URL: a.URL + "/", Token: relay.TokenUserOrClient})
	nobody := func(path string) *http.Request {
		r := s.request(t, path, nil)
		r.Header.Del("Cookie")
		return r
	}
	for _, test := range []struct {
		path, signedIn, signedOut string
	}{
		{"/none/", "", ""}, {"/user/", "Bearer user-token-0", "refused"}, {"/client/", "Bearer client-token-1", "Bearer client-token-1"},
		{"/either/", "Bearer user-token-0", "Bearer client-token-2"},
	} {
		if got := s.get(t, test.path); got.StatusCode != http.StatusOK || a.last(t).Header.Get("Authorization") != test.signedIn {
			t.Errorf("%s, signed in: %d, %q", test.path, got.StatusCode, a.last(t).Header.Get("Authorization"))
		}
		if test.signedOut == "refused" {
			s.wantRefusal(t, a, nobody(test.path), http.StatusUnauthorized, "login_required")
		} else if got := s.send(t, nobody(test.path)); got.StatusCode != http.StatusOK || a.last(t).Header.Get("Authorization") != test.signedOut {
			t.Errorf("%s, signed out: %d, %q", test.path, got.StatusCode, a.last(t).Header.Get("Authorization"))
		}
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { s.get(t, "/client/") })
	}
	all.Wait()
	if _, clients := s.provider.asked(); clients != 2 {
		t.Errorf("%d requests for two tokens of the client", clients)
	}
}

// refuser is an API that takes no token but those with an ending.
func refuser(t *testing.T, ending string) (*api, func() (bodies []string)) {
	var mu sync.Mutex
	var bodies []string
	a := newAPI(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		bodies = append(bodies, string(body))
		mu.Unlock()
		if !strings.HasSuffix(r.Header.Get("Authorization"), ending) {
			w.Header().Set("Www-Authenticate", `Bearer error="invalid_token"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	return a, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return bodies
	}
}

// After a 401, a request whose body is at hand is sent once more, with a new token.
func TestRefusedToken(t *testing.T) {
	for name, test := range map[string]struct {
		body   func() io.Reader
		size   int
		status int
		sent   int
	}{
		"no body":           {func() io.Reader { return nil }, 0, http.StatusOK, 2},
		"an empty one":      {func() io.Reader { return strings.NewReader("") }, 0, http.StatusOK, 2},
		"64 KiB":            {func() io.Reader { return strings.NewReader(strings.Repeat("x", 64<<10)) }, 64 << 10, http.StatusOK, 2},
		"64 KiB and a byte": {func() io.Reader { return strings.NewReader(strings.Repeat("x", 64<<10+1)) }, 64<<10 + 1, http.StatusUnauthorized, 1},
		"10 MiB":            {func() io.Reader { return strings.NewReader(strings.Repeat("x", 10<<20)) }, 10 << 20, http.StatusUnauthorized, 1},
		"of unknown length": {func() io.Reader { return io.MultiReader(strings.NewReader("xyz")) }, 3, http.StatusUnauthorized, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, bodies := refuser(t, "-1")
			s := newSite(t, nil, relay.Route{Path: "/api/", URL: a.URL + "/", Methods: []string{"GET", "POST"}})
			got := s.send(t, s.request(t, "/api/x", test.body()))
			if got.StatusCode != test.status || len(bodies()) != test.sent {
				t.Errorf("%d %s, the API got %d requests", got.StatusCode, got.body, len(bodies()))
			}
			for _, body := range bodies() {
				if len(body) != test.size {
					t.Errorf("the API got a body of %d bytes", len(body))
				}
			}
			if refreshes, _ := s.provider.asked(); refreshes != 1 {
				t.Errorf("%d refreshes", refreshes)
			}
			if got := s.get(t, "/api/x"); got.StatusCode != http.StatusOK {
				t.Errorf("the next call: %d", got.StatusCode)
			}
		})
	}
}

// An API that takes no token at all is asked twice, and its answer goes through.
func TestRefusedAgain(t *testing.T) {
	a, bodies := refuser(t, "never")
	s := newSite(t, nil, relay.Route{Path: "/api/", URL: a.URL + "/"}, relay.Route{Path: "/client/", URL: a.URL + "/", Token: relay.TokenClient})
	if got := s.get(t, "/api/x"); got.StatusCode != http.StatusUnauthorized || got.body != "" || len(bodies()) != 2 {
		t.Errorf("%d %s after %d requests", got.StatusCode, got.body, len(bodies()))
	}
	for range 20 {
		s.get(t, "/client/x")
	}
	if _, clients := s.provider.asked(); clients > 4 {
		t.Errorf("%d tokens of the client for 20 calls that are refused", clients)
	}
}

// The end of a session is a 401, trouble at the provider is a 503 that ends nothing.
func TestRefreshFails(t *testing.T) {
	for name, test := range map[string]struct {
		fail   error
		status int
		code   string
	}{
		"ended": {&provider.Refusal{Status: 400, Code: "invalid_grant"}, http.StatusUnauthorized, "login_required"},
		"503":   {&provider.Refusal{Status: 503}, http.StatusServiceUnavailable, "temporarily_unavailable"},
		"away":  {errors.New("connection refused"), http.StatusServiceUnavailable, "temporarily_unavailable"},
		"4xx":   {&provider.Refusal{Status: 401, Code: "invalid_client"}, http.StatusServiceUnavailable, "temporarily_unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, bodies := refuser(t, "-2")
			s := newSite(t, nil, relay.Route{Path: "/api/", URL: a.URL + "/"})
			s.provider.failWith(test.fail)
			got := s.get(t, "/api/x")
			if code, _ := got.fault(t); got.StatusCode != test.status || code != test.code || len(bodies()) != 1 {
				t.Errorf("%d %s after %d requests", got.StatusCode, got.body, len(bodies()))
			}
			_, err := s.sessions.Find(s.request(t, "/", nil))
			if test.status == http.StatusServiceUnavailable && (got.Header.Get("Retry-After") == "" || err != nil) {
				t.Errorf("Retry-After %q, the session: %v", got.Header.Get("Retry-After"), err)
			}
			if test.status == http.StatusUnauthorized && !errors.Is(err, websession.ErrNone) {
				t.Errorf("the session: %v", err)
			}
			if strings.Contains(got.body, "connection refused") {
				t.Errorf("the page gets the cause: %s", got.body)
			}
		})
	}
}

// A demand for another sign-in is answered by one, not by a new token of the old one (RFC 9470).
func TestStepUp(t *testing.T) {
	for challenge, want := range map[string]string{
		`Bearer error="insufficient_user_authentication", error_description="x", acr_values="mfa phr", max_age="300"`: "/bff/login?acr_values=mfa+phr&max_age=300",
		`Bearer realm="a, error=x", error=insufficient_user_authentication, max_age=0`:                                "/bff/login?max_age=0",
		`Bearer error="insufficient_user_authentication", max_age="-1", acr_values="a&b=c#"`:                          "/bff/login?acr_values=a%26b%3Dc%23",
		`DPoP error="insufficient_user_authentication", acr_values="` + strings.Repeat("x", 2000) + `"`:               "/bff/login",
	} {
		a := newAPI(t, func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.Header.Get("Authorization"), "-9") {
				return
			}
			w.Header().Set("Www-Authenticate", challenge)
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, "from the API")
		})
		s := newSite(t, nil, relay.Route{Path: "/api/", URL: a.URL + "/"})
		got := s.get(t, "/api/x")
		code, location := got.fault(t)
		if got.StatusCode != http.StatusUnauthorized || code != "insufficient_user_authentication" || location != want {
			t.Errorf("%s: %d %s, want %s", challenge, got.StatusCode, got.body, want)
		}
		if refreshes, _ := s.provider.asked(); refreshes != 0 || len(a.requests()) != 1 {
			t.Errorf("%d refreshes, %d requests to the API", refreshes, len(a.requests()))
		}
		s.provider.refreshes = 9 // the user signs in again
		s.signIn(t)
		if got := s.get(t, "/api/x"); got.StatusCode != http.StatusOK {
			t.Errorf("after the step-up: %d %s", got.StatusCode, got.body)
		}
	}
}

// An API that is away, slow or odd is answered for.
func TestAPIFails(t *testing.T) {
	gone := newAPI(t, nil)
	gone.Close()
	release := make(chan struct{})
	slow := newAPI(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	defer close(release)
	odd := newAPI(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Upgrade", "other")
		w.Header().Set("Connection", "Upgrade")
		w.WriteHeader(http.StatusSwitchingProtocols)
	})
	s := newSite(t, nil, relay.Route{Path: "/gone/", URL: gone.URL + "/"}, relay.Route{Path: "/odd/", URL: odd.URL + "/"},
		relay.Route{Path: "/slow/", URL: slow.URL + "/", AnswerTimeout: 1e9})
	for path, want := range map[string]int{"/gone/": http.StatusBadGateway, "/slow/": http.StatusGatewayTimeout, "/odd/": http.StatusBadGateway} {
		if got := s.get(t, path); got.StatusCode != want || strings.Contains(got.body, "127.0.0.1") {
			t.Errorf("%s: %d %s", path, got.StatusCode, got.body)
		}
	}
}

// Calls, refreshes and refusals leave a session as old as it is.
func TestNothingSlides(t *testing.T) {
	a, _ := refuser(t, "-1")
	s := newSite(t, nil, relay.Route{Path: "/api/", URL: a.URL + "/"})
	before := s.session.IdleExpiresAt
	for start := storage.Now(); storage.Now().Equal(start); { // the clock of a record has milliseconds
	}
	for range 5 {
		s.get(t, "/api/x")
	}
	now, err := s.sessions.Find(s.request(t, "/", nil))
	if err != nil || !now.IdleExpiresAt.Equal(before) {
		t.Errorf("idle until %v, was %v: %v", now.IdleExpiresAt, before, err)
	}
}
