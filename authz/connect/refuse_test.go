package connect_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/authz/connect"
	"github.com/go-jose/go-jose/v4"
	"github.com/hashicorp/cap/oidc"
)

func TestCallbackIsRefused(t *testing.T) {
	u := newUpstream(t)
	c := newConnector(t, u.config())
	with := func(name string, values ...string) func(url.Values, *connect.Attempt) {
		return func(v url.Values, _ *connect.Attempt) { v[name] = values }
	}
	for _, test := range []struct {
		name   string
		change func(url.Values, *connect.Attempt)
		code   string
	}{
		{"state missing", func(v url.Values, _ *connect.Attempt) { v.Del("state") }, connect.InvalidRequest},
		{"state empty", with("state", ""), connect.InvalidRequest},
		{"state of another", with("state", strings.Repeat("A", 43)), connect.InvalidRequest},
		{"state twice", func(v url.Values, a *connect.Attempt) { v["state"] = []string{a.State, a.State} }, connect.InvalidRequest},
		{"no attempt", func(v url.Values, a *connect.Attempt) { v.Set("state", ""); *a = connect.Attempt{Connector: "up"} }, connect.InvalidRequest},
		{"attempt of another connector", func(_ url.Values, a *connect.Attempt) { a.Connector = "other" }, connect.InvalidRequest},
		{"forged refusal", func(v url.Values, _ *connect.Attempt) { v.Set("error", "access_denied"); v.Set("state", "x") }, connect.InvalidRequest},
		{"iss of another (mix-up)", with("iss", "https://evil.example"), connect.ServerError},
		{"iss with a slash", with("iss", u.Addr()+"/"), connect.ServerError},
		{"iss empty", with("iss", ""), connect.ServerError},
		{"iss without scheme", with("iss", strings.TrimPrefix(u.Addr(), "https://")), connect.ServerError},
		{"iss twice", with("iss", u.Addr(), u.Addr()), connect.TemporarilyUnavailable},
		{"refused, but by another", func(v url.Values, _ *connect.Attempt) {
			v.Set("error", "access_denied")
			v.Set("iss", "https://evil.example")
		}, connect.ServerError},
		{"code missing", func(v url.Values, _ *connect.Attempt) { v.Del("code") }, connect.TemporarilyUnavailable},
		{"code twice", with("code", "a", "b"), connect.TemporarilyUnavailable},
		{"code malformed", with("code", "a\r\nb"), connect.TemporarilyUnavailable},
		{"code too long", with("code", strings.Repeat("a", 8<<10+1)), connect.TemporarilyUnavailable},
		{"error", with("error", "server_error"), connect.TemporarilyUnavailable},
		{"error unknown", with("error", "<script>"), connect.TemporarilyUnavailable},
		{"error empty", with("error", ""), connect.TemporarilyUnavailable},
		{"refused", with("error", "access_denied"), connect.AccessDenied},
	} {
		t.Run(test.name, func(t *testing.T) {
			callback, a := u.login(t, c)
			callback.Set("error_description", "what the upstream wrote")
			test.change(callback, &a)
			_, err := c.Finish(t.Context(), callback, a)
			failure := wantCode(t, err, test.code)
			if strings.ContainsAny(failure.Reason, `"\<`) || strings.Contains(failure.Reason, "upstream wrote") {
				t.Errorf("reason %q shows what came from outside", failure.Reason)
			}
			if u.count(tokenPath) != 0 {
				t.Error("the token endpoint was asked")
			}
		})
	}
}

func TestUnknownCode(t *testing.T) {
	u := startUpstream(t)
	c := newConnector(t, u.config())
	callback, a := u.login(t, c)
	callback.Set("code", "guess")
	_, err := c.Finish(t.Context(), callback, a)
	wantCode(t, err, connect.TemporarilyUnavailable)
}

func TestUserRefuses(t *testing.T) {
	u := startUpstream(t)
	c := newConnector(t, u.config())
	authURL, a := begin(t, c)
	_, err := c.Finish(t.Context(), u.signIn(t, authURL, a, "wrong password"), a)
	wantCode(t, err, connect.AccessDenied)
	if u.count(tokenPath) != 0 {
		t.Error("the token endpoint was asked")
	}
}

func TestAdvertisedIss(t *testing.T) {
	u := newUpstream(t)
	u.SetAdditionalConfiguration(map[string]any{"authorization_response_iss_parameter_supported": true})
	c := newConnector(t, u.config())

	callback, a := u.login(t, c)
	_, err := c.Finish(t.Context(), callback, a)
	wantCode(t, err, connect.ServerError)
	if u.count(tokenPath) != 0 {
		t.Error("the code was sent without knowing whose it is")
	}
	callback.Set("iss", u.Addr())
	if _, err := c.Finish(t.Context(), callback, a); err != nil {
		t.Error(err)
	}
}

// A code of one attempt is worth nothing in another: the verifier stops it, and if the upstream
// does not check that, the nonce does.
func TestCodeOfAnotherAttempt(t *testing.T) {
	u := newUpstream(t)
	c := newConnector(t, u.config())
	stolen, thief := u.login(t, c)
	_, victim := u.login(t, c)
	stolen.Set("state", victim.State)

	u.expectVerifier(t, thief.Verifier)
	_, err := c.Finish(t.Context(), stolen, victim)
	wantCode(t, err, connect.TemporarilyUnavailable)

	u.expectVerifier(t, victim.Verifier)
	_, err = c.Finish(t.Context(), stolen, victim)
	if failure := wantCode(t, err, connect.ServerError); !strings.Contains(failure.Error(), "nonce") {
		t.Error(err)
	}
}

func TestClaimsOfIDToken(t *testing.T) {
	u := newUpstream(t)
	c := newConnector(t, u.config())
	at := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	for _, test := range []struct {
		name   string
		claims map[string]any
		ok     bool
	}{
		{"plain", nil, true},
		{"issuer is another", map[string]any{"iss": "https://evil.example"}, false},
		{"issuer with a slash", map[string]any{"iss": u.Addr() + "/"}, false},
		{"issuer is no string", map[string]any{"iss": 1}, false},
		{"audience is another", map[string]any{"aud": "other"}, false},
		{"audience is a longer one", map[string]any{"aud": clientID + "2"}, false},
		{"audience is empty", map[string]any{"aud": []string{}}, false},
		{"audience is a string", map[string]any{"aud": clientID}, true},
		{"several audiences, for us", map[string]any{"aud": []string{"other", clientID}, "azp": clientID}, true},
		{"several audiences, for another", map[string]any{"aud": []string{"other", clientID}, "azp": "other"}, false},
		{"several audiences, nobody's", map[string]any{"aud": []string{"other", clientID}, "azp": nil}, false},
		{"authorized party is another", map[string]any{"azp": "other"}, false},
		{"authorized party is not told", map[string]any{"azp": nil}, true},
		{"nonce is another", map[string]any{"nonce": strings.Repeat("A", 43)}, false},
		{"issuer without scheme", map[string]any{"iss": strings.TrimPrefix(u.Addr(), "https://")}, false},
		{"nonce is empty", map[string]any{"nonce": ""}, false},
		{"nonce by another name", map[string]any{"nonce": nil, "Nonce": ""}, false},
		{"expired", map[string]any{"exp": at(-301 * time.Second)}, false},
		{"expired within the skew", map[string]any{"exp": at(-290 * time.Second)}, true},
		{"expiry missing", map[string]any{"exp": nil}, false},
		{"expiry malformed", map[string]any{"exp": 1e300}, false},
		{"issued in the future", map[string]any{"iat": at(310 * time.Second)}, false},
		{"issued within the skew", map[string]any{"iat": at(290 * time.Second)}, true},
		{"issue time missing", map[string]any{"iat": nil}, false},
		{"not yet valid", map[string]any{"nbf": at(310 * time.Second)}, false},
		{"not before, within the skew", map[string]any{"nbf": at(290 * time.Second)}, true},
		{"not before malformed", map[string]any{"nbf": -1}, false},
		{"subject of 255", map[string]any{"sub": strings.Repeat("s", 255)}, true},
		{"subject of 256", map[string]any{"sub": strings.Repeat("s", 256)}, false},
		{"subject empty", map[string]any{"sub": ""}, false},
		{"subject with a line break", map[string]any{"sub": "al\nice"}, false},
		{"subject that was garbled", map[string]any{"sub": json.RawMessage(`"\ud800"`)}, false},
		{"subject is no string", map[string]any{"sub": json.RawMessage(`["alice"]`)}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			callback, a := u.login(t, c)
			if _, ok := test.claims["Nonce"]; ok {
				test.claims["Nonce"] = a.Nonce
			}
			u.answerWith(t, a, test.claims, nil)
			_, err := c.Finish(t.Context(), callback, a)
			if !test.ok {
				wantCode(t, err, connect.ServerError)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

// answerWith lets the token endpoint answer with an ID token whose claims are changed; a nil value
// removes a claim. A nil sign signs as the provider does.
func (u *upstream) answerWith(t *testing.T, a connect.Attempt, change map[string]any, sign func(map[string]any) string) {
	t.Helper()
	now := time.Now().Unix()
	claims := map[string]any{
		"iss": u.Addr(), "sub": "alice", "aud": clientID, "azp": clientID, "nonce": a.Nonce,
		"iat": now, "exp": now + 60, "name": "Alice", "email": "alice@example.com",
	}
	maps.Copy(claims, change)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	if sign == nil {
		key, _, alg, _ := u.SigningKeys()
		sign = func(claims map[string]any) string { return oidc.TestSignJWT(t, key, string(alg), claims, nil) }
	}
	idToken := sign(claims)
	u.detour(tokenPath, direct{http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": "an-access-token", "token_type": "Bearer", "id_token": idToken})
	})})
}

func TestSignatures(t *testing.T) {
	u := newUpstream(t)
	c := newConnector(t, u.config())
	key, public, alg, kid := u.SigningKeys()
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256([]byte("an-access-token"))
	signed := func(key any, alg, kid string) func(map[string]any) string {
		return func(claims map[string]any) string { return oidc.TestSignJWT(t, key, alg, claims, []byte(kid)) }
	}
	encode := base64.RawURLEncoding.EncodeToString
	unsigned := func(alg string) func(map[string]any) string {
		return func(claims map[string]any) string {
			payload, _ := json.Marshal(claims)
			return encode([]byte(`{"alg":"`+alg+`"}`)) + "." + encode(payload) + "."
		}
	}
	for _, test := range []struct {
		name   string
		sign   func(map[string]any) string
		claims map[string]any
		ok     bool
	}{
		{"the provider's key", signed(key, string(alg), kid), nil, true},
		{"the provider's key, unnamed", nil, nil, true},
		{"the provider's key by another name", signed(key, string(alg), "other"), nil, false},
		{"a stranger's key", signed(stranger, "ES256", "other"), nil, false},
		{"a stranger's key by the provider's name", signed(stranger, "ES256", kid), nil, false},
		{"a stranger's key inside the token", func(claims map[string]any) string { return selfSigned(t, stranger, claims) }, nil, false},
		{"none", unsigned("none"), nil, false},
		{"None", unsigned("None"), nil, false},
		{"ES256 without signature", unsigned("ES256"), nil, false},
		{"HS256 with the public key", signed(der, "HS256", kid), nil, false},
		{"HS256 with the client secret", signed([]byte(clientSecret+clientSecret), "HS256", kid), nil, false},
		{"altered", func(claims map[string]any) string {
			parts := strings.Split(signed(key, string(alg), kid)(claims), ".")
			claims["sub"] = "bob"
			payload, _ := json.Marshal(claims)
			return parts[0] + "." + encode(payload) + "." + parts[2]
		}, nil, false},
		{"encrypted", func(map[string]any) string { return "a.b.c.d.e" }, nil, false},
		{"garbage", func(map[string]any) string { return "garbage" }, nil, false},
		{"missing", func(map[string]any) string { return "" }, nil, false},
		{"no object", func(map[string]any) string {
			signer, _ := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, nil)
			jws, _ := signer.Sign([]byte(`null`))
			compact, _ := jws.CompactSerialize()
			return compact
		}, nil, false},
		{"at_hash is right", nil, map[string]any{"at_hash": encode(hash[:16])}, true},
		{"at_hash is of another token", nil, map[string]any{"at_hash": encode(hash[16:])}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			callback, a := u.login(t, c)
			u.answerWith(t, a, test.claims, test.sign)
			_, err := c.Finish(t.Context(), callback, a)
			if !test.ok {
				wantCode(t, err, connect.ServerError)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

func selfSigned(t *testing.T, key *ecdsa.PrivateKey, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, &jose.SignerOptions{EmbedJWK: true})
	if err != nil {
		t.Fatal(err)
	}
	payload, _ := json.Marshal(claims)
	jws, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	compact, _ := jws.CompactSerialize()
	return compact
}

// The upstream's discovery narrows what we accept, and never widens it.
func TestAlgorithmsOfDiscovery(t *testing.T) {
	u := newUpstream(t)
	u.SetAdditionalConfiguration(map[string]any{"id_token_signing_alg_values_supported": []string{"RS256", "HS256", "none"}})
	c := newConnector(t, u.config())
	callback, a := u.login(t, c)
	_, err := c.Finish(t.Context(), callback, a) // ES256
	wantCode(t, err, connect.ServerError)

	u = newUpstream(t)
	u.SetAdditionalConfiguration(map[string]any{"id_token_signing_alg_values_supported": []string{"HS256", "none"}})
	_, _, err = newConnector(t, u.config()).Begin(t.Context(), connect.BeginParams{})
	wantCode(t, err, connect.TemporarilyUnavailable)
}

// Keys that are too short, private, symmetric or for encryption verify nothing, and one that we
// can't read does not spoil the set.
func TestUnusableKeys(t *testing.T) {
	u := newUpstream(t)
	key, public, alg, kid := u.SigningKeys()
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	good := jose.JSONWebKey{Key: public, KeyID: kid, Algorithm: string(alg), Use: "sig"}
	for _, test := range []struct {
		name string
		keys []any
		sign any
		alg  string
		code string
	}{
		{"beside others", []any{map[string]string{"kty": "OKP", "crv": "Ed448", "x": "AA"}, "junk", good}, key, string(alg), ""},
		{"short", []any{good, jose.JSONWebKey{Key: short.Public(), KeyID: "k"}}, short, "RS256", connect.ServerError},
		{"for encryption", []any{jose.JSONWebKey{Key: public, KeyID: "k", Use: "enc"}}, key, string(alg), connect.TemporarilyUnavailable},
		{"for another algorithm", []any{jose.JSONWebKey{Key: public, KeyID: kid, Algorithm: "ES384"}}, key, string(alg), connect.ServerError},
		{"private", []any{jose.JSONWebKey{Key: key, KeyID: kid}}, key, string(alg), connect.TemporarilyUnavailable},
		{"symmetric", []any{jose.JSONWebKey{Key: []byte("0123456789abcdef0123456789abcdef"), KeyID: "k"}}, key, string(alg), connect.TemporarilyUnavailable},
		{"none at all", []any{}, key, string(alg), connect.TemporarilyUnavailable},
	} {
		t.Run(test.name, func(t *testing.T) {
			u.SetAdditionalConfiguration(map[string]any{"id_token_signing_alg_values_supported": []string{"ES256", "RS256"}})
			u.detour(jwksPath, direct{http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_ = json.NewEncoder(w).Encode(map[string]any{"keys": test.keys})
			})})
			c := newConnector(t, u.config())
			callback, a := u.login(t, c)
			u.answerWith(t, a, nil, func(claims map[string]any) string { return oidc.TestSignJWT(t, test.sign, test.alg, claims, nil) })
			_, err := c.Finish(t.Context(), callback, a)
			if test.code != "" {
				wantCode(t, err, test.code)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}
