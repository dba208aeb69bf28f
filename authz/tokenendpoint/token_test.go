package tokenendpoint_test

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

// RFC 9068 section 2.2, OpenID Connect Core sections 2 and 12.2.
func TestTokenClaims(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	if claims := blackbox.Claims(t, s.SignIn(t, authztest.SPA, "", nil).IDToken); claims["auth_time"] != nil {
		t.Errorf("auth_time that nobody asked for: %v", claims)
	}
	tokens := s.SignIn(t, authztest.SPA, "", url.Values{"max_age": {"1000"}})
	if tokens.TokenType != "Bearer" || tokens.ExpiresIn != 900 || tokens.Header.Get("Cache-Control") != "no-store" ||
		tokens.Scope != "openid offline_access orders.read" {
		t.Errorf("answer %+v", tokens)
	}
	access, id := blackbox.Claims(t, tokens.AccessToken), blackbox.Claims(t, tokens.IDToken)
	for name, want := range map[string]string{
		"iss": s.URL, "aud": "[" + authztest.API + "]", "client_id": "spa", "scope": tokens.Scope, "roles": "[admin]",
	} {
		if got := fmt.Sprint(access[name]); got != want {
			t.Errorf("access token: %s = %s, want %s", name, got, want)
		}
	}
	for _, name := range []string{"sub", "exp", "iat", "jti", "gid", "sid", "auth_time"} {
		if access[name] == nil {
			t.Errorf("access token without %s", name)
		}
	}
	for _, name := range []string{"nbf", "groups", "email", "name"} {
		if access[name] != nil {
			t.Errorf("access token with %s", name)
		}
	}
	sum := sha256.Sum256([]byte(tokens.AccessToken))
	for name, want := range map[string]string{
		"iss": s.URL, "aud": "spa", "nonce": "nonce of the app", "amr": "[pwd]", "acr": "urn:authzd:acr:password",
		"at_hash": base64.RawURLEncoding.EncodeToString(sum[:16]), "sub": fmt.Sprint(access["sub"]), "sid": fmt.Sprint(access["sid"]),
	} {
		if got := fmt.Sprint(id[name]); got != want {
			t.Errorf("ID token: %s = %s, want %s", name, got, want)
		}
	}
	if id["auth_time"] == nil || id["email"] != nil || id["client_id"] != nil {
		t.Errorf("ID token with too much: %v", id)
	}

	next := s.Token(t, authztest.SPA, "", url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {tokens.RefreshToken}, "nonce": {"injected"}, "max_age": {"0"},
	})
	renewed := blackbox.Claims(t, next.IDToken)
	if renewed["nonce"] != nil {
		t.Errorf("nonce after a refresh: %v", renewed["nonce"])
	}
	for _, name := range []string{"iss", "sub", "aud", "auth_time", "sid"} {
		if fmt.Sprint(renewed[name]) != fmt.Sprint(id[name]) {
			t.Errorf("%s changed by a refresh from %v to %v", name, id[name], renewed[name])
		}
	}
}

// race sends one token request of the client SPA many times at once.
func race(t *testing.T, s *authztest.Server, n int, form url.Values) []authztest.Tokens {
	t.Helper()
	return blackbox.RaceOf(t, s, authztest.SPA, n, form)
}

func TestStorageFailure(t *testing.T) {
	t.Parallel()
	engine, err := bolt.Open(filepath.Join(t.TempDir(), "authzd.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { engine.Close() })
	store := &blackbox.FailingStore{Store: engine}
	s := authztest.Start(t, authz.Config{Store: store}, nil)
	b := s.NewBrowser(t)
	code, verifier := b.Code(t, authztest.SPA, nil)
	tokens := s.SignIn(t, authztest.SPA, "", nil)
	app := s.Token(t, authztest.Worker, authztest.Secret, url.Values{"grant_type": {"client_credentials"}})

	store.Broken.Store(true)
	for name, got := range map[string]authztest.Tokens{
		"code":    s.Token(t, authztest.SPA, "", authztest.CodeForm(code, verifier)),
		"refresh": s.Token(t, authztest.SPA, "", authztest.RefreshForm(tokens.RefreshToken)),
	} {
		if got.Status != 503 || got.Error != "temporarily_unavailable" || got.AccessToken != "" || got.Header.Get("Retry-After") == "" {
			t.Errorf("%s: %+v", name, got)
		}
		if strings.Contains(got.Description, "fire") {
			t.Errorf("%s tells the cause: %s", name, got.Description)
		}
	}
	if status, _ := blackbox.PostAs(t, s, "/revoke", "", url.Values{"client_id": {authztest.SPA}, "token": {tokens.RefreshToken}}); status != 503 {
		t.Errorf("revoke: %d", status)
	}
	if status, _ := blackbox.PostAs(t, s, "/introspect", authztest.Worker, url.Values{"token": {app.AccessToken}}); status != 200 {
		t.Errorf("reading goes on: %d", status)
	}
	if got := b.Ask(t, authztest.SPA, nil).Redirect(t); got.Get("error") != "temporarily_unavailable" {
		t.Errorf("authorize: %v", got)
	}

	store.Broken.Store(false)
	if got := s.Token(t, authztest.SPA, "", authztest.CodeForm(code, verifier)); got.Status != 200 {
		t.Errorf("code afterwards: %+v", got)
	}
	if got := s.Token(t, authztest.SPA, "", authztest.RefreshForm(tokens.RefreshToken)); got.Status != 200 {
		t.Errorf("refresh afterwards: %+v", got)
	}
}

// A disabled user is out at once: no refresh, no userinfo, no session.
func TestDisabledUser(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.NewBrowser(t)
	code, verifier := b.Code(t, authztest.SPA, nil)
	tokens := s.Token(t, authztest.SPA, "", authztest.CodeForm(code, verifier))
	pending, pendingVerifier := b.Code(t, authztest.SPA, nil)
	blackbox.DisableUser(t, s, fmt.Sprint(blackbox.Claims(t, tokens.IDToken)["sub"]))
	for name, form := range map[string]url.Values{
		"refresh": authztest.RefreshForm(tokens.RefreshToken), "code": authztest.CodeForm(pending, pendingVerifier),
	} {
		if got := s.Token(t, authztest.SPA, "", form); got.Status != 400 || got.Error != "invalid_grant" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if status := blackbox.UserinfoStatus(t, s, tokens.AccessToken); status != 401 {
		t.Errorf("userinfo: %d", status)
	}
	if got := b.Ask(t, authztest.SPA, url.Values{"prompt": {"none"}}).Redirect(t); got.Get("error") != "login_required" {
		t.Errorf("silent sign-in: %v", got)
	}
}

// Everything survives a restart, and a rotated server secret still knows earlier successors.
func TestRestart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "authzd.db")
	open := func() storage.Store {
		store, err := bolt.Open(path, bolt.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return store
	}
	store := open()
	s := authztest.Start(t, authz.Config{Store: store}, nil)
	tokens := s.SignIn(t, authztest.SPA, "", nil)
	next := s.Token(t, authztest.SPA, "", authztest.RefreshForm(tokens.RefreshToken))
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if got := s.Token(t, authztest.SPA, "", authztest.RefreshForm(next.RefreshToken)); got.Status != 503 {
		t.Errorf("a closed store: %+v", got)
	}
	store = open()
	t.Cleanup(func() {
		if err := store.Close(); err != nil && !errors.Is(err, storage.ErrClosed) {
			t.Error(err)
		}
	})
	again := authztest.Start(t, authz.Config{Store: store, Secret: s.Secret}, nil)
	retry := again.Token(t, authztest.SPA, "", authztest.RefreshForm(tokens.RefreshToken))
	if retry.RefreshToken != next.RefreshToken {
		t.Errorf("a retry after a restart: %+v", retry)
	}
}
