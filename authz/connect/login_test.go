package connect_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/authzd/authzd/authz/connect"
)

// relyingParty is a server that signs users in with a connector, the Attempt in a cookie.
func relyingParty(c connect.Connector) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) {
		authURL, a, err := c.Begin(r.Context(), connect.BeginParams{})
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		sealed, _ := json.Marshal(a)
		http.SetCookie(w, &http.Cookie{Name: "attempt", Value: base64.RawURLEncoding.EncodeToString(sealed)})
		http.Redirect(w, r, authURL, http.StatusSeeOther)
	})
	mux.HandleFunc("GET /callback/up", func(w http.ResponseWriter, r *http.Request) {
		var a connect.Attempt
		if cookie, err := r.Cookie("attempt"); err == nil {
			sealed, _ := base64.RawURLEncoding.DecodeString(cookie.Value)
			_ = json.Unmarshal(sealed, &a)
		}
		id, err := c.Finish(r.Context(), r.URL.Query(), a)
		var failure *connect.Error
		if errors.As(err, &failure) {
			http.Error(w, failure.Code, http.StatusBadRequest)
			return
		}
		_ = json.NewEncoder(w).Encode(id)
	})
	return mux
}

func TestLoginThroughRedirects(t *testing.T) {
	u := startUpstream(t)
	var handler http.Handler
	rp := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	defer rp.Close()
	cfg := u.config()
	cfg.RedirectURI = rp.URL + "/callback/up"
	cfg.Scopes = []string{"openid"} // the provider takes a list of several for one unknown scope
	handler = relyingParty(newConnector(t, cfg))

	// Without a user the provider needs no form: its redirects alone lead back.
	u.SetSubjectInfo(nil)
	u.SetExpectedAuthCode("the-code")
	u.SetAllowedRedirectURIs([]string{cfg.RedirectURI})
	jar, _ := cookiejar.New(nil)
	browser := &http.Client{Jar: jar, Transport: u.next, CheckRedirect: func(next *http.Request, _ []*http.Request) error {
		if next.URL.Path == "/authorize" {
			u.SetExpectedAuthNonce(next.URL.Query().Get("nonce"))
			u.expectVerifier(t, attemptIn(t, jar, rp.URL).Verifier)
		}
		return nil
	}}
	resp, err := browser.Get(rp.URL + "/login")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var id connect.Identity
	if err := json.NewDecoder(resp.Body).Decode(&id); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("status %d, %v", resp.StatusCode, err)
	}
	if id.Issuer != u.Addr() || id.Subject != "alice@example.com" {
		t.Errorf("identity is %+v", id)
	}

	// The same callback in a browser that did not begin it.
	other, err := (&http.Client{Transport: u.next}).Get(resp.Request.URL.String())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Body.Close()
	if other.StatusCode != http.StatusBadRequest {
		t.Errorf("callback in a foreign browser: status %d", other.StatusCode)
	}
}

func attemptIn(t *testing.T, jar http.CookieJar, rp string) (a connect.Attempt) {
	t.Helper()
	base, err := url.Parse(rp)
	if err != nil {
		t.Fatal(err)
	}
	for _, cookie := range jar.Cookies(base) {
		sealed, _ := base64.RawURLEncoding.DecodeString(cookie.Value)
		if err := json.Unmarshal(sealed, &a); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

func TestAuthorizationURL(t *testing.T) {
	u := newUpstream(t)
	c := newConnector(t, u.config())
	authURL, a := begin(t, c)
	got, err := url.Parse(authURL)
	if err != nil {
		t.Fatal(err)
	}
	challenge := sha256.Sum256([]byte(a.Verifier))
	want := url.Values{
		"response_type": {"code"}, "client_id": {clientID}, "redirect_uri": {redirectURI},
		"scope": {"openid email profile"}, "state": {a.State}, "nonce": {a.Nonce},
		"code_challenge_method": {"S256"},
		"code_challenge":        {base64.RawURLEncoding.EncodeToString(challenge[:])},
	}
	if !reflect.DeepEqual(got.Query(), want) {
		t.Errorf("query is %v, want %v", got.Query(), want)
	}
	_, b := begin(t, c)
	for _, pair := range [][2]string{{a.State, b.State}, {a.Nonce, b.Nonce}, {a.Verifier, b.Verifier}, {a.State, a.Nonce}} {
		if pair[0] == pair[1] || len(pair[0]) < 43 { // 256 bits
			t.Errorf("not fresh: %q", pair)
		}
	}
	if strings.Contains(authURL, clientSecret) || strings.Contains(authURL, a.Verifier) {
		t.Error("the browser is told a secret")
	}
}

func TestHints(t *testing.T) {
	u := newUpstream(t)
	age, now := 600, 0
	for _, test := range []struct {
		name   string
		config connect.Config
		params connect.BeginParams
		want   map[string]string // and none of the others
	}{
		{"none", u.config(), connect.BeginParams{}, nil},
		{"oidc", u.config(),
			connect.BeginParams{LoginHint: "alice@example.com", UILocales: "de en", SelectAccount: true, MaxAge: &age},
			map[string]string{"login_hint": "alice@example.com", "ui_locales": "de en", "prompt": "select_account", "max_age": "600"}},
		{"oidc, login anew", u.config(), connect.BeginParams{MaxAge: &now}, map[string]string{"prompt": "login", "max_age": "0"}},
		{"malformed hints", u.config(), connect.BeginParams{LoginHint: "a\r\nb", UILocales: strings.Repeat("e", 256)}, nil},
		{"google", u.googleConfig("Example.com"),
			connect.BeginParams{LoginHint: "alice@example.com", UILocales: "de en", SelectAccount: true, MaxAge: &now},
			map[string]string{"login_hint": "alice@example.com", "hl": "de", "prompt": "select_account", "hd": "example.com"}},
		{"google, several domains", u.googleConfig("example.com", "example.org"), connect.BeginParams{}, map[string]string{"hd": "*"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			authURL, _, err := newConnector(t, test.config).Begin(t.Context(), test.params)
			if err != nil {
				t.Fatal(err)
			}
			got, _ := url.Parse(authURL)
			for _, name := range []string{"login_hint", "ui_locales", "hl", "prompt", "max_age", "hd"} {
				if value := got.Query().Get(name); value != test.want[name] {
					t.Errorf("%s is %q, want %q", name, value, test.want[name])
				}
			}
		})
	}
}

func TestIdentity(t *testing.T) {
	u := newUpstream(t)
	u.setUser(map[string]any{
		"preferred_username": "alice", "picture": "https://example.com/a.png", "locale": "en-GB",
		"auth_time": 1700000000, "amr": []string{"pwd", "otp"}, "acr": "2", "hd": "example.com",
	}, nil)
	cfg := u.config()
	cfg.EmailAuthoritative = true
	c := newConnector(t, cfg)
	callback, a := u.login(t, c)
	got, err := c.Finish(t.Context(), callback, a)
	if err != nil {
		t.Fatal(err)
	}
	want := connect.Identity{
		Connector: "up", Issuer: u.Addr(), Subject: "alice",
		Email: "alice@example.com", EmailVerified: true, EmailAuthoritative: true,
		Name: "Alice Liddell", GivenName: "Alice", FamilyName: "Liddell", PreferredUsername: "alice",
		Picture: "https://example.com/a.png", Locale: "en-GB",
		AuthTime: time.Unix(1700000000, 0), AMR: []string{"pwd", "otp"}, ACR: "2",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("identity is %+v\nwant        %+v", got, want)
	}
	if u.count(userinfoPath) != 0 {
		t.Error("userinfo was asked for nothing")
	}
}

func TestEmail(t *testing.T) {
	for _, test := range []struct {
		name                    string
		email, emailVerified    any
		wantEmail               string
		verified, authoritative bool
	}{
		{"verified", "alice@example.com", true, "alice@example.com", true, true},
		{"verified, as a string", "alice@example.com", "true", "alice@example.com", true, true},
		{"unverified", "alice@example.com", false, "alice@example.com", false, false},
		{"unverified, as a string", "alice@example.com", "false", "alice@example.com", false, false},
		{"silent", "alice@example.com", nil, "alice@example.com", false, false},
		{"number", "alice@example.com", 1, "alice@example.com", false, false},
		{"other letters", "alice@example.com", "TRUE", "alice@example.com", false, false},
		{"list", "alice@example.com", []bool{true}, "alice@example.com", false, false},
		{"not an address", "alice", true, "", false, false},
		{"with a name", "Alice <alice@example.com>", true, "", false, false},
		{"two", "alice@example.com, bob@example.com", true, "", false, false},
		{"quoted", `"alice@gmail.com"@example.com`, true, "", false, false},
		{"line break", "alice@example.com\r\nBcc: x", true, "", false, false},
		{"no string", []string{"alice@example.com"}, true, "", false, false},
		{"too long", strings.Repeat("a", 255) + "@example.com", true, "", false, false},
		{"none", nil, true, "", false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			u := newUpstream(t)
			u.SetDisableUserInfo(true)
			u.setUser(map[string]any{"email": test.email, "email_verified": test.emailVerified}, nil)
			cfg := u.config()
			cfg.EmailAuthoritative = true
			c := newConnector(t, cfg)
			callback, a := u.login(t, c)
			id, err := c.Finish(t.Context(), callback, a)
			if err != nil {
				t.Fatal(err)
			}
			if id.Email != test.wantEmail || id.EmailVerified != test.verified || id.EmailAuthoritative != test.authoritative {
				t.Errorf("got %q, verified %t, authoritative %t", id.Email, id.EmailVerified, id.EmailAuthoritative)
			}
		})
	}
}

func TestMalformedClaimsAreLeftOut(t *testing.T) {
	u := newUpstream(t)
	u.SetDisableUserInfo(true)
	u.setUser(map[string]any{
		"name": "Alice\x00", "given_name": "\u202eecilA", "family_name": strings.Repeat("L", 256),
		"preferred_username": 7, "picture": "javascript://example.com/%0aalert(1)", "locale": "en\nX: y",
		"acr": []int{1}, "amr": []string{"pwd", "a\tb"}, "auth_time": "yesterday",
		"EMAIL": "mallory@example.com", "Email_Verified": true, "email_verified": nil,
	}, nil)
	c := newConnector(t, u.config())
	callback, a := u.login(t, c)
	got, err := c.Finish(t.Context(), callback, a)
	if err != nil {
		t.Fatal(err)
	}
	want := connect.Identity{Connector: "up", Issuer: u.Addr(), Subject: "alice", Email: "alice@example.com"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("identity is %+v\nwant        %+v", got, want)
	}
}

func TestUserinfoFillsGaps(t *testing.T) {
	bare := map[string]any{"email": nil, "email_verified": nil, "name": nil}
	for _, test := range []struct {
		name     string
		claims   map[string]any
		userinfo map[string]any
		scopes   []string
		calls    int
		code     string // of the error
		want     connect.Identity
	}{
		{name: "everything is there", userinfo: map[string]any{"name": "Other"},
			want: connect.Identity{Email: "alice@example.com", EmailVerified: true, Name: "Alice Liddell"}},
		{name: "e-mail and name", claims: bare, calls: 1,
			userinfo: map[string]any{"email": "a@example.org", "email_verified": true, "name": "Alice", "hd": "example.org"},
			want:     connect.Identity{Email: "a@example.org", EmailVerified: true, Name: "Alice"}},
		{name: "its e-mail has its own verification", calls: 1,
			claims:   map[string]any{"email": nil},
			userinfo: map[string]any{"email": "a@example.org"},
			want:     connect.Identity{Email: "a@example.org", Name: "Alice Liddell"}},
		{name: "the signed e-mail wins", calls: 1,
			claims:   map[string]any{"name": nil, "email_verified": nil},
			userinfo: map[string]any{"email": "a@example.org", "email_verified": true, "name": "Alice"},
			want:     connect.Identity{Email: "alice@example.com", Name: "Alice"}},
		{name: "not asked for", claims: bare, scopes: []string{"openid"},
			userinfo: map[string]any{"email": "a@example.org"}},
		{name: "another subject", claims: bare, calls: 1, code: connect.ServerError,
			userinfo: map[string]any{"sub": "bob", "email": "bob@example.com", "email_verified": true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			u := newUpstream(t)
			u.setUser(test.claims, test.userinfo)
			cfg := u.config()
			cfg.Scopes = test.scopes
			c := newConnector(t, cfg)
			callback, a := u.login(t, c)
			got, err := c.Finish(t.Context(), callback, a)
			if n := u.count(userinfoPath); n != test.calls {
				t.Errorf("%d calls of userinfo, want %d", n, test.calls)
			}
			if test.code != "" {
				wantCode(t, err, test.code)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got = connect.Identity{Email: got.Email, EmailVerified: got.EmailVerified, Name: got.Name, HostedDomain: got.HostedDomain}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("identity is %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestClientAuthentication(t *testing.T) {
	const basic = "Basic YXV0aHpkLWNsaWVudDpzM2NyZXQrb2YrdGhlK2NsaWVudA==" // form-encoded, RFC 6749 section 2.3.1
	for _, test := range []struct {
		name          string
		methods       any
		secret        string
		authorization string
		inBody        string
	}{
		{"not told", nil, clientSecret, basic, ""},
		{"basic", []string{"private_key_jwt", "client_secret_basic", "client_secret_post"}, clientSecret, basic, ""},
		{"post", []string{"client_secret_post", "client_secret_basic"}, clientSecret, "", clientSecret},
		{"public", []string{"client_secret_basic"}, "", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			u := newUpstream(t)
			if test.methods != nil {
				u.SetAdditionalConfiguration(map[string]any{"token_endpoint_auth_methods_supported": test.methods})
			}
			cfg := u.config()
			cfg.ClientSecret = test.secret
			c := newConnector(t, cfg)
			callback, a := u.login(t, c)
			u.detour(tokenPath, trip(func(req *http.Request) (*http.Response, error) {
				if got := req.Header.Get("Authorization"); got != test.authorization {
					t.Errorf("Authorization is %q", got)
				}
				if err := req.ParseForm(); err != nil || req.PostForm.Get("client_secret") != test.inBody {
					t.Errorf("client_secret is %q, %v", req.PostForm.Get("client_secret"), err)
				}
				if req.PostForm.Get("code_verifier") != a.Verifier || req.PostForm.Get("redirect_uri") != redirectURI {
					t.Errorf("form is %v", req.PostForm)
				}
				return u.next.RoundTrip(req)
			}))
			if _, err := c.Finish(t.Context(), callback, a); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestFiftyConcurrentLogins(t *testing.T) {
	u := startUpstream(t)
	c := newConnector(t, u.config())
	const verifier = "one-verifier-for-all-since-the-provider-remembers-one"
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			authURL, a, err := c.Begin(t.Context(), connect.BeginParams{})
			if err != nil {
				t.Error(err)
				return
			}
			a.Verifier = verifier
			if _, err := c.Finish(t.Context(), u.signIn(t, authURL, a, "rabbit"), a); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if d, k := u.count(discoveryPath), u.count(jwksPath); d != 1 || k != 1 {
		t.Errorf("%d fetches of discovery, %d of keys", d, k)
	}
}
