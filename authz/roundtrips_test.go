package authz_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/operator"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

// distant is a store that is one second away, for the requests of this test. They are in a bubble, and
// the store is not, so that what they write goes through channels from outside.
type distant struct {
	storage.Store
	writes chan []storage.Write
	fates  chan error
}

func newDistant(t *testing.T) distant {
	engine, err := bolt.Open(filepath.Join(t.TempDir(), "authzd.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	d := distant{engine, make(chan []storage.Write), make(chan error)}
	go func() {
		for writes := range d.writes {
			d.fates <- engine.Apply(context.Background(), writes...)
		}
	}()
	t.Cleanup(func() {
		close(d.writes)
		engine.Close()
	})
	return d
}

type fromAfar struct{}

// nearby are requests in a bubble to which the store is no second away.
type nearby struct{}

func travel(ctx context.Context) (bubble bool) {
	far := ctx.Value(fromAfar{}) != nil
	if far {
		time.Sleep(time.Second)
	}
	return far || ctx.Value(nearby{}) != nil
}

func (d distant) Get(ctx context.Context, table storage.Table, key string) (storage.Record, error) {
	travel(ctx)
	return d.Store.Get(ctx, table, key)
}

func (d distant) Scan(ctx context.Context, table storage.Table, prefix, after string, limit int) ([]storage.Record, error) {
	travel(ctx)
	return d.Store.Scan(ctx, table, prefix, after, limit)
}

func (d distant) Apply(ctx context.Context, writes ...storage.Write) error {
	if travel(ctx) {
		d.writes <- writes
		return <-d.fates
	}
	return d.Store.Apply(ctx, writes...)
}

// TestRoundTrips: a request waits for the store once for each read that builds on another, and once for
// its commit. The user, the consent and the session behind a grant are read at once. That there is an
// admin API costs none.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	operator := &operator.Config{ParseClient: func([]byte) (client.Metadata, error) {
		return client.Metadata{}, errors.New("no client was made by an operator")
	}}
	s := authztest.Start(t, authz.Config{Store: newDistant(t), Operator: operator}, nil)
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
				r := httptest.NewRequestWithContext(context.WithValue(t.Context(), fromAfar{}, true), http.MethodPost, s.URL+"/token", strings.NewReader(c.form.Encode()))
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
