package register_test

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
	"github.com/authzd/authzd/authz/internal/blackbox"
)

// Section 2: the default algorithm is there, whatever the server signs with otherwise, and it signs.
func TestOpenIDRegistrationSection2_IDTokenAlg(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, blackbox.OpenRegistration(), nil)
	document := blackbox.CallJSON(t, http.MethodGet, s.URL+"/.well-known/openid-configuration", "", nil)
	if algs := fmt.Sprint(document.Member["id_token_signing_alg_values_supported"]); algs != "[ES256 RS256]" {
		t.Errorf("on offer are %s", algs)
	}
	for alg, change := range map[string]map[string]any{"RS256": {}, "ES256": {"id_token_signed_response_alg": "ES256"}} {
		client := blackbox.Register(t, s, blackbox.WebClient(change))
		tokens := s.SignIn(t, client.Text("client_id"), "", nil)
		parsed, err := jwt.ParseSigned(tokens.IDToken, []jose.SignatureAlgorithm{jose.RS256, jose.ES256})
		if err != nil || parsed.Headers[0].Algorithm != alg || client.Text("id_token_signed_response_alg") != alg {
			t.Errorf("%s: %v, %v", alg, parsed.Headers, err)
		}
	}
	if got := blackbox.Register(t, s, blackbox.WebClient(map[string]any{"request_object_signing_alg": "none"})); got.Member["request_object_signing_alg"] != nil {
		t.Errorf("unsigned request objects are registered: %s", got.Body)
	}
	for _, member := range []string{"id_token_signed_response_alg", "userinfo_signed_response_alg"} {
		for _, alg := range []string{"none", "HS256", "RS512", "PS256"} {
			if got := blackbox.CallJSON(t, http.MethodPost, s.URL+"/register", "", blackbox.WebClient(map[string]any{member: alg})); got.Text("error") != "invalid_client_metadata" {
				t.Errorf("%s %s: %d %s", member, alg, got.Status, got.Body)
			}
		}
	}
}

// Section 2: what a native application may redirect to, and how one is told from a web application.
func TestOpenIDRegistrationSection2_ApplicationType(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, blackbox.OpenRegistration(), nil)
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
		client := blackbox.Register(t, s, blackbox.WebClient(map[string]any{"redirect_uris": row.uris, "application_type": row.said}))
		if client.Text("application_type") != row.want {
			t.Errorf("%s: %s", name, client.Body)
		}
	}
	// RFC 8252 section 7.3: the port is the application's to choose when it starts.
	client := blackbox.Register(t, s, blackbox.WebClient(map[string]any{"redirect_uris": []string{"http://localhost/cb", "http://127.0.0.1/cb"}}))
	for _, uri := range []string{"http://localhost:40123/cb", "http://127.0.0.1:40123/cb"} {
		b := s.NewBrowser(t)
		if code, _ := b.Code(t, client.Text("client_id"), url.Values{"redirect_uri": {uri}}); code == "" {
			t.Errorf("%s: no code", uri)
		}
	}
}

// The metadata does what it says.
func TestOpenIDRegistrationSection2_Metadata(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, blackbox.OpenRegistration(), nil)
	client := blackbox.Register(t, s, blackbox.WebClient(map[string]any{
		"default_max_age": 3600, "require_auth_time": true, "client_uri": "https://app.example.com", "logo_uri": "https://app.example.com/logo.png",
		"policy_uri": "https://app.example.com/policy", "tos_uri": "https://app.example.com/tos", "contacts": []string{"ops@app.example.com"},
		"post_logout_redirect_uris": []string{"https://app.example.com/"}, "initiate_login_uri": "https://app.example.com/login",
	}))
	if client.Member["default_max_age"] != 3600.0 || client.Member["require_auth_time"] != true || client.Text("initiate_login_uri") == "" {
		t.Errorf("%s", client.Body)
	}
	tokens := s.SignIn(t, client.Text("client_id"), "", nil)
	if blackbox.Claims(t, tokens.IDToken)["auth_time"] == nil {
		t.Error("no auth_time")
	}
	back := s.NewBrowser(t).Walk(t, s.URL+"/logout?"+url.Values{"id_token_hint": {tokens.IDToken}, "post_logout_redirect_uri": {"https://app.example.com/"}, "state": {"bye"}}.Encode())
	if back.Params.Get("state") != "bye" {
		t.Errorf("no way back from the logout: %s", back)
	}
	for member, uri := range map[string]string{"initiate_login_uri": "http://127.0.0.1/login", "backchannel_logout_uri": "http://a.example/logout", "frontchannel_logout_uri": "https://other.example/logout"} {
		if got := blackbox.CallJSON(t, http.MethodPost, s.URL+"/register", "", blackbox.WebClient(map[string]any{member: uri})); got.Text("error") != "invalid_client_metadata" {
			t.Errorf("%s: %d %s", member, got.Status, got.Body)
		}
	}
}

// A client may prove itself by a key, in its metadata or at its jwks_uri.
func TestOpenIDRegistrationSection2_JWKS(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, blackbox.OpenRegistration(), nil)
	key, set := blackbox.NewClientKey(t)
	published := blackbox.NewSite(t, map[string]string{"/jwks": string(set)})
	for name, change := range map[string]map[string]any{"jwks": {"jwks": set}, "jwks_uri": {"jwks_uri": published.URL + "/jwks"}} {
		t.Run(name, func(t *testing.T) {
			change["token_endpoint_auth_method"] = "private_key_jwt"
			client := blackbox.Register(t, s, blackbox.WebClient(change))
			id := client.Text("client_id")
			if client.Member["client_secret"] != nil {
				t.Error("there is a secret nobody needs")
			}
			code, verifier := s.NewBrowser(t).Code(t, id, nil)
			if got := s.Token(t, id, "", authztest.CodeForm(code, verifier)); got.Error != "invalid_client" {
				t.Errorf("without an assertion: %+v", got)
			}
			if got := s.Token(t, id, "", blackbox.WithAssertion(t, authztest.CodeForm(code, verifier), key, id, s.URL)); got.Status != http.StatusOK {
				t.Errorf("%+v", got)
			}
		})
	}
	if got := blackbox.CallJSON(t, http.MethodPost, s.URL+"/register", "", blackbox.WebClient(map[string]any{"token_endpoint_auth_method": "private_key_jwt"})); got.Text("error") != "invalid_client_metadata" {
		t.Errorf("no keys: %d %s", got.Status, got.Body)
	}
}

// Section 5: a sector is whoever can put the redirect URIs at its URL.
func TestOpenIDRegistrationSection5_SectorIdentifier(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, blackbox.OpenRegistration(), nil)
	uris := []string{authztest.RedirectURI, "https://other.example.com/cb"}
	list := func(uris ...string) string { raw, _ := json.Marshal(uris); return string(raw) }
	sector := blackbox.NewSite(t, map[string]string{
		"/good": list(append(slices.Clone(uris), "https://third.example.com/")...), "/bad": list(uris[0]), "/empty": "[]",
		"/object": "{}", "/text": "redirect URIs", "/numbers": "[1,2]", "/large": `["` + strings.Repeat("a", 70_000) + `"]`,
	})
	pairwise := func(path string) map[string]any {
		return blackbox.WebClient(map[string]any{"redirect_uris": uris, "subject_type": "pairwise", "sector_identifier_uri": sector.URL + path})
	}
	client := blackbox.Register(t, s, pairwise("/good"))
	for _, path := range []string{"/bad", "/empty", "/object", "/text", "/numbers", "/large", "/none"} {
		if got := blackbox.CallJSON(t, http.MethodPost, s.URL+"/register", "", pairwise(path)); got.Status != http.StatusBadRequest || got.Text("error") != "invalid_client_metadata" {
			t.Errorf("%s: %d %s", path, got.Status, got.Body)
		}
	}
	without := pairwise("/good")
	delete(without, "sector_identifier_uri")
	if got := blackbox.CallJSON(t, http.MethodPost, s.URL+"/register", "", without); got.Text("error") != "invalid_client_metadata" {
		t.Errorf("several hosts and no sector: %d %s", got.Status, got.Body)
	}
	update := pairwise("/bad")
	update["client_id"] = client.Text("client_id")
	if got := blackbox.CallJSON(t, http.MethodPut, client.Text("registration_client_uri"), client.Text("registration_access_token"), update); got.Text("error") != "invalid_client_metadata" {
		t.Errorf("update: %d %s", got.Status, got.Body)
	}
	// Two clients of one sector know a user by the same name, and others by another.
	sub := func(id string) any { return blackbox.Claims(t, s.SignIn(t, id, "", nil).IDToken)["sub"] }
	public := blackbox.Register(t, s, blackbox.WebClient(nil)).Text("client_id")
	first, second := sub(client.Text("client_id")), sub(blackbox.Register(t, s, pairwise("/good")).Text("client_id"))
	if first != second || first == sub(public) {
		t.Errorf("%v, %v, %v", first, second, sub(public))
	}
}
