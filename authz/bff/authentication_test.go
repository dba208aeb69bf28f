package bff_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/bff"
	"github.com/authzd/authzd/authz/bff/provider"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/member"
)

// TestClientSecret: with a secret, sign-in, new tokens, the feed and the logout work, and a wrong one is an alarm. The
// secret is in no answer, no log and no store.
func TestClientSecret(t *testing.T) {
	t.Parallel()
	const secret = "a secret/of:24+characters%"
	for method, at := range map[string]string{provider.AuthBasic: client.AuthBasic, provider.AuthPost: client.AuthPost} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			lifetimes := authz.DefaultLifetimes
			lifetimes.AccessToken = 3 * time.Second // whole seconds count, so that one second may be none
			way := &link{}
			s := start(t, options{
				server: authz.Config{Lifetimes: lifetimes},
				client: func(m *client.Metadata) { m.AuthMethod, m.Secret, m.JWKS = at, member.Secret(secret), nil },
				bff: func(c *bff.Config) {
					c.Authentication = provider.Authentication{Method: method, ClientSecret: member.Secret(secret)}
					c.HTTPClient = &http.Client{Transport: way}
				},
			})
			b := s.browser(t)
			b.signIn("/")
			s.awaitFeed(t)
			if got := b.open("/bff/jwks.json"); got.StatusCode != http.StatusNotFound {
				t.Errorf("keys: %d %s", got.StatusCode, got.body)
			}
			way.mode.Store(linkRefuses)
			var got *reply
			blackbox.Until(t, "the token is due", func() bool {
				got = b.call(http.MethodGet, "/api/orders")
				return got.StatusCode != http.StatusOK
			})
			if got.StatusCode != http.StatusServiceUnavailable || !b.active() {
				t.Errorf("%d %s", got.StatusCode, got.body)
			}
			way.mode.Store(linkUp)
			blackbox.Until(t, "the token is new", func() bool { return b.call(http.MethodGet, "/api/orders").StatusCode == http.StatusOK })
			if got := b.call(http.MethodPost, "/bff/logout"); got.StatusCode != http.StatusOK {
				t.Errorf("logout: %d %s", got.StatusCode, got.body)
			}
			log := s.log.String()
			if !strings.Contains(log, "alarm=refresh_refused") {
				t.Error("no alarm")
			}
			for what, text := range map[string]string{"log": log, "store": blackbox.Dump(t, s.store), "answer": got.body} {
				if strings.Contains(text, secret) || strings.Contains(text, url.QueryEscape(secret)) {
					t.Errorf("the %s has the secret", what)
				}
			}
		})
	}
}
