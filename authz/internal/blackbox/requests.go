package blackbox

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/outbound"
	"github.com/authzd/authzd/storage"
)

// OpenResponse verifies a signed response as a client does (JARM section 2.4) and returns its claims and alg.
func OpenResponse(t *testing.T, s http.Handler, response string) (claims map[string]any, alg string) {
	t.Helper()
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(GetFrom(s, "/jwks.json").Body.Bytes(), &set); err != nil {
		t.Fatal(err)
	}
	token, err := jwt.ParseSigned(response, []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA})
	if err != nil {
		t.Fatalf("%q: %v", response, err)
	}
	header := token.Headers[0]
	if err := token.Claims(set.Key(header.KeyID)[0], &claims); err != nil {
		t.Fatal(err)
	}
	return claims, header.Algorithm
}

// SignedResponse returns the only parameter of a signed answer (JARM section 2.3).
func SignedResponse(t *testing.T, params url.Values) string {
	t.Helper()
	if len(params) != 1 || params.Get("response") == "" {
		t.Fatalf("the response has the parameters %v", params)
	}
	return params.Get("response")
}

// NewSigningKey makes a key of a client, whose kid names the algorithm.
func NewSigningKey(t testing.TB, alg jose.SignatureAlgorithm) *authztest.Key {
	t.Helper()
	key := authztest.NewKey(t, alg)
	key.ID = "signs-" + string(alg)
	return key
}

// WithKeys gives the web client keys to sign its requests with.
func WithKeys(t testing.TB, keys ...*authztest.Key) func(*client.Metadata) {
	return func(m *client.Metadata) {
		if m.ID == authztest.Web {
			m.JWKS = authztest.JWKS(t, keys...)
		}
	}
}

// RequestObject returns the claims of a request object of the web client. change replaces claims, nil removes them.
func RequestObject(issuer string, change map[string]any) map[string]any {
	now := time.Now().Unix()
	claims := map[string]any{"iss": authztest.Web, "aud": issuer, "nbf": now, "iat": now, "exp": now + 300, "jti": "once"}
	for name, values := range authztest.Request(authztest.Web, nil) {
		claims[name] = values[0]
	}
	maps.Copy(claims, change)
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
	return claims
}

// ServeTLS serves over TLS, and returns with the address the configuration that lets the server call it.
func ServeTLS(t *testing.T, handle http.HandlerFunc) (baseURL string, config outbound.Config) {
	t.Helper()
	server := httptest.NewTLSServer(handle)
	t.Cleanup(server.Close)
	roots := server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	config = Loopback()
	config.RootCAs = roots
	return server.URL, config
}

// PushedPrefix is how the request_uri of a pushed request begins (RFC 9126 section 2.2).
const PushedPrefix = "urn:ietf:params:oauth:request_uri:"

// Push pushes a request of the confidential web client and returns the parameters that its browser brings.
func Push(t *testing.T, s http.Handler, change url.Values) url.Values {
	t.Helper()
	response := PostTo(s, "/par", authztest.Web, authztest.Secret, authztest.Request(authztest.Web, change))
	var pushed struct {
		RequestURI string `json:"request_uri"`
	}
	if err := json.Unmarshal(response.Body.Bytes(), &pushed); err != nil || response.Code != http.StatusCreated {
		t.Fatalf("push: %d %s", response.Code, response.Body)
	}
	return url.Values{"client_id": {authztest.Web}, "request_uri": {pushed.RequestURI}}
}

// WantErrorPage wants an error page with a code, and no redirect.
func WantErrorPage(t *testing.T, what string, page *authztest.Page, code string) {
	t.Helper()
	if page.Status != http.StatusBadRequest || page.Header.Get("Location") != "" || page.Text("error-code") != "400 "+code {
		t.Errorf("%s: %d %s\n%.300s", what, page.Status, page.Header.Get("Location"), page.Body)
	}
}

// ExpirePushed moves the expiry of every pushed request into the past; the records stay.
func ExpirePushed(t *testing.T, s *authztest.Server) {
	t.Helper()
	entries, err := storage.PushedRequests.Scan(t.Context(), s.Store, "", "", 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		e.Value.ExpiresAt = time.Now().Add(-time.Millisecond)
		if err := s.Store.Apply(t.Context(), storage.PushedRequests.Put(e.Key, e.Value, storage.At(e.Version), time.Now().Add(time.Hour))); err != nil {
			t.Fatal(err)
		}
	}
}

// ArchiveAPI is an API with authorization_details of its own.
const ArchiveAPI = "https://archive.example.com"

// WantDetails compares authorization_details with the JSON that is wanted.
func WantDetails(t *testing.T, what string, got any, want string) {
	t.Helper()
	var wanted any
	if err := json.Unmarshal([]byte(want), &wanted); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, wanted) {
		t.Errorf("%s: %v, want %v", what, got, wanted)
	}
}
