package bff_test

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/bff"
	"github.com/authzd/authzd/authz/bff/gate"
	"github.com/authzd/authzd/authz/bff/provider"
	"github.com/authzd/authzd/authz/bff/relay"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/revocation"
	"github.com/authzd/authzd/storage/bolt"
)

// far is a provider without a network, for tests in simulated time: its metadata, its keys, its revocation feed, and a
// token endpoint that gives tokens for any code. It can be cut off.
type far struct {
	key   *authztest.Key
	cut   atomic.Bool
	nonce atomic.Value // of the sign-in whose code comes next
}

const farIssuer = "https://id.example.com"

func (p *far) RoundTrip(r *http.Request) (*http.Response, error) {
	if wait, _ := strconv.Atoi(r.URL.Query().Get("wait")); wait > 0 {
		select {
		case <-time.After(time.Duration(wait) * time.Second):
		case <-r.Context().Done():
		}
	}
	if p.cut.Load() || r.Context().Err() != nil {
		return nil, errors.New("no connection")
	}
	body := ""
	switch r.URL.Path {
	case "/.well-known/oauth-authorization-server":
		body = `{"issuer":"` + farIssuer + `","jwks_uri":"` + farIssuer + `/jwks.json","authzd_revocations_endpoint":"` + farIssuer + `/revocations"}`
	case "/.well-known/openid-configuration":
		body = `{"issuer":"` + farIssuer + `","authorization_endpoint":"` + farIssuer + `/authorize","token_endpoint":"` + farIssuer + `/token","jwks_uri":"` + farIssuer + `/jwks.json"}`
	case "/token":
		now := time.Now().Unix()
		id := p.key.Sign(&testing.B{}, map[string]any{"typ": "JWT"}, map[string]any{
			"iss": farIssuer, "aud": clientID, "iat": now, "exp": now + 300, "auth_time": now, "sub": "alice", "nonce": p.nonce.Load(),
		})
		body = `{"access_token":"a","token_type":"Bearer","expires_in":300,"refresh_token":"r","id_token":"` + id + `"}`
	case "/jwks.json":
		text, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{p.key.Public()}})
		if err != nil {
			return nil, err
		}
		body = string(text)
	case "/revocations":
		body = p.document(r.URL.Query().Get("after") != "")
	}
	status := http.StatusOK
	if body == "" {
		status = http.StatusNotFound
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func (p *far) document(delta bool) string {
	now := time.Now().Unix()
	d := revocation.Document{Issuer: farIssuer, IssuedAt: now, Expires: now + 60, Epoch: "one", Window: 990 * time.Second, Delta: delta}
	var claims map[string]any
	if err := json.Unmarshal(d.Claims(), &claims); err != nil {
		panic(err)
	}
	return p.key.Sign(&testing.B{}, map[string]any{"typ": revocation.Type}, claims)
}

// farMode is an app and a gate whose provider is p.
func farMode(t *testing.T, lost string, p *far) (*bff.BFF, *blackbox.Logbook) {
	t.Helper()
	store, err := bolt.Open(filepath.Join(t.TempDir(), "bff.db"), bolt.Options{SweepEvery: 1000 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	secret, err := keys.NewSecret([]byte(strings.Repeat("s", 32)))
	if err != nil {
		t.Fatal(err)
	}
	key, err := provider.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	log := &blackbox.Logbook{}
	b, err := bff.New(bff.Config{
		Issuer: farIssuer, ClientID: clientID, Authentication: provider.Authentication{Key: key},
		Revocations: bff.Revocations{Lost: lost},
		Frontends: []bff.Frontend{{
			Name: "orders", URL: "https://orders.example.com",
			Routes: []relay.Route{{Path: "/api/", URL: "http://127.0.0.1:1/", Methods: []string{"GET"}, Resource: authztest.API}},
		}},
		Gate: gate.Settings{
			URL: "https://gate.example.com", TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
			Hosts:   []gate.Host{{URL: wiki, Rules: []gate.Rule{{Path: "/", Allow: gate.SignedIn}}}},
			Headers: map[string]string{"X-Auth-User": "sub"},
		},
		Store: store, Secret: secret, HTTPClient: &http.Client{Transport: p}, Logger: slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return b, log
}
