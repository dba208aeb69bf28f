package authz_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/internal/blackbox"
)

// Every variant of the well-known paths, with an issuer that has a path of its own.
func TestRFC8414Section3_EveryVariantOfThePath(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	fetch := func(handler http.Handler, issuer, path string) map[string]any {
		t.Helper()
		response := blackbox.GetFrom(handler, path)
		var document map[string]any
		if err := json.Unmarshal(response.Body.Bytes(), &document); err != nil || response.Code != 200 {
			t.Fatalf("%s: %d %.200s", path, response.Code, response.Body)
		}
		if response.Header().Get("Content-Type") != "application/json" || document["issuer"] != issuer {
			t.Errorf("%s: %v %v", path, response.Header(), document["issuer"])
		}
		return document
	}
	for _, path := range []string{"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "//.well-known/openid-configuration"} {
		document := fetch(s, s.URL, path)
		for _, name := range []string{"registration_endpoint"} {
			if document[name] != nil {
				t.Errorf("%s is announced", name)
			}
		}
	}
	const issuer = "https://example.com/auth"
	deep := authztest.Start(t, authz.Config{Issuer: issuer}, nil)
	for _, path := range []string{
		"/auth/.well-known/openid-configuration", "/.well-known/openid-configuration/auth",
		"/auth/.well-known/oauth-authorization-server", "/.well-known/oauth-authorization-server/auth",
	} {
		if document := fetch(deep, issuer, path); document["token_endpoint"] != issuer+"/token" {
			t.Errorf("%s: %v", path, document["token_endpoint"])
		}
	}
	if response := blackbox.GetFrom(deep, "/auth/jwks.json"); response.Code != 200 || response.Header().Get("Strict-Transport-Security") == "" {
		t.Errorf("jwks: %d %v", response.Code, response.Header())
	}
}

// Section 2: whatever the document names is there, and answers those who may ask.
func TestRFC8414Section2_EveryEndpointIsThere(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	var document map[string]any
	if err := json.Unmarshal(blackbox.GetFrom(s, "/.well-known/oauth-authorization-server").Body.Bytes(), &document); err != nil {
		t.Fatal(err)
	}
	found := 0
	for name, value := range document {
		endpoint, isText := value.(string)
		if !isText || (!strings.HasSuffix(name, "_endpoint") && name != "jwks_uri") {
			continue
		}
		found++
		if !strings.HasPrefix(endpoint, s.URL+"/") || strings.HasSuffix(endpoint, "/") {
			t.Errorf("%s is at %s", name, endpoint)
		}
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			request, err := http.NewRequest(method, endpoint, nil)
			if err != nil {
				t.Fatal(err)
			}
			response, err := http.DefaultTransport.RoundTrip(request)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if response.StatusCode == http.StatusNotFound || response.StatusCode >= 500 {
				t.Errorf("%s %s: %d", method, name, response.StatusCode)
			}
		}
	}
	if found < 7 {
		t.Errorf("the document names %d endpoints", found)
	}
	for _, required := range []string{"issuer", "response_types_supported", "subject_types_supported", "id_token_signing_alg_values_supported"} {
		if document[required] == nil {
			t.Errorf("the document lacks %s", required)
		}
	}
}

// Section 2 lets a server add metadata: a client with an idle limit learns whether its refreshes count as activity.
func TestRFC8414Section2_SessionActivity(t *testing.T) {
	t.Parallel()
	for want, beacon := range map[string]bool{"refresh": false, "beacon": true} {
		s := authztest.Start(t, authz.Config{Sessions: authz.Sessions{Beacon: beacon}}, nil)
		var document map[string]any
		if err := json.Unmarshal(blackbox.GetFrom(s, "/.well-known/openid-configuration").Body.Bytes(), &document); err != nil {
			t.Fatal(err)
		}
		if got := document["authzd_session_activity"]; got != want {
			t.Errorf("authzd_session_activity is %v, want %s", got, want)
		}
	}
}
