package feed_test

import (
	"net/url"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/storage"
)

// TestRemovedFromTheConfiguration: a start without a client that was there at the last start ends its tokens, once; those
// of other clients live, and so do new ones if it comes back.
func TestRemovedFromTheConfiguration(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	spa := s.SignIn(t, authztest.SPA, "", url.Values{"scope": {"openid orders.read"}})
	web := s.SignIn(t, authztest.Web, authztest.Secret, url.Values{"scope": {"openid orders.read"}})
	f := follow(t, s)
	removed := func() (n int) {
		entries, err := storage.Revocations.Scan(t.Context(), s.Store, "", "", 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.Value.Cause != "client.deleted" || e.Value.Kind != storage.RevokedClient || e.Value.ID != authztest.SPA {
				t.Errorf("on the feed: %+v", e.Value)
			}
			n++
		}
		return n
	}
	if n := removed(); n != 0 {
		t.Errorf("a first start has removed %d clients", n)
	}
	start := func(with ...string) *authztest.Server {
		var clients []*client.Client
		for _, id := range with {
			m := client.Metadata{ID: id, AuthMethod: client.AuthNone, RedirectURIs: []string{"http://localhost:4200/callback"}, Scopes: []string{"openid", "orders.read"}, Resources: []string{authztest.API}}
			one, err := client.New(m)
			if err != nil {
				t.Fatal(err)
			}
			clients = append(clients, one)
		}
		registry, err := client.NewRegistry(clients...)
		if err != nil {
			t.Fatal(err)
		}
		return authztest.Start(t, authz.Config{Issuer: s.URL, Store: s.Store, Secret: s.Secret, Clients: registry}, nil)
	}
	all := []string{authztest.FAPI, authztest.TV, authztest.ThirdParty, authztest.Web, authztest.Worker}
	start(all...)
	f.until(t, spa.AccessToken)
	if f.ended(t, web.AccessToken) {
		t.Error("a token of another client has ended")
	}
	if n := removed(); n != 1 {
		t.Errorf("%d entries", n)
	}
	if start(all...); removed() != 1 {
		t.Error("the next start has ended them again")
	}
	if start(append(all, authztest.SPA)...); removed() != 1 {
		t.Error("a client that comes back has ended something")
	}
}
