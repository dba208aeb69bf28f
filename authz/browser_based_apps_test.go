package authz_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/operator"
)

func TestBrowserBasedAppsSection6_3_CrossOriginCalls(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, func(m *client.Metadata) {
		if m.ID == authztest.ThirdParty {
			m.AllowedOrigins = []string{"https://partner.example.com"}
		}
	})
	send := func(method, path, origin, body string) http.Header {
		request, err := http.NewRequest(method, s.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Origin", origin)
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if method == http.MethodOptions {
			request.Header.Set("Access-Control-Request-Method", "POST")
			request.Header.Set("Access-Control-Request-Headers", "authorization,content-type")
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		return response.Header
	}
	const app, partner, evil = "https://app.example.com", "https://partner.example.com", "https://evil.example"
	for _, r := range []struct {
		method, path, origin, body, want string
	}{
		{"OPTIONS", "/token", app, "", app},
		{"OPTIONS", "/token", partner, "", partner},
		{"OPTIONS", "/token", evil, "", ""},
		{"OPTIONS", "/userinfo", app, "", app},
		{"OPTIONS", "/revoke", app, "", app},
		{"OPTIONS", "/session/activity", app, "", app},
		{"OPTIONS", "/device_authorization", app, "", app},
		{"POST", "/token", app, "grant_type=authorization_code&client_id=spa&code=x", app}, // an error
		{"POST", "/device_authorization", app, "client_id=spa", app},                       // an error
		{"POST", "/device_authorization", evil, "client_id=spa", ""},
		{"OPTIONS", "/par", app, "", app},
		{"POST", "/par", app, "client_id=spa&scope=nope", app}, // an error
		{"POST", "/par", partner, "client_id=spa", ""},
		{"POST", "/token", partner, "grant_type=authorization_code&client_id=spa&code=x", ""},
		{"POST", "/token", app, "grant_type=authorization_code&client_id=partner&code=x", ""},
		{"POST", "/token", evil, "grant_type=authorization_code&client_id=spa&code=x", ""},
		{"POST", "/revoke", app, "client_id=spa&token=x", app},
		{"GET", "/userinfo", app, "", app}, // 401
		{"GET", "/userinfo", evil, "", ""},
		{"GET", "/jwks.json", evil, "", "*"},
		{"GET", "/.well-known/openid-configuration", evil, "", "*"},
		{"GET", "/authorize", app, "", ""},
		{"OPTIONS", "/authorize", app, "", ""},
		{"GET", "/login", app, "", ""},
		{"GET", "/device", app, "", ""},
		{"GET", "/account", app, "", ""},
	} {
		header := send(r.method, r.path, r.origin, r.body)
		if got := header.Get("Access-Control-Allow-Origin"); got != r.want {
			t.Errorf("%s %s from %s: %q, want %q", r.method, r.path, r.origin, got, r.want)
		}
		if header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s %s allows credentials", r.method, r.path)
		}
	}
	if got := send("GET", "/userinfo", app, "").Get("Access-Control-Expose-Headers"); !strings.Contains(strings.ToLower(got), "www-authenticate") {
		t.Errorf("exposed: %q", got)
	}
}

// Tracing libraries and frameworks add headers to each request of an app. Public documents may be asked with
// any header; the endpoints of clients take those that the operator allows.
func TestCORSRequestHeaders(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		allowed []string
		header  string
		token   bool // whether the token endpoint allows it
	}{
		"tracing":           {nil, "traceparent,tracestate", true},
		"of the standards":  {nil, "authorization,content-type,dpop,mcp-protocol-version", true},
		"another":           {nil, "x-requested-with", false},
		"named":             {[]string{"X-Requested-With"}, "x-requested-with", true},
		"named, and others": {[]string{"X-Requested-With"}, "traceparent", false},
		"named, and theirs": {[]string{"X-Requested-With"}, "content-type,x-requested-with", true},
	} {
		s := authztest.Start(t, authz.Config{CORSHeaders: tc.allowed}, nil)
		allows := func(path, method string) bool {
			r := httptest.NewRequest(http.MethodOptions, path, nil)
			r.Header.Set("Origin", "https://app.example.com")
			r.Header.Set("Access-Control-Request-Method", method)
			r.Header.Set("Access-Control-Request-Headers", tc.header)
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			allowed := strings.Split(w.Header().Get("Access-Control-Allow-Headers"), ",")
			for i := range allowed {
				allowed[i] = strings.ToLower(strings.TrimSpace(allowed[i]))
			}
			return w.Header().Get("Access-Control-Allow-Origin") != "" &&
				!slices.ContainsFunc(strings.Split(tc.header, ","), func(h string) bool { return !slices.Contains(allowed, h) })
		}
		for _, path := range []string{"/jwks.json", "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"} {
			if !allows(path, http.MethodGet) {
				t.Errorf("%s: %s refuses it", name, path)
			}
		}
		for path, method := range map[string]string{"/token": "POST", "/par": "POST", "/userinfo": "GET", "/revoke": "POST", "/introspect": "POST", "/device_authorization": "POST", "/session": "GET"} {
			if allows(path, method) != tc.token {
				t.Errorf("%s: %s allows it: %v", name, path, !tc.token)
			}
		}
	}
}

// The origins of a client that an operator has made end with it, at once. A form from such an origin is answered by the
// present list of origins, not by the one that the server knew before.
func TestOriginsEndWithTheirClient(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{Operator: &operator.Config{Server: &client.Server{}}}, func(m *client.Metadata) {
		if m.ID == authztest.TV {
			m.GrantTypes = []string{client.GrantAuthorizationCode} // nobody but the managed client has the device grant
			m.RedirectURIs = []string{authztest.RedirectURI}
		}
	})
	const origin = "https://managed.example.com"
	send := func(method, path, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, s.URL+path, strings.NewReader(body))
		r.Header.Set("Origin", origin)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		return w
	}
	for name, request := range map[string]struct{ method, path, body string }{
		"a code":             {"POST", "/token", "grant_type=authorization_code&client_id=managed&code=x"},
		"a refresh":          {"POST", "/token", "grant_type=refresh_token&client_id=managed&refresh_token=x"},
		"no client":          {"POST", "/token", "grant_type=refresh_token&refresh_token=x"},
		"no grant type":      {"POST", "/token", "client_id=managed"},
		"another grant type": {"POST", "/token", "grant_type=nonsense&client_id=managed"},
		"no form":            {"POST", "/token", "%zz"},
		"another method":     {"GET", "/token", ""},
		"a request":          {"POST", "/par", "client_id=managed"},
		"a revocation":       {"POST", "/revoke", "client_id=managed&token=x"},
		"an introspection":   {"POST", "/introspect", "client_id=managed&token=x"},
		"a device":           {"POST", "/device_authorization", "client_id=managed"},
		"userinfo":           {"GET", "/userinfo", ""},
		"a session":          {"GET", "/session", ""},
	} {
		managed := map[string]any{
			"client_id": "managed", "redirect_uris": []string{origin + "/callback"}, "token_endpoint_auth_method": "none",
			"grant_types": []string{"authorization_code", "refresh_token", client.GrantDeviceCode}, "scope": "openid",
		}
		if got := callAdmin(t, s, http.MethodPost, "/v1/clients", managed); got.Code != http.StatusCreated {
			t.Fatalf("%d %s", got.Code, got.Body)
		}
		if got := send(request.method, request.path, request.body); got.Header().Get("Access-Control-Allow-Origin") != origin {
			t.Errorf("%s, before: %d %v", name, got.Code, got.Header())
		}
		if got := atSocket(s, http.MethodDelete, "/v1/clients/managed"); got.Code != http.StatusNoContent {
			t.Fatalf("%d %s", got.Code, got.Body)
		}
		for range 2 {
			if got := send(request.method, request.path, request.body); got.Header().Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s, afterwards: %d %v", name, got.Code, got.Header())
			}
		}
	}
}
