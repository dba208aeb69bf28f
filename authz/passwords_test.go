package authz_test

import (
	"crypto/sha1"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/factor"
	"github.com/authzd/authzd/authz/operator"
	"github.com/authzd/authzd/authz/outbound"
	"github.com/authzd/authzd/storage"
)

// A service that knows leaked passwords is asked about a new one, by five digits of its hash. If it is slow, fails or
// answers with something else, the password counts as not leaked, and nobody waits for long.
func TestLeakedPasswords(t *testing.T) {
	t.Parallel()
	const leaked = "a password that leaked"
	sum := strings.ToUpper(fmt.Sprintf("%x", sha1.Sum([]byte(leaked))))
	padding := strings.Repeat("0018A45C4D1DEF81644B54AB7F969B88D65:0\r\n", 900)
	hang := make(chan struct{})
	answers := map[string]http.HandlerFunc{
		"found": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, padding, sum[5:], ":42\r\n", padding) },
		"slow":  func(http.ResponseWriter, *http.Request) { <-hang },
		"500": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, sum[5:]+":42", http.StatusInternalServerError)
		},
		"moved": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
		"garbage": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, "<html>", sum[5:], ":42\r\n")
		},
		"endless": func(w http.ResponseWriter, _ *http.Request) {
			for range 100 {
				fmt.Fprint(w, padding)
			}
		},
	}
	var answer atomic.Pointer[http.HandlerFunc]
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/range/"+sum[:5] || r.Header.Get("Add-Padding") != "true" || r.UserAgent() == "" || r.URL.RawQuery != "" {
			t.Errorf("asked for %s with %v", r.URL, r.Header)
		}
		(*answer.Load())(w, r)
	}))
	t.Cleanup(service.Close)
	t.Cleanup(func() { close(hang) })
	s := authztest.Start(t, authz.Config{
		Operator: &operator.Config{}, Accounts: authz.Accounts{LeaksURL: service.URL + "/range"},
		Outbound: outbound.Config{AllowPrivateNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
	}, nil)
	create := func(username, password string) *httptest.ResponseRecorder {
		recorder := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPost, "http://localhost/v1/users", strings.NewReader(fmt.Sprintf(`{"username":%q,"password":%q}`, username, password)))
		r.Header.Set("Content-Type", "application/json")
		s.AdminSocket().ServeHTTP(recorder, r)
		return recorder
	}
	for name, handler := range answers {
		answer.Store(&handler)
		began := time.Now()
		got := create("user-"+name, leaked)
		if name == "found" {
			if got.Code != http.StatusUnprocessableEntity || !strings.Contains(got.Body.String(), "known from a leak elsewhere, where it was found 42 times") {
				t.Errorf("%s: %d %s", name, got.Code, got.Body)
			}
			if _, _, err := storage.Usernames.Get(t.Context(), s.Store, "user-"+name); !errors.Is(err, storage.ErrNotFound) {
				t.Errorf("%s: something was stored: %v", name, err)
			}
		} else if got.Code != http.StatusCreated {
			t.Errorf("%s: %d %s", name, got.Code, got.Body)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%s: took %v", name, took)
		}
	}
	metrics := atSocket(s, http.MethodGet, "/metrics").Body.String()
	for _, want := range []string{`outcome="clean"} 0`, `outcome="failed"} 5`, `outcome="found"} 1`} {
		if !strings.Contains(metrics, "authzd_password_leak_lookups_total{"+want+"\n") {
			t.Errorf("the metrics lack %s", want)
		}
	}
}

// Eight characters are enough for a user of whom a second factor is demanded at every sign-in, and for no other.
func TestPasswordLengthWithFactor(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{
		Operator: &operator.Config{}, Factors: factor.Policy{Roles: map[string]factor.Level{"admin": factor.Two}},
	}, nil)
	for body, want := range map[string]int{
		`{"username":"a1","roles":["admin"],"password":"k7#mQ2!x"}`: http.StatusCreated,
		`{"username":"a2","roles":["admin"],"password":"k7#mQ2!"}`:  http.StatusUnprocessableEntity,
		`{"username":"a3","roles":["admin"],"password":"iloveyou"}`: http.StatusUnprocessableEntity,
		`{"username":"a4","roles":["staff"],"password":"k7#mQ2!x"}`: http.StatusUnprocessableEntity,
		`{"username":"a5","password":"14 characters."}`:             http.StatusUnprocessableEntity,
		`{"username":"a6","password":"15 characters.."}`:            http.StatusCreated,
	} {
		recorder := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPost, "http://localhost/v1/users", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		s.AdminSocket().ServeHTTP(recorder, r)
		if recorder.Code != want {
			t.Errorf("%s: %d %s", body, recorder.Code, recorder.Body)
		}
	}
}
