package provider_test

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/bff/provider"
	"github.com/authzd/authzd/authz/internal/blackbox"
)

const clientID = "orders-bff"

// issuer is a provider that answers what a test wants.
type issuer struct {
	*httptest.Server
	key *authztest.Key

	mu       sync.Mutex
	metadata map[string]any
	token    http.HandlerFunc
	userinfo http.HandlerFunc
	forms    []url.Values
	fetches  int // of the keys
}

func newIssuer(t testing.TB) *issuer {
	t.Helper()
	i := &issuer{key: blackbox.NewSigningKey(t, jose.ES256)}
	i.Server = httptest.NewServer(i)
	t.Cleanup(i.Close)
	i.metadata = map[string]any{
		"issuer": i.URL, "authorization_endpoint": i.URL + "/authorize", "token_endpoint": i.URL + "/token", "jwks_uri": i.URL + "/jwks",
		"revocation_endpoint": i.URL + "/revoke", "userinfo_endpoint": i.URL + "/userinfo", "authorization_response_iss_parameter_supported": true,
	}
	return i
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		_ = json.NewEncoder(w).Encode(i.metadata)
	case "/jwks":
		i.fetches++
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{i.key.Public()}})
	case "/userinfo":
		if i.userinfo != nil {
			i.userinfo(w, r)
		}
	default:
		_ = r.ParseForm()
		i.forms = append(i.forms, r.PostForm)
		if i.token != nil {
			i.token(w, r)
		}
	}
}

func (i *issuer) provider(t testing.TB) *provider.Provider {
	t.Helper()
	key, err := provider.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return provider.New(provider.Config{Issuer: i.URL, ClientID: clientID, Authentication: provider.Authentication{Key: key}})
}

const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// TestLogoutTokens: only a logout token of this issuer for this client is believed.
func TestLogoutTokens(t *testing.T) {
	i := newIssuer(t)
	p := i.provider(t)
	other := blackbox.NewSigningKey(t, jose.ES256)
	other.ID = i.key.ID
	now := time.Now().Unix()
	good := map[string]any{
		"iss": i.URL, "aud": clientID, "iat": now, "exp": now + 120, "jti": "a", "sub": "alice", "sid": "s",
		"events": map[string]any{logoutEvent: map[string]any{}},
	}
	header := map[string]any{"typ": "logout+jwt"}
	sign := func(key *authztest.Key, header map[string]any, change map[string]any) string {
		claims := maps.Clone(good)
		maps.Copy(claims, change)
		maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
		return key.Sign(t, header, claims)
	}
	for name, token := range map[string]string{
		"both":     sign(i.key, header, nil),
		"sid only": sign(i.key, header, map[string]any{"sub": nil}),
		"sub only": sign(i.key, header, map[string]any{"sid": nil}),
		"typ":      sign(i.key, map[string]any{"typ": "application/logout+jwt"}, nil),
		"clock":    sign(i.key, header, map[string]any{"iat": now + 30, "exp": now - 30}),
	} {
		if _, err := p.Logout(t.Context(), token); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	whole := sign(i.key, header, nil)
	parts := strings.Split(whole, ".")
	for name, token := range map[string]string{
		"empty":          "",
		"text":           "logout",
		"none":           "eyJhbGciOiJub25lIiwidHlwIjoibG9nb3V0K2p3dCJ9." + parts[1] + ".",
		"no signature":   parts[0] + "." + parts[1] + ".",
		"changed":        parts[0] + "." + parts[1] + "." + blackbox.ChangeLast(parts[2][:10]) + parts[2][10:],
		"another key":    sign(other, header, nil),
		"an ID token":    sign(i.key, map[string]any{"typ": "JWT"}, map[string]any{"events": nil, "nonce": "n"}),
		"no typ":         sign(i.key, map[string]any{"typ": ""}, nil),
		"access token":   sign(i.key, map[string]any{"typ": "at+jwt"}, nil),
		"nonce":          sign(i.key, header, map[string]any{"nonce": "n"}),
		"empty nonce":    sign(i.key, header, map[string]any{"nonce": ""}),
		"other iss":      sign(i.key, header, map[string]any{"iss": "https://evil.example"}),
		"no iss":         sign(i.key, header, map[string]any{"iss": nil}),
		"other aud":      sign(i.key, header, map[string]any{"aud": "another"}),
		"no aud":         sign(i.key, header, map[string]any{"aud": nil}),
		"two aud":        sign(i.key, header, map[string]any{"aud": []string{clientID, "another"}}),
		"expired":        sign(i.key, header, map[string]any{"exp": now - 120}),
		"no exp":         sign(i.key, header, map[string]any{"exp": nil}),
		"exp text":       sign(i.key, header, map[string]any{"exp": "soon"}),
		"for a day":      sign(i.key, header, map[string]any{"exp": now + 86400}),
		"no iat":         sign(i.key, header, map[string]any{"iat": nil}),
		"future":         sign(i.key, header, map[string]any{"iat": now + 3600, "exp": now + 3660}),
		"no jti":         sign(i.key, header, map[string]any{"jti": nil}),
		"no events":      sign(i.key, header, map[string]any{"events": nil}),
		"empty events":   sign(i.key, header, map[string]any{"events": map[string]any{}}),
		"another event":  sign(i.key, header, map[string]any{"events": map[string]any{"urn:x": map[string]any{}}}),
		"event is text":  sign(i.key, header, map[string]any{"events": map[string]any{logoutEvent: "x"}}),
		"events is list": sign(i.key, header, map[string]any{"events": []string{logoutEvent}}),
		"nobody":         sign(i.key, header, map[string]any{"sub": nil, "sid": nil}),
		"sub is number":  sign(i.key, header, map[string]any{"sub": 7}),
		"sid is list":    sign(i.key, header, map[string]any{"sid": []string{"s"}}),
		"names in caps":  sign(i.key, header, map[string]any{"sub": nil, "sid": nil, "SUB": "alice"}),
	} {
		var untrusted *provider.ResponseError
		if l, err := p.Logout(t.Context(), token); !errors.As(err, &untrusted) {
			t.Errorf("%s: %+v, %v", name, l, err)
		}
	}
	if i.fetches > 2 {
		t.Errorf("strangers' tokens caused %d fetches of the keys", i.fetches)
	}
}

// TestIDTokens: no session comes of an ID token that is not this sign-in's.
func TestIDTokens(t *testing.T) {
	i := newIssuer(t)
	p := i.provider(t)
	attempt := provider.NewAttempt("state", "https://app.example.com/bff/callback", "")
	now := time.Now().Unix()
	good := map[string]any{"iss": i.URL, "aud": clientID, "iat": now, "exp": now + 300, "sub": "alice", "nonce": attempt.Nonce, "auth_time": now}
	i.userinfo = func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"sub":"alice","name":"Alice","roles":["editor"],"groups":["staff"]}`))
	}
	finish := func(ask provider.Ask, change map[string]any, answer map[string]any) (*provider.Grant, error) {
		claims := maps.Clone(good)
		maps.Copy(claims, change)
		maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
		body := map[string]any{"access_token": "access", "token_type": "Bearer", "expires_in": 300, "refresh_token": "refresh", "id_token": i.key.Sign(t, map[string]any{"typ": "JWT"}, claims)}
		maps.Copy(body, answer)
		i.mu.Lock()
		i.token = func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(body) }
		i.mu.Unlock()
		return p.Finish(t.Context(), url.Values{"state": {"state"}, "iss": {i.URL}, "code": {"code"}}, attempt, ask)
	}
	g, err := finish(provider.Ask{MaxAge: "60"}, nil, nil)
	if err != nil || g.User.Subject != "alice" || len(g.User.Roles) != 1 || string(g.User.Claims) != `{"name":"Alice"}` || g.RefreshToken != "refresh" {
		t.Fatalf("%+v, %v", g, err)
	}
	form := i.forms[len(i.forms)-1]
	if form.Get("client_assertion") == "" || form.Get("code_verifier") != attempt.Verifier || form.Has("client_secret") {
		t.Errorf("%v", form)
	}
	for name, change := range map[string]map[string]any{
		"nonce": {"nonce": "another"}, "no nonce": {"nonce": nil}, "iss": {"iss": "https://evil.example"}, "aud": {"aud": "another"},
		"azp": {"azp": "another"}, "two aud": {"aud": []string{clientID, "another"}}, "expired": {"exp": now - 120}, "future": {"iat": now + 600, "exp": now + 900},
		"no sub": {"sub": nil}, "empty sub": {"sub": ""}, "another user than userinfo's": {"sub": "bob"}, "long sub": {"sub": strings.Repeat("a", 256)},
		"too old": {"auth_time": now - 3600}, "no auth_time": {"auth_time": nil}, "logout token": {"events": map[string]any{logoutEvent: map[string]any{}}},
		"many claims": {"x": strings.Repeat("a", 9000)},
	} {
		var untrusted *provider.ResponseError
		if _, err := finish(provider.Ask{MaxAge: "60"}, change, nil); !errors.As(err, &untrusted) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, answer := range map[string]map[string]any{
		"no ID token": {"id_token": ""}, "DPoP": {"token_type": "DPoP"}, "no access token": {"access_token": ""},
	} {
		if g, err := finish(provider.Ask{}, nil, answer); err == nil {
			t.Errorf("%s: %+v", name, g)
		}
	}
}

// TestMetadata: a document of another issuer, or with an endpoint that is not https, is not used.
func TestMetadata(t *testing.T) {
	for name, change := range map[string]map[string]any{
		"issuer": {"issuer": "https://evil.example"}, "token endpoint": {"token_endpoint": "http://evil.example/token"}, "no endpoint": {"authorization_endpoint": nil},
		"user": {"jwks_uri": "https://a:b@id.example.com/jwks"}, "algorithms": {"id_token_signing_alg_values_supported": []string{"HS256", "none"}},
	} {
		i := newIssuer(t)
		maps.Copy(i.metadata, change)
		p := i.provider(t)
		if target, err := p.Begin(t.Context(), provider.NewAttempt("s", "https://app.example.com/bff/callback", ""), provider.Ask{}); err == nil {
			t.Errorf("%s: %s", name, target)
		}
		if len(i.forms) > 0 {
			t.Errorf("%s: a form was sent", name)
		}
	}
}

// TestRefusals: what the token endpoint answers is told apart from no answer, and nothing that was sent is in an error.
func TestRefusals(t *testing.T) {
	i := newIssuer(t)
	p := i.provider(t)
	for name, test := range map[string]struct {
		status      int
		body        string
		code        string
		unavailable bool
	}{
		"invalid_grant": {400, `{"error":"invalid_grant"}`, "invalid_grant", false},
		"not JSON":      {400, `<html>`, "", false},
		"503":           {503, `{"error":"invalid_grant"}`, "invalid_grant", true},
		"429":           {429, ``, "", true},
		"a redirect":    {307, ``, "", false},
		"not a token":   {200, `{}`, "", true},
		"cut":           {200, `{"access_token":"a`, "", true},
	} {
		i.mu.Lock()
		i.token = func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "https://evil.example/token")
			w.WriteHeader(test.status)
			_, _ = w.Write([]byte(test.body))
		}
		i.mu.Unlock()
		_, err := p.Refresh(t.Context(), "the refresh token", "https://api.example.com")
		refusal := new(provider.Refusal)
		if err == nil || provider.Unavailable(err) != test.unavailable || errors.As(err, &refusal) && refusal.Code != test.code || strings.Contains(err.Error(), "the refresh token") {
			t.Errorf("%s: %v", name, err)
		}
	}
	i.Close()
	if _, err := p.Refresh(t.Context(), "the refresh token", ""); err == nil || !provider.Unavailable(err) || strings.Contains(err.Error(), "the refresh token") {
		t.Errorf("no connection: %v", err)
	}
}

// TestRefreshWithoutUserinfo: the new tokens count although nothing is known of the user; what is known stays as old as
// it was.
func TestRefreshWithoutUserinfo(t *testing.T) {
	i := newIssuer(t)
	p := i.provider(t)
	now := time.Now().Unix()
	id := i.key.Sign(t, map[string]any{"typ": "JWT"}, map[string]any{"iss": i.URL, "aud": clientID, "iat": now, "exp": now + 300, "sub": "alice"})
	i.token = func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": "access", "token_type": "Bearer", "refresh_token": "new", "id_token": id})
	}
	i.userinfo = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }
	g, err := p.Refresh(t.Context(), "old", "")
	if err != nil || g.RefreshToken != "new" || g.User != nil || !g.IssuedAt.IsZero() {
		t.Errorf("%+v, %v", g, err)
	}
}

// FuzzLogoutToken: no text makes it panic, or is believed.
func FuzzLogoutToken(f *testing.F) {
	i := newIssuer(f)
	p := i.provider(f)
	f.Add("")
	f.Add("a.b.c")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add("eyJhbGciOiJFUzI1NiIsInR5cCI6ImxvZ291dCtqd3QifQ.eyJzdWIiOiJhIn0.AAAA")
	f.Fuzz(func(t *testing.T, token string) {
		if l, err := p.Logout(t.Context(), token); err == nil {
			t.Errorf("%+v", l)
		}
	})
}
