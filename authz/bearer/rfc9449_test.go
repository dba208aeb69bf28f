package bearer

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// thumbprint is the jkt of a key (RFC 7638), by hand.
func thumbprint(key *ecdsa.PrivateKey) string {
	raw := must(key.PublicKey.Bytes())
	x, y := base64.RawURLEncoding.EncodeToString(raw[1:33]), base64.RawURLEncoding.EncodeToString(raw[33:])
	sum := sha256.Sum256([]byte(`{"crv":"P-256","kty":"EC","x":"` + x + `","y":"` + y + `"}`))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// The key that clients hold, and a token that is bound to it.
var clientKey = otherKey

func boundToken() string {
	return token(header(), goodClaims().with("cnf", object{"jkt": thumbprint(clientKey())}))
}

var jti atomic.Int64

// proofClaims are for a GET of / with the token.
func proofClaims(token string) object {
	sum := sha256.Sum256([]byte(token))
	return object{
		"jti": string(rune('a' + jti.Add(1))), "htm": "GET", "htu": testAudience + "/", "iat": time.Now().Unix(),
		"ath": base64.RawURLEncoding.EncodeToString(sum[:]),
	}
}

func proof(key *ecdsa.PrivateKey, claims object) string {
	var jwk object
	_ = json.Unmarshal(must(jose.JSONWebKey{Key: key.Public()}.MarshalJSON()), &jwk)
	return es256(key, asJSON(object{"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk}), asJSON(claims))
}

// proved is a GET with a token and proofs.
func proved(target, scheme, token string, proofs ...string) *http.Request {
	r := get(target, scheme+" "+token)
	for _, p := range proofs {
		r.Header.Add("DPoP", p)
	}
	return r
}

const dpopAlgs = `, algs="ES256 EdDSA PS256 RS256"`

// wantDPoP checks a refusal whose only challenge is one for DPoP.
func wantDPoP(t *testing.T, name string, w *httptest.ResponseRecorder, status int, code, description string) {
	t.Helper()
	var body struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || body.Error != code || body.Description != description {
		t.Errorf("%s: body %s, want %s, %s", name, w.Body, code, description)
	}
	challenge := `DPoP realm="` + testAudience + `", error="` + code + `", error_description="` + description + `"` + dpopAlgs
	if got := w.Header().Values("WWW-Authenticate"); w.Code != status || !slices.Equal(got, []string{challenge}) {
		t.Errorf("%s: %d %q\nwant %d %q", name, w.Code, got, status, challenge)
	}
}

func TestRFC9449Section7_1_Refuses(t *testing.T) {
	is := newIssuer()
	h := is.verifier(t).Protect(hello)
	bound, plain := boundToken(), goodToken()
	c := proofClaims(bound)
	good := func() string { return proof(clientKey(), proofClaims(bound)) }
	expired := token(header(), goodClaims().with("exp", time.Now().Unix()-60).with("cnf", object{"jkt": thumbprint(clientKey())}))

	for name, test := range map[string]struct {
		request     *http.Request
		status      int
		code        string
		description string
	}{
		"no proof":                {proved("/", "DPoP", bound), 401, "invalid_dpop_proof", "the request has no DPoP header"},
		"two proofs":              {proved("/", "DPoP", bound, good(), good()), 401, "invalid_dpop_proof", "there is more than one DPoP header"},
		"proof no JWT":            {proved("/", "DPoP", bound, "x"), 401, "invalid_dpop_proof", "the proof is not a signed JWT"},
		"proof of another method": {proved("/", "DPoP", bound, proof(clientKey(), c.with("htm", "POST"))), 401, "invalid_dpop_proof", "the proof's htm is not this request's method"},
		"proof of another path":   {proved("/x", "DPoP", bound, good()), 401, "invalid_dpop_proof", "the proof's htu is not this request's URL"},
		"proof of another host":   {proved("/", "DPoP", bound, proof(clientKey(), c.with("htu", "https://evil.example/"))), 401, "invalid_dpop_proof", "the proof's htu is not this request's URL"},
		"an hour old":             {proved("/", "DPoP", bound, proof(clientKey(), c.with("iat", time.Now().Unix()-3600))), 401, "invalid_dpop_proof", "the proof is too old: is the client's clock slow?"},
		"an hour ahead":           {proved("/", "DPoP", bound, proof(clientKey(), c.with("iat", time.Now().Unix()+3600))), 401, "invalid_dpop_proof", "the proof is from the future: is the client's clock fast?"},
		"proof without ath":       {proved("/", "DPoP", bound, proof(clientKey(), c.without("ath"))), 401, "invalid_dpop_proof", "the proof has no ath"},
		"proof of another token":  {proved("/", "DPoP", bound, proof(clientKey(), proofClaims(plain))), 401, "invalid_dpop_proof", "the proof's ath is not the hash of this access token"},
		"proof of a thief's key":  {proved("/", "DPoP", bound, proof(ecKey(), c)), 401, "invalid_token", "the token is bound to another key than the proof's"},
		"token is not bound":      {proved("/", "DPoP", plain, proof(clientKey(), proofClaims(plain))), 401, "invalid_token", "the token is not bound to a DPoP key: send it as Authorization: Bearer"},
		"token has expired":       {proved("/", "DPoP", expired, good()), 401, "invalid_token", "the token has expired"},
		"token is no JWT":         {proved("/", "DPoP", "x", good()), 401, "invalid_token", "the token is not a signed JWT"},
		"two tokens":              {proved("/", "DPoP", bound+" "+bound, good()), 400, "invalid_request", "the Authorization header must hold one token and nothing else"},
		"no token":                {proved("/", "DPoP", "", good()), 400, "invalid_request", "the Authorization header holds no token"},
	} {
		wantDPoP(t, name, serve(h, test.request), test.status, test.code, test.description)
	}
	for name, request := range map[string]*http.Request{
		"good":                    proved("/", "DPoP", bound, good()),
		"scheme in lower case":    proved("/", "dpop", bound, good()),
		"query is not in the htu": proved("/?page=2", "DPoP", bound, good()),
		"htu with the query":      proved("/?page=2", "DPoP", bound, proof(clientKey(), proofClaims(bound).with("htu", testAudience+"/?page=2"))),
	} {
		if w := serve(h, request); w.Code != 200 || w.Body.String() != "hello alice" {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

// A copied token is worthless: neither as it is, nor as what it is not.
func TestRFC9449Section7_2_NoDowngrade(t *testing.T) {
	v := newIssuer().verifier(t)
	bound := boundToken()
	const description = "the token is bound to a DPoP key: send it as Authorization: DPoP, with a proof"
	for name, request := range map[string]*http.Request{
		"as Bearer":              proved("/", "Bearer", bound),
		"as Bearer with a proof": proved("/", "Bearer", bound, proof(clientKey(), proofClaims(bound))),
	} {
		w := serve(v.Protect(hello), request)
		want(t, name, w, 401, tokenError+description+`"`, "invalid_token")
		if got := w.Header().Values("WWW-Authenticate"); len(got) != 2 || got[1] != `DPoP realm="`+testAudience+`"`+dpopAlgs {
			t.Errorf("%s: challenges %q", name, got)
		}
	}
	var invalid *TokenError
	if p, err := v.Verify(t.Context(), bound); p != nil || !errors.As(err, &invalid) {
		t.Errorf("Verify, which knows of no proof: %v, %v", p, err)
	}

	unaware := newIssuer().verifier(t, func(c *Config) { c.Audience, c.InsecureAnyAudience = "", true })
	if w := serve(unaware.Protect(hello), proved("/", "Bearer", bound)); w.Code != 401 {
		t.Errorf("where no proof can be checked, as Bearer: %d", w.Code)
	}
	if w := serve(unaware.Protect(hello), proved("/", "DPoP", bound, proof(clientKey(), proofClaims(bound)))); w.Code != 401 || w.Header().Get("WWW-Authenticate") != `Bearer realm="`+testIssuer+`"` {
		t.Errorf("where no proof can be checked: %d %v", w.Code, w.Header())
	}
}

func TestRFC9449Section7_2_BothSchemesAreOffered(t *testing.T) {
	w := serve(newIssuer().verifier(t).Protect(hello), get("/"))
	realm := ` realm="` + testAudience + `"`
	if got := w.Header().Values("WWW-Authenticate"); !slices.Equal(got, []string{"Bearer" + realm, "DPoP" + realm + dpopAlgs}) {
		t.Errorf("challenges %q", got)
	}
}

func TestRFC9449Section7_1_Required(t *testing.T) {
	h := newIssuer().verifier(t, func(c *Config) { c.DPoP.Required = true }).Protect(hello)
	bound := boundToken()
	if w := serve(h, proved("/", "DPoP", bound, proof(clientKey(), proofClaims(bound)))); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	wantDPoP(t, "plain token", serve(h, get("/", "Bearer "+goodToken())), 401, "invalid_token", "the token is not bound to a DPoP key, which is required here")
	if got := serve(h, get("/")).Header().Values("WWW-Authenticate"); len(got) != 1 || got[0] != `DPoP realm="`+testAudience+`"`+dpopAlgs {
		t.Errorf("challenges %q", got)
	}
}

func TestRFC9449Section6_UnknownConfirmation(t *testing.T) {
	v := newIssuer().verifier(t)
	for name, cnf := range map[string]any{
		"empty": object{}, "jwk": object{"jwk": object{}}, "kid": object{"kid": "1"}, "jkt empty": object{"jkt": ""},
	} {
		bound := token(header(), goodClaims().with("cnf", cnf))
		w := serve(v.Protect(hello), get("/", "Bearer "+bound))
		want(t, name, w, 401, tokenError+`the token is bound to a key in a way that is not known here"`, "invalid_token")
	}
	for name, cnf := range map[string]any{"a string": thumbprint(clientKey()), "a number inside": object{"jkt": 1}} {
		bound := token(header(), goodClaims().with("cnf", cnf))
		want(t, name, serve(v.Protect(hello), get("/", "Bearer "+bound)), 401, tokenError+`the token's claims are malformed"`, "invalid_token")
	}
}

func TestRFC9449Section6_1_PrincipalKnowsTheKey(t *testing.T) {
	bound := boundToken()
	var p *Principal
	h := newIssuer().verifier(t).Protect(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { p, _ = FromContext(r.Context()) }))
	serve(h, proved("/", "DPoP", bound, proof(clientKey(), proofClaims(bound))))
	if p == nil || p.KeyThumbprint != thumbprint(clientKey()) {
		t.Errorf("principal %+v", p)
	}
}

// The URL is the configured one: a Host header, which a thief chooses, does not count.
func TestRFC9449Section4_3_Check9_URL(t *testing.T) {
	bound := boundToken()
	with := func(htu string) string { return proof(clientKey(), proofClaims(bound).with("htu", htu)) }
	for name, test := range map[string]struct {
		url, target, htu string
		good             bool
	}{
		"the audience's":       {"", "/a", testAudience + "/a", true},
		"a proxy's":            {"https://x.example/api/", "/a", "https://x.example/api/a", true},
		"the audience's then":  {"https://x.example/api", "/a", testAudience + "/a", false},
		"of a Host header":     {"", "https://evil.example/a", "https://evil.example/a", false},
		"whatever the Host is": {"", "https://evil.example/a", testAudience + "/a", true},
		"escaped":              {"", "/a%2Fb%41", testAudience + "/a%2fbA", true},
		"a slash is no %2F":    {"", "/a%2Fb", testAudience + "/a/b", false},
	} {
		v := newIssuer().verifier(t, func(c *Config) { c.DPoP.URL = test.url })
		stripped := http.StripPrefix("/a", v.Protect(hello)) // must not matter
		if w := serve(stripped, proved(test.target, "DPoP", bound, with(test.htu))); (w.Code == 200) != test.good {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

func TestRFC9449Section11_1_ProofsCountOnce(t *testing.T) {
	h := newIssuer().verifier(t).Protect(hello)
	bound := boundToken()
	one := proof(clientKey(), proofClaims(bound))

	var good atomic.Int64
	var racers sync.WaitGroup
	for range 64 {
		racers.Go(func() {
			if w := serve(h, proved("/", "DPoP", bound, one)); w.Code == 200 {
				good.Add(1)
			}
		})
	}
	racers.Wait()
	if good.Load() != 1 {
		t.Errorf("of 64 racers with one proof, %d got in", good.Load())
	}
	wantDPoP(t, "again", serve(h, proved("/", "DPoP", bound, one)), 401, "invalid_dpop_proof", "the proof was used before")
}

// A refused proof does not use up its jti. So clients can find their own mistakes, and nothing of a stranger is
// remembered.
func TestRFC9449Section11_1_RefusedProofsAreNotRemembered(t *testing.T) {
	replay := NewMemoryReplay(1)
	h := newIssuer().verifier(t, func(c *Config) { c.DPoP.Replay = replay }).Protect(hello)
	bound := boundToken()
	for _, p := range []string{proof(ecKey(), proofClaims(bound)), proof(clientKey(), proofClaims("x")), "x"} {
		serve(h, proved("/", "DPoP", bound, p))
	}
	if replay.count != 0 {
		t.Errorf("%d proofs are remembered", replay.count)
	}
}

type brokenReplay struct{}

func (brokenReplay) Use(context.Context, string, time.Time) (bool, error) {
	return true, errors.New("10.0.0.7: connection refused")
}

func TestRFC9449Section11_1_RefusesWhatItCannotRemember(t *testing.T) {
	bound := boundToken()
	for name, replay := range map[string]Replay{"broken": brokenReplay{}, "full": NewMemoryReplay(1)} {
		h := newIssuer().verifier(t, func(c *Config) { c.DPoP.Replay = replay }).Protect(hello)
		serve(h, proved("/", "DPoP", bound, proof(clientKey(), proofClaims(bound))))
		w := serve(h, proved("/", "DPoP", bound, proof(clientKey(), proofClaims(bound))))
		want(t, name, w, 503, "", "temporarily_unavailable")
		if w.Header().Get("Retry-After") != "1" || strings.Contains(w.Body.String(), "10.0.0.7") {
			t.Errorf("%s: %v %s", name, w.Header(), w.Body)
		}
	}
}

func TestMemoryReplayForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemoryReplay(2)
		use := func(key string, life time.Duration) bool {
			t.Helper()
			first, err := m.Use(t.Context(), key, time.Now().Add(life))
			if err != nil {
				t.Fatal(err)
			}
			return first
		}
		if !use("a", 5*time.Minute) || use("a", time.Minute) || !use("b", 2*time.Minute) {
			t.Error("not exactly the first uses count")
		}
		if _, err := m.Use(t.Context(), "c", time.Now()); !errors.Is(err, ErrTooManyProofs) {
			t.Errorf("full: %v", err)
		}
		time.Sleep(3 * time.Minute)
		if use("a", time.Minute) || !use("c", time.Minute) {
			t.Error("a must be remembered for five minutes, b no longer")
		}
		time.Sleep(4 * time.Minute)
		if !use("a", time.Minute) || m.count != 1 {
			t.Errorf("%d are remembered", m.count)
		}
	})
}

func TestRFC9449Section9_Nonces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys := [][]byte{bytes.Repeat([]byte{1}, 32)}
		withNonces := func(c *Config) { c.DPoP.NonceKeys = keys }
		is := newIssuer()
		h, replica := is.verifier(t, withNonces).Protect(hello), is.verifier(t, withNonces).Protect(hello)
		bound := token(header(), goodClaims().with("exp", time.Now().Unix()+86400).with("cnf", object{"jkt": thumbprint(clientKey())}))
		send := func(h http.Handler, nonce any) *httptest.ResponseRecorder {
			return serve(h, proved("/", "DPoP", bound, proof(clientKey(), proofClaims(bound).with("nonce", nonce))))
		}
		const description = "the proof needs the nonce of the header DPoP-Nonce"

		w := serve(h, proved("/", "DPoP", bound, proof(clientKey(), proofClaims(bound))))
		wantDPoP(t, "no nonce", w, 401, "use_dpop_nonce", description)
		nonce := w.Header().Get("DPoP-Nonce")
		for name, h := range map[string]http.Handler{"here": h, "a replica": replica} {
			if w := send(h, nonce); w.Code != 200 || w.Header().Get("DPoP-Nonce") != "" {
				t.Errorf("%s: %d %v", name, w.Code, w.Header())
			}
		}
		w = send(h, "made up")
		wantDPoP(t, "another nonce", w, 401, "use_dpop_nonce", description)
		if w.Header().Get("DPoP-Nonce") != nonce {
			t.Errorf("header %v", w.Header())
		}

		time.Sleep(2 * time.Minute)
		w = send(h, nonce)
		next := w.Header().Get("DPoP-Nonce")
		if w.Code != 200 || next == "" || next == nonce {
			t.Errorf("the next nonce is not announced: %d %v", w.Code, w.Header())
		}
		time.Sleep(3 * time.Minute)
		wantDPoP(t, "an old nonce", send(h, nonce), 401, "use_dpop_nonce", description)
	})
}

func TestRFC9449Configuration(t *testing.T) {
	for name, cfg := range map[string]Config{
		"URL unknown":  {Issuer: testIssuer, Audience: "urn:api", DPoP: DPoP{Required: true}},
		"URL relative": {Issuer: testIssuer, Audience: "urn:api", DPoP: DPoP{URL: "/api"}},
		"URL an ftp":   {Issuer: testIssuer, Audience: "urn:api", DPoP: DPoP{URL: "ftp://api.example.com"}},
		"URL query":    {Issuer: testIssuer, Audience: "urn:api", DPoP: DPoP{URL: "https://api.example.com?x"}},
		"weak key":     {Issuer: testIssuer, Audience: testAudience, DPoP: DPoP{NonceKeys: [][]byte{[]byte("secret")}}},
		"nonces alone": {Issuer: testIssuer, InsecureAnyAudience: true, DPoP: DPoP{NonceKeys: [][]byte{make([]byte, 32)}}},
	} {
		if _, err := New(cfg); err == nil || !strings.HasPrefix(err.Error(), "bearer: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := New(Config{Issuer: testIssuer, Audience: "urn:api", DPoP: DPoP{URL: "https://api.example.com", Required: true}}); err != nil {
		t.Error(err)
	}
}
