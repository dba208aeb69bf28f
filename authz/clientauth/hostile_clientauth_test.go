package clientauth_test

import (
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
)

// hostileAssertions are what may come as a client assertion and proves nothing.
func hostileAssertions(t *testing.T, key *authztest.Key, issuer string) map[string]string {
	t.Helper()
	claims := authztest.AssertionClaims(authztest.Worker, issuer)
	good := key.Sign(t, nil, claims)
	parts := strings.Split(good, ".")
	stranger := authztest.NewKey(t, jose.ES256)
	stranger.ID = key.ID
	own := stranger.Public()
	encode := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	payload := func(text string) string { return blackbox.SignPayload(t, key, text) }
	publicJSON := toJSON(t, key.Public())
	confused := blackbox.SignWith(t, jose.SigningKey{Algorithm: jose.HS256, Key: []byte(publicJSON)}, nil, toJSON(t, claims))
	return map[string]string{
		"none":                          encode(`{"alg":"none"}`) + "." + parts[1] + ".",
		"None":                          encode(`{"alg":"None"}`) + "." + parts[1] + "." + parts[2],
		"HS256 by the public key":       confused,
		"no signature":                  parts[0] + "." + parts[1] + ".",
		"no header":                     "." + parts[1] + "." + parts[2],
		"two parts":                     parts[0] + "." + parts[1],
		"four parts":                    good + ".AAAA",
		"five parts":                    good + ".AAAA.AAAA",
		"JSON serialization":            `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`,
		"another payload":               parts[0] + "." + encode(toJSON(t, authztest.AssertionClaims(authztest.Worker, issuer))) + "." + parts[2],
		"another header":                encode(`{"alg":"ES256","x":1}`) + "." + parts[1] + "." + parts[2],
		"a signature with a bit less":   parts[0] + "." + parts[1] + "." + parts[2][1:] + "A",
		"a stranger's key":              stranger.Sign(t, nil, claims),
		"a stranger's key in jwk":       stranger.Sign(t, map[string]any{"jwk": own}, claims),
		"a stranger's key at jku":       stranger.Sign(t, map[string]any{"jku": "https://evil.example/jwks"}, claims),
		"a kid that is a path":          stranger.Sign(t, map[string]any{"kid": "../../etc/passwd"}, claims),
		"a kid that is long":            stranger.Sign(t, map[string]any{"kid": strings.Repeat("k", 5000)}, claims),
		"critical header":               key.Sign(t, map[string]any{"crit": []string{"x"}, "x": 1}, claims),
		"a JWT around another":          key.Sign(t, map[string]any{"cty": "JWT"}, claims),
		"an unencoded payload":          key.Sign(t, map[string]any{"crit": []string{"b64"}, "b64": false}, claims),
		"a payload said to be encoded":  key.Sign(t, map[string]any{"crit": []string{"b64"}, "b64": true}, claims),
		"typ of a DPoP proof":           key.Sign(t, map[string]any{"typ": "dpop+jwt"}, claims),
		"typ of a request object":       key.Sign(t, map[string]any{"typ": "oauth-authz-req+jwt"}, claims),
		"typ of an access token":        key.Sign(t, map[string]any{"typ": "at+jwt"}, claims),
		"typ of a number":               key.Sign(t, map[string]any{"typ": 1}, claims),
		"an array":                      payload(`[]`),
		"a string":                      payload(`"x"`),
		"null":                          payload(`null`),
		"no object":                     payload(`x`),
		"nothing":                       payload(``),
		"a claim twice":                 payload(strings.Replace(toJSON(t, claims), "{", `{"iss":"web",`, 1)),
		"claims in capitals":            payload(strings.ToUpper(toJSON(t, claims))),
		"a client id with a line break": payload(strings.ReplaceAll(toJSON(t, claims), `"worker"`, `"worker\r\n"`)),
		"a long client id":              payload(strings.ReplaceAll(toJSON(t, claims), `"worker"`, `"`+strings.Repeat("w", 3000)+`"`)),
		"deep nesting":                  payload(`{"x":` + strings.Repeat("[", 11000)),
		"a nonsense":                    "x",
		"dots":                          "..",
		"many dots":                     strings.Repeat(".", 10000),
	}
}

func TestHostileClientAuthentication(t *testing.T) {
	t.Parallel()
	key := authztest.NewKey(t, jose.ES256)
	s := startWithKeys(t, withKeys(t, key))
	good := key.Assertion(t, authztest.Worker, s.URL)
	row := func(name string, status int, code string, form url.Values) blackbox.Hostile {
		return blackbox.Hostile{Name: name, Path: "/token", Body: form.Encode(), Header: blackbox.FormHeader(), Status: status, Code: code}
	}
	with := func(pairs ...string) url.Values {
		form := assertionForm(good)
		for i := 0; i < len(pairs); i += 2 {
			form.Set(pairs[i], pairs[i+1])
		}
		return form
	}
	rows := []blackbox.Hostile{
		row("no assertion", 401, "invalid_client", with("client_assertion", "")),
		row("no type", 401, "invalid_client", with("client_assertion_type", "")),
		row("another type", 401, "invalid_client", with("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer")),
		row("type in capitals", 401, "invalid_client", with("client_assertion_type", strings.ToUpper(authztest.AssertionType))),
		row("type with a space", 401, "invalid_client", with("client_assertion_type", authztest.AssertionType+" ")),
		row("another client_id", 401, "invalid_client", with("client_id", authztest.Web)),
		row("an unknown client_id", 401, "invalid_client", with("client_id", "nobody")),
		row("a secret too", 400, "invalid_request", with("client_secret", authztest.Secret)),
		row("a secret instead", 401, "invalid_client", url.Values{"grant_type": {"client_credentials"}, "client_id": {authztest.Worker}, "client_secret": {authztest.Secret}}),
		row("nothing", 401, "invalid_client", url.Values{"grant_type": {"client_credentials"}, "client_id": {authztest.Worker}}),
		row("an assertion of a client with a secret", 401, "invalid_client", assertionForm(key.Assertion(t, authztest.Web, s.URL))),
		row("an assertion of a public client", 401, "invalid_client", assertionForm(key.Assertion(t, authztest.SPA, s.URL))),
		row("an assertion of nobody", 401, "invalid_client", assertionForm(key.Assertion(t, "nobody", s.URL))),
		row("an assertion of no name", 401, "invalid_client", assertionForm(key.Assertion(t, "", s.URL))),
	}
	basic := row("Basic too", 400, "invalid_request", with())
	basic.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(authztest.Worker+":"+authztest.Secret)))
	repeated := row("two assertions", 400, "invalid_request", with())
	repeated.Body += "&client_assertion=" + good
	query := row("an assertion in the URL", 400, "invalid_request", url.Values{"grant_type": {"client_credentials"}})
	query.Query = "client_assertion=" + good
	rows = append(rows, basic, repeated, query)
	for name, assertion := range hostileAssertions(t, key, s.URL) {
		rows = append(rows, row("assertion: "+name, 401, "invalid_client", assertionForm(assertion)))
	}
	browser := s.NewBrowser(t)
	blackbox.Attack(t, s, browser, rows, good)
	if code := blackbox.ErrorOf(t, s.PostForm(t, "/token", assertionForm(good), nil)); code != "" {
		t.Errorf("what was attacked no longer works: %s", code)
	}
}

// The keys of one client, and its certificate, open nothing of another's.
func TestHostileClientOfTheSameServer(t *testing.T) {
	t.Parallel()
	key, other := authztest.NewKey(t, jose.ES256), authztest.NewKey(t, jose.ES256)
	s := authztest.Start(t, authz.Config{}, func(m *client.Metadata) {
		switch m.ID {
		case authztest.Worker:
			m.AuthMethod, m.Secret, m.JWKS = client.AuthPrivateKeyJWT, "", authztest.JWKS(t, key)
		case authztest.Web:
			m.AuthMethod, m.Secret, m.JWKS = client.AuthPrivateKeyJWT, "", authztest.JWKS(t, other)
		}
	})
	if code := blackbox.ErrorOf(t, s.PostForm(t, "/token", assertionForm(other.Assertion(t, authztest.Worker, s.URL)), nil)); code != "invalid_client" {
		t.Errorf("another client's key: %q", code)
	}
	// The same jti in the name of two clients is two different assertions.
	claims := authztest.AssertionClaims(authztest.Web, s.URL)
	if code := blackbox.ErrorOf(t, s.PostForm(t, "/token", assertionForm(other.Sign(t, nil, claims)), nil)); code != "unauthorized_client" {
		t.Errorf("client_credentials of a client that has none: %q", code)
	}
	claims["iss"], claims["sub"] = authztest.Worker, authztest.Worker
	if code := blackbox.ErrorOf(t, s.PostForm(t, "/token", assertionForm(key.Sign(t, nil, claims)), nil)); code != "" {
		t.Errorf("the jti of another client: %q", code)
	}
}

// No assertion, and nothing of a certificate, gets into the log.
func TestHostileAssertionsAreNotLogged(t *testing.T) {
	t.Parallel()
	key := authztest.NewKey(t, jose.ES256)
	log := new(blackbox.Logbook)
	s := authztest.Start(t, authz.Config{Logger: slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))}, func(m *client.Metadata) {
		if m.ID == authztest.Worker {
			m.AuthMethod, m.Secret, m.JWKS = client.AuthPrivateKeyJWT, "", authztest.JWKS(t, key)
		}
	})
	var sent []string
	for _, assertion := range hostileAssertions(t, key, s.URL) {
		sent = append(sent, assertion)
	}
	sent = append(sent, key.Assertion(t, authztest.Worker, s.URL), key.Assertion(t, authztest.Worker, "https://other.example"))
	for _, assertion := range sent {
		request := httptest.NewRequest(http.MethodPost, s.URL+"/token", strings.NewReader(assertionForm(assertion).Encode()))
		request.Header = blackbox.FormHeader()
		s.ServeHTTP(httptest.NewRecorder(), request)
	}
	lines := log.String()
	for _, assertion := range sent {
		for part := range strings.SplitSeq(assertion, ".") {
			if len(part) > 20 && strings.Contains(lines, part) {
				t.Errorf("the log holds %.60s", part)
			}
		}
	}
	if !json.Valid([]byte(strings.SplitN(lines, "\n", 2)[0])) || !strings.Contains(lines, "invalid_client") {
		t.Errorf("the log says too little: %.300s", lines)
	}
}
