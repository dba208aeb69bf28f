package authz_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/operator"
)

// TestRoundTrips: a request waits for the store once for each read that builds on another, and once for
// its commit. The user, the consent and the session behind a grant are read at once. That there is an
// admin API costs none.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	operator := &operator.Config{Server: &client.Server{}}
	s := authztest.Start(t, authz.Config{Store: blackbox.NewDistant(t), Operator: operator}, nil)
	code := func(scope string) url.Values {
		return authztest.CodeForm(s.NewBrowser(t).Code(t, authztest.SPA, url.Values{"scope": {scope}}))
	}
	refresh := func(scope string) url.Values {
		return authztest.RefreshForm(s.SignIn(t, authztest.SPA, "", url.Values{"scope": {scope}}).RefreshToken)
	}
	for name, c := range map[string]struct {
		form  url.Values
		trips int
	}{
		"code, online: it, owner, commit":                {code("openid profile"), 3},
		"code, offline: it, owner, the session, commit":  {code("openid offline_access"), 4},
		"refresh, online: it, the grant, owner, commit":  {refresh("openid profile"), 4},
		"refresh, offline: it, the grant, owner, commit": {refresh("openid offline_access"), 4},
	} {
		t.Run(name, func(t *testing.T) {
			c.form.Set("client_id", authztest.SPA)
			now := time.Now()
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Until(now)) // the bubble begins in another century
				r := httptest.NewRequestWithContext(context.WithValue(t.Context(), blackbox.FromAfar{}, true), http.MethodPost, s.URL+"/token", strings.NewReader(c.form.Encode()))
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				w := httptest.NewRecorder()
				start := time.Now()
				s.ServeHTTP(w, r)
				if w.Code != http.StatusOK {
					t.Fatalf("%d %s", w.Code, w.Body)
				}
				if trips := int(time.Since(start) / time.Second); trips != c.trips {
					t.Errorf("%d round trips, want %d", trips, c.trips)
				}
			})
		})
	}
}
