package tokeninfo_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/keys"
)

// pairwiseSecrets are two server secrets.
func pairwiseSecrets() (first, second []byte) {
	return []byte(strings.Repeat("1", 32)), []byte(strings.Repeat("2", 32))
}

func secretOf(t *testing.T, raw ...[]byte) *keys.Secret {
	t.Helper()
	secret, err := keys.NewSecret(raw...)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// Section 8: a sub of one sector says nothing to another, and neither does anything else in the
// tokens.
func TestOpenIDCoreSection8_PairwiseSubjects(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, blackbox.Pairwise)
	b := s.NewBrowser(t)
	claims := map[string]map[string]any{}
	for id, secret := range map[string]string{authztest.SPA: "", authztest.ThirdParty: "", authztest.Web: authztest.Secret} {
		code, verifier := b.Code(t, id, nil)
		tokens := s.Token(t, id, secret, authztest.CodeForm(code, verifier))
		claims[id] = blackbox.Claims(t, tokens.IDToken)
		sub, sid := fmt.Sprint(claims[id]["sub"]), fmt.Sprint(claims[id]["sid"])
		if len(sub) != 43 || len(sid) != 43 || sub == sid { // section 2: at most 255 ASCII characters
			t.Errorf("%s: sub %q, sid %q", id, sub, sid)
		}
		refreshed := s.Token(t, id, secret, authztest.RefreshForm(tokens.RefreshToken))
		known := map[string]map[string]any{
			"access token":           blackbox.Claims(t, tokens.AccessToken),
			"userinfo":               blackbox.GetJSON(t, s, "/userinfo", tokens.AccessToken),
			"session":                blackbox.GetJSON(t, s, "/session", tokens.AccessToken),
			"ID token after refresh": blackbox.Claims(t, refreshed.IDToken),
		}
		if secret != "" {
			_, known["introspection"] = blackbox.PostAs(t, s, "/introspect", id, url.Values{"token": {tokens.AccessToken}})
			_, known["introspected refresh token"] = blackbox.PostAs(t, s, "/introspect", id, url.Values{"token": {tokens.RefreshToken}})
		}
		for where, got := range known {
			if got["sub"] != sub || (where != "userinfo" && got["sid"] != sid) || got["username"] != nil {
				t.Errorf("%s, %s: %v, want sub %s and sid %s", id, where, got, sub, sid)
			}
		}
		hint := url.Values{"id_token_hint": {tokens.IDToken}, "prompt": {"none"}}
		if got := b.Ask(t, id, hint).Redirect(t); got.Get("code") == "" {
			t.Errorf("%s: id_token_hint of the same user: %v", id, got)
		}
	}
	for _, name := range []string{"sub", "sid"} {
		if claims[authztest.SPA][name] != claims[authztest.ThirdParty][name] {
			t.Errorf("two clients of one sector have different %ss", name)
		}
		if claims[authztest.SPA][name] == claims[authztest.Web][name] {
			t.Errorf("clients of different sectors have the same %s", name)
		}
	}
	if user := blackbox.AliceID(t, s); claims[authztest.SPA]["sub"] == user || claims[authztest.Web]["sub"] == user {
		t.Error("a pairwise sub is the user's id")
	}
}

// Section 8.1: the sub never changes, not even when the server's secret does.
func TestOpenIDCoreSection8_1_PairwiseSubjectsOutliveTheSecret(t *testing.T) {
	t.Parallel()
	first, second := pairwiseSecrets()
	s := authztest.Start(t, authz.Config{Secret: secretOf(t, first)}, blackbox.Pairwise)
	want := blackbox.Claims(t, s.SignIn(t, authztest.SPA, "", nil).IDToken)["sub"]
	rotated := authztest.Start(t, authz.Config{Store: s.Store, Secret: secretOf(t, second, first)}, blackbox.Pairwise)
	if got := blackbox.Claims(t, rotated.SignIn(t, authztest.SPA, "", nil).IDToken)["sub"]; got != want {
		t.Errorf("the sub has changed from %v to %v", want, got)
	}
}

// Section 5.3.2: signed userinfo has iss and aud, and is no ID token.
func TestOpenIDCoreSection5_3_2_SignedUserInfo(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, func(m *client.Metadata) {
		if m.ID == authztest.SPA {
			m.UserInfoAlg = "EdDSA"
		}
	})
	tokens := s.SignIn(t, authztest.SPA, "", url.Values{"scope": {"openid email"}})
	request, err := http.NewRequest(http.MethodGet, s.URL+"/userinfo", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+tokens.AccessToken)
	response := s.Send(t, request)
	if response.Status != 200 || response.Header.Get("Content-Type") != "application/jwt" || response.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v", response.Status, response.Header)
	}
	_, claims := s.Verify(t, response.Body, jose.EdDSA)
	if claims["iss"] != s.URL || claims["aud"] != authztest.SPA || claims["email"] != "alice@example.com" ||
		claims["sub"] != blackbox.Claims(t, tokens.IDToken)["sub"] {
		t.Errorf("claims %v", claims)
	}
	if got := s.SignedIn(t, nil).Ask(t, authztest.SPA, url.Values{"id_token_hint": {response.Body}}).Redirect(t); got.Get("error") != "invalid_request" {
		t.Errorf("signed userinfo as an id_token_hint: %v", got)
	}
	if status := blackbox.UserinfoStatus(t, s, response.Body); status != 401 {
		t.Errorf("signed userinfo as an access token: %d", status)
	}
	request.Header.Set("Authorization", "Bearer garbage") // section 5.3.3: errors are not signed
	if refused := s.Send(t, request); refused.Status != 401 || refused.Header.Get("Content-Type") != "application/json" {
		t.Errorf("error: %d %v", refused.Status, refused.Header)
	}
}

// OpenID Connect Front-Channel Logout section 3: sid is for clients that registered for logout in some way.
func TestOpenIDCoreSection2_SessionID(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		change func(m *client.Metadata)
		want   bool
	}{
		"nothing":       {func(*client.Metadata) {}, false},
		"a way back":    {func(m *client.Metadata) { m.PostLogoutRedirectURIs = []string{authztest.LoggedOut} }, true},
		"back channel":  {func(m *client.Metadata) { m.BackChannelURI = "https://app.example.com/logout" }, true},
		"front channel": {func(m *client.Metadata) { m.FrontChannelURI = "https://app.example.com/logout" }, true},
	} {
		s := authztest.Start(t, authz.Config{}, func(m *client.Metadata) {
			m.PostLogoutRedirectURIs = nil
			if m.ID == authztest.SPA {
				row.change(m)
			}
		})
		b := s.SignedIn(t, nil)
		first := b.SignIn(t, authztest.SPA, nil)
		refreshed := s.Token(t, authztest.SPA, "", authztest.RefreshForm(first.RefreshToken))
		for when, token := range map[string]string{"first": first.IDToken, "refreshed": refreshed.IDToken} {
			if _, found := blackbox.Claims(t, token)["sid"]; found != row.want {
				t.Errorf("%s: sid in the %s ID token: %v", name, when, found)
			}
		}
		if blackbox.Claims(t, first.AccessToken)["sid"] == nil {
			t.Errorf("%s: no sid in the access token", name)
		}
		logout := b.Get(t, s.URL+"/logout?"+url.Values{"id_token_hint": {first.IDToken}}.Encode())
		if logout.Has("logout-confirm") {
			t.Errorf("%s: the user is asked although the app shows the user's ID token", name)
		}
	}
}
