package authorize_test

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
)

// Request objects and references to pushed requests that must be refused: by value at the
// authorization endpoint, and pushed.
func TestHostileRequestObjects(t *testing.T) {
	t.Parallel()
	rs, es, foreign := blackbox.NewSigningKey(t, jose.RS256), blackbox.NewSigningKey(t, jose.ES256), blackbox.NewSigningKey(t, jose.ES256)
	s := authztest.Start(t, authz.Config{}, func(m *client.Metadata) {
		switch m.ID {
		case authztest.Web:
			m.JWKS = authztest.JWKS(t, rs, es)
			m.RequestURIs = []string{"https://127.0.0.1:1/object", "https://10.0.0.1/object"}
		case authztest.ThirdParty:
			m.JWKS, m.RequestAlg = authztest.JWKS(t, rs), "PS256"
		}
	})
	browser := s.SignedIn(t, nil)
	pushed, used := blackbox.Push(t, s, nil), blackbox.Push(t, s, nil)
	browser.Open(t, used).Redirect(t)

	rows := hostileReferences(pushed, used)
	for name, object := range hostileObjects(t, s, rs, es, foreign) {
		rows = append(rows,
			blackbox.Hostile{Name: "request/" + name, Path: "/authorize", Query: byValue(object).Encode(), Status: 400, Code: "invalid_request_object"},
			blackbox.Hostile{Name: "par/" + name, Path: "/par", Body: url.Values{"request": {object}}.Encode(), Header: basicHeader(authztest.Web), Status: 400, Code: "invalid_request_object"})
	}
	for i, row := range rows { // refused before it is looked at
		switch {
		case len(row.Query) > 16<<10:
			rows[i].Code = "invalid_request"
		case len(row.Body) > 64<<10:
			rows[i].Status, rows[i].Code = 413, "invalid_request"
		}
	}
	blackbox.Attack(t, s, browser, rows)
	if got := browser.Open(t, pushed).Redirect(t); got.Get("code") == "" { // what was attacked still works
		t.Errorf("the pushed request no longer works: %v", got)
	}
	if got := browser.Open(t, byValue(es.Sign(t, nil, blackbox.RequestObject(s.URL, nil)))).Redirect(t); got.Get("code") == "" {
		t.Errorf("an honest request object is refused: %v", got)
	}
}

func basicHeader(id string) http.Header {
	header := blackbox.FormHeader()
	header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(id+":"+url.QueryEscape(authztest.Secret))))
	return header
}

// hostileObjects are request objects for the web client, by what is wrong with them.
func hostileObjects(t *testing.T, s *authztest.Server, rs, es, foreign *authztest.Key) map[string]string {
	now := time.Now().Unix()
	with := func(change map[string]any) string { return es.Sign(t, nil, blackbox.RequestObject(s.URL, change)) }
	headed := func(header map[string]any) string { return es.Sign(t, header, blackbox.RequestObject(s.URL, nil)) }
	honest := with(nil)
	parts := strings.Split(honest, ".")
	encode := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	raw := func(payload string) string { return blackbox.SignPayload(t, es, payload) }
	text := func(claims map[string]any) string {
		b, err := json.Marshal(claims)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	plain := text(blackbox.RequestObject(s.URL, nil))
	imposter := *foreign
	imposter.ID = es.ID
	public, err := json.Marshal(rs.Public())
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"empty signature":                  parts[0] + "." + parts[1] + ".",
		"garbage":                          "garbage",
		"one part":                         parts[1],
		"two parts":                        parts[0] + "." + parts[1],
		"four parts":                       honest + ".e30",
		"JSON serialization":               fmt.Sprintf(`{"protected":%q,"payload":%q,"signature":%q}`, parts[0], parts[1], parts[2]),
		"alg none":                         encode(`{"alg":"none"}`) + "." + parts[1] + ".",
		"alg none with a signature":        encode(`{"alg":"none"}`) + "." + parts[1] + "." + parts[2],
		"alg None":                         encode(`{"alg":"None"}`) + "." + parts[1] + ".",
		"alg missing":                      encode(`{}`) + "." + parts[1] + "." + parts[2],
		"HS256 with the public key":        signSymmetric(t, public, plain),
		"HS256 with the client secret":     signSymmetric(t, []byte(authztest.Secret), plain),
		"a foreign key":                    foreign.Sign(t, nil, blackbox.RequestObject(s.URL, nil)),
		"a foreign key under a known kid":  imposter.Sign(t, nil, blackbox.RequestObject(s.URL, nil)),
		"an unknown kid":                   headed(map[string]any{"kid": "nobody's"}),
		"a kid that is a path":             headed(map[string]any{"kid": "../../../dev/null"}),
		"the kid of a key for another alg": headed(map[string]any{"kid": rs.ID}),
		"its own jwk":                      foreign.Sign(t, map[string]any{"jwk": foreign.Public(), "kid": "x"}, blackbox.RequestObject(s.URL, nil)),
		"its own jku":                      foreign.Sign(t, map[string]any{"jku": "https://evil.example/jwks.json", "kid": "x"}, blackbox.RequestObject(s.URL, nil)),
		"its own x5u":                      foreign.Sign(t, map[string]any{"x5u": "https://evil.example/cert.pem", "kid": "x"}, blackbox.RequestObject(s.URL, nil)),
		"crit":                             headed(map[string]any{"crit": []string{"exp"}, "exp": now + 60}),
		"crit b64":                         headed(map[string]any{"crit": []string{"b64"}, "b64": true}),
		"b64 false":                        encode(`{"alg":"ES256","kid":"`+es.ID+`","b64":false,"crit":["b64"]}`) + "." + parts[1] + "." + parts[2],
		"typ of an access token":           headed(map[string]any{"typ": "at+jwt"}),
		"typ of a proof":                   headed(map[string]any{"typ": "dpop+jwt"}),
		"typ of an assertion":              headed(map[string]any{"typ": "client-authentication+jwt"}),
		"typ of a logout token":            headed(map[string]any{"typ": "logout+jwt"}),
		"typ a number":                     headed(map[string]any{"typ": 1}),
		"a JWT inside":                     headed(map[string]any{"cty": "JWT"}),
		"changed payload":                  parts[0] + "." + encode(strings.Replace(plain, "code", "none", 1)) + "." + parts[2],
		"changed header":                   encode(`{"alg":"ES256"}`) + "." + parts[1] + "." + parts[2],
		"one more character":               honest + "A",
		"padded":                           honest + "=",
		"encrypted":                        encrypted(t, plain),
		"a bomb":                           bomb(t),
		"no client_id":                     with(map[string]any{"client_id": nil}),
		"another client_id":                with(map[string]any{"client_id": authztest.SPA}),
		"client_id in a list":              with(map[string]any{"client_id": []string{authztest.Web}}),
		"another iss":                      with(map[string]any{"iss": authztest.SPA}),
		"iss is this server":               with(map[string]any{"iss": s.URL}),
		"sub is the client":                with(map[string]any{"sub": authztest.Web}),
		"no aud":                           with(map[string]any{"aud": nil}),
		"aud of another server":            with(map[string]any{"aud": "https://other.example.com"}),
		"aud with a slash":                 with(map[string]any{"aud": s.URL + "/"}),
		"aud an empty list":                with(map[string]any{"aud": []string{}}),
		"aud an object":                    with(map[string]any{"aud": map[string]any{s.URL: true}}),
		"expired":                          with(map[string]any{"exp": now - 11}),
		"exp zero":                         with(map[string]any{"exp": 0}),
		"exp a string":                     with(map[string]any{"exp": "tomorrow"}),
		"exp beyond time":                  with(map[string]any{"exp": 1e300}),
		"nbf ahead":                        with(map[string]any{"nbf": now + 60}),
		"nbf at the end of time":           with(map[string]any{"nbf": json.RawMessage("9223372036854775807")}),
		"a request inside":                 with(map[string]any{"request": honest}),
		"a request_uri inside":             with(map[string]any{"request_uri": "https://app.example.com/object"}),
		"a pushed request inside":          with(map[string]any{"request_uri": blackbox.PushedPrefix + "x"}),
		"scope in a list":                  with(map[string]any{"scope": []string{"openid"}}),
		"redirect_uri an object":           with(map[string]any{"redirect_uri": map[string]any{}}),
		"CRLF in the state":                with(map[string]any{"state": "a\r\nSet-Cookie: x=y"}),
		"NUL in the state":                 with(map[string]any{"state": "a\x00"}),
		"a control character in a name":    with(map[string]any{"a\nb": "c"}),
		"client_id twice":                  raw(`{"client_id":"evil",` + plain[1:]),
		"a parameter twice":                raw(`{"scope":"openid",` + plain[1:]),
		"exp twice":                        raw(`{"exp":1,` + plain[1:]),
		"payload not JSON":                 raw("not JSON"),
		"payload an array":                 raw("[" + plain + "]"),
		"payload a string":                 raw(`"` + authztest.Web + `"`),
		"payload null":                     raw("null"),
		"payload empty":                    raw(""),
		"payload with more behind it":      raw(plain + plain),
		"payload without end":              raw(plain[:len(plain)-1]),
		"names in capitals":                raw(strings.Replace(plain, `"client_id"`, `"CLIENT_ID"`, 1)),
		"deep":                             raw(`{"x":` + strings.Repeat("[", 5_000)),
		"deeper":                           raw(strings.Replace(plain, "{", `{"state":`+strings.Repeat("[", 10_000)+strings.Repeat("]", 10_000)+",", 1)),
		"a client assertion":               es.Assertion(t, authztest.Web, s.URL),
		"a value of 17 KiB":                with(map[string]any{"state": strings.Repeat("a", 17<<10)}),
		"1 MiB":                            strings.Repeat("a", 1<<20),
		"an ID token of this server":       s.SignIn(t, authztest.Web, authztest.Secret, nil).IDToken,
	}
}

// hostileReferences are request URIs, and combinations of parameters.
func hostileReferences(pushed, used url.Values) []blackbox.Hostile {
	row := func(name string, status int, code string, params url.Values, change ...string) blackbox.Hostile {
		params = maps.Clone(params)
		for i := 0; i < len(change); i += 2 {
			params.Set(change[i], change[i+1])
		}
		return blackbox.Hostile{Name: "request_uri/" + name, Path: "/authorize", Query: params.Encode(), Status: status, Code: code}
	}
	web := url.Values{"client_id": {authztest.Web}, "redirect_uri": {authztest.RedirectURI}}
	twice := row("twice", 400, "invalid_request", pushed)
	twice.Query += "&request_uri=" + url.QueryEscape(pushed.Get("request_uri"))
	rows := []blackbox.Hostile{
		twice,
		row("used", 400, "invalid_request_uri", used),
		row("of another client", 400, "invalid_request_uri", pushed, "client_id", authztest.SPA),
		row("of nobody", 400, "invalid_client", pushed, "client_id", "nobody"),
		row("and a request", 400, "invalid_request", pushed, "request", "e30.e30.e30"),
		row("and a client_secret", 400, "invalid_request", pushed, "client_secret", "hunter2"),
		row("guessed, with a redirect_uri", 400, "invalid_request_uri", web, "request_uri", blackbox.PushedPrefix+strings.Repeat("A", 43)),
		row("in capitals", 303, "invalid_request_uri", web, "request_uri", strings.ToUpper(pushed.Get("request_uri"))),
		row("with a space", 303, "invalid_request_uri", web, "request_uri", " "+pushed.Get("request_uri")),
		row("too long", 400, "invalid_request_uri", web, "request_uri", blackbox.PushedPrefix+strings.Repeat("A", 10_000)),
		row("with NUL", 400, "invalid_request", web, "request_uri", pushed.Get("request_uri")+"\x00"),
	}
	for _, uri := range []string{
		"http://127.0.0.1:1/object", "https://127.0.0.1:1/object", "https://127.0.0.1:1/object?", "https://10.0.0.1/object", "https://evil.example/object", "file:///etc/passwd",
		"http://169.254.169.254/latest/meta-data", "gopher://127.0.0.1:6379/x", "data:application/jwt,e30.e30.", "//evil.example", "urn:ietf:params:oauth:request_uri", "urn:x", "javascript:alert(1)",
	} {
		rows = append(rows, row(uri, 303, "invalid_request_uri", web, "request_uri", uri))
	}
	form := func(name string, status int, code string, header http.Header, form url.Values) blackbox.Hostile {
		return blackbox.Hostile{Name: "par/" + name, Path: "/par", Body: form.Encode(), Header: header, Status: status, Code: code}
	}
	plain := authztest.Request(authztest.Web, nil)
	multipart := basicHeader(authztest.Web)
	multipart.Set("Content-Type", "multipart/form-data; boundary=x")
	secretInURL := form("a secret in the URL", 400, "invalid_request", basicHeader(authztest.Web), plain)
	secretInURL.Query = "client_secret=x"
	repeated := form("a parameter twice", 400, "invalid_request", basicHeader(authztest.Web), plain)
	repeated.Body += "&scope=openid"
	return append(rows, secretInURL, repeated,
		form("nobody", 401, "invalid_client", blackbox.FormHeader(), url.Values{}),
		form("no parameters", 400, "invalid_request", basicHeader(authztest.Web), url.Values{"x": {"y"}}),
		form("another content type", 400, "invalid_request", multipart, plain),
		form("a client that signs nobody in", 400, "invalid_request", basicHeader(authztest.Worker), authztest.Request(authztest.Worker, nil)),
		form("a code", 401, "invalid_client", blackbox.FormHeader(), url.Values{"code": {"azc_x"}}),
		blackbox.Hostile{Name: "par/GET", Method: http.MethodGet, Path: "/par", Query: plain.Encode(), Status: 405, Code: "method_not_allowed"},
	)
}

func signSymmetric(t testing.TB, secret []byte, payload string) string {
	t.Helper()
	return blackbox.SignWith(t, jose.SigningKey{Algorithm: jose.HS256, Key: secret}, map[jose.HeaderKey]any{"kid": "signs-RS256"}, payload)
}

// encrypted is a request object for a key that the client made up.
func encrypted(t *testing.T, payload string) string {
	t.Helper()
	encrypter, err := jose.NewEncrypter(jose.A256GCM, jose.Recipient{Algorithm: jose.DIRECT, Key: bytes.Repeat([]byte("k"), 32)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	jwe, err := encrypter.Encrypt([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwe.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// bomb is what a decompressing server would blow up to 4 MiB.
func bomb(t *testing.T) string {
	t.Helper()
	var packed bytes.Buffer
	z, err := flate.NewWriter(&packed, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	z.Write(bytes.Repeat([]byte(" "), 4<<20))
	z.Close()
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"dir","enc":"A128GCM","zip":"DEF"}`)) + ".." + encode([]byte("twelve bytes")) + "." + encode(packed.Bytes()) + "." + encode([]byte("sixteen bytes tag"))
}
