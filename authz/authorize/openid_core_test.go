package authorize_test

import (
	"fmt"
	"maps"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/users"
)

// Section 5.5.1: a sub with a value is a demand for that very user (section 3.1.2.2).
func TestOpenIDCoreSection5_5_1_SubjectWithValue(t *testing.T) {
	t.Parallel()
	for name, adjust := range map[string]func(*client.Metadata){"public": nil, "pairwise": blackbox.Pairwise} {
		s := authztest.Start(t, authz.Config{Users: []users.User{
			{Username: authztest.Username, Password: authztest.Password}, {Username: "dinah", Password: authztest.Password},
		}}, adjust)
		sub := fmt.Sprint(blackbox.Claims(t, s.SignIn(t, authztest.SPA, "", nil).IDToken)["sub"])
		want := func(claims string) url.Values { return url.Values{"claims": {fmt.Sprintf(claims, sub)}} }
		demands := []string{`{"id_token":{"sub":{"value":%q}}}`, `{"id_token":{"sub":{"values":["x",%q]}}}`, `{"userinfo":{"sub":{"value":%q}}}`}

		b, other, stranger := s.SignedIn(t, nil), s.NewBrowser(t), s.NewBrowser(t)
		other.Username = "dinah"
		other.Code(t, authztest.SPA, nil)
		for _, demand := range demands {
			if got := b.Ask(t, authztest.SPA, want(demand)).Redirect(t); got.Get("code") == "" {
				t.Errorf("%s, %s: the user herself: %v", name, demand, got)
			}
			for who, browser := range map[string]*authztest.Browser{"another": other, "nobody": stranger} {
				silent := want(demand)
				silent.Set("prompt", "none")
				if got := browser.Ask(t, authztest.SPA, silent).Redirect(t); got.Get("error") != "login_required" {
					t.Errorf("%s, %s, %s: %v", name, demand, who, got)
				}
				if got := browser.Ask(t, authztest.SPA, want(demand)).LedTo(t); got != "/login" {
					t.Errorf("%s, %s, %s: led to %s", name, demand, who, got)
				}
			}
		}
		// Only she may sign in now.
		_, challenge := authztest.PKCE()
		params := authztest.AuthorizationParams(authztest.SPA, challenge)
		params.Set("claims", want(demands[0]).Get("claims"))
		if got := other.Authorize(t, params); got.Params.Get("error") != "login_required" {
			t.Errorf("%s: another user signed in: %s", name, got)
		}
		params.Set("claims", fmt.Sprintf(`{"id_token":{"sub":{"value":%q}},"userinfo":{"sub":{"value":"x"}}}`, sub))
		if got := b.Authorize(t, params); got.Params.Get("error") != "login_required" {
			t.Errorf("%s: two users at once: %s", name, got)
		}
	}
}

// Section 5.5: the parameter must be what it should be; what is not known is ignored.
func TestOpenIDCoreSection5_5_ClaimsParameter(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.SignedIn(t, nil)
	for _, claims := range []string{
		`{`, `[]`, `"x"`, `{"id_token":[]}`, `{"id_token":{"email":true}}`, `{"id_token":{"email":[]}}`, `{"id_token":{"email":{"essential":"yes"}}}`,
		`{"id_token":{"sub":{"value":1}}}`, `{"id_token":{"sub":{"values":"x"}}}`, `{"id_token":{"acr":{"values":[1]}}}`, `{"id_token":{"acr":"x"}}`,
		`{"id_token":{"email":null},"id_token":{}}`, `{"id_token":{"acr":null,"acr":{"essential":true}}}`,
	} {
		if got := b.Ask(t, authztest.SPA, url.Values{"claims": {claims}}).Redirect(t); got.Get("error") != "invalid_request" {
			t.Errorf("%s: %v", claims, got)
		}
	}
	for _, claims := range []string{
		`null`, `{}`, `{"id_token":null}`, `{"x":1,"userinfo":{"x":{"essential":true},"name#fr":null,"sub":null}}`,
		`{"id_token":{"email":{"essential":true,"value":"x","other":[]}}}`, `{"ID_TOKEN":{"email":1}}`,
	} {
		if got := b.Ask(t, authztest.SPA, url.Values{"claims": {claims}}).Redirect(t); got.Get("code") == "" {
			t.Errorf("%s: %v", claims, got)
		}
	}
	asked := url.Values{"scope": {"openid"}, "claims": {`{"id_token":{"email":{"essential":true},"auth_time":null,"phone_number":{"essential":true}},"userinfo":{"name":{"essential":true}}}`}}
	tokens := b.SignIn(t, authztest.SPA, asked)
	if id := blackbox.Claims(t, tokens.IDToken); id["email"] != "alice@example.com" || id["auth_time"] == nil || id["name"] != nil || id["phone_number"] != nil {
		t.Errorf("ID token %v", id)
	}
	if info := blackbox.GetJSON(t, s, "/userinfo", tokens.AccessToken); info["name"] != "Alice Liddell" || info["email"] != nil {
		t.Errorf("userinfo %v", info)
	}
}

// Section 3.1.2.1: prompt=login and max_age ask for a sign-in whose time the ID token tells.
func TestOpenIDCoreSection3_1_2_1_FreshLogin(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.SignedIn(t, nil)
	blackbox.AgeLogins(t, s, 5000*time.Second)
	authTime := func(change url.Values) float64 {
		at, _ := blackbox.Claims(t, b.SignIn(t, authztest.SPA, change).IDToken)["auth_time"].(float64)
		return at
	}
	old := authTime(url.Values{"max_age": {"10000"}})
	if again := authTime(url.Values{"max_age": {"10000"}, "prompt": {"none"}}); old == 0 || again != old {
		t.Errorf("auth_time %v, then %v in the same session", old, again)
	}
	for _, change := range []url.Values{{"max_age": {"1"}}, {"prompt": {"login"}, "max_age": {"10000"}}, {"max_age": {"0"}}} {
		if got := b.Ask(t, authztest.SPA, change).LedTo(t); got != "/login" {
			t.Errorf("%v led to %s", change, got)
		}
		if fresh := authTime(change); fresh-old < 4999 {
			t.Errorf("%v: auth_time %v, before %v", change, fresh, old)
		}
		blackbox.AgeLogins(t, s, 5000*time.Second)
	}
}

// Section 3.1.2.1: what the server does not know, or need not honour, is no error.
func TestOpenIDCoreSection3_1_2_1_Tolerated(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.SignedIn(t, nil)
	for _, change := range []url.Values{
		{"display": {"page"}}, {"display": {"popup"}}, {"display": {"nonsense"}}, {"ui_locales": {"fr-CA fr en"}}, {"ui_locales": {"!!"}},
		{"claims_locales": {"se"}}, {"acr_values": {"1 2"}}, {"login_hint": {"nobody@example.com"}}, {"extra": {"foobar"}},
		{"nonce": {}}, {"state": {}}, {"state": {strings.Repeat("s", 128)}}, {"nonce": {strings.Repeat("n", 384)}},
	} {
		if got := b.Ask(t, authztest.SPA, change).Redirect(t); got.Get("code") == "" {
			t.Errorf("%v: %v", change, got)
		}
	}
}

// Section 3.1.2.1: a hint of an ID token that has expired, whose user is signed in, is as good as new.
func TestOpenIDCoreSection3_1_2_1_ExpiredHint(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.SignedIn(t, nil)
	ring, err := keys.Open(t.Context(), s.Store, s.Secret, keys.Policy{
		Algs: []jose.SignatureAlgorithm{jose.ES256}, RotateEvery: time.Hour, Announce: time.Minute, Retain: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	hint := func(change map[string]any) string {
		claims := map[string]any{"iss": s.URL, "aud": authztest.SPA, "sub": blackbox.AliceID(t, s), "exp": 1000, "iat": 1000}
		maps.Copy(claims, change)
		token, err := ring.Sign(jose.ES256, keys.TypeJWT, claims)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	for name, row := range map[string]struct {
		change map[string]any
		error  string
	}{
		"expired":            {nil, ""},
		"of another user":    {map[string]any{"sub": "another"}, "login_required"},
		"of another issuer":  {map[string]any{"iss": "https://other.example"}, "invalid_request"},
		"of another client":  {map[string]any{"aud": authztest.Web}, "invalid_request"},
		"without a subject":  {map[string]any{"sub": ""}, "invalid_request"},
		"without an expiry":  {map[string]any{"exp": 0}, "invalid_request"},
		"an access token":    {map[string]any{"client_id": authztest.SPA}, "invalid_request"},
		"for two audiences":  {map[string]any{"aud": []string{authztest.SPA, authztest.Web}}, "invalid_request"},
		"for no audience":    {map[string]any{"aud": ""}, "invalid_request"},
		"a subject of lists": {map[string]any{"sub": []string{"x"}}, "invalid_request"},
	} {
		got := b.Ask(t, authztest.SPA, url.Values{"id_token_hint": {hint(row.change)}, "prompt": {"none"}}).Redirect(t)
		if got.Get("error") != row.error || got.Has("code") != (row.error == "") {
			t.Errorf("%s: %v, want %q", name, got, row.error)
		}
	}
}
