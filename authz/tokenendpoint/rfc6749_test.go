package tokenendpoint_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
)

func TestRFC6749Section4_1_2_ACodeIsRedeemedOnce(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	code, verifier := s.NewBrowser(t).Code(t, authztest.SPA, nil)
	var winner authztest.Tokens
	wins := 0
	for _, a := range race(t, s, 64, authztest.CodeForm(code, verifier)) {
		switch {
		case a.Status == 200:
			wins, winner = wins+1, a
		case a.Status != 400 || a.Error != "invalid_grant":
			t.Errorf("a loser got %d %s", a.Status, a.Error)
		}
	}
	if wins != 1 {
		t.Fatalf("%d winners", wins)
	}
	if got := s.Token(t, authztest.SPA, "", authztest.RefreshForm(winner.RefreshToken)); got.Error != "invalid_grant" {
		t.Errorf("the grant of a code that was used twice lives: %+v", got)
	}
}

// RFC 6749 section 6: less scope is possible, and the grant keeps what it has.
func TestRFC6749Section6_ScopeIsNarrowedForOneToken(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	tokens := s.SignIn(t, authztest.SPA, "", nil)
	form := authztest.RefreshForm(tokens.RefreshToken)
	form.Set("scope", "orders.read")
	narrow := s.Token(t, authztest.SPA, "", form)
	if narrow.Scope != "orders.read" || narrow.IDToken != "" || blackbox.Claims(t, narrow.AccessToken)["scope"] != "orders.read" {
		t.Errorf("narrowed: %+v", narrow)
	}
	if full := s.Token(t, authztest.SPA, "", authztest.RefreshForm(narrow.RefreshToken)); full.Scope != tokens.Scope {
		t.Errorf("afterwards: %+v", full)
	}
}

// A confidential client proves itself at every refresh: its token need not change.
func TestRFC6749Section10_4_ATokenIsOfOneClient(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	tokens := s.SignIn(t, authztest.Web, authztest.Secret, nil)
	for range 3 {
		next := s.Token(t, authztest.Web, authztest.Secret, authztest.RefreshForm(tokens.RefreshToken))
		if next.Status != 200 || next.RefreshToken != tokens.RefreshToken {
			t.Fatalf("%+v", next)
		}
	}
	if stolen := s.Token(t, authztest.SPA, "", authztest.RefreshForm(tokens.RefreshToken)); stolen.Error != "invalid_grant" {
		t.Errorf("by another client: %+v", stolen)
	}
}

// A secret may hold any character: each half of the header is form-encoded first.
func TestRFC6749Section2_3_1_BasicIsFormEncoded(t *testing.T) {
	t.Parallel()
	const id, secret = "a client: with+%20", "p%25 ss:+&=word"
	s := authztest.Start(t, authz.Config{}, func(m *client.Metadata) {
		if m.ID == authztest.Worker {
			m.ID, m.Secret = id, secret
		}
	})
	form := url.Values{"grant_type": {"client_credentials"}}
	if got := s.Token(t, id, secret, form); got.Status != http.StatusOK {
		t.Errorf("encoded: %+v", got)
	}
	request, err := http.NewRequest(http.MethodPost, s.URL+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(id, secret)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(response.Header.Get("WWW-Authenticate"), "Basic ") {
		t.Errorf("not encoded: %d %v", response.StatusCode, response.Header)
	}
}

// A parameter without a value counts as not sent, and an unknown one is ignored.
func TestRFC6749Section3_1_EmptyAndUnknownParameters(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.SignedIn(t, nil)
	odd := url.Values{"max_age": {""}, "resource": {""}, "claims": {""}, "id_token_hint": {""}, "response_mode": {""}, "unheard_of": {"x"}}
	code := b.Ask(t, authztest.SPA, odd).Redirect(t).Get("code")
	if code == "" {
		t.Error("an authorization request with parameters without a value is refused")
	}
	tokens := s.SignIn(t, authztest.SPA, "", nil)
	form := authztest.RefreshForm(tokens.RefreshToken)
	for name, values := range (url.Values{"scope": {""}, "resource": {""}, "unheard_of": {"x"}}) {
		form[name] = values
	}
	if got := s.Token(t, authztest.SPA, "", form); got.Status != http.StatusOK || got.Scope != tokens.Scope {
		t.Errorf("token request: %+v", got)
	}
}

// A code is its client's, and goes with the redirect URI that it was asked for with. A mistake does
// not use it up.
func TestRFC6749Section4_1_3_TheCodeIsBound(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	code, verifier := s.NewBrowser(t).Code(t, authztest.SPA, nil)
	other := authztest.CodeForm(code, verifier)
	other.Set("redirect_uri", "https://app.example.com/other")
	for name, got := range map[string]authztest.Tokens{
		"another client":          s.Token(t, authztest.ThirdParty, "", authztest.CodeForm(code, verifier)),
		"a confidential client":   s.Token(t, authztest.Web, authztest.Secret, authztest.CodeForm(code, verifier)),
		"another redirect_uri":    s.Token(t, authztest.SPA, "", other),
		"one character different": s.Token(t, authztest.SPA, "", authztest.CodeForm(code[:len(code)-1]+"_", verifier)),
	} {
		if got.Status != http.StatusBadRequest || got.Error != "invalid_grant" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := s.Token(t, authztest.SPA, "", authztest.CodeForm(code, verifier)); got.Status != http.StatusOK {
		t.Errorf("the code is used up: %+v", got)
	}
}

// OAuth 2.1 knows no redirect_uri at the token endpoint: it may be left out where PKCE has protected the
// code, and nowhere else. One that is sent must be that of the authorization request.
func TestOAuth21_RedirectURIAtTheTokenEndpoint(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, func(m *client.Metadata) { m.RequirePKCE = new(false) })
	b := s.NewBrowser(t)
	withPKCE := func(clientID string) url.Values { return authztest.CodeForm(b.Code(t, clientID, nil)) }
	withoutPKCE := func() url.Values {
		form := authztest.CodeForm(b.Code(t, authztest.Web, url.Values{"code_challenge": {""}, "code_challenge_method": {""}}))
		form.Del("code_verifier")
		return form
	}
	for name, tc := range map[string]struct {
		clientID, secret string
		form             url.Values
		uri              string
		status           int
	}{
		"public, left out":             {authztest.SPA, "", withPKCE(authztest.SPA), "", 200},
		"public, another":              {authztest.SPA, "", withPKCE(authztest.SPA), authztest.RedirectURI + "/", 400},
		"confidential, left out":       {authztest.Web, authztest.Secret, withPKCE(authztest.Web), "", 200},
		"confidential, another":        {authztest.Web, authztest.Secret, withPKCE(authztest.Web), "https://app.example.com/", 400},
		"without PKCE, the same":       {authztest.Web, authztest.Secret, withoutPKCE(), authztest.RedirectURI, 200},
		"without PKCE, left out":       {authztest.Web, authztest.Secret, withoutPKCE(), "", 400},
		"without PKCE, another":        {authztest.Web, authztest.Secret, withoutPKCE(), "https://app.example.com/", 400},
		"public, another in its place": {authztest.SPA, "", withPKCE(authztest.SPA), "com.example.app:/callback", 400},
	} {
		tc.form.Set("redirect_uri", tc.uri)
		if got := s.Token(t, tc.clientID, tc.secret, tc.form); got.Status != tc.status || got.Status == 400 && got.Error != "invalid_grant" {
			t.Errorf("%s: %+v", name, got)
		} else if got.Status == 400 && strings.Contains(got.Description, "missing") != (tc.uri == "") {
			t.Errorf("%s: %s", name, got.Description)
		}
	}
}

// RFC 6749 sections 3.1 and 3.2: unknown parameters are ignored. Neither their value nor their number
// matters. A query or form that cannot be parsed is refused.
func TestRFC6749Section3_UnknownParametersAreIgnored(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	const odd = "&utm=a&utm=b&x=%0d%0a%00&y=%ff&z=a%7fb"
	long := odd + "&w=" + strings.Repeat("a", 20_000)
	b := s.SignedIn(t, nil)
	_, challenge := authztest.PKCE()
	query := authztest.AuthorizationParams(authztest.SPA, challenge).Encode()
	if got := b.Get(t, s.URL+"/authorize?"+query+odd).Redirect(t); got.Get("code") == "" {
		t.Errorf("authorize: %v", got)
	}
	posted, err := http.NewRequest(http.MethodPost, s.URL+"/authorize", strings.NewReader(query+odd))
	if err != nil {
		t.Fatal(err)
	}
	posted.Header = blackbox.FormHeader()
	if got := follow1(t, b, posted).Redirect(t); got.Get("code") == "" {
		t.Errorf("authorize by POST: %v", got)
	}
	send := func(path, clientID, secret string, form url.Values, more string) (int, string) {
		if secret == "" {
			form.Set("client_id", clientID)
		}
		r, err := http.NewRequest(http.MethodPost, s.URL+path, strings.NewReader(form.Encode()+more))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = blackbox.FormHeader()
		if secret != "" {
			r.SetBasicAuth(clientID, secret)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, _ := io.ReadAll(answer.Body)
		return answer.StatusCode, string(body)
	}
	tokens := s.SignIn(t, authztest.SPA, "", nil)
	pushed := authztest.AuthorizationParams(authztest.Web, challenge)
	pushed.Del("client_id")
	for _, tc := range []struct {
		path, clientID, secret string
		form                   url.Values
		status                 int
	}{
		{"/token", authztest.SPA, "", authztest.CodeForm(b.Code(t, authztest.SPA, nil)), 200},
		{"/token", authztest.SPA, "", authztest.RefreshForm(tokens.RefreshToken), 200},
		{"/token", authztest.Worker, authztest.Secret, url.Values{"grant_type": {"client_credentials"}}, 200},
		{"/par", authztest.Web, authztest.Secret, pushed, 201},
		{"/device_authorization", authztest.TV, "", url.Values{"scope": {"openid"}}, 200},
		{"/introspect", authztest.Web, authztest.Secret, url.Values{"token": {tokens.AccessToken}}, 200},
		{"/revoke", authztest.SPA, "", url.Values{"token": {"unknown"}}, 200},
	} {
		if status, body := send(tc.path, tc.clientID, tc.secret, tc.form, "&x=%zz"); status != 400 || !strings.Contains(body, "invalid_request") {
			t.Errorf("%s, unreadable: %d %s", tc.path, status, body)
		}
		if status, body := send(tc.path, tc.clientID, tc.secret, tc.form, long); status != tc.status {
			t.Errorf("%s: %d %s", tc.path, status, body)
		}
	}
}

// follow1 sends a request and goes where the answer leads, once.
func follow1(t *testing.T, b *authztest.Browser, r *http.Request) *authztest.Page {
	t.Helper()
	return b.Get(t, b.Do(t, r).Header.Get("Location"))
}

// Libraries that always send an Authorization header send it without a secret for a public client.
func TestPublicClientByBasicWithoutSecret(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	for _, tc := range []struct {
		clientID, secret string
		status           int
	}{{authztest.SPA, "", 200}, {authztest.SPA, " ", 401}, {authztest.Web, "", 401}, {"nobody", "", 401}} {
		form := authztest.CodeForm(s.NewBrowser(t).Code(t, authztest.SPA, nil))
		r, err := http.NewRequest(http.MethodPost, s.URL+"/token", strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = blackbox.FormHeader()
		r.SetBasicAuth(tc.clientID, tc.secret)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != tc.status {
			t.Errorf("%s with the secret %q: %d", tc.clientID, tc.secret, answer.StatusCode)
		}
	}
}

// Sections 4.2 and 4.3, which OAuth 2.1 has left out.
func TestRFC6749Section4_ImplicitAndPasswordAreNotOffered(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.SignedIn(t, nil)
	for _, responseType := range []string{"token", "id_token", "id_token token", "code token", "code id_token", "code id_token token", "none"} {
		location := b.Ask(t, authztest.SPA, url.Values{"response_type": {responseType}}).Header.Get("Location")
		if !strings.HasPrefix(location, authztest.RedirectURI) || !strings.Contains(location, "error=unsupported_response_type") || strings.Contains(location, "azc_") {
			t.Errorf("%s led to %s", responseType, location)
		}
	}
	for _, clientID := range []string{authztest.SPA, authztest.Web} {
		secret := ""
		if clientID == authztest.Web {
			secret = authztest.Secret
		}
		got := s.Token(t, clientID, secret, url.Values{"grant_type": {"password"}, "username": {authztest.Username}, "password": {authztest.Password}})
		if got.Status != http.StatusBadRequest || got.Error != "unsupported_grant_type" {
			t.Errorf("password by %s: %+v", clientID, got)
		}
	}
}

// Only a client that fails to authenticate gets 401, and no answer may be kept.
func TestRFC6749Section5_2_Statuses(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	for _, row := range []struct {
		name, client, secret string
		form                 url.Values
		status               int
		code                 string
	}{
		{"wrong secret", authztest.Web, "wrong", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"azr_x"}}, 401, "invalid_client"},
		{"unknown client", "nobody", "wrong", url.Values{"grant_type": {"client_credentials"}}, 401, "invalid_client"},
		{"unknown code", authztest.SPA, "", authztest.CodeForm("azc_x", "v"), 400, "invalid_grant"},
		{"no code", authztest.SPA, "", url.Values{"grant_type": {"authorization_code"}}, 400, "invalid_request"},
		{"no grant type", authztest.SPA, "", url.Values{}, 400, "invalid_request"},
		{"unknown grant type", authztest.SPA, "", url.Values{"grant_type": {"nonsense"}}, 400, "unsupported_grant_type"},
		{"not this client's grant type", authztest.Worker, authztest.Secret, authztest.CodeForm("azc_x", "v"), 400, "unauthorized_client"},
		{"a browser asks for an app token", authztest.SPA, "", url.Values{"grant_type": {"client_credentials"}}, 400, "unauthorized_client"},
		{"too much scope", authztest.Worker, authztest.Secret, url.Values{"grant_type": {"client_credentials"}, "scope": {"orders.write"}}, 400, "invalid_scope"},
	} {
		got := s.Token(t, row.client, row.secret, row.form)
		if got.Status != row.status || got.Error != row.code || got.Header.Get("Cache-Control") != "no-store" || got.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %+v", row.name, got)
		}
		if challenged := got.Header.Get("WWW-Authenticate") != ""; challenged != (row.status == 401) {
			t.Errorf("%s: WWW-Authenticate %q", row.name, got.Header.Get("WWW-Authenticate"))
		}
	}
}
