package bearer_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/bearer"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/operator"
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

// An API that follows authzd's feed refuses a token within two seconds after its end, and takes the next one at the
// first try.
func TestFollowerOfAuthzd(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{Operator: &operator.Config{}, Revocations: authz.Revocations{ClientsOnly: true}}, nil)
	f, err := bearer.NewFollower(bearer.FollowerConfig{
		Issuer: s.URL, Lost: bearer.Refuse, Strict: true, ClientID: authztest.Worker, ClientSecret: authztest.Secret,
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	v, err := bearer.New(bearer.Config{Issuer: s.URL, Audience: authztest.API, Revocations: f, CacheTokens: 100})
	if err != nil {
		t.Fatal(err)
	}
	signIn := func() authztest.Tokens {
		return s.SignIn(t, authztest.SPA, "", url.Values{"scope": {"openid offline_access orders.read"}})
	}
	verify := func(tokens authztest.Tokens) error {
		_, err := v.Verify(t.Context(), tokens.AccessToken)
		return err
	}
	one, other := signIn(), signIn()
	if err := verify(one); !errors.Is(err, bearer.ErrUnavailable) {
		t.Fatalf("before the first list: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}()
	blackbox.Until(t, "the first list", func() bool { return verify(one) == nil && f.State() == bearer.FeedFresh })

	refused := func(what string, tokens authztest.Tokens) {
		t.Helper()
		start := time.Now()
		blackbox.Until(t, what, func() bool { return errors.As(verify(tokens), new(*bearer.TokenError)) })
		if took := time.Since(start); took > 20*time.Second { // two seconds, unless the machine has all other tests to run
			t.Errorf("%s: refused after %v", what, took)
		}
	}
	p, err := v.Verify(t.Context(), one.AccessToken)
	if err != nil {
		t.Fatal(err)
	}
	watched, stop := v.Watch(t.Context(), p)
	defer stop()
	s.PostForm(t, "/revoke", url.Values{"client_id": {authztest.SPA}, "token": {one.RefreshToken}}, nil)
	refused("revoked", one)
	<-watched.Done()
	if err := verify(other); err != nil {
		t.Errorf("the other grant: %v", err)
	}

	request := httptest.NewRequest(http.MethodPatch, "http://localhost/v1/users/"+p.Subject, strings.NewReader(`{"roles":["clerk"]}`))
	request.Header.Set("Content-Type", "application/merge-patch+json")
	answer := httptest.NewRecorder()
	if s.AdminSocket().ServeHTTP(answer, request); answer.Code != http.StatusOK {
		t.Fatal(answer.Code, answer.Body)
	}
	refused("roles changed", other)
	fresh := s.Token(t, authztest.SPA, "", authztest.RefreshForm(other.RefreshToken))
	if p, err := v.Verify(t.Context(), fresh.AccessToken); err != nil || !p.HasRole("clerk") {
		t.Errorf("the fresh token: %+v, %v", p, err)
	}
	if stats := f.Stats(); stats.Refused["gid"] == 0 || stats.Refused["sub"] == 0 || stats.Loads["full"] != 1 || stats.Loads["bad"]+stats.Loads["gap"]+stats.Loads["old"] != 0 {
		t.Errorf("%+v", stats)
	}
}
