package authz_test

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/resource"
)

// A body that comes with a GET is nobody's request: its fields must not be taken for parameters,
// and its files must not fill the disk.
func TestAuthorizeIgnoresTheBody(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.SignedIn(t, nil)
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	form.WriteField("scope", "orders.write")
	file, err := form.CreateFormFile("file", "large")
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(file, strings.Repeat("a", 16<<20))
	form.Close()
	_, challenge := authztest.PKCE()
	params := authztest.AuthorizationParams(authztest.SPA, challenge)
	params.Del("scope")
	request, err := http.NewRequest(http.MethodGet, s.URL+"/authorize?"+params.Encode(), &body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", form.FormDataContentType())
	response, err := b.HTTP.Do(request)
	if err == nil { // the server may hang up on such a body
		response.Body.Close()
	}
	files, err := os.ReadDir(temp)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if strings.HasPrefix(f.Name(), "multipart-") {
			t.Errorf("the body was written to the disk: %s", f.Name())
		}
	}
}

// A secret that a client posts by mistake must not become part of a URL, which histories and the
// logs of proxies keep.
func TestSecretsArePostedNowhere(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.NewBrowser(t)
	_, challenge := authztest.PKCE()
	form := authztest.AuthorizationParams(authztest.SPA, challenge)
	form.Set("client_secret", "hunter2")
	request, err := http.NewRequest(http.MethodPost, s.URL+"/authorize", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = blackbox.FormHeader()
	page := b.Do(t, request)
	if location := page.Header.Get("Location"); strings.Contains(location, "hunter2") {
		t.Errorf("redirected to %s", location)
	}
	if got := page.Redirect(t); got.Get("error") != "invalid_request" {
		t.Errorf("got %v", got)
	}
}

// RFC 8414 section 2: the issuer is https, or a development server on this machine.
func TestIssuer(t *testing.T) {
	t.Parallel()
	for _, issuer := range []string{
		"", "id.example.com", "http://id.example.com", "http://localhost.evil.example", "https://id.example.com/", "https://id.example.com?x", "https://id.example.com#x",
		"https://user@id.example.com", "ftp://id.example.com", "https://",
	} {
		if _, err := authz.New(t.Context(), authz.Config{Issuer: issuer}); err == nil || !strings.HasPrefix(err.Error(), "issuer: ") {
			t.Errorf("%q: %v", issuer, err)
		}
	}
}

// Once a token tells which client asks, only that client's own origins may read the answer.
func TestUserinfoOrigin(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, func(m *client.Metadata) {
		if m.ID == authztest.ThirdParty {
			m.AllowedOrigins = []string{"https://partner.example.com"}
		}
	})
	tokens := s.SignIn(t, authztest.ThirdParty, "", nil)
	for origin, want := range map[string]string{"https://partner.example.com": "https://partner.example.com", "https://app.example.com": "", "https://evil.example": ""} {
		request := httptest.NewRequest(http.MethodGet, "/userinfo", nil)
		request.Header.Set("Authorization", "Bearer "+tokens.AccessToken)
		request.Header.Set("Origin", origin)
		recorder := httptest.NewRecorder()
		s.ServeHTTP(recorder, request)
		if got := recorder.Header().Get("Access-Control-Allow-Origin"); got != want || recorder.Code != http.StatusOK {
			t.Errorf("from %s: %d %q", origin, recorder.Code, got)
		}
	}
}

// HEAD must change nothing (RFC 9110 section 9.2.1): a link checker that is signed in is no user.
func TestHeadHasNoEffect(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b, tokens := blackbox.SignInOnline(t, s)
	_, challenge := authztest.PKCE()
	before := blackbox.Dump(t, s.Store)
	for _, target := range []string{
		"/authorize?" + authztest.AuthorizationParams(authztest.SPA, challenge).Encode(),
		"/logout?" + url.Values{"id_token_hint": {tokens.IDToken}}.Encode(),
		"/callback/corp?code=x&state=y",
	} {
		request, err := http.NewRequest(http.MethodHead, s.URL+target, nil)
		if err != nil {
			t.Fatal(err)
		}
		if page := b.Do(t, request); page.Status != http.StatusMethodNotAllowed || strings.Contains(page.Header.Get("Allow"), "HEAD") {
			t.Errorf("HEAD %.20s: %d, Allow: %s", target, page.Status, page.Header.Get("Allow"))
		}
	}
	if after := blackbox.Dump(t, s.Store); after != before {
		t.Errorf("the store has changed from\n%s to\n%s", before, after)
	}
}

// An old access token, as it may be found in a log, must not end a grant (RFC 7009 section 5): the
// id of a public client is no proof of anything.
func TestRevokeByAnExpiredToken(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, func(m *client.Metadata) { m.AccessTokenLifetime = 1 })
	tokens := s.SignIn(t, authztest.SPA, "", nil)
	if status, _ := blackbox.PostAs(t, s, "/revoke", "", url.Values{"client_id": {authztest.SPA}, "token": {tokens.AccessToken}}); status != 200 {
		t.Errorf("revoke: %d", status)
	}
	if got := s.Token(t, authztest.SPA, "", authztest.RefreshForm(tokens.RefreshToken)); got.Status != 200 {
		t.Errorf("the grant is dead: %+v", got)
	}
}

// If a client loses a right, that takes effect with its next access token.
func TestRegistrationNarrowsGrants(t *testing.T) {
	t.Parallel()
	const files = "https://files.example.com"
	resources := []resource.Resource{
		{URI: authztest.API, Scopes: []string{"orders.read", "orders.write"}},
		{URI: files, Scopes: []string{"files.read"}},
	}
	s := authztest.Start(t, authz.Config{Resources: resources}, func(m *client.Metadata) {
		if m.ID == authztest.SPA {
			m.Resources, m.Scopes = append(m.Resources, files), append(m.Scopes, "files.read")
		}
	})
	extra := url.Values{"scope": {"openid offline_access orders.read files.read"}, "resource": {authztest.API, files}}
	tokens := s.SignIn(t, authztest.SPA, "", extra)
	code, verifier := s.NewBrowser(t).Code(t, authztest.SPA, extra)
	again := authztest.Start(t, authz.Config{Issuer: s.URL, Store: s.Store, Secret: s.Secret, Resources: resources}, func(m *client.Metadata) {
		m.Scopes = []string{"openid", "offline_access", "orders.read"}
		if m.ID == authztest.Worker {
			m.Scopes = nil
		}
	})
	for name, got := range map[string]authztest.Tokens{
		"refresh": blackbox.Redeem(t, again, authztest.SPA, "", authztest.RefreshForm(tokens.RefreshToken)),
		"code":    blackbox.Redeem(t, again, authztest.SPA, "", authztest.CodeForm(code, verifier)),
	} {
		if got.Status != 200 {
			t.Fatalf("%s: %+v", name, got)
		}
		if claims := blackbox.Claims(t, got.AccessToken); fmt.Sprint(claims["aud"]) != "["+authztest.API+"]" || claims["scope"] != "openid offline_access orders.read" {
			t.Errorf("%s: %v", name, claims)
		}
	}
}

// A client that is gone has no tokens.
func TestTokensOfARemovedClient(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, func(m *client.Metadata) {
		if m.ID == authztest.Worker {
			m.ID = authztest.API
		}
	})
	tokens := s.SignIn(t, authztest.ThirdParty, "", nil)
	again := authztest.Start(t, authz.Config{Issuer: s.URL, Store: s.Store, Secret: s.Secret}, func(m *client.Metadata) {
		switch m.ID {
		case authztest.ThirdParty:
			m.ID = "another"
		case authztest.Worker:
			m.ID = authztest.API
		}
	})
	request := url.Values{"token": {tokens.AccessToken}}
	if got := blackbox.PostTo(again, "/introspect", authztest.API, authztest.Secret, request); got.Body.String() != `{"active":false}` {
		t.Errorf("introspection: %d %s", got.Code, got.Body)
	}
}

// Grants of a service with several threads: each may refresh, and none is told to come back later.
func TestConfidentialRefreshRace(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	tokens := s.SignIn(t, authztest.Web, authztest.Secret, nil)
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			if got := s.Token(t, authztest.Web, authztest.Secret, authztest.RefreshForm(tokens.RefreshToken)); got.Status != 200 {
				t.Errorf("%+v", got)
			}
		})
	}
	wg.Wait()
}

// A request of the greatest length that is accepted survives the pages; a longer one is refused at
// once, and not after the user has signed in.
func TestLongRequests(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	for _, n := range []int{2000, 5000, 7000, 7800, 9000} {
		_, challenge := authztest.PKCE()
		params := authztest.AuthorizationParams(authztest.SPA, challenge)
		params.Set("state", blackbox.Noise(n))
		answer := s.NewBrowser(t).Authorize(t, params)
		if code := answer.Params.Get("code"); n < 8000 && code == "" {
			t.Errorf("a state of %d bytes: %s", n, answer)
		} else if n > 8192 && answer.Params.Get("error") != "invalid_request" {
			t.Errorf("a state of %d bytes: %s", n, answer)
		}
	}
}

// Saying a thing often makes it no larger.
func TestRepeatedValues(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	twice := []string{authztest.API, authztest.API}
	tokens := s.SignIn(t, authztest.SPA, "", url.Values{"resource": twice, "scope": {"openid openid offline_access orders.read orders.read"}})
	form := authztest.RefreshForm(tokens.RefreshToken)
	form["resource"], form["scope"] = twice, []string{"orders.read orders.read"}
	app := s.Token(t, authztest.Worker, authztest.Secret, url.Values{"grant_type": {"client_credentials"}, "resource": twice, "scope": {"orders.read orders.read"}})
	for name, got := range map[string]authztest.Tokens{"code": tokens, "refresh": s.Token(t, authztest.SPA, "", form), "app": app} {
		claims := blackbox.Claims(t, got.AccessToken)
		if fmt.Sprint(claims["aud"]) != "["+authztest.API+"]" || strings.Count(fmt.Sprint(claims["scope"]), "orders.read") != 1 {
			t.Errorf("%s: %v for %v", name, claims["aud"], claims["scope"])
		}
	}
}
