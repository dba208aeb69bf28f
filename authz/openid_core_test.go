package authz_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/storage"
)

// getJSON calls an endpoint with a bearer token and decodes the answer.
func getJSON(t *testing.T, s *authztest.Server, path, token string) map[string]any {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, s.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer := map[string]any{}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d, %v", path, response.StatusCode, err)
	}
	return answer
}

// userID is Alice's own.
func userID(t *testing.T, s *authztest.Server) string {
	t.Helper()
	ref, _, err := storage.Usernames.Get(t.Context(), s.Store, authztest.Username)
	if err != nil {
		t.Fatal(err)
	}
	return ref.UserID
}

// pairwiseClients makes spa and partner clients of one sector, and web of another.
func pairwiseClients(m *client.Metadata) {
	m.SubjectType = client.SubjectPairwise
	if m.ID == authztest.Web {
		m.SectorURI = "https://sector.example/uris.json"
	}
}

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
	s := authztest.Start(t, authz.Config{}, pairwiseClients)
	b := s.NewBrowser(t)
	claims := map[string]map[string]any{}
	for id, secret := range map[string]string{authztest.SPA: "", authztest.ThirdParty: "", authztest.Web: authztest.Secret} {
		code, verifier := b.Code(t, id, nil)
		tokens := s.Token(t, id, secret, authztest.CodeForm(code, verifier))
		claims[id] = payload(t, tokens.IDToken)
		sub, sid := fmt.Sprint(claims[id]["sub"]), fmt.Sprint(claims[id]["sid"])
		if len(sub) != 43 || len(sid) != 43 || sub == sid { // section 2: at most 255 ASCII characters
			t.Errorf("%s: sub %q, sid %q", id, sub, sid)
		}
		refreshed := s.Token(t, id, secret, authztest.RefreshForm(tokens.RefreshToken))
		known := map[string]map[string]any{
			"access token":           payload(t, tokens.AccessToken),
			"userinfo":               getJSON(t, s, "/userinfo", tokens.AccessToken),
			"session":                getJSON(t, s, "/session", tokens.AccessToken),
			"ID token after refresh": payload(t, refreshed.IDToken),
		}
		if secret != "" {
			_, known["introspection"] = post(t, s, "/introspect", id, url.Values{"token": {tokens.AccessToken}})
			_, known["introspected refresh token"] = post(t, s, "/introspect", id, url.Values{"token": {tokens.RefreshToken}})
		}
		for where, got := range known {
			if got["sub"] != sub || (where != "userinfo" && got["sid"] != sid) || got["username"] != nil {
				t.Errorf("%s, %s: %v, want sub %s and sid %s", id, where, got, sub, sid)
			}
		}
		hint := url.Values{"id_token_hint": {tokens.IDToken}, "prompt": {"none"}}
		if got := redirect(t, ask(t, b, id, hint)); got.Get("code") == "" {
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
	if user := userID(t, s); claims[authztest.SPA]["sub"] == user || claims[authztest.Web]["sub"] == user {
		t.Error("a pairwise sub is the user's id")
	}
}

// Section 8.1: the sub never changes, not even when the server's secret does.
func TestOpenIDCoreSection8_1_PairwiseSubjectsOutliveTheSecret(t *testing.T) {
	first, second := pairwiseSecrets()
	s := authztest.Start(t, authz.Config{Secret: secretOf(t, first)}, pairwiseClients)
	want := payload(t, s.SignIn(t, authztest.SPA, "", nil).IDToken)["sub"]
	rotated := authztest.Start(t, authz.Config{Store: s.Store, Secret: secretOf(t, second, first)}, pairwiseClients)
	if got := payload(t, rotated.SignIn(t, authztest.SPA, "", nil).IDToken)["sub"]; got != want {
		t.Errorf("the sub has changed from %v to %v", want, got)
	}
}

// The hint's sub is the one that the client knows.
func TestOpenIDCoreSection8_PairwiseLogoutHint(t *testing.T) {
	s := authztest.Start(t, authz.Config{}, pairwiseClients)
	b := s.NewBrowser(t)
	code, verifier := b.Code(t, authztest.SPA, nil)
	tokens := s.Token(t, authztest.SPA, "", authztest.CodeForm(code, verifier))
	get(t, b, s.URL+"/logout?"+url.Values{"id_token_hint": {tokens.IDToken}}.Encode())
	if got := ledTo(t, ask(t, b, authztest.SPA, nil)); got != "/login" {
		t.Errorf("still signed in: led to %s", got)
	}
}

// Section 5.3.2: signed userinfo has iss and aud, and is no ID token.
func TestOpenIDCoreSection5_3_2_SignedUserInfo(t *testing.T) {
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
		claims["sub"] != payload(t, tokens.IDToken)["sub"] {
		t.Errorf("claims %v", claims)
	}
	if got := redirect(t, ask(t, signedIn(t, s), authztest.SPA, url.Values{"id_token_hint": {response.Body}})); got.Get("error") != "invalid_request" {
		t.Errorf("signed userinfo as an id_token_hint: %v", got)
	}
	if status := userinfo(t, s, response.Body); status != 401 {
		t.Errorf("signed userinfo as an access token: %d", status)
	}
	request.Header.Set("Authorization", "Bearer garbage") // section 5.3.3: errors are not signed
	if refused := s.Send(t, request); refused.Status != 401 || refused.Header.Get("Content-Type") != "application/json" {
		t.Errorf("error: %d %v", refused.Status, refused.Header)
	}
}
