package bearer_test

import (
	"errors"
	"log/slog"
	"net/url"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/bearer"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/resource"
)

// The API asks authzd itself, as the client that has the name of its resource.
func TestIntrospectionByAuthzd(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{
		Resources: []resource.Resource{{URI: authztest.API, Scopes: []string{"orders.read", "orders.write"}, TokenType: resource.TokenTypeOpaque}},
	}, func(m *client.Metadata) {
		if m.ID == authztest.Worker {
			m.ID = authztest.API
		}
	})
	newVerifier := func(secret string) *bearer.Verifier {
		v, err := bearer.New(bearer.Config{
			Issuer: s.URL, Audience: authztest.API,
			Introspection: &bearer.Introspection{ClientSecret: secret, Prefix: "azt_"},
			Logger:        slog.New(slog.NewTextHandler(t.Output(), nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	tokens := s.SignIn(t, authztest.SPA, "", url.Values{"scope": {"openid offline_access orders.read"}})
	p, err := newVerifier(authztest.Secret).Verify(t.Context(), tokens.AccessToken)
	if err != nil {
		t.Fatal(err)
	}
	if p.Issuer != s.URL || p.Subject == "" || p.ClientID != authztest.SPA || !p.HasScope("orders.read") || p.HasScope("orders.write") || !p.HasRole("admin") || p.GrantID == "" || p.ID == "" || p.Expires.IsZero() {
		t.Errorf("%+v", p)
	}
	if _, err := newVerifier("wrong").Verify(t.Context(), tokens.AccessToken); !errors.Is(err, bearer.ErrUnavailable) {
		t.Errorf("with a wrong secret: %v", err)
	}
	for name, token := range map[string]string{
		"refresh token": tokens.RefreshToken, "ID token": tokens.IDToken, "unknown": "azt_" + tokens.RefreshToken[4:],
	} {
		if p, err := newVerifier(authztest.Secret).Verify(t.Context(), token); !errors.As(err, new(*bearer.TokenError)) {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
	if response := s.PostForm(t, "/revoke", url.Values{"token": {tokens.AccessToken}, "client_id": {authztest.SPA}}, nil); response.Status != 200 {
		t.Fatal(response.Status)
	}
	if p, err := newVerifier(authztest.Secret).Verify(t.Context(), tokens.AccessToken); !errors.As(err, new(*bearer.TokenError)) {
		t.Errorf("revoked: %+v, %v", p, err)
	}
}
