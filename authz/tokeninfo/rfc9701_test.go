package tokeninfo_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
)

// RFC 9701 section 4: the Accept header asks for it, and nothing else does.
func TestRFC9701Section4_Request(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	tokens := s.SignIn(t, authztest.Web, authztest.Secret, nil)
	for accept, want := range map[string]string{
		blackbox.IntrospectionType:                                blackbox.IntrospectionType,
		"APPLICATION/Token-Introspection+JWT":                     blackbox.IntrospectionType,
		blackbox.IntrospectionType + ", application/json":         blackbox.IntrospectionType,
		blackbox.IntrospectionType + ";q=0.5, text/html;q=0.9":    blackbox.IntrospectionType,
		blackbox.IntrospectionType + ";q=0.5, application/json":   "application/json",
		blackbox.IntrospectionType + ";q=0":                       "application/json",
		blackbox.IntrospectionType + ";q=x":                       "application/json",
		"application/json":                                        "application/json",
		"*/*":                                                     "application/json",
		"":                                                        "application/json",
		"application/jwt":                                         "application/json",
		"application/token-introspection+jwtx":                    "application/json",
		";;;," + blackbox.IntrospectionType + "; profile=\"x,y\"": "application/json",
	} {
		response := blackbox.Introspect(t, s, authztest.Web, tokens.AccessToken, accept)
		if got := response.Header.Get("Content-Type"); got != want || response.Status != http.StatusOK {
			t.Errorf("Accept %q: %d %s, want %s", accept, response.Status, got, want)
		}
	}
}

// RFC 9701 section 5.
func TestRFC9701Section5_Response(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	tokens := s.SignIn(t, authztest.Web, authztest.Secret, nil)
	response := blackbox.Introspect(t, s, authztest.Web, tokens.AccessToken, blackbox.IntrospectionType)
	if got := response.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control %q", got)
	}
	header, claims := s.Verify(t, response.Body, jose.ES256)
	if header.ExtraHeaders[jose.HeaderType] != "token-introspection+jwt" || header.KeyID == "" {
		t.Errorf("header %+v", header)
	}
	if claims["iss"] != s.URL || claims["aud"] != authztest.Web || claims["iat"] == nil || len(claims) != 4 {
		t.Errorf("claims %v: want iss, aud, iat and token_introspection, and neither sub nor exp", claims)
	}
	_, plain := blackbox.PostAs(t, s, "/introspect", authztest.Web, url.Values{"token": {tokens.AccessToken}})
	inner := claims["token_introspection"].(map[string]any)
	if inner["active"] != true || len(inner) != len(plain) || inner["sub"] != plain["sub"] || inner["scope"] != plain["scope"] {
		t.Errorf("token_introspection %v, want what JSON has: %v", inner, plain)
	}
}

// RFC 9701 section 5: what is inactive, or not the caller's business, says nothing but that.
func TestRFC9701Section5_Inactive(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	others := s.SignIn(t, authztest.SPA, "", nil)
	for name, token := range map[string]string{"garbage": "garbage", "another client's": others.AccessToken} {
		response := blackbox.Introspect(t, s, authztest.Web, token, blackbox.IntrospectionType)
		_, claims := s.Verify(t, response.Body, jose.ES256)
		if inner := claims["token_introspection"].(map[string]any); len(inner) != 1 || inner["active"] != false {
			t.Errorf("%s: %v", name, inner)
		}
	}
}

// RFC 9701 section 5: errors are those of RFC 7662 section 2.3, in JSON.
func TestRFC9701Section5_Errors(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	for _, id := range []string{"", "nobody"} {
		response := blackbox.Introspect(t, s, id, "garbage", blackbox.IntrospectionType)
		if response.Status != 401 || response.Header.Get("Content-Type") != "application/json" || !strings.Contains(response.Body, "invalid_client") {
			t.Errorf("client %q: %d %s", id, response.Status, response.Body)
		}
	}
	if response := blackbox.Introspect(t, s, authztest.Web, "", blackbox.IntrospectionType); response.Status != 400 || !strings.Contains(response.Body, "invalid_request") {
		t.Errorf("no token: %d %s", response.Status, response.Body)
	}
}

// RFC 9701 section 6: introspection_signed_response_alg.
func TestRFC9701Section6_Alg(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, func(m *client.Metadata) {
		if m.ID == authztest.Web {
			m.IntrospectionAlg = "EdDSA"
		}
	})
	tokens := s.SignIn(t, authztest.Web, authztest.Secret, nil)
	response := blackbox.Introspect(t, s, authztest.Web, tokens.AccessToken, blackbox.IntrospectionType)
	s.Verify(t, response.Body, jose.EdDSA)
}

// RFC 9701 section 8.1: it is neither an access token nor an ID token.
func TestRFC9701Section8_1_CrossJWTConfusion(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	tokens := s.SignIn(t, authztest.Web, authztest.Secret, nil)
	response := blackbox.Introspect(t, s, authztest.Web, tokens.AccessToken, blackbox.IntrospectionType)
	if status := blackbox.UserinfoStatus(t, s, response.Body); status != 401 {
		t.Errorf("as an access token: %d", status)
	}
	if got := s.SignedIn(t, nil).Ask(t, authztest.Web, url.Values{"id_token_hint": {response.Body}}).Redirect(t); got.Get("error") != "invalid_request" {
		t.Errorf("as an id_token_hint: %v", got)
	}
}
