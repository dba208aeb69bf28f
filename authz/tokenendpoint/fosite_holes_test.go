package tokenendpoint_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/openid"
	memory "github.com/ory/fosite/storage"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/member"
	"github.com/authzd/authzd/authz/resource"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

// Each test here first shows what fosite v0.49.0 does when it is used as its documentation says, and
// then that this server does not. If fosite mends one of them, the first half says so.

// gone fails a test whose hole fosite no longer has.
func gone(t *testing.T, what string, got any) {
	t.Helper()
	t.Errorf("plain fosite no longer has this hole (%s): %v", what, got)
}

// fosite deletes the challenge before it compares: a wrong verifier, and then none, gets tokens.
func TestHolePKCEStripping(t *testing.T) {
	t.Parallel()
	plain, _ := plainFosite(t, nil)
	s := authztest.Start(t, authz.Config{}, nil)
	wrong, _ := authztest.PKCE()

	code, _ := plainCode(t, plain, authztest.Web, nil)
	blackbox.Redeem(t, plain, authztest.Web, authztest.Secret, authztest.CodeForm(code, wrong))
	if got := blackbox.Redeem(t, plain, authztest.Web, authztest.Secret, authztest.CodeForm(code, "")); got.Status != 200 {
		gone(t, "tokens without a verifier", got)
	}
	code, verifier := s.NewBrowser(t).Code(t, authztest.Web, nil)
	for _, v := range []string{wrong, ""} {
		if got := blackbox.Redeem(t, s, authztest.Web, authztest.Secret, authztest.CodeForm(code, v)); got.Error != "invalid_grant" {
			t.Errorf("verifier %q: %+v", v, got)
		}
	}
	if got := blackbox.Redeem(t, s, authztest.Web, authztest.Secret, authztest.CodeForm(code, verifier)); got.Status != 200 {
		t.Errorf("the failures have burned the code: %+v", got)
	}
}

// fosite believes an unsigned request object (RFC 9101) and adds its scopes to the request, unless
// the request lacks openid: then it ignores the object.
func TestHoleRequestObjects(t *testing.T) {
	t.Parallel()
	plain, _ := plainFosite(t, func(m *memory.MemoryStore) {
		m.Clients[authztest.SPA] = &fosite.DefaultOpenIDConnectClient{
			DefaultClient:  plainClient(t, authztest.SPA, "").DefaultClient,
			JSONWebKeysURI: "https://app.example.com/jwks.json",
		}
	})
	b := authztest.Start(t, authz.Config{}, nil).SignedIn(t, nil)
	_, challenge := authztest.PKCE()
	encode := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	object := url.Values{"request": {encode(`{"alg":"none"}`) + "." + encode(`{"scope":"orders.write"}`) + "."}, "scope": {"openid"}}
	if got := open(plain, authztest.SPA, challenge, object).Header().Get("Location"); !strings.Contains(got, "orders.write") || !strings.Contains(got, "code=") {
		gone(t, "an unsigned request object adds a scope", got)
	}
	for name, change := range map[string]url.Values{
		"invalid_request_object": object, "invalid_request_uri": {"request_uri": {"http://169.254.169.254/"}},
	} {
		for _, scope := range []string{"openid", "orders.read"} {
			change.Set("scope", scope)
			if got := b.Ask(t, authztest.SPA, change).Redirect(t); got.Get("error") != name {
				t.Errorf("%v: %v", change, got)
			}
		}
	}
}

// fosite keeps the secret that a pushed request came with, and the reference to it in clear; and it
// forgets the request, whoever brings the reference.
func TestHolePushedRequests(t *testing.T) {
	t.Parallel()
	plain, store := plainFosite(t, func(m *memory.MemoryStore) {
		m.Clients[authztest.Web] = &fosite.DefaultOpenIDConnectClient{
			DefaultClient: plainClient(t, authztest.Web, authztest.Secret).DefaultClient, TokenEndpointAuthMethod: "client_secret_post",
		}
	})
	posting := func(m *client.Metadata) {
		if m.ID == authztest.Web {
			m.AuthMethod = client.AuthPost
		}
	}
	s := authztest.Start(t, authz.Config{}, posting)
	form := authztest.Request(authztest.Web, url.Values{"client_secret": {authztest.Secret}})
	pushTo := func(h http.Handler) string {
		t.Helper()
		var pushed struct {
			RequestURI string `json:"request_uri"`
		}
		response := blackbox.PostTo(h, "/par", authztest.Web, "", form)
		if err := json.Unmarshal(response.Body.Bytes(), &pushed); err != nil || response.Code != http.StatusCreated {
			t.Fatalf("%d %s", response.Code, response.Body)
		}
		return pushed.RequestURI
	}
	bringTo := func(h http.Handler, clientID, requestURI string) *httptest.ResponseRecorder {
		recorder := httptest.NewRecorder()
		h.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/authorize?"+url.Values{"client_id": {clientID}, "request_uri": {requestURI}}.Encode(), nil))
		return recorder
	}

	uri := pushTo(plain)
	if kept, ok := store.PARSessions[uri]; !ok || kept.GetRequestForm().Get("client_secret") != authztest.Secret {
		gone(t, "the store has the secret", store.PARSessions)
	}
	bringTo(plain, authztest.SPA, uri)
	if _, ok := store.PARSessions[uri]; ok {
		gone(t, "any client burns the request of another", uri)
	}
	uri = pushTo(s)
	for _, table := range storage.Tables {
		records, err := s.Store.Scan(t.Context(), table, "", "", 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			if all := r.Key + string(r.Value); strings.Contains(all, url.QueryEscape(authztest.Secret)) || strings.Contains(all, uri[len(blackbox.PushedPrefix):]) {
				t.Errorf("table %s holds a secret", table)
			}
		}
	}
	if got := bringTo(s, authztest.SPA, uri); got.Code != http.StatusBadRequest {
		t.Errorf("another client: %d", got.Code)
	}
	if got := bringTo(s, authztest.Web, uri); got.Code != http.StatusSeeOther {
		t.Errorf("its own client: %d %s", got.Code, got.Body)
	}
}

// fosite compares neither the scheme nor the userinfo of loopback redirect URIs.
func TestHoleLoopbackRedirects(t *testing.T) {
	t.Parallel()
	const registered, forged = "https://127.0.0.1/cb", "http://evil@127.0.0.1:8080/cb"
	plain, _ := plainFosite(t, func(m *memory.MemoryStore) {
		m.Clients[authztest.SPA].(*fosite.DefaultResponseModeClient).RedirectURIs = []string{registered}
	})
	s := authztest.Start(t, authz.Config{}, func(m *client.Metadata) {
		if m.ID == authztest.SPA {
			m.RedirectURIs = []string{registered, "http://127.0.0.1/cb"}
		}
	})
	_, challenge := authztest.PKCE()
	change := url.Values{"redirect_uri": {forged}}
	if got := open(plain, authztest.SPA, challenge, change).Header().Get("Location"); !strings.HasPrefix(got, forged) {
		gone(t, "redirect to "+forged, got)
	}
	for _, uri := range []string{forged, "https://127.0.0.1:8080/cb", "http://[::1]/cb"} {
		if page := s.NewBrowser(t).Ask(t, authztest.SPA, url.Values{"redirect_uri": {uri}}); page.Status != 400 || page.Header.Get("Location") != "" {
			t.Errorf("%s: %d %s", uri, page.Status, page.Header.Get("Location"))
		}
	}
}

// fosite finds a refresh token by its second half and kills the family before it checks the first
// half or the client.
func TestHoleForgedHalfKillsFamily(t *testing.T) {
	t.Parallel()
	plain, _ := plainFosite(t, nil)
	s := authztest.Start(t, authz.Config{}, nil)

	code, verifier := plainCode(t, plain, authztest.SPA, nil)
	first := blackbox.Redeem(t, plain, authztest.SPA, "", authztest.CodeForm(code, verifier))
	second := blackbox.Redeem(t, plain, authztest.SPA, "", authztest.RefreshForm(first.RefreshToken))
	_, half, _ := strings.Cut(first.RefreshToken, ".")
	blackbox.Redeem(t, plain, authztest.ThirdParty, "", authztest.RefreshForm("forged."+half))
	if got := blackbox.Redeem(t, plain, authztest.SPA, "", authztest.RefreshForm(second.RefreshToken)); got.Error != "invalid_grant" {
		gone(t, "the family of another client is dead", got)
	}

	first = s.SignIn(t, authztest.SPA, "", nil)
	second = blackbox.Redeem(t, s, authztest.SPA, "", authztest.RefreshForm(first.RefreshToken))
	third := blackbox.Redeem(t, s, authztest.SPA, "", authztest.RefreshForm(second.RefreshToken))
	blackbox.Redeem(t, s, authztest.ThirdParty, "", authztest.RefreshForm(first.RefreshToken))
	blackbox.Redeem(t, s, authztest.SPA, "", authztest.RefreshForm("azr_forged"+first.RefreshToken[10:]))
	if got := blackbox.Redeem(t, s, authztest.SPA, "", authztest.RefreshForm(third.RefreshToken)); got.Status != 200 {
		t.Errorf("the family is dead: %+v", got)
	}
}

// fosite takes an access token with a changed character, where base64 has unused bits.
func TestHoleMalleableAccessToken(t *testing.T) {
	t.Parallel()
	plain, _ := plainFosite(t, nil)
	s := authztest.Start(t, authz.Config{Resources: []resource.Resource{{URI: authztest.API, Scopes: []string{"orders.read", "orders.write"}, TokenType: resource.TokenTypeOpaque}}}, nil)

	code, verifier := plainCode(t, plain, authztest.Web, nil)
	token := blackbox.Redeem(t, plain, authztest.Web, authztest.Secret, authztest.CodeForm(code, verifier)).AccessToken
	half, rest, _ := strings.Cut(token, ".")
	changed := blackbox.ChangeLast(half) + "." + rest
	if got := blackbox.PostTo(plain, "/introspect", authztest.Web, authztest.Secret, url.Values{"token": {changed}}); !strings.Contains(got.Body.String(), `"active":true`) {
		gone(t, "a changed token is active", got.Body)
	}
	tokens := s.SignIn(t, authztest.Web, authztest.Secret, nil)
	for i := range tokens.AccessToken {
		changed := tokens.AccessToken[:i] + blackbox.ChangeLast(tokens.AccessToken[i:i+1]) + tokens.AccessToken[i+1:]
		if tokens.AccessToken[i] == '_' || changed == tokens.AccessToken {
			continue
		}
		if got := blackbox.PostTo(s, "/introspect", authztest.Web, authztest.Secret, url.Values{"token": {changed}}); got.Body.String() != `{"active":false}` {
			t.Fatalf("changed at %d: %s", i, got.Body)
		}
	}
}

// fosite hands the whole code to the storage of OpenID sessions, as their key.
func TestHoleRawCodeInStorage(t *testing.T) {
	t.Parallel()
	plain, store := plainFosite(t, nil)
	s := authztest.Start(t, authz.Config{}, nil)
	code, _ := plainCode(t, plain, authztest.SPA, nil)
	if _, ok := store.IDSessions[code]; !ok {
		gone(t, "the raw code is a key", store.IDSessions)
	}
	code, verifier := s.NewBrowser(t).Code(t, authztest.SPA, nil)
	tokens := blackbox.Redeem(t, s, authztest.SPA, "", authztest.CodeForm(code, verifier))
	for _, table := range storage.Tables {
		records, err := s.Store.Scan(t.Context(), table, "", "", 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			for _, secret := range []string{code, verifier, tokens.RefreshToken, tokens.AccessToken, tokens.IDToken} {
				if strings.Contains(r.Key+string(r.Value), secret) {
					t.Errorf("table %s holds a credential", table)
				}
			}
		}
	}
}

// fosite's bcrypt looks at 72 bytes of a client secret only.
func TestHoleLongSecrets(t *testing.T) {
	t.Parallel()
	secret := strings.Repeat("s", 72)
	plain, _ := plainFosite(t, func(m *memory.MemoryStore) { m.Clients[authztest.Web] = plainClient(t, authztest.Web, secret) })
	s := authztest.Start(t, authz.Config{}, func(m *client.Metadata) {
		if m.ID == authztest.Web {
			m.Secret = member.Secret(secret)
		}
	})
	form := authztest.CodeForm("unknown", "")
	if got := blackbox.Redeem(t, plain, authztest.Web, secret+"anything", form); got.Error == "invalid_client" {
		gone(t, "what follows 72 bytes is ignored", got)
	}
	if got := blackbox.Redeem(t, s, authztest.Web, secret+"anything", form); got.Error != "invalid_client" {
		t.Errorf("%+v", got)
	}
}

// fosite hashes for known clients only, so time tells which exist.
func TestHoleClientTiming(t *testing.T) {
	plain, _ := plainFosite(t, nil)
	s := authztest.Start(t, authz.Config{}, nil)
	quickest := func(h http.Handler, id string) time.Duration {
		best := time.Hour
		for range 30 {
			began := time.Now()
			blackbox.PostTo(h, "/token", id, "wrong", authztest.CodeForm("x", ""))
			best = min(best, time.Since(began))
		}
		return best
	}
	if known, unknown := quickest(plain, authztest.Web), quickest(plain, "nobody"); known < 5*unknown {
		gone(t, "a known client takes longer", []time.Duration{known, unknown})
	}
	if known, unknown := quickest(s, authztest.Web), quickest(s, "nobody"); known > 3*unknown || unknown > 3*known {
		t.Errorf("known %v, unknown %v", known, unknown)
	}
}

// fosite lets anybody introspect who holds any valid access token.
func TestHoleIntrospectionByToken(t *testing.T) {
	t.Parallel()
	plain, _ := plainFosite(t, nil)
	s := authztest.Start(t, authz.Config{}, nil)
	by := func(h http.Handler, bearer, token string) *httptest.ResponseRecorder {
		request := httptest.NewRequest(http.MethodPost, "/introspect", strings.NewReader(url.Values{"token": {token}}.Encode()))
		request.Header = blackbox.FormHeader()
		request.Header.Set("Authorization", "Bearer "+bearer)
		recorder := httptest.NewRecorder()
		h.ServeHTTP(recorder, request)
		return recorder
	}
	signIn := func(id, secret string) string {
		code, verifier := plainCode(t, plain, id, nil)
		return blackbox.Redeem(t, plain, id, secret, authztest.CodeForm(code, verifier)).AccessToken
	}
	if got := by(plain, signIn(authztest.SPA, ""), signIn(authztest.Web, authztest.Secret)); !strings.Contains(got.Body.String(), "alice") {
		gone(t, "one app reads the token of another", got.Body)
	}
	mine, others := s.SignIn(t, authztest.SPA, "", nil), s.SignIn(t, authztest.Web, authztest.Secret, nil)
	if got := by(s, mine.AccessToken, others.AccessToken); got.Code != 401 || strings.Contains(got.Body.String(), "active") {
		t.Errorf("%d %s", got.Code, got.Body)
	}
}

// brokenMemory is fosite's store on a full disk.
type brokenMemory struct{ *memory.MemoryStore }

func (brokenMemory) RevokeRefreshToken(context.Context, string) error { return errors.New("disk full") }
func (brokenMemory) RevokeAccessToken(context.Context, string) error  { return errors.New("disk full") }

// fosite answers 200 to a revocation that could not be stored.
func TestHoleLostRevocation(t *testing.T) {
	t.Parallel()
	_, m := plainFosite(t, nil)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	plain := plainHandler(brokenMemory{m}, key)
	code, verifier := plainCode(t, plain, authztest.SPA, nil)
	tokens := blackbox.Redeem(t, plain, authztest.SPA, "", authztest.CodeForm(code, verifier))
	if got := blackbox.PostTo(plain, "/revoke", authztest.SPA, "", url.Values{"token": {tokens.RefreshToken}}); got.Code != 200 {
		gone(t, "a lost revocation is a success", got.Code)
	}

	engine, err := bolt.Open(filepath.Join(t.TempDir(), "authzd.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { engine.Close() })
	store := &blackbox.FailingStore{Store: engine}
	s := authztest.Start(t, authz.Config{Store: store}, nil)
	tokens = s.SignIn(t, authztest.SPA, "", nil)
	store.Broken.Store(true)
	if got := blackbox.PostTo(s, "/revoke", authztest.SPA, "", url.Values{"token": {tokens.RefreshToken}}); got.Code != 503 {
		t.Errorf("%d %s", got.Code, got.Body)
	}
}

// fosite says invalid_request for a grant type that it does not know.
func TestHoleUnknownGrantType(t *testing.T) {
	t.Parallel()
	plain, _ := plainFosite(t, nil)
	s := authztest.Start(t, authz.Config{}, nil)
	form := url.Values{"grant_type": {"urn:example:unknown"}}
	if got := blackbox.Redeem(t, plain, authztest.SPA, "", form); got.Error != "invalid_request" {
		gone(t, "invalid_request", got)
	}
	if got := blackbox.Redeem(t, s, authztest.SPA, "", form); got.Error != "unsupported_grant_type" || got.Status != 400 {
		t.Errorf("%+v", got)
	}
}

// fosite answers 401 without saying how to authenticate (RFC 6749 section 5.2).
func TestHoleMissingChallenge(t *testing.T) {
	t.Parallel()
	plain, _ := plainFosite(t, nil)
	s := authztest.Start(t, authz.Config{}, nil)
	form := authztest.CodeForm("x", "")
	if got := blackbox.Redeem(t, plain, authztest.Web, "wrong", form); got.Status != 401 || got.Header.Get("WWW-Authenticate") != "" {
		gone(t, "401 without a challenge", got)
	}
	if got := blackbox.Redeem(t, s, authztest.Web, "wrong", form); got.Status != 401 || !strings.HasPrefix(got.Header.Get("WWW-Authenticate"), "Basic ") {
		t.Errorf("%+v", got)
	}
}

// fosite takes the first of repeated parameters (RFC 6749 section 3.1 forbids them).
func TestHoleRepeatedParameters(t *testing.T) {
	t.Parallel()
	plain, _ := plainFosite(t, nil)
	s := authztest.Start(t, authz.Config{}, nil)
	twice := func(code, verifier string) url.Values {
		form := authztest.CodeForm(code, verifier)
		form["code"] = append(form["code"], "another")
		return form
	}
	code, verifier := plainCode(t, plain, authztest.SPA, nil)
	if got := blackbox.Redeem(t, plain, authztest.SPA, "", twice(code, verifier)); got.Status != 200 {
		gone(t, "two codes", got)
	}
	code, verifier = s.NewBrowser(t).Code(t, authztest.SPA, nil)
	if got := blackbox.Redeem(t, s, authztest.SPA, "", twice(code, verifier)); got.Error != "invalid_request" {
		t.Errorf("%+v", got)
	}
}

// fosite's error descriptions quote the request.
func TestHoleEchoedHints(t *testing.T) {
	t.Parallel()
	const evil = "call+555-0100+now"
	plain, _ := plainFosite(t, nil)
	b := authztest.Start(t, authz.Config{}, nil).SignedIn(t, nil)
	_, challenge := authztest.PKCE()
	change := url.Values{"scope": {evil}}
	if got := open(plain, authztest.SPA, challenge, change).Header().Get("Location"); !strings.Contains(got, "555-0100") {
		gone(t, "the description quotes the scope", got)
	}
	if got := b.Ask(t, authztest.SPA, change).Redirect(t); got.Get("error") != "invalid_scope" || strings.Contains(got.Get("error_description"), "555") {
		t.Errorf("%v", got)
	}
}

// fosite ignores the scope of a refresh (RFC 6749 section 6), and puts its nonce into the ID token.
func TestHoleRefreshParameters(t *testing.T) {
	t.Parallel()
	plain, _ := plainFosite(t, nil)
	s := authztest.Start(t, authz.Config{}, nil)
	with := func(token, scope string) url.Values {
		form := authztest.RefreshForm(token)
		form.Set("scope", scope)
		form.Set("nonce", "injected nonce")
		return form
	}
	code, verifier := plainCode(t, plain, authztest.SPA, nil)
	tokens := blackbox.Redeem(t, plain, authztest.SPA, "", authztest.CodeForm(code, verifier))
	got := blackbox.Redeem(t, plain, authztest.SPA, "", with(tokens.RefreshToken, "openid"))
	if got.Scope != tokens.Scope {
		gone(t, "the scope stays wide", got)
	}
	if blackbox.Claims(t, got.IDToken)["nonce"] != "injected nonce" {
		gone(t, "the nonce is reflected", blackbox.Claims(t, got.IDToken))
	}
	if got := blackbox.Redeem(t, plain, authztest.SPA, "", with(got.RefreshToken, "openid orders.write")); got.Status != 200 {
		gone(t, "a scope that was not granted is no error", got)
	}

	tokens = s.SignIn(t, authztest.SPA, "", nil)
	got = blackbox.Redeem(t, s, authztest.SPA, "", with(tokens.RefreshToken, "openid"))
	if got.Scope != "openid" || blackbox.Claims(t, got.AccessToken)["scope"] != "openid" || blackbox.Claims(t, got.IDToken)["nonce"] != nil {
		t.Errorf("%+v", got)
	}
	if got := blackbox.Redeem(t, s, authztest.SPA, "", with(got.RefreshToken, "openid orders.write")); got.Error != "invalid_scope" {
		t.Errorf("a wider scope: %+v", got)
	}
}

// fosite's refresh tokens live for ever, if they are used in time.
func TestHoleEndlessRefresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		plain, _ := plainFosite(t, nil)
		code, verifier := plainCode(t, plain, authztest.SPA, nil)
		tokens := blackbox.Redeem(t, plain, authztest.SPA, "", authztest.CodeForm(code, verifier))
		for range 50 {
			time.Sleep(20 * 24 * time.Hour) // of the bubble
			if tokens = blackbox.Redeem(t, plain, authztest.SPA, "", authztest.RefreshForm(tokens.RefreshToken)); tokens.Status != 200 {
				gone(t, "refresh after years", tokens)
				return
			}
		}
	})
	lifetimes := authz.DefaultLifetimes
	lifetimes.RefreshToken = lifetimes.RefreshIdle
	s := authztest.Start(t, authz.Config{Lifetimes: lifetimes}, nil)
	tokens := s.SignIn(t, authztest.SPA, "", nil)
	grants, err := storage.Grants.Scan(t.Context(), s.Store, "", "", 1)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		tokens = blackbox.Redeem(t, s, authztest.SPA, "", authztest.RefreshForm(tokens.RefreshToken))
	}
	rows, err := s.Store.Scan(t.Context(), storage.RefreshTokens.Table, "", "", 10)
	if err != nil || len(rows) != 4 || tokens.Status != 200 {
		t.Fatalf("%d refresh tokens, %v, %+v", len(rows), err, tokens)
	}
	for _, row := range rows {
		if row.Expires.After(grants[0].Value.ExpiresAt) {
			t.Errorf("a refresh token lives until %v, its grant until %v", row.Expires, grants[0].Value.ExpiresAt)
		}
	}
}

// fosite ignores max_age=0 and one that is no number.
func TestHoleMaxAge(t *testing.T) {
	t.Parallel()
	plain, _ := plainFosite(t, nil) // Alice signed in an hour ago
	b := authztest.Start(t, authz.Config{}, nil).SignedIn(t, nil)
	_, challenge := authztest.PKCE()
	for _, age := range []string{"0", "soon"} {
		if got := open(plain, authztest.SPA, challenge, url.Values{"max_age": {age}}).Header().Get("Location"); !strings.Contains(got, "code=") {
			gone(t, "max_age="+age, got)
		}
	}
	if got := b.Ask(t, authztest.SPA, url.Values{"max_age": {"0"}}).LedTo(t); got != "/login" {
		t.Errorf("max_age=0 led to %s", got)
	}
	if got := b.Ask(t, authztest.SPA, url.Values{"max_age": {"soon"}}).Redirect(t); got.Get("error") != "invalid_request" {
		t.Errorf("max_age=soon: %v", got)
	}
}

// fosite refuses a short state; it takes a short nonce, and then refuses the code.
func TestHoleShortStateAndNonce(t *testing.T) {
	t.Parallel()
	plain, _ := plainFosite(t, nil)
	s := authztest.Start(t, authz.Config{}, nil)
	_, challenge := authztest.PKCE()
	if got := open(plain, authztest.SPA, challenge, url.Values{"state": {"x"}}).Header().Get("Location"); !strings.Contains(got, "error=invalid_state") {
		gone(t, "a short state", got)
	}
	code, verifier := plainCode(t, plain, authztest.SPA, url.Values{"nonce": {"x"}})
	if got := blackbox.Redeem(t, plain, authztest.SPA, "", authztest.CodeForm(code, verifier)); got.Status == 200 {
		gone(t, "a short nonce", got)
	}
	tokens := s.SignIn(t, authztest.SPA, "", url.Values{"state": {"x"}, "nonce": {"x"}})
	if blackbox.Claims(t, tokens.IDToken)["nonce"] != "x" {
		t.Errorf("%v", blackbox.Claims(t, tokens.IDToken))
	}
}

// fosite's at_hash for EdDSA is by SHA-256; Ed25519 signs with SHA-512 (OpenID Connect Core section
// 3.1.3.6).
func TestHoleAtHashOfEdDSA(t *testing.T) {
	t.Parallel()
	session := openid.NewDefaultSession()
	session.Headers.Add("alg", "EdDSA")
	response := fosite.NewAccessResponse()
	response.SetAccessToken("token")
	by256, by512 := sha256.Sum256([]byte("token")), sha512.Sum512([]byte("token"))
	got := new(openid.IDTokenHandleHelper).GetAccessTokenHash(t.Context(), fosite.NewAccessRequest(session), response)
	if got != base64.RawURLEncoding.EncodeToString(by256[:16]) || got == base64.RawURLEncoding.EncodeToString(by512[:32]) {
		gone(t, "SHA-256", got)
	}
	signing := authz.DefaultSigning
	signing.Alg = "EdDSA"
	tokens := authztest.Start(t, authz.Config{Signing: signing}, nil).SignIn(t, authztest.SPA, "", nil)
	by512 = sha512.Sum512([]byte(tokens.AccessToken))
	if got := blackbox.Claims(t, tokens.IDToken)["at_hash"]; got != base64.RawURLEncoding.EncodeToString(by512[:32]) {
		t.Errorf("at_hash %v", got)
	}
}

// fosite's form_post needs an inline script, which no sound content policy lets run, and breaks the
// address of a native app.
func TestHoleFormPost(t *testing.T) {
	t.Parallel()
	const native = "com.example.app:/callback"
	plain, _ := plainFosite(t, func(m *memory.MemoryStore) {
		m.Clients[authztest.SPA].(*fosite.DefaultResponseModeClient).RedirectURIs = []string{native}
	})
	s := authztest.Start(t, authz.Config{}, func(m *client.Metadata) {
		if m.ID == authztest.SPA {
			m.RedirectURIs = append(m.RedirectURIs, native)
		}
	})
	_, challenge := authztest.PKCE()
	change := url.Values{"response_mode": {"form_post"}, "redirect_uri": {native}}
	if got := open(plain, authztest.SPA, challenge, change).Body.String(); !strings.Contains(got, "onload=") || strings.Contains(got, native) {
		gone(t, "inline script, no address", got)
	}
	page := s.SignedIn(t, nil).Ask(t, authztest.SPA, change)
	if page.Status != 200 || !strings.Contains(page.Body, `action="`+native+`"`) || !strings.Contains(page.Body, "azc_") {
		t.Errorf("%d %s", page.Status, page.Body)
	}
	policy := page.Header.Get("Content-Security-Policy")
	if strings.Contains(page.Body, "onload") || !strings.Contains(policy, "script-src 'sha256-") || strings.Contains(policy, "unsafe") {
		t.Errorf("the script is not one that the policy names: %s\n%s", policy, page.Body)
	}
}

// fosite shows a person JSON, if the redirect URI is not registered.
func TestHoleErrorsForPeople(t *testing.T) {
	t.Parallel()
	plain, _ := plainFosite(t, nil)
	s := authztest.Start(t, authz.Config{}, nil)
	_, challenge := authztest.PKCE()
	change := url.Values{"redirect_uri": {"https://evil.example/"}}
	if got := open(plain, authztest.SPA, challenge, change); !strings.HasPrefix(got.Header().Get("Content-Type"), "application/json") {
		gone(t, "JSON in the browser", got.Header())
	}
	page := s.NewBrowser(t).Ask(t, authztest.SPA, change)
	if page.Status != 400 || !strings.HasPrefix(page.Header.Get("Content-Type"), "text/html") || !strings.Contains(page.Body, "redirect_uri_mismatch") {
		t.Errorf("%d %v", page.Status, page.Header)
	}
	if location := page.Header.Get("Location"); location != "" {
		t.Errorf("redirected to %s", location)
	}
}
