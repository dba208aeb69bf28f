package clientauth_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/outbound"
	"github.com/authzd/authzd/storage"
)

// startWithKeys runs a server whose client Worker proves itself by private_key_jwt.
func startWithKeys(t *testing.T, change func(m *client.Metadata)) *authztest.Server {
	t.Helper()
	network := netip.MustParsePrefix("127.0.0.0/8")
	return authztest.Start(t, authz.Config{Outbound: outbound.Config{AllowPrivateNetworks: []netip.Prefix{network}}}, func(m *client.Metadata) {
		if m.ID == authztest.Worker {
			m.AuthMethod, m.Secret = client.AuthPrivateKeyJWT, ""
			change(m)
		}
	})
}

// withKeys registers these keys.
func withKeys(t *testing.T, keys ...*authztest.Key) func(m *client.Metadata) {
	return func(m *client.Metadata) { m.JWKS = authztest.JWKS(t, keys...) }
}

// assertionForm asks for an app token with a client assertion.
func assertionForm(assertion string) url.Values {
	return url.Values{"grant_type": {"client_credentials"}, "client_assertion_type": {authztest.AssertionType}, "client_assertion": {assertion}}
}

func TestRFC7523Section2_2_ClientAssertion(t *testing.T) {
	t.Parallel()
	for _, alg := range []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256, jose.EdDSA} {
		t.Run(string(alg), func(t *testing.T) {
			key := authztest.NewKey(t, alg)
			key.ID = "1"
			s := startWithKeys(t, withKeys(t, key))
			for name, change := range map[string]url.Values{
				"by the assertion alone": nil,
				"with the client_id":     {"client_id": {authztest.Worker}},
			} {
				form := assertionForm(key.Assertion(t, authztest.Worker, s.URL))
				maps.Copy(form, change)
				if code := blackbox.ErrorOf(t, s.PostForm(t, "/token", form, nil)); code != "" {
					t.Errorf("%s: %s", name, code)
				}
			}
		})
	}
}

// The other endpoints take the same proof, and spend it too.
func TestRFC7523Section2_2_AtOtherEndpoints(t *testing.T) {
	t.Parallel()
	key := authztest.NewKey(t, jose.ES256)
	s := startWithKeys(t, withKeys(t, key))
	token := s.PostForm(t, "/token", assertionForm(key.Assertion(t, authztest.Worker, s.URL)), nil)
	var issued authztest.Tokens
	token.JSON(t, &issued)
	for _, endpoint := range []string{"/introspect", "/revoke"} {
		form := assertionForm(key.Assertion(t, authztest.Worker, s.URL+endpoint))
		form.Set("token", issued.AccessToken)
		response := s.PostForm(t, endpoint, form, nil)
		if response.Status != http.StatusOK || endpoint == "/introspect" && !strings.Contains(response.Body, `"active":true`) {
			t.Errorf("%s: %d %s", endpoint, response.Status, response.Body)
		}
		if code := blackbox.ErrorOf(t, s.PostForm(t, endpoint, form, nil)); code != "invalid_client" {
			t.Errorf("%s again: %q", endpoint, code)
		}
		if code := blackbox.ErrorOf(t, s.PostForm(t, "/token", form, nil)); code != "invalid_client" {
			t.Errorf("%s, then /token: %q", endpoint, code)
		}
	}
}

// assertionRow is one change to good claims; nil removes a claim.
type assertionRow struct {
	name   string
	change map[string]any
	ok     bool
}

func assertionRows(s *authztest.Server) []assertionRow {
	now := time.Now()
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	return []assertionRow{
		{"1: no iss", map[string]any{"iss": nil}, false},
		{"1: iss of another client", map[string]any{"iss": authztest.Web}, false},
		{"1: iss an array", map[string]any{"iss": []string{authztest.Worker}}, false},
		{"2: no sub", map[string]any{"sub": nil}, false},
		{"2: sub of another client", map[string]any{"sub": authztest.Web}, false},
		{"2: both of another client", map[string]any{"iss": authztest.Web, "sub": authztest.Web}, false},
		{"2: sub with another case", map[string]any{"sub": "WORKER", "iss": "WORKER"}, false},
		{"3: the issuer", map[string]any{"aud": s.URL}, true},
		{"3: the issuer in a list", map[string]any{"aud": []string{s.URL}}, true},
		{"3: the issuer among others", map[string]any{"aud": []string{"https://other.example", s.URL}}, true},
		{"3: the token endpoint", map[string]any{"aud": s.URL + "/token"}, true},
		{"3: another endpoint", map[string]any{"aud": s.URL + "/introspect"}, false},
		{"3: no aud", map[string]any{"aud": nil}, false},
		{"3: an empty aud", map[string]any{"aud": ""}, false},
		{"3: an empty list", map[string]any{"aud": []string{}}, false},
		{"3: another server", map[string]any{"aud": "https://other.example"}, false},
		{"3: the issuer with a slash", map[string]any{"aud": s.URL + "/"}, false},
		{"3: the issuer and more", map[string]any{"aud": s.URL + ".example"}, false},
		{"3: the client itself", map[string]any{"aud": authztest.Worker}, false},
		{"3: a number", map[string]any{"aud": 1}, false},
		{"3: a list of numbers", map[string]any{"aud": []any{1, s.URL}}, false},
		{"4: no exp", map[string]any{"exp": nil}, false},
		{"4: exp a string", map[string]any{"exp": "soon"}, false},
		{"4: expired", map[string]any{"exp": at(-time.Second)}, false},
		{"4: expired five minutes ago", map[string]any{"exp": at(-5 * time.Minute)}, false},
		{"4: exp 0", map[string]any{"exp": 0}, false},
		{"4: exp with a fraction", map[string]any{"exp": float64(at(time.Minute)) + 0.5}, true},
		{"4: an hour", map[string]any{"exp": at(time.Hour)}, true},
		{"4: two hours", map[string]any{"exp": at(2 * time.Hour)}, false},
		{"4: a century", map[string]any{"exp": at(100 * 365 * 24 * time.Hour)}, false},
		{"4: the end of time", map[string]any{"exp": 1e300}, false},
		{"5: nbf in 10 s", map[string]any{"nbf": at(10 * time.Second)}, true},
		{"5: nbf in 61 s", map[string]any{"nbf": at(61 * time.Second)}, false},
		{"5: nbf long ago", map[string]any{"nbf": 1}, true},
		{"6: no iat", map[string]any{"iat": nil}, true},
		{"6: iat in 10 s", map[string]any{"iat": at(10 * time.Second)}, true},
		{"6: iat in 61 s", map[string]any{"iat": at(61 * time.Second)}, false},
		{"7: no jti", map[string]any{"jti": nil}, false},
		{"7: an empty jti", map[string]any{"jti": ""}, false},
		{"7: a long jti", map[string]any{"jti": strings.Repeat("j", 1025)}, false},
		{"8: other claims", map[string]any{"nonce": "n", "x": map[string]any{"y": 1}}, true},
	}
}

// RFC 7523 section 3 lists what is checked; the number in a row's name is the point of that list.
func TestRFC7523Section3_Claims(t *testing.T) {
	t.Parallel()
	key := authztest.NewKey(t, jose.ES256)
	s := startWithKeys(t, withKeys(t, key))
	for _, row := range assertionRows(s) {
		claims := authztest.AssertionClaims(authztest.Worker, s.URL)
		for name, value := range row.change {
			claims[name] = value
			if value == nil {
				delete(claims, name)
			}
		}
		code := blackbox.ErrorOf(t, s.PostForm(t, "/token", assertionForm(key.Sign(t, nil, claims)), nil))
		if row.ok != (code == "") || !row.ok && code != "invalid_client" {
			t.Errorf("%s: %q", row.name, code)
		}
	}
}

// FAPI 2.0: the issuer alone, as a plain string.
func TestFAPI2SecurityProfileSection5_3_2_1_Audience(t *testing.T) {
	t.Parallel()
	key := authztest.NewKey(t, jose.ES256)
	s := startWithKeys(t, func(m *client.Metadata) {
		withKeys(t, key)(m)
		m.StrictAudience = true
	})
	for _, row := range []struct {
		audience any
		ok       bool
	}{
		{s.URL, true}, {[]string{s.URL}, false}, {s.URL + "/token", false}, {[]string{s.URL, "https://other.example"}, false}, {"", false},
	} {
		claims := authztest.AssertionClaims(authztest.Worker, s.URL)
		claims["aud"] = row.audience
		if code := blackbox.ErrorOf(t, s.PostForm(t, "/token", assertionForm(key.Sign(t, nil, claims)), nil)); (code == "") != row.ok {
			t.Errorf("aud %v: %q", row.audience, code)
		}
	}
}

// An assertion is good for one request, whether that succeeds or not.
func TestRFC7523Section3_Replay(t *testing.T) {
	t.Parallel()
	key := authztest.NewKey(t, jose.ES256)
	s := startWithKeys(t, withKeys(t, key))
	for name, first := range map[string]url.Values{
		"after a success":                  nil,
		"after a scope that is not had":    {"scope": {"admin"}},
		"after a grant that is not had":    {"grant_type": {"refresh_token"}, "refresh_token": {"x"}},
		"after a resource that is unknown": {"resource": {"https://other.example"}},
	} {
		form := assertionForm(key.Assertion(t, authztest.Worker, s.URL))
		changed := maps.Clone(form)
		maps.Copy(changed, first)
		blackbox.ErrorOf(t, s.PostForm(t, "/token", changed, nil))
		if code := blackbox.ErrorOf(t, s.PostForm(t, "/token", form, nil)); code != "invalid_client" {
			t.Errorf("%s: %q", name, code)
		}
	}
	// The jti of one client says nothing about that of another, and not its other claims about it.
	claims := authztest.AssertionClaims(authztest.Worker, s.URL)
	blackbox.ErrorOf(t, s.PostForm(t, "/token", assertionForm(key.Sign(t, nil, claims)), nil))
	claims["exp"], claims["aud"] = time.Now().Add(10*time.Minute).Unix(), s.URL+"/token"
	if code := blackbox.ErrorOf(t, s.PostForm(t, "/token", assertionForm(key.Sign(t, nil, claims)), nil)); code != "invalid_client" {
		t.Errorf("the same jti in another assertion: %q", code)
	}
}

// It is remembered for longer than it is good: a replica whose clock is slow takes it when this one no
// longer does.
func TestRFC7523Section3_RememberedLongerThanAccepted(t *testing.T) {
	t.Parallel()
	key := authztest.NewKey(t, jose.ES256)
	s := startWithKeys(t, withKeys(t, key))
	claims := authztest.AssertionClaims(authztest.Worker, s.URL)
	if code := blackbox.ErrorOf(t, s.PostForm(t, "/token", assertionForm(key.Sign(t, nil, claims)), nil)); code != "" {
		t.Fatal(code)
	}
	marks, err := s.Store.Scan(t.Context(), storage.Marks.Table, "", "", 10)
	if err != nil || len(marks) != 1 {
		t.Fatalf("%d marks, %v", len(marks), err)
	}
	if left := marks[0].Expires.Unix() - claims["exp"].(int64); left < 10 {
		t.Errorf("remembered for %d s after it expired", left)
	}
}

func TestRFC7523Section3_Race(t *testing.T) {
	t.Parallel()
	key := authztest.NewKey(t, jose.ES256)
	s := startWithKeys(t, withKeys(t, key))
	fresh := func(change url.Values) url.Values {
		form := assertionForm(key.Assertion(t, authztest.Worker, s.URL))
		maps.Copy(form, change)
		return form
	}
	for path, form := range map[string]url.Values{
		"/token": fresh(nil),
		// A refusal uses the assertion too: one racer learns the reason, and the others that it was used.
		"/token?refused": fresh(url.Values{"scope": {"admin"}}),
		"/introspect":    fresh(url.Values{"token": {"x"}}),
	} {
		var winners, replays atomic.Int32
		var all sync.WaitGroup
		for range 64 {
			all.Go(func() {
				switch code := blackbox.ErrorOf(t, s.PostForm(t, path, form, nil)); code {
				case "", "invalid_scope":
					winners.Add(1)
				case "invalid_client":
					replays.Add(1)
				default:
					t.Errorf("error %q", code)
				}
			})
		}
		all.Wait()
		if winners.Load() != 1 || replays.Load() != 63 {
			t.Errorf("%s: %d winners, %d replays", path, winners.Load(), replays.Load())
		}
	}
}

// token_endpoint_auth_signing_alg and the alg of the key are kept to (RFC 7591 section 2).
func TestRFC7523Section3_Algorithm(t *testing.T) {
	t.Parallel()
	rsa := authztest.NewKey(t, jose.PS256)
	both := startWithKeys(t, func(m *client.Metadata) {
		public := rsa.Public()
		public.Algorithm = ""
		m.JWKS, _ = json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{public}})
		m.AuthAlg = "PS256"
	})
	if code := blackbox.ErrorOf(t, both.PostForm(t, "/token", assertionForm(rsa.Assertion(t, authztest.Worker, both.URL)), nil)); code != "" {
		t.Errorf("as registered: %s", code)
	}
	pkcs := *rsa
	pkcs.Alg = jose.RS256
	if code := blackbox.ErrorOf(t, both.PostForm(t, "/token", assertionForm(pkcs.Assertion(t, authztest.Worker, both.URL)), nil)); code != "invalid_client" {
		t.Errorf("another algorithm than the client's: %q", code)
	}
	one := startWithKeys(t, withKeys(t, rsa))
	if code := blackbox.ErrorOf(t, one.PostForm(t, "/token", assertionForm(pkcs.Assertion(t, authztest.Worker, one.URL)), nil)); code != "invalid_client" {
		t.Errorf("another algorithm than the key's: %q", code)
	}
}

// keyServer is a client's jwks_uri.
type keyServer struct {
	*httptest.Server
	set     atomic.Pointer[client.JWKS]
	fetches atomic.Int32
}

func serveKeys(t *testing.T, keys ...*authztest.Key) *keyServer {
	k := new(keyServer)
	k.publish(t, keys...)
	k.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		k.fetches.Add(1)
		if set := k.set.Load(); set != nil {
			w.Write(*set)
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(k.Close)
	return k
}

func (k *keyServer) publish(t *testing.T, keys ...*authztest.Key) {
	t.Helper()
	set := authztest.JWKS(t, keys...)
	k.set.Store(&set)
}

// OpenID Connect Core section 10.1.1: a client that signs with a new key is heard at once, and one
// that makes up keys does not make us fetch without end.
func TestOpenIDConnectCoreSection10_1_1_RotationOfClientKeys(t *testing.T) {
	t.Parallel()
	first, second, unknown := authztest.NewKey(t, jose.ES256), authztest.NewKey(t, jose.ES256), authztest.NewKey(t, jose.ES256)
	first.ID, second.ID, unknown.ID = "1", "2", "3"
	keys := serveKeys(t, first)
	s := startWithKeys(t, func(m *client.Metadata) { m.JWKSURI = keys.URL })
	ask := func(key *authztest.Key) string {
		return blackbox.ErrorOf(t, s.PostForm(t, "/token", assertionForm(key.Assertion(t, authztest.Worker, s.URL)), nil))
	}
	for range 3 {
		if code := ask(first); code != "" {
			t.Errorf("the first key: %s", code)
		}
	}
	if n := keys.fetches.Load(); n != 1 {
		t.Errorf("%d fetches for one key", n)
	}
	keys.publish(t, second)
	if code := ask(second); code != "" {
		t.Errorf("the second key: %s", code)
	}
	if code := ask(first); code != "invalid_client" {
		t.Errorf("the key that was withdrawn: %q", code)
	}
	for range 50 {
		if code := ask(unknown); code != "invalid_client" {
			t.Errorf("a key that was never there: %q", code)
		}
	}
	if n := keys.fetches.Load(); n > 4 {
		t.Errorf("%d fetches for hostile kids", n)
	}
	keys.set.Store(nil)
	if code := ask(second); code != "" {
		t.Errorf("while the jwks_uri is down: %s", code)
	}
}

// A signature that does not verify says nothing about new keys: nothing is fetched for it.
func TestOpenIDConnectCoreSection10_1_1_ForgedSignature(t *testing.T) {
	t.Parallel()
	key, forged := authztest.NewKey(t, jose.ES256), authztest.NewKey(t, jose.ES256)
	key.ID, forged.ID = "1", "1"
	keys := serveKeys(t, key)
	s := startWithKeys(t, func(m *client.Metadata) { m.JWKSURI = keys.URL })
	for range 10 {
		if code := blackbox.ErrorOf(t, s.PostForm(t, "/token", assertionForm(forged.Assertion(t, authztest.Worker, s.URL)), nil)); code != "invalid_client" {
			t.Errorf("forged: %q", code)
		}
	}
	if n := keys.fetches.Load(); n != 1 {
		t.Errorf("%d fetches", n)
	}
}

// The answer of a jwks_uri is not trusted either.
func TestRFC7517Section5_BadSets(t *testing.T) {
	t.Parallel()
	key := authztest.NewKey(t, jose.ES256)
	for name, set := range map[string]string{
		"no JSON": "keys", "no set": `[]`, "no keys": `{"keys":[]}`, "a symmetric key": `{"keys":[{"kty":"oct","k":"AAAA"},` + toJSON(t, key.Public()) + `]}`,
		"a private key": `{"keys":[` + toJSON(t, jose.JSONWebKey{Key: key.Private}) + `]}`,
		"far too many":  `{"keys":[` + strings.Repeat(`{"kty":"EC"},`, 200) + `{}]}`, "too long": `{"keys":[],"x":"` + strings.Repeat("x", 70_000) + `"}`,
	} {
		keys := serveKeys(t)
		raw := client.JWKS(set)
		keys.set.Store(&raw)
		s := startWithKeys(t, func(m *client.Metadata) { m.JWKSURI = keys.URL })
		if code := blackbox.ErrorOf(t, s.PostForm(t, "/token", assertionForm(key.Assertion(t, authztest.Worker, s.URL)), nil)); code != "invalid_client" {
			t.Errorf("%s: %q", name, code)
		}
	}
}

// One key that can't be used does not make the others useless.
func TestRFC7517Section5_UnusableKeysAreIgnored(t *testing.T) {
	t.Parallel()
	key := authztest.NewKey(t, jose.ES256)
	keys := serveKeys(t)
	raw := client.JWKS(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"},{"kty":"EC","crv":"secp256k1"},{"x":1},` + toJSON(t, key.Public()) + `]}`)
	keys.set.Store(&raw)
	s := startWithKeys(t, func(m *client.Metadata) { m.JWKSURI = keys.URL })
	if code := blackbox.ErrorOf(t, s.PostForm(t, "/token", assertionForm(key.Assertion(t, authztest.Worker, s.URL)), nil)); code != "" {
		t.Errorf("a good key among bad ones: %s", code)
	}
}

// A jwks_uri that leads into a private network is not followed, and the client is not told more
// than that it is not believed.
func TestRFC7523_JWKSURIOfAPrivateNetwork(t *testing.T) {
	t.Parallel()
	key := authztest.NewKey(t, jose.ES256)
	keys := serveKeys(t, key)
	s := authztest.Start(t, authz.Config{}, func(m *client.Metadata) {
		if m.ID == authztest.Worker {
			m.AuthMethod, m.Secret, m.JWKSURI = client.AuthPrivateKeyJWT, "", keys.URL
		}
	})
	response := s.PostForm(t, "/token", assertionForm(key.Assertion(t, authztest.Worker, s.URL)), nil)
	if code := blackbox.ErrorOf(t, response); code != "invalid_client" || keys.fetches.Load() != 0 {
		t.Errorf("%q after %d fetches", code, keys.fetches.Load())
	}
	if strings.Contains(response.Body, "127.0.0.1") || strings.Contains(response.Body, "blocked") {
		t.Errorf("the answer tells too much: %s", response.Body)
	}
}

// To find out that there is no such client takes about as long as that the signature is forged.
func TestRFC7523_UnknownClientTiming(t *testing.T) {
	for _, alg := range []jose.SignatureAlgorithm{jose.ES256, jose.RS256, jose.EdDSA} {
		key, forged := authztest.NewKey(t, alg), authztest.NewKey(t, alg)
		key.ID, forged.ID = "1", "1"
		s := startWithKeys(t, withKeys(t, key))
		once := func(form url.Values) time.Duration {
			request := httptest.NewRequest(http.MethodPost, s.URL+"/token", strings.NewReader(form.Encode()))
			request.Header = blackbox.FormHeader()
			recorder := httptest.NewRecorder()
			begin := time.Now()
			s.ServeHTTP(recorder, request)
			took := time.Since(begin)
			if recorder.Code != http.StatusUnauthorized || !strings.Contains(recorder.Body.String(), "unknown or its credentials are wrong") {
				t.Fatalf("%d %s", recorder.Code, recorder.Body)
			}
			return took
		}
		known, unknown := time.Hour, time.Hour // the fastest of many, taken in turn
		knownForm, unknownForm := assertionForm(forged.Assertion(t, authztest.Worker, s.URL)), assertionForm(forged.Assertion(t, "nobody", s.URL))
		for range 100 {
			known, unknown = min(known, once(knownForm)), min(unknown, once(unknownForm))
		}
		if ratio := float64(known) / float64(unknown); ratio > 2 || ratio < 0.5 {
			t.Errorf("%s: %v for a known client, %v for an unknown one", alg, known, unknown)
		}
	}
}

// Several secrets work side by side until they expire (RFC 7591 section 3.2.1:
// client_secret_expires_at).
func TestRFC7591Section3_2_1_SeveralSecrets(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, func(m *client.Metadata) {
		if m.ID == authztest.Worker {
			m.Secrets = []client.Secret{{Value: "new"}, {Value: "old", ExpiresAt: new(time.Now().Add(time.Hour))}, {Value: "expired", ExpiresAt: new(time.Now().Add(-time.Second))}}
		}
	})
	for secret, want := range map[string]int{authztest.Secret: 200, "new": 200, "old": 200, "expired": 401, "": 401, "other": 401} {
		if got := s.Token(t, authztest.Worker, secret, url.Values{"grant_type": {"client_credentials"}}); got.Status != want && !(secret == "" && got.Status == 401) {
			t.Errorf("secret %q: %d %s", secret, got.Status, got.Error)
		}
	}
}
