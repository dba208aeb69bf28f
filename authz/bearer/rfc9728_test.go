package bearer

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
)

func TestRFC9728Section2_Document(t *testing.T) {
	v := newIssuer().verifier(t, func(c *Config) {
		c.DPoP.Required = true
		c.Metadata = &Metadata{
			Scopes: []string{"orders.read"}, Name: "Orders", DetailTypes: []string{"order"}, CertificateBound: true,
			DocumentationURI: "https://d.example", PolicyURI: "https://p.example", TOSURI: "https://t.example",
		}
	})
	mux := http.NewServeMux()
	mux.Handle(v.Metadata())
	w := serve(mux, get("/.well-known/oauth-protected-resource"))
	var got, want object
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	_ = json.Unmarshal([]byte(`{
		"resource": "https://api.example.com", "authorization_servers": ["https://id.example.com"],
		"scopes_supported": ["orders.read"], "bearer_methods_supported": ["header"], "resource_name": "Orders",
		"resource_documentation": "https://d.example", "resource_policy_uri": "https://p.example",
		"resource_tos_uri": "https://t.example", "tls_client_certificate_bound_access_tokens": true,
		"authorization_details_types_supported": ["order"], "dpop_bound_access_tokens_required": true,
		"dpop_signing_alg_values_supported": ["ES256", "EdDSA", "PS256", "RS256"]
	}`), &want)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("document %v\nwant %v", got, want)
	}
	if w.Code != 200 || w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

func TestRFC9728Section3_1_WhereItIs(t *testing.T) {
	const root = "/.well-known/oauth-protected-resource"
	for resource, where := range map[string]string{
		"https://api.example.com":         root,
		"https://api.example.com/":        root,
		"https://api.example.com/orders":  root + "/orders",
		"https://api.example.com/orders/": root + "/orders",
		"https://api.example.com/a/b.c":   root + "/a/b.c",
	} {
		v := newIssuer().verifier(t, func(c *Config) { c.Metadata = &Metadata{Resource: resource} })
		pattern, handler := v.Metadata()
		mux := http.NewServeMux()
		mux.Handle(pattern, handler)
		w := serve(mux, get(where))
		var document struct{ Resource string }
		if err := json.Unmarshal(w.Body.Bytes(), &document); err != nil || document.Resource != resource {
			t.Errorf("%s: %s has %d %s", resource, where, w.Code, w.Body)
		}
	}
	for _, resource := range []string{"urn:api", "http://api.example.com", "https://api.example.com#x", "https://api.example.com?x", "https://u@api.example.com", "https://api.example.com/{x}", "https://api.example.com/a%2Fb", "/x"} {
		cfg := Config{Issuer: testIssuer, Audience: testAudience, Metadata: &Metadata{Resource: resource}}
		if _, err := New(cfg); err == nil {
			t.Errorf("resource %q accepted", resource)
		}
	}
}

func TestRFC9728Section3_1_Methods(t *testing.T) {
	_, h := newIssuer().verifier(t, func(c *Config) { c.Metadata = &Metadata{} }).Metadata()
	for method, status := range map[string]int{"GET": 200, "HEAD": 200, "OPTIONS": 204, "POST": 405, "DELETE": 405} {
		w := serve(h, httptest.NewRequest(method, "/", nil))
		if w.Code != status || w.Header().Get("Access-Control-Allow-Origin") != "*" || status == 405 && w.Header().Get("Allow") == "" {
			t.Errorf("%s: %d %v", method, w.Code, w.Header())
		}
	}
}

func TestRFC9728Section5_1_EveryChallengePointsThere(t *testing.T) {
	v := newIssuer().verifier(t, func(c *Config) { c.Metadata = &Metadata{Resource: testAudience + "/orders"} })
	h := v.Protect(RequireScope("admin")(hello))
	const param = `, resource_metadata="https://api.example.com/.well-known/oauth-protected-resource/orders"`
	for name, r := range map[string]*http.Request{
		"nothing": get("/"), "bad token": get("/", "Bearer x"), "no scope": get("/", "Bearer "+goodToken()),
		"two headers": get("/", "x", "y"), "no proof": get("/", "DPoP "+boundToken()),
	} {
		challenges := serve(h, r).Header().Values("WWW-Authenticate")
		if len(challenges) == 0 {
			t.Errorf("%s: no challenge", name)
		}
		for _, challenge := range challenges {
			if !strings.HasSuffix(challenge, param) {
				t.Errorf("%s: %s", name, challenge)
			}
		}
	}
}

func TestMetadataWithoutConfigurationPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	newIssuer().verifier(t).Metadata()
}
