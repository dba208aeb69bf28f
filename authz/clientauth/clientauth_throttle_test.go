package clientauth_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
)

// sendAs sends a form as a client from an address, by Basic or in the body.
func sendAs(t *testing.T, s *authztest.Server, path, remote, id, secret string, basic bool, form url.Values) *httptest.ResponseRecorder {
	t.Helper()
	if !basic {
		form = url.Values{"client_id": {id}, "client_secret": {secret}, "grant_type": form["grant_type"], "token": form["token"]}
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.RemoteAddr = remote + ":1234"
	if basic {
		r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// TestGuessesOfSecrets: at every door, one network may send so many wrong secrets of one client; then even the
// right one is not looked at. Other clients there, and the client elsewhere, go on.
func TestGuessesOfSecrets(t *testing.T) {
	t.Parallel()
	const attacker, other = "192.0.2.7", "198.51.100.8"
	for path, form := range map[string]url.Values{
		"/token": {"grant_type": {"client_credentials"}}, "/introspect": {"token": {"x"}}, "/revoke": {"token": {"x"}}, "/par": {}, "/device_authorization": {},
	} {
		for _, basic := range []bool{true, false} {
			t.Run(strings.TrimPrefix(path, "/"), func(t *testing.T) {
				s := authztest.Start(t, authz.Config{}, func(m *client.Metadata) {
					if m.ID == authztest.Worker && !basic {
						m.AuthMethod = client.AuthPost
					}
				})
				for _, id := range []string{authztest.Worker, "nobody"} {
					answered := 0
					var got *httptest.ResponseRecorder
					for ; answered < 1000; answered++ {
						if got = sendAs(t, s, path, attacker, id, "a wrong secret", basic, form); got.Code != http.StatusUnauthorized {
							break
						}
					}
					if got.Code != http.StatusTooManyRequests || answered != 20 || got.Header().Get("Retry-After") == "" || !json.Valid(got.Body.Bytes()) {
						t.Fatalf("%s: %d guesses were answered, then %d %v %s", id, answered, got.Code, got.Header(), got.Body)
					}
				}
				if got := sendAs(t, s, path, attacker, authztest.Worker, authztest.Secret, basic, form); got.Code != http.StatusTooManyRequests {
					t.Errorf("the right secret afterwards: %d %s", got.Code, got.Body)
				}
				if path != "/token" {
					return
				}
				if got := sendAs(t, s, path, other, authztest.Worker, authztest.Secret, basic, form); got.Code != http.StatusOK {
					t.Errorf("the client elsewhere: %d %s", got.Code, got.Body)
				}
				if got := sendAs(t, s, path, attacker, authztest.Web, authztest.Secret, true, form); got.Code == http.StatusTooManyRequests {
					t.Errorf("another client there: %d %s", got.Code, got.Body)
				}
			})
		}
	}
}
