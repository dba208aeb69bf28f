package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// publicJWKS is a set of one public key.
const publicJWKS = `{keys: [{kty: EC, crv: P-256, kid: "1", x: MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4, y: 4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM}]}`

// TestRefusesClientKeys has a document for each rule about proofs, keys, requests and logout, with
// all the errors that it must give.
func TestRefusesClientKeys(t *testing.T) {
	certificates := certificatesOfClients(t)
	const (
		redirect = "redirect_uris: [https://a.example/cb]"
		keys     = "token_endpoint_auth_method: private_key_jwt, jwks: " + publicJWKS
		exchange = "urn:ietf:params:oauth:grant-type:token-exchange"
	)
	for name, tc := range map[string]struct {
		doc  string // members of a client
		want []string
	}{
		"expires without zone":   {"preset: service, client_secrets: [{secret: a-secret-of-24-characters, expires_at: 2030-01-31}]", []string{`client_secrets[0].expires_at "2030-01-31": not a time (RFC 3339)`}},
		"secret without one":     {"preset: service, client_secrets: [{expires_at: 2030-01-31T00:00:00Z}]", []string{`client_secrets[0].secret: is required`}},
		"secret twice":           {"preset: service, client_secrets: [{secret: a-secret-of-24-characters}, {secret: a-secret-of-24-characters}]", []string{`client_secrets[1].secret "********": given twice, first on line 2`}},
		"secret in both":         {"preset: service, client_secret: a-secret-of-24-characters, client_secrets: [{secret: a-secret-of-24-characters}]", []string{`client_secrets[0].secret: is the client_secret`}},
		"secrets in a browser":   {"preset: spa, client_secrets: [{secret: a-secret-of-24-characters}], " + redirect, []string{`client_secrets[0]: a public client can't keep a secret: everybody has its code`}},
		"odd secret":             {"preset: service, client_secrets: [{secret: é}]", []string{`client_secrets[0].secret "********": not a client secret (RFC 6749 appendix A.2)`}},
		"file of secret":         {"preset: service, client_secrets: [{secret_file: /nowhere}]", []string{`client_secrets[0].secret_file "/nowhere": no such file or directory`}},
		"secret beside keys":     {"preset: service, client_secret: a-secret-of-24-characters, client_secrets: [{secret: a-secret-of-24-charactert}], " + keys, []string{`client_secret: is of no use with private_key_jwt`, `client_secrets[0]: is of no use with private_key_jwt`}},
		"keys without method":    {"preset: service, jwks: " + publicJWKS, []string{`client_secret: a confidential client needs one`}},
		"alg without method":     {"preset: service, client_secret: a-secret-of-24-characters, token_endpoint_auth_signing_alg: ES256", []string{`token_endpoint_auth_signing_alg "ES256": is of no use without private_key_jwt`}},
		"symmetric alg":          {"preset: service, token_endpoint_auth_signing_alg: HS256, " + keys, []string{`token_endpoint_auth_signing_alg "HS256": not a value of this key`}},
		"alg none":               {"preset: web, request_object_signing_alg: none, userinfo_signed_response_alg: none, " + redirect + ", " + keys, []string{`request_object_signing_alg "none": not a value of this key`, `userinfo_signed_response_alg "none": not a value of this key`}},
		"method without keys":    {"preset: service, token_endpoint_auth_method: private_key_jwt", []string{`jwks: private_key_jwt needs the client's public keys`}},
		"no certificate's key":   {"preset: service, token_endpoint_auth_method: self_signed_tls_client_auth", []string{`jwks: self_signed_tls_client_auth needs the client's public keys`}},
		"keys twice":             {"preset: service, jwks_uri: 'https://a.example/jwks', " + keys, []string{`jwks_uri "https://a.example/jwks": jwks is given too`}},
		"keys over http":         {"preset: service, token_endpoint_auth_method: private_key_jwt, jwks_uri: 'http://a.example/jwks'", []string{`jwks_uri "http://a.example/jwks": must be https`}},
		"one key for a set":      {"preset: service, token_endpoint_auth_method: private_key_jwt, jwks: {kty: EC}", []string{`jwks: has no keys`}},
		"list for a set":         {"preset: service, token_endpoint_auth_method: private_key_jwt, jwks: [{kty: EC}]", []string{`jwks: not a JWK Set (RFC 7517 section 5)`}},
		"set is not JSON":        {"preset: service, token_endpoint_auth_method: private_key_jwt, jwks: '{keys}'", []string{`jwks: not JSON`}},
		"word for a key":         {"preset: service, token_endpoint_auth_method: private_key_jwt, jwks: {keys: [x]}", []string{`jwks.keys[0]: not a key`}},
		"private key":            {"preset: service, token_endpoint_auth_method: private_key_jwt, jwks: {keys: [{kty: OKP, crv: Ed25519, x: eA, d: hunter2}]}", []string{`jwks.keys[0].d: PRIVATE KEY: this member must never leave the client`}},
		"private key as JSON":    {`preset: service, token_endpoint_auth_method: private_key_jwt, jwks: '{"keys":[{"kty":"RSA","d":"hunter2"}]}'`, []string{`jwks.keys[0].d: PRIVATE KEY: this member must never leave the client`}},
		"symmetric key":          {"preset: service, token_endpoint_auth_method: private_key_jwt, jwks: {keys: [{kty: oct, k: hunter2}]}", []string{`jwks.keys[0].k: PRIVATE KEY: this member must never leave the client`}},
		"member twice":           {"preset: service, token_endpoint_auth_method: private_key_jwt, jwks: {keys: [{kty: OKP, kty: OKP, crv: Ed25519, x: eA}]}", []string{`jwks.keys[0].kty: given twice, first on line 2`}},
		"unknown key type":       {"preset: service, token_endpoint_auth_method: private_key_jwt, jwks: {keys: [{kty: XX}]}", []string{`jwks.keys[0].kty "XX": not a type of public key`}},
		"half a key":             {"preset: service, token_endpoint_auth_method: private_key_jwt, jwks: {keys: [{kty: EC, crv: P-256}]}", []string{`jwks.keys[0].x: is required in a key of type EC`, `jwks.keys[0].y: is required in a key of type EC`}},
		"short RSA key":          {"preset: service, token_endpoint_auth_method: private_key_jwt, jwks: {keys: [{kty: RSA, e: AQAB, n: " + strings.Repeat("x", 171) + "}]}", []string{`jwks.keys[0].n: an RSA key of 1024 bits is too weak`}},
		"padded RSA key":         {"preset: service, token_endpoint_auth_method: private_key_jwt, jwks: {keys: [{kty: RSA, e: AQAB, n: 'eA=='}]}", []string{`jwks.keys[0].n: not base64url without padding`}},
		"symmetric alg of key":   {"preset: service, token_endpoint_auth_method: private_key_jwt, jwks: {keys: [{kty: OKP, crv: Ed25519, x: eA, alg: HS256, use: sign}]}", []string{`jwks.keys[0].alg "HS256": is symmetric: who verifies could sign too`, `jwks.keys[0].use "sign": not a use of a key`}},
		"certificate, not whose": {"preset: service, token_endpoint_auth_method: tls_client_auth", []string{`tls_client_auth_subject_dn: tls_client_auth needs a name of the client's certificate`}},
		"certificate of two":     {"preset: service, token_endpoint_auth_method: tls_client_auth, tls_client_auth_san_dns: a.example, tls_client_auth_san_email: a@a.example", []string{`tls_client_auth_san_email "a@a.example": tls_client_auth_san_dns is given too, and one name counts (RFC 8705 section 2.1.2)`}},
		"certificate unused":     {"preset: service, client_secret: a-secret-of-24-characters, tls_client_auth_san_dns: a.example", []string{`tls_client_auth_san_dns "a.example": is of no use with client_secret_basic`}},
		"certificate's address":  {"preset: service, token_endpoint_auth_method: tls_client_auth, tls_client_auth_san_ip: 192.0.2", []string{`tls_client_auth_san_ip "192.0.2": not an IP address`}},
		"bound twice":            {"preset: service, client_secret: a-secret-of-24-characters, dpop_bound_access_tokens: true, tls_client_certificate_bound_access_tokens: true", []string{`dpop_bound_access_tokens "true": tls_client_certificate_bound_access_tokens is set too, and one binding is enough`}},

		"exchange in a browser":  {"preset: spa, grant_types: [authorization_code, '" + exchange + "'], " + redirect, []string{`grant_types[1] "` + exchange + `": a public client can't use it: it has no credentials`}},
		"assertion on a device":  {"token_endpoint_auth_method: none, grant_types: ['urn:ietf:params:oauth:grant-type:jwt-bearer']", []string{`grant_types[0] "urn:ietf:params:oauth:grant-type:jwt-bearer": a public client can't use it: it has no credentials`}},
		"exchange without grant": {"preset: service, client_secret: a-secret-of-24-characters, token_exchange_resources: ['urn:a']", []string{`token_exchange_resources: is of no use without token exchange`}},
		"detail type of nobody":  {"client_secret: a-secret-of-24-characters, authorization_details_types: [payment], " + redirect, []string{`authorization_details_types[0] "payment": no such type`}},
		"exchange for nothing":   {"client_secret: a-secret-of-24-characters, grant_types: ['" + exchange + "'], token_exchange_resources: ['urn:b']", []string{`token_exchange_resources[0] "urn:b": no such resource`}},
		"requests of nobody":     {"preset: service, client_secret: a-secret-of-24-characters, require_pushed_authorization_requests: true, initiate_login_uri: 'https://a.example/'", []string{`initiate_login_uri: is of no use without authorization_code`, `require_pushed_authorization_requests: is of no use without authorization_code`}},
		"signed by nobody":       {"preset: web, client_secret: a-secret-of-24-characters, require_signed_request_object: true, request_object_signing_alg: ES256, request_uris: ['https://a.example/r#x'], " + redirect, []string{`request_object_signing_alg "ES256": without public keys of the client nothing can be verified`, `request_uris: without public keys of the client nothing can be verified`, `require_signed_request_object "true": without public keys of the client nothing can be verified`}},
		"requests over http":     {"preset: web, request_uris: ['http://a.example/r#x'], " + redirect + ", " + keys, []string{`request_uris[0] "http://a.example/r#x": must be https`}},
		"two acr values":         {"preset: spa, default_acr_values: [a b], " + redirect, []string{`default_acr_values[0] "a b": has a space, which separates values`}},
		"pairwise of two hosts":  {"preset: spa, subject_type: pairwise, redirect_uris: [https://a.example/, https://b.example/]", []string{`sector_identifier_uri: pairwise subjects need one where the redirect URIs have several hosts (a.example, b.example)`}},
		"sector of public":       {"preset: spa, sector_identifier_uri: 'https://a.example/', " + redirect, []string{`sector_identifier_uri "https://a.example/": is of no use with public subjects`}},
		"sector over http":       {"preset: spa, subject_type: pairwise, sector_identifier_uri: 'http://a.example/', " + redirect, []string{`sector_identifier_uri "http://a.example/": must be https`}},
		"login over http":        {"preset: spa, initiate_login_uri: 'http://a.example/', " + redirect, []string{`initiate_login_uri "http://a.example/": must be https`}},
		"logout with fragment":   {"preset: spa, backchannel_logout_uri: 'https://a.example/#x', " + redirect, []string{`backchannel_logout_uri "https://a.example/#x": has a fragment`}},
		"logout over http":       {"preset: spa, backchannel_logout_uri: 'http://a.example/', " + redirect, []string{`backchannel_logout_uri "http://a.example/": must be https`}},
		"logout elsewhere":       {"preset: spa, frontchannel_logout_uri: 'https://a.example:8443/out', " + redirect, []string{`frontchannel_logout_uri "https://a.example:8443/out": must have the scheme, host and port of a redirect URI`}},
		"session without logout": {"preset: spa, backchannel_logout_session_required: true, frontchannel_logout_session_required: true, " + redirect, []string{`backchannel_logout_session_required "true": is of no use without backchannel_logout_uri`, `frontchannel_logout_session_required "true": is of no use without frontchannel_logout_uri`}},

		"FAPI in a browser":    {"security_profile: fapi2, preset: spa, " + redirect, []string{`security_profile "fapi2": demands a client that proves who it is, and one in a browser or on a phone can't`}},
		"FAPI with a secret":   {"security_profile: fapi2, preset: web, token_endpoint_auth_method: client_secret_post, client_secret: a-secret-of-24-characters, " + redirect, []string{`token_endpoint_auth_method "client_secret_post": fapi2 allows no secrets`}},
		"FAPI without keys":    {"security_profile: fapi2, preset: web, client_secret: a-secret-of-24-characters, " + redirect, []string{`client_secret: is of no use with private_key_jwt`, `jwks: private_key_jwt needs the client's public keys`}},
		"FAPI on loopback":     {"security_profile: fapi2, preset: web, redirect_uris: [http://127.0.0.1/cb], " + keys, []string{`redirect_uris[0] "http://127.0.0.1/cb": fapi2 allows nothing else than https`}},
		"FAPI but not all":     {"security_profile: fapi2-message-signing, preset: web, require_pushed_authorization_requests: false, require_pkce: false, refresh_token_rotation: true, dpop_bound_access_tokens: false, require_signed_request_object: false, " + redirect + ", " + keys, []string{`dpop_bound_access_tokens: fapi2-message-signing demands tokens that are bound to a key: this, or tls_client_certificate_bound_access_tokens`, `refresh_token_rotation: fapi2-message-signing forbids it: the tokens are bound to the client`, `require_pkce: fapi2-message-signing demands PKCE`, `require_pushed_authorization_requests: fapi2-message-signing demands pushed requests`, `require_signed_request_object: fapi2-message-signing demands signed requests`}},
		"FAPI with RS256":      {"security_profile: fapi2, preset: web, id_token_signed_response_alg: RS256, token_endpoint_auth_signing_alg: ES384, resources: ['urn:a'], " + redirect + ", " + keys, []string{`id_token_signed_response_alg "RS256": fapi2 doesn't allow it`, `resources[0] "urn:a": signs its access tokens with RS256, which fapi2 doesn't allow`, `token_endpoint_auth_signing_alg "ES384": fapi2 doesn't allow it`}},
		"unknown profile only": {"security_profile: fapi1, preset: web", []string{`redirect_uris: is required with authorization_code`, `security_profile "fapi1": not a value of this key`}},
	} {
		t.Run(name, func(t *testing.T) {
			doc := "resources: [{resource: 'urn:a'}]\nclients: [{client_id: a, " + tc.doc + "}]\nissuer: https://id.example.com" + certificates
			var got []string
			for _, line := range errorsOf(t, doc) {
				_, found, ok := strings.Cut(line, " clients[0].")
				if strings.Contains(line, "hunter2") || !ok {
					t.Errorf("error %q", line)
				}
				got = append(got, found)
			}
			slices.Sort(got)
			compare(t, got, tc.want)
		})
	}
}

// certificatesOfClients is what a file says so that clients can show certificates.
func certificatesOfClients(t *testing.T) string {
	t.Helper()
	authority, _ := newCertificate(t)
	name := filepath.Join(t.TempDir(), "ca.pem")
	writeFile(t, name, authority)
	return "\nmtls: {header: Client-Cert, ca_file: " + name + "}\ntrusted_proxies: [10.0.0.0/8]"
}

// TestSecurityProfile proves that one line makes a client that FAPI 2.0 allows.
func TestSecurityProfile(t *testing.T) {
	const client = "\nclients: [{client_id: a, preset: web, redirect_uris: [https://a.example/cb], "
	c := mustParse(t, "issuer: https://id.example.com"+client+"security_profile: fapi2-message-signing, jwks: "+publicJWKS+"}]").Clients[0]
	equal(t, "token_endpoint_auth_method", c.AuthMethod, "private_key_jwt")
	equal(t, "require_pushed_authorization_requests", c.RequirePAR, true)
	equal(t, "require_signed_request_object", c.RequireSigned, true)
	equal(t, "dpop_bound_access_tokens", c.DPoPBound, true)
	equal(t, "refresh_token_rotation", *c.RotateRefreshTokens, false)
	equal(t, "id_token_signed_response_alg", c.IDTokenAlg, "ES256")
	equal(t, "authorization_signed_response_alg", c.AuthorizationAlg, "ES256")
	equal(t, "introspection_signed_response_alg", c.IntrospectionAlg, "ES256")
	for profile, signed := range map[string]bool{"fapi2": false, "fapi2-signed-requests": true, "fapi2-signed-responses": false} {
		c := mustParse(t, "issuer: https://id.example.com"+client+"security_profile: "+profile+", jwks: "+publicJWKS+"}]").Clients[0]
		equal(t, profile, c.RequireSigned, signed)
		equal(t, profile, c.RequirePAR, true)
	}

	c = mustParse(t, "issuer: https://id.example.com\nsigning: {alg: PS256}"+client+
		"security_profile: fapi2, tls_client_auth_san_dns: a.example, tls_client_certificate_bound_access_tokens: true}]"+certificatesOfClients(t)).Clients[0]
	equal(t, "token_endpoint_auth_method", c.AuthMethod, "tls_client_auth")
	equal(t, "require_signed_request_object", c.RequireSigned, false)
	equal(t, "dpop_bound_access_tokens", c.DPoPBound, false)
	equal(t, "id_token_signed_response_alg", c.IDTokenAlg, "PS256")

	got := errorsOf(t, "issuer: https://id.example.com\nlifetimes: {code: 5m}"+client+"security_profile: fapi2, jwks: "+publicJWKS+"}]")
	compare(t, got, []string{`f:3:96: clients[0].security_profile "fapi2": demands codes that live for 60s at most, and lifetimes.code is 5m`})
	got = errorsOf(t, "issuer: https://id.example.com\nlifetimes: {par: 10m}"+client+"security_profile: fapi2, jwks: "+publicJWKS+"}]")
	compare(t, got, []string{`f:3:96: clients[0].security_profile "fapi2": demands pushed requests that live for less than 10m, and lifetimes.par is 10m`})
}

// TestClientSecrets proves that several secrets are read from where they stand, expiry and all.
func TestClientSecrets(t *testing.T) {
	name := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(name, []byte("a secret that is from a file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const doc = `issuer: https://id.example.com
clients:
  - client_id: a
    preset: service
    client_secrets:
      - secret: an old secret that still works
        expires_at: 2030-01-31T00:00:00+01:00
      - secret: a new secret that nobody sees
`
	c := mustParse(t, doc, "AUTHZD_CLIENTS_A_CLIENT_SECRETS_1_SECRET_FILE="+name, "AUTHZD_CLIENTS_A_CLIENT_SECRETS_1_EXPIRES_AT=2031-01-31T00:00:00Z").Clients[0]
	equal(t, "first", string(c.Secrets[0].Value), "an old secret that still works")
	equal(t, "first expires", c.Secrets[0].ExpiresAt.UTC(), time.Date(2030, 1, 30, 23, 0, 0, 0, time.UTC))
	equal(t, "second", string(c.Secrets[1].Value), "a secret that is from a file")
	equal(t, "second expires", c.Secrets[1].ExpiresAt.Year(), 2031)
}

// TestJWKS proves that keys may be written as YAML or as JSON, in the file or in a variable.
func TestJWKS(t *testing.T) {
	const (
		doc  = "issuer: https://id.example.com\nclients: [{client_id: a, preset: service, token_endpoint_auth_method: private_key_jwt, jwks: "
		want = `{"keys":[{"crv":"Ed25519","key_ops":["verify","1e5"],"kid":"7","kty":"OKP","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`
	)
	for name, set := range map[string]string{
		"YAML":             `{keys: [{kty: OKP, kid: 7, crv: Ed25519, x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo, key_ops: [verify, 1e5]}]}`,
		"JSON":             want,
		"JSON in a string": "'" + want + "'",
	} {
		equal(t, name, string(mustParse(t, doc+set+"}]").Clients[0].JWKS), want)
	}
	c := mustParse(t, doc+"{keys: [{kty: oct, k: AA}]}}]", "AUTHZD_CLIENTS_A_JWKS="+want)
	equal(t, "variable", string(c.Clients[0].JWKS), want)
}

// TestPrivateKeyHint proves that a published private key is not taken for a slip of the pen.
func TestPrivateKeyHint(t *testing.T) {
	_, err := Parse("f", []byte("clients: [{client_id: a, jwks: {keys: [{kty: EC, d: x}]}}]"), nil)
	var errs Errors
	errors.As(err, &errs)
	if !slices.ContainsFunc(errs, func(e *Error) bool { return strings.HasPrefix(e.Hint, "make a new key pair") && e.Line == 1 }) {
		t.Errorf("%v", err)
	}
}
