package config

import "testing"

// TestRefusesTrustedIssuers has a document for each rule about those who vouch for users.
func TestRefusesTrustedIssuers(t *testing.T) {
	const head = `issuer: https://id.example.com
resources: [{resource: "urn:a", scopes: [a.read]}]
clients:
- {client_id: batch, preset: service, client_secret: a-secret-of-24-characters, grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"], scope: a.read, resources: ["urn:a"]}
- {client_id: other, preset: service, client_secret: a-secret-of-24-characters}
trusted_issuers:
`
	const keys = "jwks_uri: 'https://a.example/jwks'"
	for name, tc := range map[string]struct {
		doc  string
		want []string
	}{
		"without issuer":      {"- {subject: username, clients: [batch], " + keys + "}", []string{`f:7:3: trusted_issuers[0].issuer: is required`}},
		"twice":               {"- {issuer: a, subject: username, clients: [batch], " + keys + "}\n- {issuer: a, subject: username, clients: [batch], " + keys + "}", []string{`f:8:12: trusted_issuers[1].issuer "a": given twice, first on line 7`}},
		"without keys":        {"- {issuer: a, subject: username, clients: [batch]}", []string{`f:7:3: trusted_issuers[0]: its public keys are missing`}},
		"keys twice":          {"- {issuer: a, subject: username, clients: [batch], " + keys + ", jwks: " + publicJWKS + "}", []string{`f:7:62: trusted_issuers[0].jwks_uri "https://a.example/jwks": jwks is given too`}},
		"keys over http":      {"- {issuer: a, subject: username, clients: [batch], jwks_uri: 'http://a.example/jwks'}", []string{`f:7:62: trusted_issuers[0].jwks_uri "http://a.example/jwks": must be https`}},
		"symmetric key":       {"- {issuer: a, subject: username, clients: [batch], jwks: {keys: [{kty: oct, k: hunter2}]}}", []string{`f:7:80: trusted_issuers[0].jwks.keys[0].k: PRIVATE KEY: this member must never leave the client`}},
		"symmetric algorithm": {"- {issuer: a, subject: username, clients: [batch], algorithms: [HS256], " + keys + "}", []string{`f:7:65: trusted_issuers[0].algorithms[0] "HS256": not a value of this key`}},
		"nobody to link":      {"- {issuer: a, clients: [batch], " + keys + "}", []string{`f:7:3: trusted_issuers[0].subject "identity": no connector has this issuer, so no user can be linked to it`}},
		"no clients":          {"- {issuer: a, subject: username, " + keys + "}", []string{`f:7:3: trusted_issuers[0].clients: is required`}},
		"unknown client":      {"- {issuer: a, subject: username, clients: [nobody], " + keys + "}", []string{`f:7:44: trusted_issuers[0].clients[0] "nobody": no such client`}},
		"client of others":    {"- {issuer: a, subject: username, clients: [other], " + keys + "}", []string{`f:7:44: trusted_issuers[0].clients[0] "other": may not use this grant type`}},
		"scope of nobody":     {"- {issuer: a, subject: username, clients: [batch], scope: b.read offline_access, " + keys + "}", []string{`f:7:59: trusted_issuers[0].scope[0] "b.read": none of its clients has this scope`, `f:7:59: trusted_issuers[0].scope[1] "offline_access": an assertion leads to no refresh token`}},
		"for a day":           {"- {issuer: a, subject: username, clients: [batch], max_lifetime: 24h, " + keys + "}", []string{`f:7:66: trusted_issuers[0].max_lifetime "24h": must be at most 1h`}},
	} {
		t.Run(name, func(t *testing.T) { compare(t, errorsOf(t, head+tc.doc), tc.want) })
	}
	c := mustParse(t, head+"- {issuer: a, subject: username, clients: [batch], scope: a.read, "+keys+"}")
	equal(t, "subject", c.TrustedIssuers[0].Subject, "username")
	equal(t, "max_lifetime", short(c.TrustedIssuers[0].MaxLifetime), "5m")
}
