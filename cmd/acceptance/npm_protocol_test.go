package acceptance

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/url"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// newClientKey returns a signing key of a client as JWK, and the set of its public half.
func newClientKey(t *testing.T) (private, public string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	jwk := jose.JSONWebKey{Key: key, KeyID: "first", Algorithm: "ES256", Use: "sig"}
	secret, err := json.Marshal(jwk)
	if err != nil {
		t.Fatal(err)
	}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{jwk.Public()}})
	if err != nil {
		t.Fatal(err)
	}
	return string(secret), string(set)
}

// fapiClients are a client for each of the FAPI 2.0 profiles.
func fapiClients(jwks string) (clients string) {
	for id, profile := range map[string]string{"fapi": "fapi2", "fapi-signed": "fapi2-message-signing"} {
		clients += fmt.Sprintf(`
  - client_id: %s
    preset: web
    security_profile: %s
    token_endpoint_auth_method: private_key_jwt
    jwks: %s
    redirect_uris: [https://fapi.example.com/callback]
    scope: openid profile offline_access orders.read
    resources: [%s]
`, id, profile, jwks, apiResource)
	}
	return clients
}

// FAPI 2.0, as openid-client and oauth4webapi check it.
func TestFAPI(t *testing.T) {
	t.Parallel()
	private, public := newClientKey(t)
	env := func(id, signed string) url.Values {
		return url.Values{"CLIENT_ID": {id}, "REDIRECT_URI": {"https://fapi.example.com/callback"}, "PRIVATE_JWK": {private}, "SIGNED": {signed}}
	}
	s := startServerWith(t, fapiClients(public), "signing: {alg: ES256}")
	nonces := startServerWith(t, fapiClients(public), "signing: {alg: ES256}\ndpop: {require_nonce: true}")
	for name, p := range map[string]party{
		"security profile": {"fapi.mjs", env("fapi", "")},
		"message signing":  {"fapi.mjs", env("fapi-signed", "1")},
		"by hand":          {"oauth4webapi.mjs", env("fapi", "")},
	} {
		t.Run(name, func(t *testing.T) { p.run(t, s, newBrowser(t, s)) })
		t.Run(name+", with nonces", func(t *testing.T) { p.run(t, nonces, newBrowser(t, nonces)) })
	}
}

// A backend that was called with a user's token calls the next API on the user's behalf.
func TestTokenExchangeByOpenIDClient(t *testing.T) {
	t.Parallel()
	s := startServerWith(t, `
  - client_id: `+apiResource+`
    preset: service
    client_secret: `+secret+`
    grant_types: ["urn:ietf:params:oauth:grant-type:token-exchange"]
    scope: orders.read stock.read
    resources: [`+apiResource+`]
    token_exchange_resources: [`+nextResource+`]
`, "")
	tokens := mustSignIn(t, s)
	party{"exchange.mjs", url.Values{
		"CLIENT_ID": {apiResource}, "CLIENT_SECRET": {secret}, "ACCESS_TOKEN": {tokens.AccessToken}, "NEXT_RESOURCE": {nextResource},
	}}.run(t, s, newBrowser(t, s))
}
