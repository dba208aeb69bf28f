package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/keys"
)

// forge changes the claims of a token and signs it with the server's key.
func (o *operated) forge(t *testing.T, token string, change map[string]any) string {
	t.Helper()
	ring, err := keys.Open(t.Context(), o.store, o.secret, keys.Policy{
		Algs: []jose.SignatureAlgorithm{jose.ES256}, RotateEvery: time.Hour, Announce: time.Minute, Retain: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	claims := map[string]any{}
	if err := json.Unmarshal(raw, &claims); err != nil {
		t.Fatal(err)
	}
	maps.Copy(claims, change)
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
	signed, err := ring.Sign(jose.ES256, keys.TypeAccessToken, claims)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// TestOperatorsTokenClaims: a signature of the server is not enough.
func TestOperatorsTokenClaims(t *testing.T) {
	o := operate(t, nil)
	good, _ := o.token(t, "operator", "the-operators-very-own-secret")
	for name, test := range map[string]struct {
		change map[string]any
		status int
	}{
		"as it was":                  {nil, 200},
		"expired":                    {map[string]any{"exp": time.Now().Add(-time.Minute).Unix()}, 401},
		"without expiry":             {map[string]any{"exp": nil}, 401},
		"of another issuer":          {map[string]any{"iss": "https://other.example.com"}, 401},
		"without issuer":             {map[string]any{"iss": nil}, 401},
		"of a path of the issuer":    {map[string]any{"iss": o.issuer + "/"}, 401},
		"for the issuer":             {map[string]any{"aud": o.issuer}, 401},
		"for a longer audience":      {map[string]any{"aud": o.issuer + "/admin/"}, 401},
		"for nobody":                 {map[string]any{"aud": nil}, 401},
		"without scope":              {map[string]any{"scope": nil}, 403},
		"of a scope that begins so":  {map[string]any{"scope": "authzd:admins"}, 403},
		"of an unknown client":       {map[string]any{"client_id": "nobody"}, 401},
		"of a user who is not there": {map[string]any{"sub": "nobody", "gid": "nothing"}, 401},
	} {
		token := o.forge(t, good, test.change)
		a := o.over(t, "GET", "/v1/users", "", "", "Authorization", "Bearer "+token)
		if a.status != test.status {
			t.Errorf("%s: %d %s, want %d", name, a.status, a.body, test.status)
		}
		if want := map[int]string{401: "invalid_token", 403: "insufficient_scope", 200: ""}[a.status]; !strings.Contains(a.header.Get("WWW-Authenticate"), want) {
			t.Errorf("%s: challenged by %q", name, a.header.Get("WWW-Authenticate"))
		}
	}

	// The form of another site with a token in it, which only a browser would send without being asked.
	for _, site := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"}} {
		a := o.over(t, "POST", "/v1/users", "application/x-www-form-urlencoded", "username=mallory&access_token="+good, site...)
		if a.status != http.StatusForbidden {
			t.Errorf("%v: %d %s", site, a.status, a.body)
		}
	}
}

// RFC 9449 section 7.2: a token that is bound to a key is of use to its holder alone, at admin.listen too.
func TestOperatorsTokenBoundToKey(t *testing.T) {
	o := operate(t, nil)
	key := authztest.NewKey(t, jose.ES256)
	form := "grant_type=client_credentials"
	a := send(t, http.DefaultClient, "POST", o.public+"/token", "application/x-www-form-urlencoded", form,
		"Authorization", basic("operator", "the-operators-very-own-secret"), "DPoP", key.Proof(t, "POST", o.issuer+"/token", "", ""))
	var tokens userTokens
	if err := json.Unmarshal(a.body, &tokens); err != nil || !strings.Contains(string(a.body), `"token_type":"DPoP"`) {
		t.Fatalf("%d %s", a.status, a.body)
	}
	token, at := tokens.AccessToken, o.listener+"/v1/users"
	good := key.Proof(t, "GET", at, token, "")
	for _, test := range []struct {
		name   string
		header []string
		status int
	}{
		{"as Bearer", []string{"Authorization", "Bearer " + token}, 401},
		{"as Bearer with a proof", []string{"Authorization", "Bearer " + token, "DPoP", key.Proof(t, "GET", at, token, "")}, 401},
		{"without a proof", []string{"Authorization", "DPoP " + token}, 401},
		{"with a thief's key", []string{"Authorization", "DPoP " + token, "DPoP", authztest.NewKey(t, jose.ES256).Proof(t, "GET", at, token, "")}, 401},
		{"of another method", []string{"Authorization", "DPoP " + token, "DPoP", key.Proof(t, "POST", at, token, "")}, 401},
		{"of another address", []string{"Authorization", "DPoP " + token, "DPoP", key.Proof(t, "GET", o.listener+"/v1/clients", token, "")}, 401},
		{"of the public server", []string{"Authorization", "DPoP " + token, "DPoP", key.Proof(t, "GET", o.issuer+"/v1/users", token, "")}, 401},
		{"of another token", []string{"Authorization", "DPoP " + token, "DPoP", key.Proof(t, "GET", at, token+"x", "")}, 401},
		{"with its proof", []string{"Authorization", "DPoP " + token, "DPoP", good}, 200},
		{"with the same proof again", []string{"Authorization", "DPoP " + token, "DPoP", good}, 401},
	} {
		a := o.over(t, "GET", "/v1/users", "", "", test.header...)
		if a.status != test.status {
			t.Errorf("%s: %d %s, want %d", test.name, a.status, a.body, test.status)
		}
		if challenges := strings.Join(a.header.Values("WWW-Authenticate"), ", "); a.status == 401 && !strings.Contains(challenges, "DPoP ") {
			t.Errorf("%s: challenged by %q", test.name, challenges)
		}
	}
}

// RFC 8705 section 3: the same for one that is bound to a certificate.
func TestOperatorsTokenBoundToCertificate(t *testing.T) {
	o := operateWith(t, nil, `
mtls: {header: Client-Cert}
trusted_proxies: [127.0.0.0/8]
`, `  - {client_id: bound, preset: service, client_secret: the-operators-very-own-secret, scope: "authzd:admin", resources: ["ISSUER/admin"], tls_client_certificate_bound_access_tokens: true}
`)
	own, thiefs := clientCertificate(t), clientCertificate(t)
	a := send(t, http.DefaultClient, "POST", o.public+"/token", "application/x-www-form-urlencoded", "grant_type=client_credentials",
		"Authorization", basic("bound", "the-operators-very-own-secret"), "Client-Cert", own)
	var tokens userTokens
	if err := json.Unmarshal(a.body, &tokens); err != nil || tokens.AccessToken == "" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	for name, test := range map[string]struct {
		header []string
		status int
	}{
		"without":              {nil, 401},
		"a thief's":            {[]string{"Client-Cert", thiefs}, 401},
		"what is none":         {[]string{"Client-Cert", ":AAAA:"}, 401},
		"of the client itself": {[]string{"Client-Cert", own}, 200},
	} {
		a := o.over(t, "GET", "/v1/users", "", "", append(test.header, "Authorization", "Bearer "+tokens.AccessToken)...)
		if a.status != test.status {
			t.Errorf("certificate %s: %d %s, want %d", name, a.status, a.body, test.status)
		}
	}
}

// clientCertificate is a self-signed one as a proxy passes it on (RFC 9440 section 2.1).
func clientCertificate(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return ":" + base64.StdEncoding.EncodeToString(der) + ":"
}
