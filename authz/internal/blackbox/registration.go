package blackbox

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/outbound"
	"github.com/authzd/authzd/authz/register"
	"github.com/authzd/authzd/storage"
)

// OpenRegistration returns a configuration that lets everybody register, as often as they like.
func OpenRegistration() authz.Config {
	registration := register.DefaultPolicy
	registration.Mode, registration.PerAddressPerHour = register.Open, 100_000
	registration.Scopes = append([]string{"orders.read"}, registration.Scopes...)
	registration.Resources = []string{authztest.API}
	return authz.Config{Registration: registration, Outbound: Loopback()}
}

// Loopback lets the server call the applications of these tests.
func Loopback() outbound.Config {
	return outbound.Config{AllowPrivateNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
}

// WebClient returns the metadata of a public web application; change replaces members, nil removes them.
func WebClient(change map[string]any) map[string]any {
	metadata := map[string]any{
		"client_name": "Orders", "redirect_uris": []string{authztest.RedirectURI},
		"grant_types": []string{"authorization_code", "refresh_token"}, "token_endpoint_auth_method": "none",
	}
	maps.Copy(metadata, change)
	maps.DeleteFunc(metadata, func(_ string, v any) bool { return v == nil })
	return metadata
}

// Reply is an answer of a JSON endpoint.
type Reply struct {
	Status int
	Header http.Header
	Body   string
	Member map[string]any
}

// Text returns a member that is a string, "" if there is none.
func (r Reply) Text(name string) string { s, _ := r.Member[name].(string); return s }

// CallJSON sends a request with a JSON body (a string is sent as it is, nil is none) and a bearer
// token, unless it is empty.
func CallJSON(t testing.TB, method, url, token string, body any) Reply {
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
	return Send(t, request)
}

// Send sends a request and reads the answer.
func Send(t testing.TB, request *http.Request) Reply {
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
	answer := Reply{Status: response.StatusCode, Header: response.Header, Body: string(raw)}
	if len(raw) > 0 && json.Unmarshal(raw, &answer.Member) != nil && response.Header.Get("Content-Type") == "application/json" {
		t.Fatalf("no JSON: %s", raw)
	}
	return answer
}

// Register registers a client, which must succeed.
func Register(t testing.TB, s *authztest.Server, metadata map[string]any) Reply {
	t.Helper()
	answer := CallJSON(t, http.MethodPost, s.URL+"/register", "", metadata)
	if answer.Status != http.StatusCreated {
		t.Fatalf("register: %d %s", answer.Status, answer.Body)
	}
	return answer
}

// NewClientKey returns a key pair of a client, and the JWK Set that it publishes.
func NewClientKey(t testing.TB) (*authztest.Key, client.JWKS) {
	t.Helper()
	key := authztest.NewKey(t, jose.ES256)
	key.ID = "k"
	return key, authztest.JWKS(t, key)
}

// WithAssertion adds a client assertion to a token request.
func WithAssertion(t testing.TB, form url.Values, key *authztest.Key, id, issuer string) url.Values {
	t.Helper()
	form.Set("client_assertion_type", authztest.AssertionType)
	form.Set("client_assertion", key.Assertion(t, id, issuer))
	return form
}

// AgeClient moves the registration of a client into the past.
func AgeClient(t *testing.T, s *authztest.Server, id string, by time.Duration) {
	t.Helper()
	record, version, err := storage.Clients.Get(t.Context(), s.Store, id)
	if err != nil {
		t.Fatal(err)
	}
	record.CreatedAt = record.CreatedAt.Add(-by)
	expires := record.CreatedAt.Add(720 * time.Hour)
	if err := s.Store.Apply(t.Context(), storage.Clients.Put(id, record, storage.At(version), expires)); err != nil {
		t.Fatal(err)
	}
}
