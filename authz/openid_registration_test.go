package authz_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/authzd/authzd/authz/authztest"
)

// Section 2: the default algorithm is there, whatever the server signs with otherwise, and it signs.
func TestOpenIDRegistrationSection2_IDTokenAlg(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, openRegistration(), nil)
	document := callJSON(t, http.MethodGet, s.URL+"/.well-known/openid-configuration", "", nil)
	if algs := fmt.Sprint(document.member["id_token_signing_alg_values_supported"]); algs != "[ES256 RS256]" {
		t.Errorf("on offer are %s", algs)
	}
	for alg, change := range map[string]map[string]any{"RS256": {}, "ES256": {"id_token_signed_response_alg": "ES256"}} {
		client := postClient(t, s, webClient(change))
		tokens := s.SignIn(t, client.text("client_id"), "", nil)
		parsed, err := jwt.ParseSigned(tokens.IDToken, []jose.SignatureAlgorithm{jose.RS256, jose.ES256})
		if err != nil || parsed.Headers[0].Algorithm != alg || client.text("id_token_signed_response_alg") != alg {
			t.Errorf("%s: %v, %v", alg, parsed.Headers, err)
		}
	}
	if got := postClient(t, s, webClient(map[string]any{"request_object_signing_alg": "none"})); got.member["request_object_signing_alg"] != nil {
		t.Errorf("unsigned request objects are registered: %s", got.body)
	}
	for _, member := range []string{"id_token_signed_response_alg", "userinfo_signed_response_alg"} {
		for _, alg := range []string{"none", "HS256", "RS512", "PS256"} {
			if got := callJSON(t, http.MethodPost, s.URL+"/register", "", webClient(map[string]any{member: alg})); got.text("error") != "invalid_client_metadata" {
				t.Errorf("%s %s: %d %s", member, alg, got.status, got.body)
			}
		}
	}
}

// Section 2: what a native application may redirect to, and how one is told from a web application.
func TestOpenIDRegistrationSection2_ApplicationType(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, openRegistration(), nil)
	for name, row := range map[string]struct {
		uris       []string
		said, want string
	}{
		"https":            {[]string{authztest.RedirectURI}, "", "web"},
		"loopback":         {[]string{"http://127.0.0.1/cb"}, "", "native"},
		"localhost":        {[]string{"http://localhost:33418"}, "", "native"},
		"private-use":      {[]string{"com.example.app:/cb"}, "", "native"},
		"both":             {[]string{"https://vscode.example/redirect", "http://127.0.0.1:33418/", "http://localhost/"}, "", "native"},
		"claimed https":    {[]string{"https://app.example.com/cb"}, "native", "native"},
		"native, loopback": {[]string{"http://[::1]/cb"}, "native", "native"},
	} {
		client := postClient(t, s, webClient(map[string]any{"redirect_uris": row.uris, "application_type": row.said}))
		if client.text("application_type") != row.want {
			t.Errorf("%s: %s", name, client.body)
		}
	}
	// RFC 8252 section 7.3: the port is the application's to choose when it starts.
	client := postClient(t, s, webClient(map[string]any{"redirect_uris": []string{"http://localhost/cb", "http://127.0.0.1/cb"}}))
	for _, uri := range []string{"http://localhost:40123/cb", "http://127.0.0.1:40123/cb"} {
		b := s.NewBrowser(t)
		if code, _ := b.Code(t, client.text("client_id"), url.Values{"redirect_uri": {uri}}); code == "" {
			t.Errorf("%s: no code", uri)
		}
	}
}

// The metadata does what it says.
func TestOpenIDRegistrationSection2_Metadata(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, openRegistration(), nil)
	client := postClient(t, s, webClient(map[string]any{
		"default_max_age": 3600, "require_auth_time": true, "client_uri": "https://app.example.com", "logo_uri": "https://app.example.com/logo.png",
		"policy_uri": "https://app.example.com/policy", "tos_uri": "https://app.example.com/tos", "contacts": []string{"ops@app.example.com"},
		"post_logout_redirect_uris": []string{"https://app.example.com/"}, "initiate_login_uri": "https://app.example.com/login",
	}))
	if client.member["default_max_age"] != 3600.0 || client.member["require_auth_time"] != true || client.text("initiate_login_uri") == "" {
		t.Errorf("%s", client.body)
	}
	tokens := s.SignIn(t, client.text("client_id"), "", nil)
	if payload(t, tokens.IDToken)["auth_time"] == nil {
		t.Error("no auth_time")
	}
	back := s.NewBrowser(t).Walk(t, s.URL+"/logout?"+url.Values{"id_token_hint": {tokens.IDToken}, "post_logout_redirect_uri": {"https://app.example.com/"}, "state": {"bye"}}.Encode())
	if back.Params.Get("state") != "bye" {
		t.Errorf("no way back from the logout: %s", back)
	}
	for member, uri := range map[string]string{"initiate_login_uri": "http://127.0.0.1/login", "backchannel_logout_uri": "http://a.example/logout", "frontchannel_logout_uri": "https://other.example/logout"} {
		if got := callJSON(t, http.MethodPost, s.URL+"/register", "", webClient(map[string]any{member: uri})); got.text("error") != "invalid_client_metadata" {
			t.Errorf("%s: %d %s", member, got.status, got.body)
		}
	}
}

// A client may prove itself by a key, in its metadata or at its jwks_uri.
func TestOpenIDRegistrationSection2_JWKS(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, openRegistration(), nil)
	key, set := newKey(t)
	published := newSite(t, map[string]string{"/jwks": string(set)})
	for name, change := range map[string]map[string]any{"jwks": {"jwks": set}, "jwks_uri": {"jwks_uri": published.URL + "/jwks"}} {
		t.Run(name, func(t *testing.T) {
			change["token_endpoint_auth_method"] = "private_key_jwt"
			client := postClient(t, s, webClient(change))
			id := client.text("client_id")
			if client.member["client_secret"] != nil {
				t.Error("there is a secret nobody needs")
			}
			code, verifier := s.NewBrowser(t).Code(t, id, nil)
			if got := s.Token(t, id, "", authztest.CodeForm(code, verifier)); got.Error != "invalid_client" {
				t.Errorf("without an assertion: %+v", got)
			}
			if got := s.Token(t, id, "", withAssertion(t, authztest.CodeForm(code, verifier), key, id, s.URL)); got.Status != http.StatusOK {
				t.Errorf("%+v", got)
			}
		})
	}
	if got := callJSON(t, http.MethodPost, s.URL+"/register", "", webClient(map[string]any{"token_endpoint_auth_method": "private_key_jwt"})); got.text("error") != "invalid_client_metadata" {
		t.Errorf("no keys: %d %s", got.status, got.body)
	}
}

// Section 5: a sector is whoever can put the redirect URIs at its URL.
func TestOpenIDRegistrationSection5_SectorIdentifier(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, openRegistration(), nil)
	uris := []string{authztest.RedirectURI, "https://other.example.com/cb"}
	list := func(uris ...string) string { raw, _ := json.Marshal(uris); return string(raw) }
	sector := newSite(t, map[string]string{
		"/good": list(append(slices.Clone(uris), "https://third.example.com/")...), "/bad": list(uris[0]), "/empty": "[]",
		"/object": "{}", "/text": "redirect URIs", "/numbers": "[1,2]", "/large": `["` + strings.Repeat("a", 70_000) + `"]`,
	})
	pairwise := func(path string) map[string]any {
		return webClient(map[string]any{"redirect_uris": uris, "subject_type": "pairwise", "sector_identifier_uri": sector.URL + path})
	}
	client := postClient(t, s, pairwise("/good"))
	for _, path := range []string{"/bad", "/empty", "/object", "/text", "/numbers", "/large", "/none"} {
		if got := callJSON(t, http.MethodPost, s.URL+"/register", "", pairwise(path)); got.status != http.StatusBadRequest || got.text("error") != "invalid_client_metadata" {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	without := pairwise("/good")
	delete(without, "sector_identifier_uri")
	if got := callJSON(t, http.MethodPost, s.URL+"/register", "", without); got.text("error") != "invalid_client_metadata" {
		t.Errorf("several hosts and no sector: %d %s", got.status, got.body)
	}
	update := pairwise("/bad")
	update["client_id"] = client.text("client_id")
	if got := callJSON(t, http.MethodPut, client.text("registration_client_uri"), client.text("registration_access_token"), update); got.text("error") != "invalid_client_metadata" {
		t.Errorf("update: %d %s", got.status, got.body)
	}
	// Two clients of one sector know a user by the same name, and others by another.
	sub := func(id string) any { return payload(t, s.SignIn(t, id, "", nil).IDToken)["sub"] }
	public := postClient(t, s, webClient(nil)).text("client_id")
	first, second := sub(client.text("client_id")), sub(postClient(t, s, pairwise("/good")).text("client_id"))
	if first != second || first == sub(public) {
		t.Errorf("%v, %v, %v", first, second, sub(public))
	}
}
