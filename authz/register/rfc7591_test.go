package register_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/register"
	"github.com/authzd/authzd/storage"
)

// Without an operator's word nobody registers, and nothing says that they might.
func TestRFC7591Section3_Off(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	for _, path := range []string{"/register", "/register/0123456789012345678901"} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
			if got := blackbox.CallJSON(t, method, s.URL+path, "", blackbox.WebClient(nil)); got.Status != http.StatusNotFound && got.Status != http.StatusMethodNotAllowed && got.Status != http.StatusForbidden {
				t.Errorf("%s %s: %d", method, path, got.Status)
			}
		}
	}
	if got := blackbox.CallJSON(t, http.MethodGet, s.URL+"/.well-known/openid-configuration", "", nil); got.Member["registration_endpoint"] != nil {
		t.Error("a registration_endpoint is advertised")
	}
}

// An initial access token is demanded where the operator handed some out.
func TestRFC7591Section3_InitialAccessToken(t *testing.T) {
	t.Parallel()
	c := blackbox.OpenRegistration()
	c.Registration.Mode = register.Token
	c.Registration.InitialAccessTokens = []string{"first initial access token", "second-initial-access-token"}
	s := authztest.Start(t, c, nil)
	for name, token := range map[string]string{"none": "", "wrong": "third", "prefix": "second-initial-access-toke", "longer": "second-initial-access-tokens"} {
		got := blackbox.CallJSON(t, http.MethodPost, s.URL+"/register", token, blackbox.WebClient(nil))
		if got.Status != http.StatusUnauthorized || !strings.HasPrefix(got.Header.Get("WWW-Authenticate"), "Bearer ") {
			t.Errorf("%s: %d %v %s", name, got.Status, got.Header, got.Body)
		}
	}
	got := blackbox.CallJSON(t, http.MethodPost, s.URL+"/register", "second-initial-access-token", blackbox.WebClient(nil))
	if got.Status != http.StatusCreated {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	// Whom the operator vouches for may act on its own behalf.
	service := map[string]any{"grant_types": []string{"client_credentials"}, "scope": "orders.read"}
	got = blackbox.CallJSON(t, http.MethodPost, s.URL+"/register", "second-initial-access-token", service)
	tokens := s.Token(t, got.Text("client_id"), got.Text("client_secret"), url.Values{"grant_type": {"client_credentials"}})
	if tokens.Status != http.StatusOK || tokens.Scope != "orders.read" {
		t.Errorf("%s\n%+v", got.Body, tokens)
	}
}

func TestRFC7591Section3_2_1_ClientInformationResponse(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, blackbox.OpenRegistration(), nil)
	endpoint := blackbox.CallJSON(t, http.MethodGet, s.URL+"/.well-known/openid-configuration", "", nil).Text("registration_endpoint")
	if endpoint != s.URL+"/register" {
		t.Fatalf("registration_endpoint %q", endpoint)
	}
	before := time.Now().Unix()
	got := blackbox.CallJSON(t, http.MethodPost, endpoint, "", `{"redirect_uris": ["`+authztest.RedirectURI+`"], "client_name#de": "Bestellungen", "unheard_of": {"x": [1e999]}, "contacts": null}`)
	if got.Status != http.StatusCreated || got.Header.Get("Cache-Control") != "no-store" || got.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("%d %v %s", got.Status, got.Header, got.Body)
	}
	issued, _ := got.Member["client_id_issued_at"].(float64)
	if int64(issued) < before || int64(issued) > time.Now().Unix() {
		t.Errorf("client_id_issued_at %v", got.Member["client_id_issued_at"])
	}
	if expires, ok := got.Member["client_secret_expires_at"].(float64); !ok || expires != 0 {
		t.Errorf("client_secret_expires_at %v", got.Member["client_secret_expires_at"])
	}
	if len(got.Text("client_secret")) < 43 || !strings.HasPrefix(got.Text("registration_access_token"), "azg_") ||
		got.Text("registration_client_uri") != s.URL+"/register/"+got.Text("client_id") {
		t.Errorf("%s", got.Body)
	}
	// The defaults of section 2, and of OpenID Connect Registration section 2, are told.
	for name, want := range map[string]string{
		"token_endpoint_auth_method": `"client_secret_basic"`, "grant_types": `["authorization_code"]`, "response_types": `["code"]`,
		"application_type": `"web"`, "id_token_signed_response_alg": `"RS256"`, "subject_type": `"public"`,
		"scope": `"orders.read openid profile email address phone offline_access"`, "redirect_uris": `["` + authztest.RedirectURI + `"]`,
		"contacts": "null", "client_name": "null", "unheard_of": "null", "client_name#de": "null",
	} {
		if member, _ := json.Marshal(got.Member[name]); string(member) != want {
			t.Errorf("%s is %s, want %s", name, member, want)
		}
	}
	public := blackbox.Register(t, s, blackbox.WebClient(nil))
	for _, name := range []string{"client_secret", "client_secret_expires_at"} {
		if public.Member[name] != nil {
			t.Errorf("a public client got a %s", name)
		}
	}
	// The stored records let nobody sign in.
	records, err := s.Store.Scan(t.Context(), storage.Clients.Table, "", "", 10)
	if err != nil || len(records) != 2 {
		t.Fatal(records, err)
	}
	for _, record := range records {
		for _, secret := range []string{got.Text("client_secret"), got.Text("registration_access_token"), public.Text("registration_access_token")} {
			if strings.Contains(string(record.Value), secret) {
				t.Error("a secret is stored")
			}
		}
	}
}

// A registered client signs a user in; it is never trusted as the operator's own are.
func TestRFC7591Section1_2_ProtocolFlow(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, blackbox.OpenRegistration(), nil)
	for name, method := range map[string]string{"public": "none", "basic": "client_secret_basic"} {
		t.Run(name, func(t *testing.T) {
			client := blackbox.Register(t, s, blackbox.WebClient(map[string]any{"token_endpoint_auth_method": method, "first_party": true}))
			id, secret := client.Text("client_id"), client.Text("client_secret")
			b := s.NewBrowser(t)
			b.Deny = true
			_, challenge := authztest.PKCE()
			if got := b.Authorize(t, authztest.AuthorizationParams(id, challenge)); got.Params.Get("error") != "access_denied" {
				t.Fatalf("no consent was asked for: %s", got)
			}
			tokens := s.SignIn(t, id, secret, nil)
			if claims := blackbox.Claims(t, tokens.AccessToken); claims["client_id"] != id {
				t.Errorf("%v", claims)
			}
			if got := s.Token(t, id, secret, authztest.RefreshForm(tokens.RefreshToken)); got.Status != http.StatusOK {
				t.Errorf("refresh: %+v", got)
			}
			if status := blackbox.UserinfoStatus(t, s, tokens.AccessToken); status != http.StatusOK {
				t.Errorf("userinfo: %d", status)
			}
			if method != "none" {
				if got := s.Token(t, id, secret+"x", authztest.RefreshForm(tokens.RefreshToken)); got.Status != http.StatusUnauthorized {
					t.Errorf("wrong secret: %+v", got)
				}
			}
		})
	}
	// PKCE: demanded of public clients, and of others that ask for it.
	for _, row := range []struct {
		change map[string]any
		error  string
	}{
		{map[string]any{}, "invalid_request"},
		{map[string]any{"token_endpoint_auth_method": "client_secret_basic", "require_pkce": true}, "invalid_request"},
		{map[string]any{"token_endpoint_auth_method": "client_secret_post"}, ""},
	} {
		client := blackbox.Register(t, s, blackbox.WebClient(row.change))
		params := authztest.AuthorizationParams(client.Text("client_id"), "")
		params.Del("code_challenge")
		params.Del("code_challenge_method")
		if got := s.NewBrowser(t).Authorize(t, params); got.Params == nil || got.Params.Get("error") != row.error {
			t.Errorf("%v without PKCE: %s", row.change, got)
		}
	}
}

func TestRFC7591Section2_MetadataRefused(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, blackbox.OpenRegistration(), nil)
	const redirect, metadata = "invalid_redirect_uri", "invalid_client_metadata"
	for name, row := range map[string]struct {
		change map[string]any
		code   string
	}{
		"no redirect URI":               {map[string]any{"redirect_uris": nil}, redirect},
		"empty redirect URIs":           {map[string]any{"redirect_uris": []string{}}, redirect},
		"redirect URI not a list":       {map[string]any{"redirect_uris": authztest.RedirectURI}, metadata},
		"redirect URI relative":         {map[string]any{"redirect_uris": []string{"/cb"}}, redirect},
		"redirect URI with a fragment":  {map[string]any{"redirect_uris": []string{"https://a.example/cb#x"}}, redirect},
		"redirect URI plain http":       {map[string]any{"redirect_uris": []string{"http://a.example/cb"}}, redirect},
		"redirect URI with a wildcard":  {map[string]any{"redirect_uris": []string{"https://*.a.example/cb"}}, redirect},
		"redirect URI with dots":        {map[string]any{"redirect_uris": []string{"https://a.example/x/../cb"}}, redirect},
		"redirect URI without a dot":    {map[string]any{"redirect_uris": []string{"myapp:/cb"}}, redirect},
		"one redirect URI of several":   {map[string]any{"redirect_uris": []string{authztest.RedirectURI, "javascript:alert(1)"}}, redirect},
		"web on localhost":              {map[string]any{"application_type": "web", "redirect_uris": []string{"http://localhost/cb"}}, redirect},
		"web on https localhost":        {map[string]any{"application_type": "web", "redirect_uris": []string{"https://localhost/cb"}}, redirect},
		"web with a private-use scheme": {map[string]any{"application_type": "web", "redirect_uris": []string{"com.example.app:/cb"}}, redirect},
		"application type":              {map[string]any{"application_type": "desktop"}, metadata},
		"response type token":           {map[string]any{"response_types": []string{"token"}}, metadata},
		"response type hybrid":          {map[string]any{"response_types": []string{"code", "code id_token"}}, metadata},
		"implicit":                      {map[string]any{"grant_types": []string{"implicit"}}, metadata},
		"password":                      {map[string]any{"grant_types": []string{"authorization_code", "password"}}, metadata},
		"client credentials":            {map[string]any{"grant_types": []string{"client_credentials"}, "token_endpoint_auth_method": "client_secret_basic"}, metadata},
		"jwt-bearer":                    {map[string]any{"grant_types": []string{"urn:ietf:params:oauth:grant-type:jwt-bearer"}}, metadata},
		"token exchange":                {map[string]any{"grant_types": []string{"urn:ietf:params:oauth:grant-type:token-exchange"}}, metadata},
		"refresh token alone":           {map[string]any{"grant_types": []string{"refresh_token"}}, metadata},
		"authentication method":         {map[string]any{"token_endpoint_auth_method": "client_secret_jwt"}, metadata},
		"jwks and jwks_uri":             {map[string]any{"jwks": map[string]any{"keys": []any{}}, "jwks_uri": "https://a.example/jwks"}, metadata},
		"jwks_uri plain http":           {map[string]any{"jwks_uri": "http://a.example/jwks"}, metadata},
		"jwks_uri in our network":       {map[string]any{"jwks_uri": "https://10.0.0.1/jwks"}, metadata},
		"jwks not an object":            {map[string]any{"jwks": "{}"}, metadata},
		"jwks with a private key":       {map[string]any{"jwks": json.RawMessage(`{"keys":[{"kty":"EC","crv":"P-256","x":"a","y":"b","d":"c"}]}`)}, metadata},
		"logo plain http":               {map[string]any{"logo_uri": "http://a.example/logo.png"}, metadata},
		"logo is a script":              {map[string]any{"logo_uri": "javascript:alert(1)"}, metadata},
		"home is data":                  {map[string]any{"client_uri": "data:text/html,x"}, metadata},
		"policy relative":               {map[string]any{"policy_uri": "/policy"}, metadata},
		"terms with credentials":        {map[string]any{"tos_uri": "https://a:b@a.example/"}, metadata},
		"name too long":                 {map[string]any{"client_name": strings.Repeat("a", 201)}, metadata},
		"name turned round":             {map[string]any{"client_name": "Bank \u202egpj.exe"}, metadata},
		"name with a line break":        {map[string]any{"client_name": "Bank\n"}, metadata},
		"name with a line separator":    {map[string]any{"client_name": "Bank\u2028Allow"}, metadata},
		"name of blanks":                {map[string]any{"client_name": " \u00a0\u200b\u2003"}, metadata},
		"name that covers the page":     {map[string]any{"client_name": "B" + strings.Repeat("\u0338", 90)}, metadata},
		"name not a string":             {map[string]any{"client_name": 5}, metadata},
		"list too long":                 {map[string]any{"contacts": slices.Repeat([]string{"a@a.example"}, 21)}, metadata},
		"value too long":                {map[string]any{"contacts": []string{strings.Repeat("a", 2049)}}, metadata},
		"details not offered":           {map[string]any{"authorization_details_types": []string{"payment"}}, metadata},
		"encryption":                    {map[string]any{"id_token_encrypted_response_alg": "RSA-OAEP"}, metadata},
	} {
		t.Run(name, func(t *testing.T) {
			got := blackbox.CallJSON(t, http.MethodPost, s.URL+"/register", "", blackbox.WebClient(row.change))
			if got.Status != http.StatusBadRequest || got.Text("error") != row.code || got.Text("error_description") == "" {
				t.Errorf("%d %s, want %s", got.Status, got.Body, row.code)
			}
			if strings.ContainsAny(got.Text("error_description"), `"\`) || got.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%v %s", got.Header, got.Body)
			}
		})
	}
	if records, err := s.Store.Scan(t.Context(), storage.Clients.Table, "", "", 10); err != nil || len(records) > 0 {
		t.Errorf("%d clients are stored, %v", len(records), err)
	}
}

// Scopes that are not offered are not registered, and nothing else is had later.
func TestRFC7591Section2_Scope(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, blackbox.OpenRegistration(), nil)
	client := blackbox.Register(t, s, blackbox.WebClient(map[string]any{"scope": "openid orders.write admin orders.read"}))
	if client.Text("scope") != "openid orders.read" {
		t.Errorf("registered %q", client.Text("scope"))
	}
	_, challenge := authztest.PKCE()
	params := authztest.AuthorizationParams(client.Text("client_id"), challenge)
	params.Set("scope", "orders.write")
	if got := s.NewBrowser(t).Authorize(t, params); got.Params.Get("error") != "invalid_scope" {
		t.Errorf("%s", got)
	}
}

// CORS: everybody may register, but a client's tokens are for its own origins.
func TestRFC7591Section3_FromABrowser(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, blackbox.OpenRegistration(), nil)
	const origin, foreign = "https://app.example.com", "https://evil.example"
	for path, method := range map[string]string{"/register": "POST", "/token": "POST", "/register/x": "DELETE", "/userinfo": "GET"} {
		request, _ := http.NewRequest(http.MethodOptions, s.URL+path, nil)
		request.Header.Set("Origin", "https://new.example")
		request.Header.Set("Access-Control-Request-Method", method)
		request.Header.Set("Access-Control-Request-Headers", "authorization,content-type,mcp-protocol-version")
		if got := blackbox.Send(t, request); got.Header.Get("Access-Control-Allow-Origin") != "https://new.example" || got.Header.Get("Access-Control-Allow-Methods") != method {
			t.Errorf("preflight of %s: %v", path, got.Header)
		}
	}
	from := func(origin, id string) string {
		form := url.Values{"client_id": {id}, "grant_type": {"authorization_code"}, "code": {"azc_x"}}
		request, _ := http.NewRequest(http.MethodPost, s.URL+"/token", strings.NewReader(form.Encode()))
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("Origin", origin)
		return blackbox.Send(t, request).Header.Get("Access-Control-Allow-Origin")
	}
	id := blackbox.Register(t, s, blackbox.WebClient(nil)).Text("client_id")
	if from(origin, id) != origin || from(foreign, id) != "" || from(foreign, authztest.SPA) != "" {
		t.Error("the token endpoint answers other origins than the client's")
	}
}

// So many registrations from one address, and so many clients in all.
func TestRFC7591Section5_Flood(t *testing.T) {
	t.Parallel()
	c := blackbox.OpenRegistration()
	c.Registration.PerAddressPerHour, c.Registration.MaxClients = 5, 100
	s := authztest.Start(t, c, nil)
	var wg sync.WaitGroup
	var mu sync.Mutex
	statuses := map[int]int{}
	for range 64 {
		wg.Go(func() {
			got := blackbox.CallJSON(t, http.MethodPost, s.URL+"/register", "", blackbox.WebClient(nil))
			mu.Lock()
			defer mu.Unlock()
			statuses[got.Status]++
			if got.Status == http.StatusTooManyRequests && (got.Header.Get("Retry-After") == "" || got.Text("error") != "temporarily_unavailable") {
				t.Errorf("%v %s", got.Header, got.Body)
			}
		})
	}
	wg.Wait()
	if statuses[201] != 5 || statuses[429] != 59 {
		t.Errorf("%v", statuses)
	}
	// A refused registration costs nothing, and is answered as before.
	if got := blackbox.CallJSON(t, http.MethodPost, s.URL+"/register", "", "{"); got.Status != http.StatusBadRequest {
		t.Errorf("%d %s", got.Status, got.Body)
	}
}

func TestRFC7591Section5_MaxClients(t *testing.T) {
	t.Parallel()
	c := blackbox.OpenRegistration()
	c.Registration.MaxClients = 3
	s := authztest.Start(t, c, nil)
	var last blackbox.Reply
	for range 3 {
		last = blackbox.Register(t, s, blackbox.WebClient(nil))
	}
	if got := blackbox.CallJSON(t, http.MethodPost, s.URL+"/register", "", blackbox.WebClient(nil)); got.Status != http.StatusServiceUnavailable || got.Text("error") != "temporarily_unavailable" {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	if got := blackbox.CallJSON(t, http.MethodDelete, last.Text("registration_client_uri"), last.Text("registration_access_token"), nil); got.Status != http.StatusNoContent {
		t.Fatalf("%d %s", got.Status, got.Body)
	}
	blackbox.Register(t, s, blackbox.WebClient(nil))
}

// A client that gets no tokens is forgotten; one that does is not, at the price of one write in a
// while.
func TestRFC7591Section5_UnusedClientsAreForgotten(t *testing.T) {
	t.Parallel()
	c := blackbox.OpenRegistration()
	c.Signing = authz.DefaultSigning
	c.Signing.Alg = "ES256"
	c.Signing.RotateEvery = 10_000 * time.Hour
	s := authztest.Start(t, c, nil)
	used, unused := blackbox.Register(t, s, blackbox.WebClient(nil)).Text("client_id"), blackbox.Register(t, s, blackbox.WebClient(nil)).Text("client_id")
	expires := func(id string) time.Time {
		record, err := s.Store.Get(t.Context(), storage.Clients.Table, id)
		if err != nil {
			t.Fatal(err)
		}
		return record.Expires
	}
	version := func() uint64 {
		_, version, err := storage.Clients.Get(t.Context(), s.Store, used)
		if err != nil {
			t.Fatal(err)
		}
		return version
	}
	if left := time.Until(expires(unused)); left < 719*time.Hour || left > 720*time.Hour {
		t.Errorf("forgotten in %s", left)
	}
	blackbox.AgeClient(t, s, used, 25*time.Hour)
	before := expires(used)
	tokens := s.SignIn(t, used, "", nil)
	if !expires(used).After(before.Add(24 * time.Hour)) {
		t.Error("its use does not keep a client")
	}
	once := version()
	s.Token(t, used, "", authztest.RefreshForm(tokens.RefreshToken))
	if version() != once {
		t.Error("every use is written down")
	}
}

// RFC 7591 section 2.3.
func TestRFC7591Section2_3_SoftwareStatement(t *testing.T) {
	t.Parallel()
	trusted, set := blackbox.NewClientKey(t)
	foreign, _ := blackbox.NewClientKey(t)
	directory := blackbox.NewSite(t, map[string]string{"/jwks": string(set)})
	c := blackbox.OpenRegistration()
	c.Registration.SoftwareStatementIssuers = map[string]string{"https://directory.example": directory.URL + "/jwks", "https://down.example": directory.URL + "/none"}
	s := authztest.Start(t, c, nil)
	claims := func(change map[string]any) map[string]any {
		claims := map[string]any{
			"iss": "https://directory.example", "iat": time.Now().Unix(), "software_id": "orders-app", "client_name": "Orders, as approved",
			"redirect_uris": []string{authztest.RedirectURI}, "scope": "openid", "client_id": "mine",
		}
		for name, value := range change {
			claims[name] = value
		}
		return claims
	}
	statement := trusted.Sign(t, nil, claims(nil))
	client := blackbox.Register(t, s, blackbox.WebClient(map[string]any{
		"software_statement": statement, "client_name": "Something else", "redirect_uris": []string{"https://evil.example/"}, "scope": "openid orders.read", "contacts": []string{"me"},
	}))
	if client.Text("client_name") != "Orders, as approved" || client.Text("scope") != "openid" || client.Text("software_id") != "orders-app" || client.Text("client_id") == "mine" ||
		client.Text("software_statement") != statement || fmt.Sprint(client.Member["redirect_uris"]) != "["+authztest.RedirectURI+"]" || fmt.Sprint(client.Member["contacts"]) != "[me]" {
		t.Errorf("the statement does not win: %s", client.Body)
	}
	for name, row := range map[string]struct{ statement, code string }{
		"foreign key":       {foreign.Sign(t, nil, claims(nil)), "invalid_software_statement"},
		"foreign issuer":    {foreign.Sign(t, nil, claims(map[string]any{"iss": "https://evil.example"})), "unapproved_software_statement"},
		"no issuer":         {trusted.Sign(t, nil, claims(map[string]any{"iss": nil})), "unapproved_software_statement"},
		"expired":           {trusted.Sign(t, nil, claims(map[string]any{"exp": time.Now().Add(-time.Second).Unix()})), "invalid_software_statement"},
		"not yet":           {trusted.Sign(t, nil, claims(map[string]any{"nbf": time.Now().Add(time.Hour).Unix()})), "invalid_software_statement"},
		"another type":      {trusted.Sign(t, map[string]any{"typ": "at+jwt"}, claims(nil)), "invalid_software_statement"},
		"not a JWT":         {"a.b.c", "invalid_software_statement"},
		"unsigned":          {"eyJhbGciOiJub25lIn0.e30.", "invalid_software_statement"},
		"another signature": {statement[:len(statement)-20] + "AAAA" + statement[len(statement)-16:], "invalid_software_statement"},
		"claims misshapen":  {trusted.Sign(t, nil, claims(map[string]any{"redirect_uris": "x"})), "invalid_client_metadata"},
		"claims unsafe":     {trusted.Sign(t, nil, claims(map[string]any{"redirect_uris": []string{"javascript:alert(1)"}})), "invalid_redirect_uri"},
		"keys not there":    {trusted.Sign(t, nil, claims(map[string]any{"iss": "https://down.example"})), "temporarily_unavailable"},
	} {
		if got := blackbox.CallJSON(t, http.MethodPost, s.URL+"/register", "", blackbox.WebClient(map[string]any{"software_statement": row.statement})); got.Text("error") != row.code {
			t.Errorf("%s: %d %s", name, got.Status, got.Body)
		}
	}
}
