package authz_test

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/outbound"
	"github.com/authzd/authzd/authz/register"
)

// What the tests of registration have in common.

// openRegistration lets everybody register, as often as they like.
func openRegistration() authz.Config {
	registration := register.DefaultPolicy
	registration.Mode, registration.PerAddressPerHour = register.Open, 100_000
	registration.Scopes = append([]string{"orders.read"}, registration.Scopes...)
	registration.Resources = []string{authztest.API}
	return authz.Config{Registration: registration, Outbound: loopbackAllowed()}
}

func loopbackAllowed() outbound.Config {
	return outbound.Config{AllowPrivateNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
}

// webClient is the metadata of a public web application; change replaces members, nil removes them.
func webClient(change map[string]any) map[string]any {
	metadata := map[string]any{
		"client_name": "Orders", "redirect_uris": []string{authztest.RedirectURI},
		"grant_types": []string{"authorization_code", "refresh_token"}, "token_endpoint_auth_method": "none",
	}
	maps.Copy(metadata, change)
	maps.DeleteFunc(metadata, func(_ string, v any) bool { return v == nil })
	return metadata
}

// reply is an answer of a JSON endpoint.
type reply struct {
	status int
	header http.Header
	body   string
	member map[string]any
}

func (r reply) text(name string) string { s, _ := r.member[name].(string); return s }

// callJSON sends a request with a JSON body (a string is sent as it is, nil is none) and a bearer
// token, unless it is empty.
func callJSON(t testing.TB, method, url, token string, body any) reply {
	t.Helper()
	var raw []byte
	switch body := body.(type) {
	case nil:
	case string:
		raw = []byte(body)
	default:
		var err error
		if raw, err = json.Marshal(body); err != nil {
			t.Fatal(err)
		}
	}
	request, err := http.NewRequest(method, url, bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	return send(t, request)
}

func send(t testing.TB, request *http.Request) reply {
	t.Helper()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	answer := reply{status: response.StatusCode, header: response.Header, body: string(raw)}
	if len(raw) > 0 && json.Unmarshal(raw, &answer.member) != nil && response.Header.Get("Content-Type") == "application/json" {
		t.Fatalf("no JSON: %s", raw)
	}
	return answer
}

// register registers a client, which must succeed.
func postClient(t testing.TB, s *authztest.Server, metadata map[string]any) reply {
	t.Helper()
	answer := callJSON(t, http.MethodPost, s.URL+"/register", "", metadata)
	if answer.status != http.StatusCreated {
		t.Fatalf("register: %d %s", answer.status, answer.body)
	}
	return answer
}

// site answers every path with what stands there, and counts.
type site struct {
	*httptest.Server
	fetches atomic.Int64
}

func newSite(t testing.TB, pages map[string]string) *site {
	t.Helper()
	s := new(site)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fetches.Add(1)
		page, ok := pages[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte(page))
	}))
	t.Cleanup(s.Close)
	return s
}

// newKey returns a key pair of a client, and the JWK Set that it publishes.
func newKey(t testing.TB) (*authztest.Key, client.JWKS) {
	t.Helper()
	key := authztest.NewKey(t, jose.ES256)
	key.ID = "k"
	return key, authztest.JWKS(t, key)
}

// withAssertion adds to a token request what private_key_jwt proves.
func withAssertion(t testing.TB, form url.Values, key *authztest.Key, id, issuer string) url.Values {
	t.Helper()
	form.Set("client_assertion_type", authztest.AssertionType)
	form.Set("client_assertion", key.Assertion(t, id, issuer))
	return form
}

// A desktop application whose scheme has no dot registers if the operator has named the scheme, signs in with
// it, and is told which URI it is otherwise.
func TestNativeSchemeSignsIn(t *testing.T) {
	t.Parallel()
	const uri = "cursor://anysphere.cursor-mcp/oauth/callback"
	metadata := webClient(map[string]any{"application_type": "web", "redirect_uris": []string{uri, "https://www.cursor.com/agents/mcp/oauth/callback", "http://localhost:8787/callback"}})
	c := openRegistration()
	s := authztest.Start(t, c, nil)
	if got := callJSON(t, http.MethodPost, s.URL+"/register", "", metadata); got.text("error") != "invalid_redirect_uri" || !strings.Contains(got.text("error_description"), uri) {
		t.Errorf("%d %s", got.status, got.body)
	}
	c = openRegistration()
	c.Registration.NativeSchemes = []string{"cursor"}
	s = authztest.Start(t, c, nil)
	got := postClient(t, s, metadata)
	if got.text("application_type") != "native" {
		t.Errorf("%s", got.body)
	}
	b := s.NewBrowser(t)
	_, challenge := authztest.PKCE()
	for _, redirectURI := range []string{uri, "http://localhost:5000/callback"} {
		params := authztest.AuthorizationParams(got.text("client_id"), challenge)
		params.Set("redirect_uri", redirectURI)
		if answer := b.Authorize(t, params); answer.Params.Get("code") == "" {
			t.Errorf("%s: %s", redirectURI, answer)
		}
	}
}
