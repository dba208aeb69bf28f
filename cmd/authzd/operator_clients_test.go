package main

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/authzd/authzd/authz/admin"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/storage"
)

// TestManagedClientWorksAtOnce follows a client through its life.
func TestManagedClientWorksAtOnce(t *testing.T) {
	o := operate(t, nil)
	if _, a := o.token(t, "batch", "x"); a.status != http.StatusUnauthorized {
		t.Fatalf("before: %d %s", a.status, a.body)
	}
	made, err := o.admin.CreateClient(t.Context(), client.Metadata{ID: "batch", Preset: "service", Scopes: []string{"read"}, Resources: []string{"https://api.example.com"}})
	if err != nil {
		t.Fatal(err)
	}
	if made.Source != admin.SourceManaged || made.ETag == "" || len(made.Secrets) != 1 || !strings.HasPrefix(made.ClientSecret, "azs_") ||
		made.AuthMethod != "client_secret_basic" || made.AccessTokenLifetime.String() != "15m" || made.CreatedAt == nil {
		t.Errorf("made %+v", made)
	}
	token, a := o.token(t, "batch", made.ClientSecret)
	if token == "" {
		t.Fatalf("token: %d %s", a.status, a.body)
	}
	shown, err := o.admin.GetClient(t.Context(), "batch")
	if err != nil {
		t.Fatal(err)
	}
	if raw, _ := json.Marshal(shown); strings.Contains(string(raw), "client_secret\"") || strings.Contains(string(raw), made.ClientSecret) || strings.Contains(string(raw), "hash") {
		t.Errorf("shown again: %s", raw)
	}

	// A new secret, and the old one for as long as was said.
	rotated, err := o.admin.RotateClientSecret(t.Context(), "batch", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{made.ClientSecret, rotated.ClientSecret} {
		if token, a := o.token(t, "batch", secret); token == "" {
			t.Errorf("in the overlap: %d %s", a.status, a.body)
		}
	}
	if rotated, err = o.admin.RotateClientSecret(t.Context(), "batch", 0); err != nil {
		t.Fatal(err)
	}
	if token, _ := o.token(t, "batch", made.ClientSecret); token != "" {
		t.Error("a secret works that was replaced without overlap")
	}

	// A change takes effect with the next request.
	if _, err := o.admin.UpdateClient(t.Context(), "batch", "", map[string]any{"access_token_lifetime": "5m"}); err != nil {
		t.Fatal(err)
	}
	if _, a := o.token(t, "batch", rotated.ClientSecret); !strings.Contains(string(a.body), `"expires_in":300`) {
		t.Errorf("changed: %s", a.body)
	}

	// Its grants and tokens are void when it is deleted, and stay so when another client gets the id.
	introspect := func() string {
		return string(send(t, http.DefaultClient, "POST", o.issuer+"/introspect", "application/x-www-form-urlencoded",
			"token="+token, "Authorization", basic("batch", rotated.ClientSecret)).body)
	}
	if got := introspect(); !strings.Contains(got, `"active":true`) {
		t.Fatalf("introspected: %s", got)
	}
	if err := o.admin.DeleteClient(t.Context(), "batch", ""); err != nil {
		t.Fatal(err)
	}
	if _, a := o.token(t, "batch", rotated.ClientSecret); a.status != http.StatusUnauthorized {
		t.Errorf("deleted: %d %s", a.status, a.body)
	}
}

// TestManagedClientWithAnAlgorithmOfItsOwn: its key is made, published and in use, on this replica and on
// one that was running before.
func TestManagedClientWithAnAlgorithmOfItsOwn(t *testing.T) {
	o := operate(t, nil)
	other := operate(t, o)
	if jwks := get(t, other.public+"/jwks.json"); strings.Contains(jwks, "EdDSA") {
		t.Fatal("there is an EdDSA key already")
	}
	if _, err := o.admin.CreateClient(t.Context(), client.Metadata{
		ID: "spa", Preset: "spa", RedirectURIs: []string{"https://spa.example.com/cb"}, IDTokenAlg: "EdDSA",
	}); err != nil {
		t.Fatal(err)
	}
	for _, o := range []*operated{other, o} {
		if jwks := get(t, o.public+"/jwks.json"); !strings.Contains(jwks, "EdDSA") {
			t.Error("the JWKS has no EdDSA key")
		}
		if discovery := get(t, o.public+"/.well-known/openid-configuration"); !strings.Contains(discovery, "EdDSA") {
			t.Error("the discovery document knows nothing of EdDSA")
		}
		for origin, want := range map[string]string{"https://spa.example.com": "https://spa.example.com", "https://evil.example": ""} {
			preflight := send(t, http.DefaultClient, "OPTIONS", o.public+"/token", "", "", "Origin", origin, "Access-Control-Request-Method", "POST")
			if got := preflight.header.Get("Access-Control-Allow-Origin"); got != want {
				t.Errorf("%s: Access-Control-Allow-Origin is %q, want %q", origin, got, want)
			}
		}
	}

	made, err := other.admin.CreateClient(t.Context(), client.Metadata{ID: "batch", Preset: "service"})
	if err != nil {
		t.Fatal(err)
	}
	if token, a := o.token(t, "batch", made.ClientSecret); token == "" {
		t.Errorf("made at the other replica: %d %s", a.status, a.body)
	}
	if err := o.admin.DeleteClient(t.Context(), "batch", made.ETag); err != nil {
		t.Fatal(err)
	}
	if _, a := other.token(t, "batch", made.ClientSecret); a.status != http.StatusUnauthorized {
		t.Errorf("deleted at the other replica: %d %s", a.status, a.body)
	}
}

// TestManagedDeviceClient: the first client of a grant type brings its endpoints.
func TestManagedDeviceClient(t *testing.T) {
	o := operate(t, nil)
	ask := func() answer {
		return send(t, http.DefaultClient, "POST", o.issuer+"/device_authorization", "application/x-www-form-urlencoded", "client_id=tv")
	}
	if a := ask(); a.status != http.StatusNotFound {
		t.Fatalf("before: %d %s", a.status, a.body)
	}
	if _, err := o.admin.CreateClient(t.Context(), client.Metadata{
		ID: "tv", AuthMethod: "none", GrantTypes: []string{"urn:ietf:params:oauth:grant-type:device_code"},
	}); err != nil {
		t.Fatal(err)
	}
	if a := ask(); a.status != http.StatusOK {
		t.Errorf("after: %d %s", a.status, a.body)
	}
	if discovery := get(t, o.issuer+"/.well-known/openid-configuration"); !strings.Contains(discovery, "device_authorization_endpoint") {
		t.Error("discovery has no device_authorization_endpoint")
	}
}

// TestClientsRefused: what breaks a rule is refused with all that is wrong, and changes nothing.
func TestClientsRefused(t *testing.T) {
	o := operate(t, nil)
	if _, err := o.admin.CreateClient(t.Context(), client.Metadata{ID: "mine", Preset: "service"}); err != nil {
		t.Fatal(err)
	}
	before := o.everything(t)
	for name, test := range map[string]struct {
		method, path, contentType, body string
		status                          int
		pointers                        []string
	}{
		"everything wrong": {"POST", "/v1/clients", "application/json",
			`{"client_id":"a","preset":"spa","redirect_uris":["http://x.example/cb","https://ok.example/cb"],"scope":"openid wrong","resources":["https://none.example"]}`,
			422, []string{"/redirect_uris/0", "/resources/0", "/scope/1"}},
		"mass assignment": {"POST", "/v1/clients", "application/json",
			`{"client_id":"a","preset":"service","source":"configuration","created_at":"2026-01-01T00:00:00Z","etag":"\"1\"","secrets":[],"client_secret":"x","needs":{},"registration_access_token":"x"}`,
			422, []string{"/client_secret", "/created_at", "/etag", "/needs", "/registration_access_token", "/secrets", "/source"}},
		"a file to read":    {"POST", "/v1/clients", "application/json", `{"client_id":"a","preset":"service","client_secret_file":"/etc/passwd"}`, 422, []string{"/client_secret_file"}},
		"wrong types":       {"POST", "/v1/clients", "application/json", `{"client_id":1,"redirect_uris":"x","first_party":"true","default_max_age":"1"}`, 422, []string{"/client_id", "/default_max_age", "/first_party", "/redirect_uris"}},
		"path in id":        {"POST", "/v1/clients", "application/json", `{"client_id":"../x","preset":"service"}`, 422, []string{"/client_id"}},
		"url as id":         {"POST", "/v1/clients", "application/json", `{"client_id":"https://x.example/","preset":"service"}`, 422, []string{"/client_id"}},
		"long id":           {"POST", "/v1/clients", "application/json", `{"client_id":"` + strings.Repeat("a", 2000) + `","preset":"service"}`, 422, []string{"/client_id"}},
		"private key":       {"POST", "/v1/clients", "application/json", `{"client_id":"a","token_endpoint_auth_method":"private_key_jwt","grant_types":["client_credentials"],"jwks":{"keys":[{"kty":"EC","crv":"P-256","x":"a","y":"b","d":"c"}]}}`, 422, []string{"/jwks/keys/0/d"}},
		"id of the file's":  {"POST", "/v1/clients", "application/json", `{"client_id":"web","preset":"service"}`, 409, nil},
		"id that is taken":  {"POST", "/v1/clients", "application/json", `{"client_id":"mine","preset":"service"}`, 409, nil},
		"the file's":        {"PATCH", "/v1/clients/web", "application/merge-patch+json", `{"client_name":"x"}`, 409, nil},
		"delete the file's": {"DELETE", "/v1/clients/web", "", "", 409, nil},
		"rotate the file's": {"POST", "/v1/clients/web/rotate-secret", "application/json", `{}`, 409, nil},
		"renamed":           {"PATCH", "/v1/clients/mine", "application/merge-patch+json", `{"client_id":"yours"}`, 422, []string{"/client_id"}},
		"patched id away":   {"PATCH", "/v1/clients/mine", "application/merge-patch+json", `{"etag":null,"source":null,"client_secret":"x"}`, 422, []string{"/client_secret"}},
		"no If-Match":       {"PUT", "/v1/clients/mine", "application/json", `{"preset":"service"}`, 428, nil},
		"unknown":           {"PATCH", "/v1/clients/nobody", "application/merge-patch+json", `{}`, 404, nil},
		"long overlap":      {"POST", "/v1/clients/mine/rotate-secret", "application/json", `{"overlap":"100000h"}`, 422, []string{"/overlap"}},
		"negative overlap":  {"POST", "/v1/clients/mine/rotate-secret", "application/json", `{"overlap":"-1h"}`, 422, []string{"/overlap"}},
	} {
		a := o.at(t, test.method, test.path, test.contentType, test.body)
		if a.status != test.status {
			t.Errorf("%s: %d %s, want %d", name, a.status, a.body, test.status)
			continue
		}
		var pointers []string
		for _, e := range a.problem(t).Errors {
			pointers = append(pointers, e.Pointer)
		}
		if slices.Sort(pointers); !slices.Equal(pointers, test.pointers) {
			t.Errorf("%s: errors at %q, want %q", name, pointers, test.pointers)
		}
		if after := o.everything(t); after != before {
			t.Fatalf("%s changed the store:\n%s\nit was\n%s", name, after, before)
		}
	}
	if a := o.at(t, "PUT", "/v1/clients/mine", "application/json", `{"preset":"service"}`, "If-Match", `"stale"`); a.status != 412 || o.everything(t) != before {
		t.Errorf("stale If-Match: %d %s", a.status, a.body)
	}
}

// TestClientRoundTrip: what is shown of any client can be sent again, and means the same.
func TestClientRoundTrip(t *testing.T) {
	o := operate(t, nil)
	for client, err := range o.admin.Clients(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		again := client.Metadata
		again.ID += "-again"
		made, err := o.admin.CreateClient(t.Context(), again)
		if err != nil {
			t.Errorf("%s: %v", client.ID, err)
			continue
		}
		want, _ := json.Marshal(again)
		got, _ := json.Marshal(made.Metadata)
		if string(want) != string(got) {
			t.Errorf("sent\n%s\ngot\n%s", want, got)
		}
		replaced, err := o.admin.ReplaceClient(t.Context(), made.ID, made.ETag, made.Metadata)
		if err != nil || replaced.ClientSecret != "" {
			t.Errorf("%s: replaced by itself: %v, %v", made.ID, replaced, err)
		}
	}
}

// forgetful is a store that can read no managed client once one was written.
type forgetful struct {
	storage.Store
	written atomic.Bool
}

func (s *forgetful) Apply(ctx context.Context, writes ...storage.Write) error {
	if slices.ContainsFunc(writes, func(w storage.Write) bool { return w.Table == storage.ManagedClients.Table }) {
		s.written.Store(true)
	}
	return s.Store.Apply(ctx, writes...)
}

func (s *forgetful) Get(ctx context.Context, table storage.Table, key string) (storage.Record, error) {
	if table == storage.ManagedClients.Table && s.written.Load() {
		return storage.Record{}, storage.ErrUnavailable
	}
	return s.Store.Get(ctx, table, key)
}

// TestNewSecretIsShown: a secret that counts is told, even if the store answers nothing after its commit; and
// the etag that is told with it is that of the record.
func TestNewSecretIsShown(t *testing.T) {
	first := operate(t, nil)
	store := &forgetful{Store: first.store}
	o := operate(t, &operated{issuer: first.issuer, store: store})
	var etag string
	tell := func(what string, told *admin.NewOAuthClient, err error) {
		t.Helper()
		if err != nil || told.ClientSecret == "" || told.ETag == "" || told.ETag == etag {
			t.Fatalf("%s: %+v, %v", what, told, err)
		}
		etag = told.ETag
		store.written.Store(false)
		if shown, err := o.admin.GetClient(t.Context(), "batch"); err != nil || shown.ETag != etag {
			t.Errorf("%s: the etag is %s, and then %s, %v", what, etag, shown.ETag, err)
		}
	}
	told, err := o.admin.CreateClient(t.Context(), client.Metadata{ID: "batch", Preset: "service"})
	tell("created", told, err)
	told, err = o.admin.RotateClientSecret(t.Context(), "batch", time.Hour)
	tell("rotated", told, err)
	if token, a := o.token(t, "batch", told.ClientSecret, "scope", ""); token == "" && a.status == http.StatusUnauthorized {
		t.Errorf("the secret that was told: %d %s", a.status, a.body)
	}
	if _, err := o.admin.UpdateClient(t.Context(), "batch", etag, map[string]any{"preset": "spa", "redirect_uris": []string{"https://a.example.com/"}}); err != nil {
		t.Fatal(err)
	}
	store.written.Store(false)
	told, err = o.admin.UpdateClient(t.Context(), "batch", "", map[string]any{"preset": "service", "redirect_uris": nil})
	tell("in need of one again", told, err)
}
