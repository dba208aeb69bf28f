package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// emptyName matches a message that names nothing, or ends twice.
var emptyName = regexp.MustCompile(`  |^ | $|[?!.,:;][.,;]|\(\)|, $`)

// errorsOf loads a document and returns what is wrong with it, a line each.
func errorsOf(t *testing.T, doc string, environ ...string) []string {
	t.Helper()
	c, err := Parse("f", []byte(doc), environ)
	if err == nil {
		return nil
	}
	var errs Errors
	if c != nil || !errors.As(err, &errs) || len(errs) == 0 {
		t.Fatalf("Parse = %v, %T %v: want no Config and Errors", c, err, err)
	}
	lines := make([]string, len(errs))
	for i, e := range errs {
		if emptyName.MatchString(e.Reason) || emptyName.MatchString(e.Hint) {
			t.Errorf("%v -> %q", e, e.Hint)
		}
		lines[i] = e.Error()
	}
	return lines
}

func compare(t *testing.T, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("errors:\n  %s\nwant:\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// TestRefuses has a document for each rule, with all the errors that it must give: no fewer, and
// none that only follow from another.
func TestRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		doc  string // after a line with a valid issuer
		want []string
	}{
		"unknown key":                {"clientz: []", []string{"f:2:1: clientz: unknown key"}},
		"unknown nested key":         {"storage: {bolt: {pth: x}}", []string{"f:2:18: storage.bolt.pth: unknown key"}},
		"odd key":                    {`"a\e[31m": x`, []string{"f:2:1: a\ufffd[31m: unknown key"}},
		"long key":                   {strings.Repeat("ä", 99) + ": x", []string{"f:2:1: " + strings.Repeat("ä", 32) + "…: unknown key"}},
		"duplicate key":              {"listen: :1\nlisten: :2", []string{"f:3:1: listen: given twice, first on line 2"}},
		"duplicate key, nested":      {"log:\n  level: info\n  level: info", []string{"f:4:3: log.level: given twice, first on line 3"}},
		"list for a mapping":         {"log: [info]", []string{"f:2:6: log: expected a mapping, found a list"}},
		"mapping for a list":         {"clients: {client_id: spa}", []string{"f:2:10: clients: expected a list, found a mapping"}},
		"single value for a list":    {"trusted_proxies: 10.0.0.0/8", []string{"f:2:18: trusted_proxies: expected a list, found a single value"}},
		"list for a single value":    {"listen: [:1]", []string{"f:2:9: listen: expected a single value, found a list"}},
		"single value for a mapping": {"branding: {css: red}", []string{"f:2:17: branding.css: expected a mapping, found a single value"}},
		"empty entry":                {"clients:\n  -\n", []string{"f:3:5: clients[0]: empty entry"}},
		"value for an entry":         {"clients: [spa]", []string{"f:2:11: clients[0]: expected a mapping, found a single value"}},
		"control character":          {`listen: ":1\t"`, []string{`f:2:9: listen ":1\t": contains a control character`}},
		"CR LF":                      {`branding: {name: "a\r\nb"}`, []string{`f:2:18: branding.name "a\r\nb": contains a control character`}},

		"two stores":          {"storage: {bolt: {path: a}, postgres: {url: postgres:///a}}", []string{"f:2:38: storage.postgres: given beside storage.bolt.path"}},
		"no database URL":     {"storage: {postgres: {url: mysql://u:hunter2@h/d}}", []string{"f:2:27: storage.postgres.url: not the URL of a PostgreSQL database"}},
		"database not named":  {"storage: {postgres: {url: postgres://localhost}}", []string{"f:2:27: storage.postgres.url: no database is named"}},
		"database URL":        {"storage: {postgres: {url: postgres://u:hun/ter2@h/d}}", []string{"f:2:27: storage.postgres.url: a / in the role or the password is not escaped: what follows it is taken for the database"}},
		"database encryption": {"storage: {postgres: {url: postgres://u:hunter2@db/d}}", []string{"f:2:27: storage.postgres.url: the connection would be encrypted only if the server, or whoever is between, wants it"}},
		"database second":     {"storage: {postgres: {url: \"postgres://u:hunter2@localhost,db/d?sslmode=prefer\"}}", []string{"f:2:27: storage.postgres.url: the connection would be encrypted only if the server, or whoever is between, wants it"}},
		"database authority":  {"storage: {postgres: {url: postgres://db/d?sslmode=verify-full&sslrootcert=none.pem}}", []string{"f:2:27: storage.postgres.url: sslrootcert \"none.pem\": no such file or directory"}},
		"connections":         {"storage: {postgres: {url: postgres://localhost/d, max_connections: 1}}", []string{`f:2:68: storage.postgres.max_connections "1": not between 2 and 10000`}},

		"registration mode":                      {"registration: {mode: opne}", []string{`f:2:22: registration.mode "opne": not a value of this key`}},
		"registration tokens":                    {"registration: {mode: token}", []string{`f:2:22: registration.mode "token": needs initial_access_tokens`}},
		"short token":                            {"registration: {mode: token, initial_access_tokens: [{id: a, token: x}]}", []string{`f:2:68: registration.initial_access_tokens[0].token "********": shorter than 32 characters`}},
		"tokens for everybody":                   {"registration: {mode: open, initial_access_tokens: [{id: a, token: 0123456789012345678901234567890123}]}", []string{"f:2:15: registration.initial_access_tokens: are of no use where everybody may register"}},
		"registration scope":                     {"registration: {scope: openid admin}", []string{`f:2:23: registration.scope[1] "admin": no such scope`}},
		"registration scope of another resource": {"resources: [{resource: 'urn:a', scopes: [a]}]\nregistration: {scope: openid a}", []string{`f:3:23: registration.scope[1] "a": belongs to a resource that is not among registration.resources`}},
		"registration of operators":              {"admin: {listen: ':9011'}\nregistration: {scope: openid authzd:admin, resources: [https://id.example.com/admin]}", []string{`f:3:23: registration.scope[1] "authzd:admin": administers the server: no client that registers itself may have it`, `f:3:56: registration.resources[0] "https://id.example.com/admin": is the admin API, which no client that registers itself may call`}},
		"registration of what is ours":           {"registration: {scope: authzd:anything}", []string{`f:2:23: registration.scope[0] "authzd:anything": administers the server: no client that registers itself may have it`}},
		"headers":                                {"cors: {allowed_headers: ['*', 'x y', traceparent, traceparent]}", []string{`f:2:26: cors.allowed_headers[0] "*": stands for any header`, `f:2:31: cors.allowed_headers[1] "x y": not the name of a header`, `f:2:51: cors.allowed_headers[3] "traceparent": given twice`}},
		"registration resource":                  {"registration: {resources: [https://x.example]}", []string{`f:2:28: registration.resources[0] "https://x.example": no such resource`}},
		"forgotten too soon":                     {"registration: {mode: open, unused_after: 1h}", []string{`f:2:42: registration.unused_after "1h": a client would be forgotten before its refresh tokens end (lifetimes.refresh_idle, 168h)`}},
		"registrations, none":                    {"registration: {per_address_per_hour: 0}", []string{"f:2:38: registration.per_address_per_hour \"0\": must be from 1 to 1000000"}},
		"statements, plain http":                 {"registration: {software_statement_issuers: [{issuer: a, jwks_uri: http://a.example/jwks}]}", []string{`f:2:67: registration.software_statement_issuers[0].jwks_uri "http://a.example/jwks": must be https`}},

		"not a duration":        {"lifetimes: {code: 1 minute}", []string{`f:2:19: lifetimes.code "1 minute": not a duration`}},
		"duration without unit": {"lifetimes: {code: 60}", []string{`f:2:19: lifetimes.code "60": not a duration`}},
		"negative duration":     {"lifetimes: {code: -1s}", []string{`f:2:19: lifetimes.code "-1s": must be at least 1s`}},
		"zero duration":         {"sessions: {idle: 0s}", []string{`f:2:18: sessions.idle "0s": must be at least 1s`}},
		"part of a second":      {"sessions: {idle: 1500ms}", []string{`f:2:18: sessions.idle "1.5s": must be whole seconds`}},
		"endless duration":      {"sessions: {remember_me: 999999h}", []string{`f:2:25: sessions.remember_me "999999h": must be at most 87600h`}},
		"long code":             {"lifetimes: {code: 11m}", []string{`f:2:19: lifetimes.code "11m": must be at most 10m`}},
		"short par":             {"lifetimes: {par: 4s}", []string{`f:2:18: lifetimes.par "4s": must be at least 5s`}},
		"long par":              {"lifetimes: {par: 11m}", []string{`f:2:18: lifetimes.par "11m": must be at most 10m`}},
		"short device code":     {"lifetimes: {device_code: 29s}", []string{`f:2:26: lifetimes.device_code "29s": must be at least 30s`}},
		"long device code":      {"lifetimes: {device_code: 2h}", []string{`f:2:26: lifetimes.device_code "2h": must be at most 1h`}},
		"backup every second":   {"backup: {every: 1s}", []string{`f:2:17: backup.every "1s": must be at least 1m`}},
		"no backups kept":       {"backup: {keep: 0}", []string{`f:2:16: backup.keep "0": must be at least 1`}},
		"backups kept before":   {"backup: {keep_for: -1h}", []string{`f:2:20: backup.keep_for "-1h": must be at least 0s`}},
		"ship to a file":        {"storage: {bolt: {ship: {to: check_test.go}}}", []string{`f:2:29: storage.bolt.ship.to "check_test.go": is a file`}},
		"ship to ftp":           {"storage: {bolt: {ship: {to: ftp://h/d}}}", []string{`f:2:29: storage.bolt.ship.to "ftp://h/d": unknown kind of destination`}},
		"ship to no bucket":     {"storage: {bolt: {ship: {to: s3://B, s3: {access_key_id: a, secret_access_key: b}}}}", []string{`f:2:29: storage.bolt.ship.to "s3://B": not the name of a bucket, and of folders in it`}},
		"ship without a key":    {"storage: {bolt: {ship: {to: s3://backups, s3: {region: a}}}}", []string{"f:2:47: storage.bolt.ship.s3: a bucket without a key"}},
		"ship over http":        {"storage: {bolt: {ship: {to: s3://backups/a, s3: {endpoint: http://h, access_key_id: a, secret_access_key: b}}}}", []string{`f:2:60: storage.bolt.ship.s3.endpoint "http://h": http is for loopback alone`}},
		"ship to a bucket URL":  {"storage: {bolt: {ship: {to: s3://backups/a, s3: {endpoint: https://h/backups, access_key_id: a, secret_access_key: b}}}}", []string{`f:2:60: storage.bolt.ship.s3.endpoint "https://h/backups": not the URL of a service`}},
		"ship all the time":     {"storage: {bolt: {ship: {to: d, every: 0s}}}", []string{`f:2:39: storage.bolt.ship.every "0s": must be at least 1s`}},
		"ship for nobody":       {"storage: {bolt: {ship: {to: d, recipients: [alice]}}}", []string{`f:2:45: storage.bolt.ship.recipients[0] "alice": not an age public key`}},
		"ship without a spool":  {"storage: {bolt: {ship: {to: d, spool_mib: 1}}}", []string{`f:2:43: storage.bolt.ship.spool_mib "1": not between 16 and 1048576`}},
		"ship a PostgreSQL":     {"storage: {bolt: {ship: {to: d}}, postgres: {url: postgres://localhost/d}}", []string{"f:2:24: storage.bolt.ship: given beside storage.postgres"}},
		"backups in a file":     {"backup: {dir: check_test.go}", []string{`f:2:15: backup.dir "check_test.go": is a file`}},
		"backups for nobody":    {"backup: {dir: d, recipients: [alice]}", []string{`f:2:31: backup.recipients[0] "alice": not an age public key`}},
		"short audit log":       {"audit: {keep: 23h}", []string{`f:2:15: audit.keep "23h": must be at least 24h`}},
		"long grace":            {"lifetimes: {refresh_grace: 1h}", []string{`f:2:28: lifetimes.refresh_grace "1h": must be at most 10m`}},
		"idle beyond absolute":  {"sessions: {idle: 2h, max: 1h}", []string{`f:2:18: sessions.idle "2h": must not exceed sessions.max (1h)`}},
		"refresh idle beyond absolute": {"lifetimes: {refresh_idle: 721h}",
			[]string{`f:2:27: lifetimes.refresh_idle "721h": must not exceed lifetimes.refresh_token (720h)`}},
		"announced too early": {"signing: {rotate_every: 24h, announce: 24h}",
			[]string{`f:2:40: signing.announce "24h": must be shorter than signing.rotate_every (24h)`}},

		"listen without colon":   {"listen: 9010", []string{`f:2:9: listen "9010": a colon is missing`}},
		"shutdown without end":   {"shutdown_delay: 1h", []string{`f:2:17: shutdown_delay "1h": must be at most 5m`}},
		"listen with scheme":     {"listen: http://localhost:9010", []string{`f:2:9: listen "http://localhost:9010": an address has no scheme`}},
		"listen without port":    {"listen: localhost", []string{`f:2:9: listen "localhost": not an address with a port`}},
		"listen with bad port":   {"listen: :65536", []string{`f:2:9: listen ":65536": not a port`}},
		"listen with odd port":   {"listen: :http", []string{`f:2:9: listen ":http": not a port`}},
		"listen with bad host":   {"listen: a_b!:1", []string{`f:2:9: listen "a_b!:1": not a host name or address`}},
		"admin where public is":  {"listen: :1\nadmin: {listen: :1}", []string{`f:3:17: admin.listen ":1": the same address as listen`}},
		"long socket":            {"admin: {socket: /" + strings.Repeat("x", 103) + "}", []string{`f:2:17: admin.socket "/` + strings.Repeat("x", 103) + `": longer than the 103 bytes that a socket's path can have`}},
		"address for a network":  {"trusted_proxies: [10.0.0.1]", []string{`f:2:19: trusted_proxies[0] "10.0.0.1": an address, not a network`}},
		"bits beyond the prefix": {"trusted_proxies: [10.0.0.1/8]", []string{`f:2:19: trusted_proxies[0] "10.0.0.1/8": the address has bits beyond the length of the prefix`}},
		"not a network":          {"trusted_proxies: [intranet]", []string{`f:2:19: trusted_proxies[0] "intranet": not a network`}},
		"network twice":          {"trusted_proxies: [10.0.0.0/8, 10.0.0.0/8]", []string{`f:2:31: trusted_proxies[1] "10.0.0.0/8": given twice`}},
		"enum":                   {"log: {level: warning, format: JSON}", []string{`f:2:14: log.level "warning": not a value of this key`, `f:2:31: log.format "JSON": not a value of this key`}},
		"database is a folder":   {"storage: {bolt: {path: /}}", []string{`f:2:24: storage.bolt.path "/": is a folder`}},
		"certificate alone":      {"tls: {cert_file: x}", []string{`f:2:6: tls: cert_file without key_file`}},
		"key alone":              {"tls: {key_file: x}", []string{`f:2:6: tls: key_file without cert_file`}},
		"no certificate file":    {"tls: {cert_file: /nowhere/c, key_file: /nowhere/k}", []string{`f:2:18: tls.cert_file "/nowhere/c": no such file or directory`, `f:2:40: tls.key_file "/nowhere/k": no such file or directory`}},
		"no CA file":             {"outbound: {ca_file: /nowhere}", []string{`f:2:21: outbound.ca_file "/nowhere": no such file or directory`}},
		"CA file without any":    {"outbound: {ca_file: check_test.go}", []string{`f:2:21: outbound.ca_file "check_test.go": no certificate in this file`}},
		"certificates of clients": {"mtls: {listen: ':9010', url: 'https://id.example.com/', ca_file: /nowhere, header: 'a b'}", []string{
			`f:2:16: mtls.listen ":9010": has no certificate of its own to serve https with`,
			`f:2:30: mtls.url "https://id.example.com/": not an https URL without a path`,
			`f:2:66: mtls.ca_file "/nowhere": no such file or directory`, `f:2:84: mtls.header "a b": not the name of a header`}},
		"certificates from nobody": {"mtls: {header: Client-Cert}", []string{`f:2:16: mtls.header "Client-Cert": nobody is trusted to send it`}},
		"certificates by no way":   {"mtls: {url: 'https://id.example.com'}", []string{`f:2:7: mtls: nobody could show a certificate`}},
		"certificates of authority": {"clients: [{client_id: a, preset: service, token_endpoint_auth_method: tls_client_auth, tls_client_auth_san_dns: a.example}]",
			[]string{`f:2:71: clients[0].token_endpoint_auth_method "tls_client_auth": no authority for certificates of clients is configured`}},
		"secret of 23 characters": {"clients: [{client_id: a, preset: service, client_secret: 23-characters-of-secret}]",
			[]string{`f:2:58: clients[0].client_secret "********": shorter than 24 characters`}},
		"secret is a hash": {"clients: [{client_id: a, preset: service, client_secret: $2b$10$juPPoCuQua9mWRwbn90REen3gwSh2yq1h3pD0C9YwtBQhbnUvASca}]",
			[]string{`f:2:58: clients[0].client_secret "********": looks like a bcrypt hash, and would be a secret in plain text`}},
		"secret is a hash of LDAP's": {"clients: [{client_id: a, preset: service, client_secret: '{SSHA}4b92DxImZB+NgCt/4KlAdPuc39Blmz7XgWoDWw=='}]",
			[]string{`f:2:58: clients[0].client_secret "********": looks like an LDAP or Spring value {ssha}, and would be a secret in plain text`}},
		"tokens bound to nothing": {"clients: [{client_id: a, preset: service, client_secret: a-secret-of-24-characters, tls_client_certificate_bound_access_tokens: true}]",
			[]string{`f:2:129: clients[0].tls_client_certificate_bound_access_tokens "true": certificates of clients are not looked at`}},
		"no logo file":           {"branding: {logo_file: /nowhere.svg}", []string{`f:2:23: branding.logo_file "/nowhere.svg": no such file or directory`}},
		"CSS name":               {`branding: {css: {"--a": red}}`, []string{`f:2:25: branding.css.--a: not the name of a variable`}},
		"CSS name twice":         {`branding: {css: {a: red, a: blue}}`, []string{`f:2:26: branding.css.a: given twice, first on line 2`}},
		"CSS value is a comment": {"branding:\n  css:\n    accent: #fff", []string{`f:4:13: branding.css.accent: no value`}},
		"CSS value breaks out":   {`branding: {css: {a: "red;} body{}"}}`, []string{`f:2:21: branding.css.a "red;} body{}": has a character that is not allowed here, or is too long`}},
		"CSS value fetches":      {`branding: {css: {a: "url(//evil.example)"}}`, []string{`f:2:21: branding.css.a "url(//evil.example)": has a character that is not allowed here, or is too long`}},
		"CSS value escapes":      {`branding: {css: {a: '\3b'}}`, []string{`f:2:21: branding.css.a "\\3b": has a character that is not allowed here, or is too long`}},
		"colour by its name":     {`branding: {css: {accent: red}}`, []string{`f:2:26: branding.css.accent "red": is not a colour`}},
		"no such variable":       {`branding: {css: {colour: "#fff"}}`, []string{`f:2:26: branding.css.colour "#fff": no such variable`}},
		"logo of a wrong kind":   {"branding: {logo_file: check_test.go}", []string{`f:2:23: branding.logo_file "check_test.go": must be an svg, png, jpeg, webp or gif file`}},
		"illegible colours": {`branding: {css: {on-accent: "#ddd", accent: "#fff", muted-dark: "#000"}}`, []string{
			`f:2:29: branding.css.on-accent "#ddd": in light mode, on-accent #ddd on accent #fff has a contrast of 1.36, WCAG AA asks for 4.5; in light mode, on-accent #ddd on accent-hover #dbdbdb has a contrast of 1.02, WCAG AA asks for 4.5`,
			`f:2:65: branding.css.muted-dark "#000": in dark mode, muted #000 on background #0a0f0d has a contrast of 1.09, WCAG AA asks for 4.5; in dark mode, muted #000 on surface #131a17 has a contrast of 1.19, WCAG AA asks for 4.5; in dark mode, muted #000 on stub #131a17 has a contrast of 1.19, WCAG AA asks for 4.5`}},
		"CSS value half quoted": {`branding: {css: {a: 'Inter"'}}`, []string{`f:2:21: branding.css.a "Inter\"": quotes don't match`}},

		"resource with fragment":       {"resources: [{resource: 'https://a/#'}]", []string{`f:2:24: resources[0].resource "https://a/#": has a fragment`}},
		"relative resource":            {"resources: [{resource: orders}]", []string{`f:2:24: resources[0].resource "orders": not an absolute URI`}},
		"resource without name":        {"resources: [{scopes: [a]}]", []string{`f:2:13: resources[0].resource: is required`}},
		"resource twice":               {"resources: [{resource: 'urn:a'}, {resource: 'urn:a'}]", []string{`f:2:45: resources[1].resource "urn:a": given twice, first on line 2`}},
		"resource twice, with a slash": {"resources: [{resource: 'https://a.example'}, {resource: 'https://b.example/'}, {resource: 'https://a.example/'}]", []string{`f:2:91: resources[2].resource "https://a.example/": the same resource as on line 2`}},
		"scope of a nameless resource": {"resources: [{scopes: [a]}]\nregistration: {scope: openid a}\nclients: [{client_id: a, preset: spa, redirect_uris: [https://a.example/cb], scope: openid a}]", []string{`f:2:13: resources[0].resource: is required`}},
		"detail type without type":     {"resources: [{resource: 'urn:a', authorization_details_types: [{name: x}]}]", []string{`f:2:63: resources[0].authorization_details_types[0].type: is required`}},
		"detail type twice":            {"resources: [{resource: 'urn:a', authorization_details_types: [{type: x}, {type: x}]}]", []string{`f:2:81: resources[0].authorization_details_types[1].type "x": given twice, first on line 2`}},
		"headline of no member":        {"resources: [{resource: 'urn:a', authorization_details_types: [{type: x, fields: [a], headline: {en: 'Pay {b}'}}]}]", []string{`f:2:101: resources[0].authorization_details_types[0].headline.en "Pay {b}": {b} is not a member that this type has`}},
		"label of no member":           {"resources: [{resource: 'urn:a', authorization_details_types: [{type: x, fields: [a], labels: {b: B}}]}]", []string{`f:2:98: resources[0].authorization_details_types[0].labels.b: b is not known`}},
		"description of no scope":      {"resources: [{resource: 'urn:a', scopes: [a], scope_descriptions: {b: B}}]", []string{`f:2:70: resources[0].scope_descriptions.b: b is not known`}},
		"description in no language":   {"resources: [{resource: 'urn:a', scopes: [a], scope_descriptions: {'a#q q': B}}]", []string{`f:2:76: resources[0].scope_descriptions.a#q q: not a language`}},
		"shared detail field":          {"resources: [{resource: 'urn:a', authorization_details_types: [{type: x, fields: [actions]}]}]", []string{`f:2:82: resources[0].authorization_details_types[0].fields[0] "actions": all types have it`}},
		"required detail that is none": {"resources: [{resource: 'urn:a', authorization_details_types: [{type: x, fields: [a], required: [a, actions, b, type]}]}]",
			[]string{`f:2:109: resources[0].authorization_details_types[0].required[2] "b": not a member that this type has`, `f:2:112: resources[0].authorization_details_types[0].required[3] "type": not a member that this type has`}},
		"scope of OpenID Connect":    {"resources: [{resource: 'urn:a', scopes: [email]}]", []string{`f:2:42: resources[0].scopes[0] "email": means something else already (OpenID Connect)`}},
		"scope with space":           {"resources: [{resource: 'urn:a', scopes: [a b]}]", []string{`f:2:42: resources[0].scopes[0] "a b": not a scope`}},
		"scope with quote":           {`resources: [{resource: 'urn:a', scopes: ['a"']}]`, []string{`f:2:42: resources[0].scopes[0] "a\"": not a scope`}},
		"scope twice":                {"resources: [{resource: 'urn:a', scopes: [a, a]}]", []string{`f:2:45: resources[0].scopes[1] "a": given twice`}},
		"unknown token type and alg": {"resources: [{resource: 'urn:a', token_type: jwt, alg: none}]", []string{`f:2:45: resources[0].token_type "jwt": not a value of this key`, `f:2:55: resources[0].alg "none": not a value of this key`}},
		"symmetric alg":              {"signing: {alg: HS256}", []string{`f:2:16: signing.alg "HS256": not a value of this key`}},
	} {
		t.Run(name, func(t *testing.T) {
			compare(t, errorsOf(t, "issuer: https://id.example.com\n"+tc.doc), tc.want)
		})
	}
}

func TestRefusesClients(t *testing.T) {
	const head = `issuer: https://id.example.com
resources: [{resource: "https://api.example.com", scopes: [orders.read]}, {resource: "urn:other", scopes: [other]}]
clients:
`
	for name, tc := range map[string]struct {
		doc  string
		want []string
	}{
		"without id":          {"- {preset: spa, redirect_uris: [https://a.example/cb]}", []string{`f:4:3: clients[0].client_id: is required`}},
		"id with space":       {"- {client_id: a b, preset: spa, redirect_uris: [https://a.example/cb]}", []string{`f:4:15: clients[0].client_id "a b": not a client identifier`}},
		"id not ASCII":        {"- {client_id: ä, preset: spa, redirect_uris: [https://a.example/cb]}", []string{`f:4:15: clients[0].client_id "ä": not a client identifier`}},
		"same id":             {"- {client_id: a, preset: spa, redirect_uris: [https://a.example/cb]}\n- {client_id: a, preset: spa, redirect_uris: [https://a.example/cb]}", []string{`f:5:15: clients[1].client_id "a": given twice, first on line 4`}},
		"unknown preset only": {"- {client_id: a, preset: browser}", []string{`f:4:26: clients[0].preset "browser": not a value of this key`}},

		"secret in a browser":         {"- {client_id: a, preset: spa, client_secret: s3cr3t, redirect_uris: [https://a.example/cb]}", []string{`f:4:46: clients[0].client_secret: a public client can't keep a secret: everybody has its code`}},
		"secret on a phone":           {"- {client_id: a, preset: native, client_secret: s3cr3t, redirect_uris: [https://a.example/cb]}", []string{`f:4:49: clients[0].client_secret: a public client can't keep a secret: everybody has its code`}},
		"no secret on a server":       {"- {client_id: a, preset: web, redirect_uris: [https://a.example/cb]}", []string{`f:4:3: clients[0].client_secret: a confidential client needs one`}},
		"no secret in a service":      {"- {client_id: a, preset: service}", []string{`f:4:3: clients[0].client_secret: a confidential client needs one`}},
		"no secret, no preset":        {"- {client_id: a, redirect_uris: [https://a.example/cb]}", []string{`f:4:3: clients[0].client_secret: a confidential client needs one`}},
		"secret not ASCII":            {"- {client_id: a, preset: service, client_secret: é}", []string{`f:4:50: clients[0].client_secret "********": not a client secret (RFC 6749 appendix A.2)`}},
		"app tokens in a browser":     {"- {client_id: a, preset: spa, grant_types: [client_credentials]}", []string{`f:4:45: clients[0].grant_types[0] "client_credentials": a public client can't use it: it has no credentials`}},
		"public without PKCE":         {"- {client_id: a, preset: spa, require_pkce: false, redirect_uris: [https://a.example/cb]}", []string{`f:4:45: clients[0].require_pkce "false": public clients always use PKCE`}},
		"refresh from nothing":        {"- {client_id: a, preset: service, client_secret: a-secret-of-24-characters, grant_types: [client_credentials, refresh_token]}", []string{`f:4:111: clients[0].grant_types[1] "refresh_token": refresh_token without a grant that gives any`}},
		"password grant":              {"- {client_id: a, preset: web, client_secret: a-secret-of-24-characters, grant_types: [password]}", []string{`f:4:87: clients[0].grant_types[0] "password": not a value of this key`}},
		"implicit":                    {"- {client_id: a, preset: spa, response_types: [token], redirect_uris: [https://a.example/cb]}", []string{`f:4:48: clients[0].response_types[0] "token": not a value of this key`}},
		"response type without users": {"- {client_id: a, preset: service, client_secret: a-secret-of-24-characters, response_types: [code]}", []string{`f:4:93: clients[0].response_types: is of no use without authorization_code`}},
		"unknown method":              {"- {client_id: a, preset: web, client_secret: a-secret-of-24-characters, token_endpoint_auth_method: client_secret_jwt, redirect_uris: [https://a.example/cb]}", []string{`f:4:101: clients[0].token_endpoint_auth_method "client_secret_jwt": not a value of this key`}},

		"no redirect URI":               {"- {client_id: a, preset: spa}", []string{`f:4:3: clients[0].redirect_uris: is required with authorization_code`}},
		"redirect URI without users":    {"- {client_id: a, preset: service, client_secret: a-secret-of-24-characters, redirect_uris: [https://a.example/cb]}", []string{`f:4:92: clients[0].redirect_uris: are of no use without authorization_code`}},
		"redirect URI twice":            {"- {client_id: a, preset: spa, redirect_uris: [https://a.example/cb, https://a.example/cb]}", []string{`f:4:69: clients[0].redirect_uris[1] "https://a.example/cb": given twice`}},
		"each bad redirect URI":         {"- {client_id: a, preset: spa, redirect_uris: [http://a.example/, '', 'javascript:0']}", []string{`f:4:47: clients[0].redirect_uris[0] "http://a.example/": must be https`, `f:4:66: clients[0].redirect_uris[1]: empty entry`, `f:4:70: clients[0].redirect_uris[2] "javascript:0": the scheme javascript is not allowed`}},
		"scheme without a dot":          {"- {client_id: a, preset: native, redirect_uris: ['myapp:/cb', 'MyApp:/cb'], redirect_schemes: [myapp]}", []string{`f:4:63: clients[0].redirect_uris[1] "MyApp:/cb": the scheme myapp is not allowed`}},
		"scheme without the word":       {"- {client_id: a, preset: native, redirect_uris: ['myapp:/cb']}", []string{`f:4:50: clients[0].redirect_uris[0] "myapp:/cb": the scheme myapp is not allowed`}},
		"scheme of browsers":            {"- {client_id: a, preset: native, redirect_uris: ['JavaScript:0'], redirect_schemes: [JavaScript, 'my:', http]}", []string{`f:4:50: clients[0].redirect_uris[0] "JavaScript:0": the scheme javascript is not allowed`, `f:4:86: clients[0].redirect_schemes[0] "JavaScript": means something to every browser, and is never allowed`, `f:4:98: clients[0].redirect_schemes[1] "my:": not a URI scheme`, `f:4:105: clients[0].redirect_schemes[2] "http": not a scheme of an app's own`}},
		"scheme and nothing else":       {"- {client_id: a, preset: native, redirect_uris: ['com.example.app://']}", []string{`f:4:50: clients[0].redirect_uris[0] "com.example.app://": nothing follows the scheme`}},
		"post-logout redirect URI":      {"- {client_id: a, preset: spa, redirect_uris: [https://a.example/cb], post_logout_redirect_uris: [/]}", []string{`f:4:98: clients[0].post_logout_redirect_uris[0] "/": not an absolute URI`}},
		"origin":                        {"- {client_id: a, preset: spa, redirect_uris: [https://a.example/cb], allowed_origins: ['*', 'https://a.example/']}", []string{`f:4:88: clients[0].allowed_origins[0] "*": stands for any page`, `f:4:93: clients[0].allowed_origins[1] "https://a.example/": not the form in which browsers send an origin`}},
		"pages":                         {"- {client_id: a, preset: spa, redirect_uris: [https://a.example/cb], tos_uri: 'javascript:0', logo_uri: 'http://a.example/l.png'}", []string{`f:4:79: clients[0].tos_uri "javascript:0": the scheme javascript is not allowed`, `f:4:105: clients[0].logo_uri "http://a.example/l.png": must be https`}},
		"lifetime":                      {"- {client_id: a, preset: spa, redirect_uris: [https://a.example/cb], access_token_lifetime: 0s}", []string{`f:4:93: clients[0].access_token_lifetime "0s": must be at least 1s`}},
		"idle beyond absolute lifetime": {"- {client_id: a, preset: spa, redirect_uris: [https://a.example/cb], refresh_token_lifetime: 1h, refresh_idle_lifetime: 2h}", []string{`f:4:121: clients[0].refresh_idle_lifetime "2h": must not exceed refresh_token_lifetime (1h)`}},
		"long grace of a client":        {"- {client_id: a, preset: native, redirect_uris: [https://a.example/cb], refresh_grace: 169h}", []string{`f:4:88: clients[0].refresh_grace "169h": must be at most 168h`}},
		"grace beyond idle limit":       {"- {client_id: a, preset: native, redirect_uris: [https://a.example/cb], refresh_idle_lifetime: 1h, refresh_grace: 2h}", []string{`f:4:115: clients[0].refresh_grace "2h": must not exceed refresh_idle_lifetime (1h)`}},
		"negative max age":              {"- {client_id: a, preset: spa, redirect_uris: [https://a.example/cb], default_max_age: -1}", []string{`f:4:87: clients[0].default_max_age "-1": must be from 0 to 2147483647`}},
		"max age without end":           {"- {client_id: a, preset: spa, redirect_uris: [https://a.example/cb], default_max_age: 2147483648}", []string{`f:4:87: clients[0].default_max_age "2147483648": must be from 0 to 2147483647`}},
		"max age with unit":             {"- {client_id: a, preset: spa, redirect_uris: [https://a.example/cb], default_max_age: 1h}", []string{`f:4:87: clients[0].default_max_age "1h": not a whole number`}},
		"neither true nor false":        {"- {client_id: a, preset: spa, redirect_uris: [https://a.example/cb], first_party: yes}", []string{`f:4:83: clients[0].first_party "yes": neither true nor false`}},

		"unknown scope":             {"- {client_id: a, preset: spa, redirect_uris: [https://a.example/cb], scope: openid orders.raed mail, resources: [https://api.example.com]}", []string{`f:4:77: clients[0].scope[1] "orders.raed": no such scope`, `f:4:77: clients[0].scope[2] "mail": no such scope`}},
		"scope of other resource":   {"- {client_id: a, preset: spa, redirect_uris: [https://a.example/cb], scope: openid other, resources: [https://api.example.com]}", []string{`f:4:77: clients[0].scope[1] "other": belongs to a resource that is not among the client's resources`}},
		"scope without resource":    {"- {client_id: a, preset: service, client_secret: a-secret-of-24-characters, scope: orders.read}", []string{`f:4:84: clients[0].scope[0] "orders.read": belongs to a resource that is not among the client's resources`}},
		"unknown resource only":     {"- {client_id: a, preset: service, client_secret: a-secret-of-24-characters, scope: orders.read, resources: [https://api.example.co]}", []string{`f:4:109: clients[0].resources[0] "https://api.example.co": no such resource`}},
		"scope twice":               {"- {client_id: a, preset: spa, redirect_uris: [https://a.example/cb], scope: openid openid}", []string{`f:4:77: clients[0].scope[1] "openid": given twice`}},
		"scope as list":             {"- {client_id: a, preset: spa, redirect_uris: [https://a.example/cb], scope: [openid]}", []string{`f:4:77: clients[0].scope: expected a single value, found a list`}},
		"user's scope in a service": {"- {client_id: a, preset: service, client_secret: a-secret-of-24-characters, scope: openid}", []string{`f:4:84: clients[0].scope[0] "openid": is about a user, and this client never has one`}},
		"offline without refresh":   {"- {client_id: a, client_secret: a-secret-of-24-characters, redirect_uris: [https://a.example/cb], scope: openid offline_access}", []string{`f:4:106: clients[0].scope "offline_access": asks for refresh tokens that the client can't use`}},
	} {
		t.Run(name, func(t *testing.T) {
			compare(t, errorsOf(t, head+tc.doc), tc.want)
		})
	}
}

func TestRefusesUsersAndConnectors(t *testing.T) {
	for name, tc := range map[string]struct {
		doc  string
		want []string
	}{
		"user without name":      {"users: [{password: a few words of text}]", []string{`f:2:9: users[0].username: is required`}},
		"user twice":             {"users: [{username: alice}, {username: Alice}]", []string{`f:2:39: users[1].username "Alice": given twice, first on line 2`}},
		"user with spaces":       {"users: [{username: ' alice'}]", []string{`f:2:20: users[0].username " alice": not a user name`}},
		"user of two words":      {"users: [{username: a b}]", []string{`f:2:20: users[0].username "a b": has a character that is not allowed`}},
		"user in full width":     {"users: [{username: alice}, {username: ＡＬＩＣＥ}]", []string{`f:2:39: users[1].username "ＡＬＩＣＥ": given twice, first on line 2`}},
		"user with an address":   {"users: [{username: a, email: a@example.com, email_verified: true}, {username: A@Example.com}]", []string{`f:2:79: users[1].username "A@Example.com": given twice, first on line 2`}},
		"address without domain": {"users: [{username: a, email: a@b_c.example}]", []string{`f:2:30: users[0].email "a@b_c.example": has no valid domain`}},
		"verified nothing":       {"users: [{username: a, email_verified: true, phone_number_verified: true}]", []string{`f:2:39: users[0].email_verified "true": there is no email`, `f:2:68: users[0].phone_number_verified "true": there is no phone_number`}},
		"email":                  {"users: [{username: a, email: Alice <a@example.com>}]", []string{`f:2:30: users[0].email "Alice <a@example.com>": not an e-mail address`}},
		"email of two":           {"users: [{username: a, email: A@example.com, email_verified: true}, {username: b, email: a@example.com, email_verified: true}]", []string{`f:2:89: users[1].email "a@example.com": given twice, first on line 2`}},
		"birthdate":              {"users: [{username: a, birthdate: 1.1.1970}]", []string{`f:2:34: users[0].birthdate "1.1.1970": not a date`}},
		"script for a picture":   {"users: [{username: a, picture: 'javascript:0'}]", []string{`f:2:32: users[0].picture "javascript:0": not a web address`}},
		"role twice":             {"users: [{username: a, roles: [x, x]}]", []string{`f:2:34: users[0].roles[1] "x": given twice`}},
		"MD5 hash":               {"users: [{username: a, password: $1$salt$hash}]", []string{`f:2:33: users[0].password "********": not a password hash that can be used: it looks like an MD5 hash of crypt(3), and that is none of argon2id, bcrypt, scrypt and pbkdf2 in the PHC or modular crypt format`}},
		"argon2i hash":           {"users: [{username: a, password: '$argon2i$v=19$m=1,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g'}]", []string{`f:2:33: users[0].password "********": not a password hash that can be used: it looks like an argon2i hash, and that is none of argon2id, bcrypt, scrypt and pbkdf2 in the PHC or modular crypt format`}},
		"cut hash":               {"users: [{username: a, password: '$2b$12$abc'}]", []string{`f:2:33: users[0].password "********": not a password hash that can be used: it looks like a bcrypt hash: malformed bcrypt`}},
		"password and file":      {"users: [{username: a, password: wwwwwwwwwwwwwww!, password_file: y}]", []string{`f:2:66: users[0].password_file: given both here and in a file`}},
		"password after file":    {"users: [{username: a, password_file: /nowhere, password: x}]", []string{`f:2:38: users[0].password_file "/nowhere": no such file or directory`, `f:2:58: users[0].password: given both here and in a file`}},
		"no password file":       {"users: [{username: a, password_file: /nowhere}]", []string{`f:2:38: users[0].password_file "/nowhere": no such file or directory`}},
		"list for password file": {"users: [{username: a, password_file: [x]}]", []string{`f:2:38: users[0].password_file: expected a single value, found a list`}},
		"Django hash":            {"users: [{username: a, password: 'pbkdf2_sha256$1000$salt$aGFzaA=='}]", []string{`f:2:33: users[0].password "********": not a password hash that can be used: it looks like a Django hash (pbkdf2_sha256), and that is none of argon2id, bcrypt, scrypt and pbkdf2 in the PHC or modular crypt format`}},
		"hash in hex":            {"users: [{username: a, password: 5f4dcc3b5aa765d61d8327deb882cf99}]", []string{`f:2:33: users[0].password "********": not a password hash that can be used: it looks like an MD5, MD4 or NT hash in hex, and that is none of argon2id, bcrypt, scrypt and pbkdf2 in the PHC or modular crypt format`}},
		"short password":         {"users: [{username: a, password: 1234567}]", []string{`f:2:33: users[0].password "********": shorter than 15 characters`}},
		"password of 14":         {"users: [{username: a, password: 14 characters.}]", []string{`f:2:33: users[0].password "********": shorter than 15 characters`}},
		"common password":        {"users: [{username: a, password: MailCreated5240}]", []string{`f:2:33: users[0].password "********": one of the passwords that attackers try first`}},
		"common short password":  {"accounts: {password: {min_length: 8}}\nusers: [{username: a, password: PassWord}]", []string{`f:3:33: users[0].password "********": one of the passwords that attackers try first`}},
		"name for a password":    {"users: [{username: a, name: Alice Pleasance Liddell, password: alice pleasance liddell}]", []string{`f:2:64: users[0].password "********": the name or the address of the user`}},
		"issuer for a password":  {"accounts: {password: {min_length: 14}}\nusers: [{username: a, password: ID.example.com}]", []string{`f:3:33: users[0].password "********": the name of this server`}},
		"least length":           {"accounts: {password: {min_length: 5, min_length_with_factor: 65}}", []string{`f:2:35: accounts.password.min_length "5": must be 6 to 64`, `f:2:62: accounts.password.min_length_with_factor "65": must be 6 to 64`}},
		"length with a factor":   {"accounts: {password: {min_length: 10, min_length_with_factor: 12}}", []string{`f:2:63: accounts.password.min_length_with_factor "12": must not exceed accounts.password.min_length (10)`}},
		"wrong ones in a row":    {"accounts: {disable_password_after: 101}", []string{`f:2:36: accounts.disable_password_after "101": must be 10 to 100, or 0`}},
		"passkeys of nobody":     {"accounts: {factors: passkey, passkeys: {enabled: false}}", []string{`f:2:21: accounts.factors "passkey": demands a passkey, and there are none: accounts.passkeys.enabled is false`}},
		"less than 2fa":          {`accounts: {acr_classes: [{name: "urn:authzd:acr:2fa", needs: one_factor}]}`, []string{`f:2:33: accounts.acr_classes[0].name "urn:authzd:acr:2fa": stands for more than one_factor`}},
		"less than phr":          {"accounts: {acr_classes: [{name: phr, needs: two_factors}]}", []string{`f:2:33: accounts.acr_classes[0].name "phr": stands for more than two_factors`}},
		"phrh of any passkey":    {"accounts: {acr_classes: [{name: phrh, needs: passkey}]}", []string{`f:2:33: accounts.acr_classes[0].name "phrh": is a name of authzd's own`}},
		"factors of some":        {"accounts: {factors: some}", []string{`f:2:21: accounts.factors "some": not a value of this key`}},
		"open to some":           {"accounts: {registration: some}", []string{`f:2:26: accounts.registration "some": not a value of this key`}},
		"a domain with a name":   {"accounts: {allowed_domains: [x@example.com]}", []string{`f:2:30: accounts.allowed_domains[0] "x@example.com": not the domain of e-mail addresses`}},
		"an optional address":    {"accounts: {email_verification: optional}", []string{`f:2:32: accounts.email_verification "optional": not a value of this key`}},
		"leaks by telephone":     {"accounts: {password: {leaks_url: 'tel:0'}}", []string{`f:2:34: accounts.password.leaks_url "tel:0": the scheme tel is not allowed`}},
		"mask for a password":    {"users: [{username: a, password: '********'}]", []string{`f:2:33: users[0].password "********": this is the mask that stands for a secret in "config print"`}},

		"unknown fresh_login":       {"connectors: [{id: a, type: google, client_id: x, client_secret: y, fresh_login: yes}]", []string{`f:2:81: connectors[0].fresh_login "yes": not a value of this key`}},
		"unknown email_verified":    {"connectors: [{id: a, type: google, client_id: x, client_secret: y, email_verified: true}]", []string{`f:2:84: connectors[0].email_verified "true": not a value of this key`}},
		"never and authoritative":   {"connectors: [{id: a, type: oidc, issuer: 'https://a.example.com', client_id: x, email_authoritative: true, email_verified: never}]", []string{`f:2:124: connectors[0].email_verified "never": contradicts email_authoritative, which is about verified addresses`}},
		"connector without all":     {"connectors: [{}]", []string{`f:2:14: connectors[0].client_id: is required`, `f:2:14: connectors[0].id: is required`, `f:2:14: connectors[0].type: is required`}},
		"unknown type only":         {"connectors: [{id: a, type: saml, client_id: x}]", []string{`f:2:28: connectors[0].type "saml": not a value of this key`}},
		"id for a path":             {"connectors: [{id: a/b, type: google, client_id: x, client_secret: y}]", []string{`f:2:19: connectors[0].id "a/b": not an id`}},
		"google without secret":     {"connectors: [{id: a, type: google, client_id: x}]", []string{`f:2:14: connectors[0].client_secret: is required with type google`}},
		"google and authoritative":  {"connectors: [{id: a, type: google, client_id: x, client_secret: y, email_authoritative: true}]", []string{`f:2:89: connectors[0].email_authoritative "true": Google tells by itself which addresses are its own`}},
		"oidc without issuer":       {"connectors: [{id: a, type: oidc, client_id: x}]", []string{`f:2:14: connectors[0].issuer: is required with type oidc`}},
		"oidc over http":            {"connectors: [{id: a, type: oidc, client_id: x, issuer: 'http://idp.example'}]", []string{`f:2:56: connectors[0].issuer "http://idp.example": must be https`}},
		"oidc with query":           {"connectors: [{id: a, type: oidc, client_id: x, issuer: 'https://idp.example/?x'}]", []string{`f:2:56: connectors[0].issuer "https://idp.example/?x": an issuer has neither query nor fragment`}},
		"oidc with hosted domain":   {"connectors: [{id: a, type: oidc, client_id: x, issuer: 'https://idp.example', hosted_domains: [example.com]}]", []string{`f:2:95: connectors[0].hosted_domains: only Google has hosted domains`}},
		"hosted domain is an email": {"connectors: [{id: a, type: google, client_id: x, client_secret: y, hosted_domains: [a@example.com]}]", []string{`f:2:85: connectors[0].hosted_domains[0] "a@example.com": not a domain`}},
	} {
		t.Run(name, func(t *testing.T) {
			compare(t, errorsOf(t, "issuer: https://id.example.com\n"+tc.doc), tc.want)
		})
	}
}

// TestEveryErrorAtOnce proves that nothing hides behind something else.
func TestEveryErrorAtOnce(t *testing.T) {
	got := errorsOf(t, `issuer: http://id.example.com/
clientz: []
lifetimes: {access_token: 30d}
clients:
  - client_id: spa
    preset: spa
    client_secret: hunter2
    redirect_uris: [http://evil.example/cb]
    scope: opnid
users:
  - username: alice
    roles: admin
`, "AUTHZD_LISTEN=9010", "AUTHZD_ISUER=x")
	compare(t, got, []string{
		"AUTHZD_ISUER: unknown variable",
		`AUTHZD_LISTEN: listen "9010": a colon is missing`,
		`f:1:9: issuer "http://id.example.com/": must be https`,
		"f:2:1: clientz: unknown key",
		`f:3:27: lifetimes.access_token "30d": not a duration`,
		"f:7:20: clients[0].client_secret: a public client can't keep a secret: everybody has its code",
		`f:8:21: clients[0].redirect_uris[0] "http://evil.example/cb": must be https`,
		`f:9:12: clients[0].scope[0] "opnid": no such scope`,
		"f:12:12: users[0].roles: expected a list, found a single value",
	})
	if got := errorsOf(t, ""); len(got) != 1 || got[0] != "f: issuer: is required" {
		t.Errorf("empty file: %q", got)
	}
}

// TestHints proves that the hint is the one that helps.
func TestHints(t *testing.T) {
	for doc, want := range map[string]string{
		"clientz: []":                             "did you mean clients?",
		"Trusted-Proxies: []":                     "did you mean trusted_proxies?",
		"signingAlg: x":                           "did you mean signing?",
		"access_token: 5m":                        "did you mean lifetimes.access_token?",
		"redirect_uris: []":                       "did you mean clients[].redirect_uris?",
		"clients: [{redirectUris: []}]":           "did you mean redirect_uris?",
		"clients: [{secret: x}]":                  "did you mean client_secret?",
		"storage: {bolt: {file: x}}":              "the keys here are path, keep_size, ship",
		"lifetimes: {code: 1d}":                   "days are written in hours: 24h",
		"lifetimes: {code: 60}":                   "a unit is missing: 60s for seconds, 60m for minutes",
		"log: {level: warning}":                   "did you mean warn? one of debug, info, warn, error",
		"trusted_proxies: [::1]":                  "write ::1/128 for this one address",
		"trusted_proxies: [10.1.2.3/8]":           "write 10.0.0.0/8 for the whole network",
		"issuer: https://id.example.com/":         "write https://id.example.com",
		"issuer: https://id.example.com:443":      "write https://id.example.com",
		"listen: 9010":                            `write ":9010", with quotes, for all interfaces`,
		"clients: [{resources: ['urn:ordes']}]":   "did you mean urn:orders? Else declare it under resources",
		"clients: [{preset: spa, scope: emial}]":  "did you mean email?",
		"clients: [{preset: spa, scope: a.read}]": "add urn:orders to the client's resources",
		"clients: [{preset: native, redirect_uris: ['com.example.app:']}]":   "write com.example.app:/callback: some path must follow, with one slash (RFC 8252 section 7.1)",
		"clients: [{preset: native, redirect_uris: ['com.example.app://']}]": "write com.example.app:/callback: some path must follow, with one slash (RFC 8252 section 7.1)",
		"clients: [{preset: native, redirect_uris: ['myapp://cb']}]":         "use https, http on loopback, or in a native app a scheme such as com.example.app; if the app has no other, redirect_schemes: [myapp] allows it",
		"registration: {native_schemes: [file]}":                             "choose one of the app's own",
		"registration: {scope: openid a.read}":                               "add urn:orders to registration.resources",
		"clients: [{preset: spa, scope: unheard}]":                           "add it to the scopes of a resource",
	} {
		_, err := Parse("f", []byte("resources: [{resource: 'urn:orders', scopes: [a.read]}]\n"+doc), nil)
		var errs Errors
		errors.As(err, &errs)
		if !slices.ContainsFunc(errs, func(e *Error) bool { return e.Hint == want }) {
			var hints []string
			for _, e := range errs {
				hints = append(hints, e.Error()+" -> "+e.Hint)
			}
			t.Errorf("%s: no hint %q in\n  %s", doc, want, strings.Join(hints, "\n  "))
		}
	}
}

// TestSlashOfAnEmptyPath: a resource is named both ways, and has the form that is declared.
func TestSlashOfAnEmptyPath(t *testing.T) {
	c, err := Parse("f", []byte(`issuer: https://id.example.com
resources: [{resource: 'https://a.example', scopes: [a]}, {resource: 'https://b.example/', scopes: [b]}]
registration: {mode: open, resources: ['https://a.example/']}
clients:
- {client_id: w, preset: service, client_secret: 0123456789abcdef0123456789abcdef, scope: a b, resources: ['https://a.example/', 'https://b.example', 'https://a.example'],
   grant_types: [client_credentials, 'urn:ietf:params:oauth:grant-type:token-exchange'], token_exchange_resources: ['https://b.example']}
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(c.Clients[0].Resources, c.Clients[0].ExchangeResources, c.Registration.Resources, c.Registration.Scope); got !=
		"[https://a.example https://b.example/] [https://b.example/] [https://a.example] openid profile email address phone offline_access a" {
		t.Error(got)
	}
}

// TestStrangersNeverAdminister: the default scope of clients that register themselves is without the scopes
// of the admin API.
func TestStrangersNeverAdminister(t *testing.T) {
	c, err := Parse("f", []byte(`issuer: https://id.example.com
resources: [{resource: 'https://a.example', scopes: [a, 'authzd:admin']}]
registration: {mode: open, resources: ['https://a.example']}
`), nil)
	if err != nil || strings.Contains(c.Registration.Scope.String(), "authzd:") {
		t.Errorf("%v %v", c.Registration.Scope, err)
	}
}
