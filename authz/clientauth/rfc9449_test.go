package clientauth_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/clientauth"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/resource"
	"github.com/authzd/authzd/storage"
)

// provenToken posts to the token endpoint with proofs, of which there should be one.
func provenToken(t testing.TB, s *authztest.Server, clientID, secret string, form url.Values, proofs ...string) (tokens authztest.Tokens) {
	t.Helper()
	response := provenPost(t, s, "/token", clientID, secret, form, proofs...)
	response.JSON(t, &tokens)
	tokens.Status, tokens.Header = response.Status, response.Header
	return tokens
}

func provenPost(t testing.TB, s *authztest.Server, path, clientID, secret string, form url.Values, proofs ...string) authztest.Response {
	t.Helper()
	form = maps.Clone(form)
	request := &http.Request{Header: http.Header{"Dpop": proofs}}
	if secret == "" {
		form.Set("client_id", clientID)
	} else {
		request.SetBasicAuth(url.QueryEscape(clientID), url.QueryEscape(secret))
	}
	return s.PostForm(t, path, form, request.Header)
}

// tokenProof is a proof for the token endpoint.
func tokenProof(t testing.TB, s *authztest.Server, key *authztest.Key) string {
	t.Helper()
	return key.Proof(t, "POST", s.URL+"/token", "", "")
}

// boundSignIn signs Alice in to a client and binds its tokens to a key.
func boundSignIn(t testing.TB, s *authztest.Server, clientID, secret string, key *authztest.Key) authztest.Tokens {
	t.Helper()
	code, verifier := s.NewBrowser(t).Code(t, clientID, nil)
	tokens := provenToken(t, s, clientID, secret, authztest.CodeForm(code, verifier), tokenProof(t, s, key))
	if tokens.Status != http.StatusOK || tokens.TokenType != "DPoP" {
		t.Fatalf("%+v", tokens)
	}
	return tokens
}

// useToken sends a token to an endpoint of the server.
func useToken(t testing.TB, s *authztest.Server, method, path, scheme, token string, proofs ...string) authztest.Response {
	t.Helper()
	request, err := http.NewRequest(method, s.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header = http.Header{"Authorization": {scheme + " " + token}, "Dpop": proofs}
	return s.Send(t, request)
}

// jktOf is cnf.jkt of a token, empty if there is none.
func jktOf(t *testing.T, token string) string {
	t.Helper()
	cnf, _ := blackbox.Claims(t, token)["cnf"].(map[string]any)
	jkt, _ := cnf["jkt"].(string)
	return jkt
}

func TestRFC9449Section5_TokensAreBoundToTheKey(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	for _, alg := range []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA, jose.PS256, jose.RS256} {
		key := authztest.NewKey(t, alg)
		tokens := boundSignIn(t, s, authztest.SPA, "", key)
		if got := jktOf(t, tokens.AccessToken); got != key.Thumbprint(t) {
			t.Errorf("%s: cnf.jkt is %q", alg, got)
		}
		if blackbox.Claims(t, tokens.IDToken)["cnf"] != nil {
			t.Errorf("%s: the ID token has a cnf", alg)
		}
	}
	key := authztest.NewKey(t, jose.ES256)
	app := provenToken(t, s, authztest.Worker, authztest.Secret, url.Values{"grant_type": {"client_credentials"}}, tokenProof(t, s, key))
	if app.TokenType != "DPoP" || jktOf(t, app.AccessToken) != key.Thumbprint(t) {
		t.Errorf("app token: %+v", app)
	}
	if plain := s.SignIn(t, authztest.SPA, "", nil); plain.TokenType != "Bearer" || blackbox.Claims(t, plain.AccessToken)["cnf"] != nil {
		t.Errorf("without a proof: %+v", plain)
	}
}

func TestRFC9449Section5_RefreshTokensOfPublicClientsAreBound(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	key, thief := authztest.NewKey(t, jose.ES256), authztest.NewKey(t, jose.ES256)
	tokens := boundSignIn(t, s, authztest.SPA, "", key)
	refresh := func(refreshToken string, proofs ...string) authztest.Tokens {
		t.Helper()
		return provenToken(t, s, authztest.SPA, "", authztest.RefreshForm(refreshToken), proofs...)
	}
	stolen := func(what, refreshToken string) {
		t.Helper()
		before := blackbox.Dump(t, s.Store)
		for name, got := range map[string]authztest.Tokens{
			"without a proof": refresh(refreshToken), "with another key": refresh(refreshToken, tokenProof(t, s, thief)),
		} {
			if got.Status != http.StatusBadRequest || got.Error != "invalid_grant" {
				t.Errorf("%s, %s: %+v", what, name, got)
			}
		}
		if after := blackbox.Dump(t, s.Store); after != before {
			t.Errorf("%s: a thief has changed the store", what)
		}
	}
	stolen("an unused token", tokens.RefreshToken)
	next := refresh(tokens.RefreshToken, tokenProof(t, s, key))
	if next.Status != http.StatusOK || next.TokenType != "DPoP" || jktOf(t, next.AccessToken) != key.Thumbprint(t) {
		t.Fatalf("%+v", next)
	}
	// A retry has a proof of its own, and the same successor.
	if retry := refresh(tokens.RefreshToken, tokenProof(t, s, key)); retry.Status != http.StatusOK || retry.RefreshToken != next.RefreshToken {
		t.Errorf("retry: %+v", retry)
	}
	stolen("a used token, as a retry", tokens.RefreshToken)
	last := refresh(next.RefreshToken, tokenProof(t, s, key))
	stolen("an old token, which from its owner would be theft", tokens.RefreshToken)
	if got := refresh(last.RefreshToken, tokenProof(t, s, key)); got.Status != http.StatusOK {
		t.Errorf("the family is dead: %+v", got)
	}
}

// A client that authenticates at every refresh may change its key, for example after losing it.
func TestRFC9449Section5_RefreshTokensOfConfidentialClientsAreNot(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	tokens := boundSignIn(t, s, authztest.Web, authztest.Secret, authztest.NewKey(t, jose.ES256))
	other := authztest.NewKey(t, jose.ES256)
	next := provenToken(t, s, authztest.Web, authztest.Secret, authztest.RefreshForm(tokens.RefreshToken), tokenProof(t, s, other))
	if next.Status != http.StatusOK || jktOf(t, next.AccessToken) != other.Thumbprint(t) {
		t.Errorf("%+v", next)
	}
}

func TestRFC9449Section5_2_BoundClientsMustSendAProof(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, func(m *client.Metadata) { m.DPoPBound = true })
	key := authztest.NewKey(t, jose.ES256)
	code, verifier := s.NewBrowser(t).Code(t, authztest.SPA, nil)
	before := blackbox.Dump(t, s.Store)
	// Not invalid_dpop_proof: conformance suites of FAPI 2.0 want this one.
	if got := s.Token(t, authztest.SPA, "", authztest.CodeForm(code, verifier)); got.Status != 400 || got.Error != "invalid_request" {
		t.Errorf("code: %+v", got)
	}
	if got := s.Token(t, authztest.Worker, authztest.Secret, url.Values{"grant_type": {"client_credentials"}}); got.Status != 400 || got.Error != "invalid_request" {
		t.Errorf("client credentials: %+v", got)
	}
	if blackbox.Dump(t, s.Store) != before {
		t.Error("the store has changed")
	}
	tokens := provenToken(t, s, authztest.SPA, "", authztest.CodeForm(code, verifier), tokenProof(t, s, key))
	if tokens.Status != http.StatusOK {
		t.Fatalf("%+v", tokens)
	}
	if got := s.Token(t, authztest.SPA, "", authztest.RefreshForm(tokens.RefreshToken)); got.Error != "invalid_request" {
		t.Errorf("refresh: %+v", got)
	}
}

func TestRFC9449Section5_1_Discovery(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	var document struct {
		Algs []string `json:"dpop_signing_alg_values_supported"`
	}
	s.Send(t, newRequest(t, s.URL+"/.well-known/openid-configuration")).JSON(t, &document)
	if !slices.Equal(document.Algs, []string{"ES256", "EdDSA", "PS256", "RS256"}) {
		t.Errorf("algorithms %q", document.Algs)
	}
}

func newRequest(t *testing.T, target string) *http.Request {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	return request
}

func TestRFC9449Section6_2_Introspection(t *testing.T) {
	t.Parallel()
	for _, tokenType := range []string{resource.TokenTypeAT, resource.TokenTypeOpaque} {
		resources := []resource.Resource{{URI: authztest.API, Scopes: []string{"orders.read", "orders.write"}, TokenType: tokenType}}
		s := authztest.Start(t, authz.Config{Resources: resources}, nil)
		key := authztest.NewKey(t, jose.ES256)
		tokens := boundSignIn(t, s, authztest.Web, authztest.Secret, key)
		_, got := blackbox.PostAs(t, s, "/introspect", authztest.Web, url.Values{"token": {tokens.AccessToken}})
		cnf, _ := got["cnf"].(map[string]any)
		if got["active"] != true || got["token_type"] != "DPoP" || cnf["jkt"] != key.Thumbprint(t) {
			t.Errorf("%s: %v", tokenType, got)
		}
		plain := s.SignIn(t, authztest.Web, authztest.Secret, nil)
		_, got = blackbox.PostAs(t, s, "/introspect", authztest.Web, url.Values{"token": {plain.AccessToken}})
		if got["active"] != true || got["token_type"] != "Bearer" || got["cnf"] != nil {
			t.Errorf("%s, not bound: %v", tokenType, got)
		}
	}
}

func TestRFC9449Section7_1_Userinfo(t *testing.T) {
	t.Parallel()
	for _, tokenType := range []string{resource.TokenTypeAT, resource.TokenTypeOpaque} {
		resources := []resource.Resource{{URI: authztest.API, Scopes: []string{"orders.read", "orders.write"}, TokenType: tokenType}}
		s := authztest.Start(t, authz.Config{Resources: resources}, nil)
		key := authztest.NewKey(t, jose.ES256)
		token := boundSignIn(t, s, authztest.SPA, "", key).AccessToken
		for _, method := range []string{"GET", "POST"} {
			for _, scheme := range []string{"DPoP", "dpop", "dPOP"} {
				got := useToken(t, s, method, "/userinfo", scheme, token, key.Proof(t, method, s.URL+"/userinfo", token, ""))
				if got.Status != http.StatusOK || !strings.Contains(got.Body, `"sub"`) {
					t.Errorf("%s %s: %d %s", method, scheme, got.Status, got.Body)
				}
			}
		}
		withQuery := key.Proof(t, "GET", strings.Replace(s.URL, "http:", "HTTP:", 1)+"/%75serinfo?x#y", token, "")
		if got := useToken(t, s, "GET", "/userinfo", "DPoP", token, withQuery); got.Status != http.StatusOK {
			t.Errorf("another spelling of htu: %d %s", got.Status, got.Body)
		}
	}
}

func TestRFC9449Section7_1_Session(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	key := authztest.NewKey(t, jose.ES256)
	code, verifier := s.NewBrowser(t).Code(t, authztest.SPA, url.Values{"scope": {blackbox.OnlineScope}})
	token := provenToken(t, s, authztest.SPA, "", authztest.CodeForm(code, verifier), tokenProof(t, s, key)).AccessToken
	for path, method := range map[string]string{"/session": "GET", "/session/activity": "POST"} {
		got := useToken(t, s, method, path, "DPoP", token, key.Proof(t, method, s.URL+path, token, ""))
		if got.Status != http.StatusOK || !strings.Contains(got.Body, `"active":true`) {
			t.Errorf("%s: %d %s", path, got.Status, got.Body)
		}
		for name, got := range map[string]authztest.Response{
			"as Bearer":       useToken(t, s, method, path, "Bearer", token),
			"without a proof": useToken(t, s, method, path, "DPoP", token),
		} {
			if got.Status != http.StatusUnauthorized || strings.Contains(got.Body, "active") {
				t.Errorf("%s %s: %d %s", path, name, got.Status, got.Body)
			}
		}
	}
}

func TestRFC9449Section7_2_Challenges(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	key := authztest.NewKey(t, jose.ES256)
	token := boundSignIn(t, s, authztest.SPA, "", key).AccessToken
	realm, algs := ` realm="`+s.URL+`"`, `, algs="ES256 EdDSA PS256 RS256"`
	for name, row := range map[string]struct {
		response   authztest.Response
		challenges []string // as far as the error's description
	}{
		"nothing":   {s.Send(t, newRequest(t, s.URL+"/userinfo")), []string{"Bearer" + realm, "DPoP" + realm + algs}},
		"downgrade": {useToken(t, s, "GET", "/userinfo", "Bearer", token), []string{"Bearer" + realm + `, error="invalid_token"`, "DPoP" + realm + algs}},
		"no proof":  {useToken(t, s, "GET", "/userinfo", "DPoP", token), []string{"DPoP" + realm + `, error="invalid_dpop_proof"`}},
		"no token":  {useToken(t, s, "GET", "/userinfo", "DPoP", "x"), []string{"DPoP" + realm + `, error="invalid_token"`}},
	} {
		got := row.response.Header.Values("WWW-Authenticate")
		if row.response.Status != http.StatusUnauthorized || len(got) != len(row.challenges) {
			t.Errorf("%s: %d %q", name, row.response.Status, got)
			continue
		}
		for i, want := range row.challenges {
			if !strings.HasPrefix(got[i], want) || strings.HasPrefix(got[i], "DPoP") != strings.HasSuffix(got[i], algs) {
				t.Errorf("%s: %s, want %s", name, got[i], want)
			}
		}
	}
}

func TestRFC9449Section8_TheServersNonces(t *testing.T) {
	t.Parallel()
	// A nonce is the newest one for two minutes, by the clock. This test needs one that stays so.
	const slot = 2 * time.Minute
	if left := slot - time.Duration(time.Now().UnixNano())%slot; left < 5*time.Second {
		<-time.After(left)
	}
	s := authztest.Start(t, authz.Config{DPoP: authz.DPoP{RequireNonce: true}}, nil)
	replica := authztest.Start(t, authz.Config{Issuer: s.URL, Store: s.Store, Secret: s.Secret, DPoP: authz.DPoP{RequireNonce: true}}, nil)
	key := authztest.NewKey(t, jose.ES256)
	code, verifier := s.NewBrowser(t).Code(t, authztest.SPA, nil)
	form := authztest.CodeForm(code, verifier)
	before := blackbox.Dump(t, s.Store)

	refused := provenToken(t, s, authztest.SPA, "", form, tokenProof(t, s, key))
	nonce := refused.Header.Get("DPoP-Nonce")
	if refused.Status != http.StatusBadRequest || refused.Error != "use_dpop_nonce" || nonce == "" {
		t.Fatalf("no nonce: %+v", refused)
	}
	made := provenToken(t, s, authztest.SPA, "", form, key.Proof(t, "POST", s.URL+"/token", "", "made up"))
	if made.Status != http.StatusBadRequest || made.Error != "use_dpop_nonce" || made.Header.Get("DPoP-Nonce") != nonce {
		t.Errorf("a nonce of the client's: %+v", made)
	}
	if pushed := provenPost(t, s, "/par", authztest.Web, authztest.Secret, authztest.Request(authztest.Web, nil), key.Proof(t, "POST", s.URL+"/par", "", "")); pushed.Status != http.StatusBadRequest || !strings.Contains(pushed.Body, "use_dpop_nonce") || pushed.Header.Get("DPoP-Nonce") != nonce {
		t.Errorf("pushed: %d %s", pushed.Status, pushed.Body)
	}
	if blackbox.Dump(t, s.Store) != before {
		t.Error("the store has changed")
	}

	proof := key.Proof(t, "POST", s.URL+"/token", "", nonce)
	response := blackbox.PostTo(replica, "/token", authztest.SPA, "", form) // without a proof: one is not demanded
	if response.Code != http.StatusOK {
		t.Errorf("no proof at all: %d %s", response.Code, response.Body)
	}
	code, verifier = s.NewBrowser(t).Code(t, authztest.SPA, nil)
	tokens := provenToken(t, s, authztest.SPA, "", authztest.CodeForm(code, verifier), proof)
	if tokens.Status != http.StatusOK || tokens.Header.Get("DPoP-Nonce") != "" {
		t.Fatalf("with the nonce: %+v", tokens)
	}
	// The nonce tells the time, not the client's clock (section 11.1).
	claims := authztest.ProofClaims("POST", s.URL+"/token", "", nonce)
	claims["iat"] = time.Now().Add(-24 * time.Hour).Unix()
	if got := provenToken(t, s, authztest.SPA, "", authztest.RefreshForm(tokens.RefreshToken), key.SignProof(t, nil, claims)); got.Status != http.StatusOK {
		t.Errorf("with a clock a day late: %+v", got)
	}

	token := tokens.AccessToken
	at := useToken(t, s, "GET", "/userinfo", "DPoP", token, key.Proof(t, "GET", s.URL+"/userinfo", token, ""))
	if at.Status != http.StatusUnauthorized || !strings.Contains(at.Header.Get("WWW-Authenticate"), `error="use_dpop_nonce"`) || at.Header.Get("DPoP-Nonce") != nonce {
		t.Errorf("userinfo without a nonce: %d %v", at.Status, at.Header)
	}
	if at := useToken(t, s, "GET", "/userinfo", "DPoP", token, key.Proof(t, "GET", s.URL+"/userinfo", token, nonce)); at.Status != http.StatusOK {
		t.Errorf("userinfo with the nonce: %d %s", at.Status, at.Body)
	}
}

// A request that lacks a nonce is sent again with one, and nothing else about it is new: its client
// assertion is not used up by then, and is by the request that counts.
func TestRFC9449Section8_TheSameAssertionAgain(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{DPoP: authz.DPoP{RequireNonce: true}}, nil)
	app := s.NewApp(t)
	_, challenge := authztest.PKCE()
	code, verifier := app.Code(t, nil)
	for path, form := range map[string]url.Values{
		"/par":   authztest.AuthorizationParams(app.ClientID, challenge),
		"/token": authztest.CodeForm(code, verifier),
	} {
		form = app.Authenticate(t, form)
		send := func(nonce string) authztest.Response {
			return s.PostForm(t, path, form, http.Header{"Dpop": {app.DPoP.Proof(t, http.MethodPost, s.URL+path, "", nonce)}})
		}
		before := blackbox.Dump(t, s.Store)
		first := send("")
		if blackbox.ErrorOf(t, first) != "use_dpop_nonce" || blackbox.Dump(t, s.Store) != before {
			t.Fatalf("%s without a nonce: %d %s", path, first.Status, first.Body)
		}
		nonce := first.Header.Get("DPoP-Nonce")
		if again := send(nonce); again.Status >= 300 {
			t.Errorf("%s with it: %d %s", path, again.Status, again.Body)
		}
		if third := send(nonce); blackbox.ErrorOf(t, third) != "invalid_client" {
			t.Errorf("%s once more: %d %s", path, third.Status, third.Body)
		}
	}
}

// Every replica knows every other's nonces: they are made of the server secret and the time.
func TestRFC9449Section8_AReplicasNonces(t *testing.T) {
	t.Parallel()
	config := authz.Config{DPoP: authz.DPoP{RequireNonce: true}}
	s := authztest.Start(t, config, nil)
	config.Store, config.Secret = s.Store, s.Secret
	replica := authztest.Start(t, config, nil)
	key, app := authztest.NewKey(t, jose.ES256), url.Values{"grant_type": {"client_credentials"}}
	nonce := provenToken(t, s, authztest.Worker, authztest.Secret, app, tokenProof(t, s, key)).Header.Get("DPoP-Nonce")
	if got := provenToken(t, replica, authztest.Worker, authztest.Secret, app, key.Proof(t, "POST", replica.URL+"/token", "", nonce)); got.Status != http.StatusOK {
		t.Errorf("%+v", got)
	}
	stranger := authztest.Start(t, authz.Config{DPoP: authz.DPoP{RequireNonce: true}}, nil)
	if got := provenToken(t, stranger, authztest.Worker, authztest.Secret, app, key.Proof(t, "POST", stranger.URL+"/token", "", nonce)); got.Error != "use_dpop_nonce" {
		t.Errorf("a server with another secret: %+v", got)
	}
}

func TestRFC9449Section8_BrowserAppsCanReadTheNonce(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{DPoP: authz.DPoP{RequireNonce: true}}, nil)
	key := authztest.NewKey(t, jose.ES256)
	got := s.PostForm(t, "/token", url.Values{"client_id": {authztest.SPA}, "grant_type": {"refresh_token"}, "refresh_token": {"x"}},
		http.Header{"Dpop": {tokenProof(t, s, key)}, "Origin": {"https://app.example.com"}})
	if got.Header.Get("Access-Control-Allow-Origin") == "" || !strings.Contains(strings.ToLower(got.Header.Get("Access-Control-Expose-Headers")), "dpop-nonce") || got.Header.Get("DPoP-Nonce") == "" {
		t.Errorf("%v", got.Header)
	}
}

// A code that was asked for with a key is worth nothing without it, and stays for its owner.
func TestRFC9449Section10_TheCodeIsBound(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	key, thief := authztest.NewKey(t, jose.ES256), authztest.NewKey(t, jose.ES256)
	pushedBy := func(proofs ...string) func(url.Values) (code, verifier string) {
		return func(extra url.Values) (string, string) {
			verifier, challenge := authztest.PKCE()
			params := authztest.AuthorizationParams(authztest.Web, challenge)
			maps.Copy(params, extra)
			response := provenPost(t, s, "/par", authztest.Web, authztest.Secret, params, proofs...)
			var pushed struct {
				RequestURI string `json:"request_uri"`
			}
			if response.JSON(t, &pushed); response.Status != http.StatusCreated {
				t.Fatalf("push: %d %s", response.Status, response.Body)
			}
			answer := s.NewBrowser(t).Authorize(t, url.Values{"client_id": {authztest.Web}, "request_uri": {pushed.RequestURI}, "dpop_jkt": {thief.Thumbprint(t)}})
			return answer.Params.Get("code"), verifier
		}
	}
	jkt := url.Values{"dpop_jkt": {key.Thumbprint(t)}}
	proofAtPAR := func() string { return key.Proof(t, "POST", s.URL+"/par", "", "") }
	for name, row := range map[string]struct {
		extra url.Values
		code  func(url.Values) (code, verifier string)
	}{
		"dpop_jkt": {jkt, func(extra url.Values) (string, string) {
			return s.NewBrowser(t).Code(t, authztest.Web, extra)
		}},
		"dpop_jkt, pushed": {jkt, pushedBy()},
		"a proof, pushed":  {nil, pushedBy(proofAtPAR())}, // section 10.1
		"both, pushed":     {jkt, pushedBy(proofAtPAR())},
	} {
		code, verifier := row.code(row.extra)
		form := authztest.CodeForm(code, verifier)
		for what, got := range map[string]authztest.Tokens{
			"without a proof":  s.Token(t, authztest.Web, authztest.Secret, form),
			"with another key": provenToken(t, s, authztest.Web, authztest.Secret, form, tokenProof(t, s, thief)),
		} {
			if got.Status != http.StatusBadRequest || got.Error != "invalid_grant" {
				t.Errorf("%s, %s: %+v", name, what, got)
			}
		}
		got := provenToken(t, s, authztest.Web, authztest.Secret, form, tokenProof(t, s, key))
		if got.Status != http.StatusOK || jktOf(t, got.AccessToken) != key.Thumbprint(t) {
			t.Errorf("%s: %+v", name, got)
		}
		// Nor can a thief end what the code has become.
		provenToken(t, s, authztest.Web, authztest.Secret, form, tokenProof(t, s, thief))
		if got := s.Token(t, authztest.Web, authztest.Secret, authztest.RefreshForm(got.RefreshToken)); got.Status != http.StatusOK {
			t.Errorf("%s: the grant is dead: %+v", name, got)
		}
		// Its owner can, as with any code (RFC 6749 section 4.1.2).
		provenToken(t, s, authztest.Web, authztest.Secret, form, tokenProof(t, s, key))
		if got := s.Token(t, authztest.Web, authztest.Secret, authztest.RefreshForm(got.RefreshToken)); got.Error != "invalid_grant" {
			t.Errorf("%s: the grant lives after the code was used twice: %+v", name, got)
		}
	}
}

func TestRFC9449Section10_1_TheKeysMustAgree(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	key, other := authztest.NewKey(t, jose.ES256), authztest.NewKey(t, jose.ES256)
	params := authztest.Request(authztest.SPA, url.Values{"dpop_jkt": {other.Thumbprint(t)}})
	before := blackbox.Dump(t, s.Store)
	got := provenPost(t, s, "/par", authztest.SPA, "", params, key.Proof(t, "POST", s.URL+"/par", "", ""))
	if got.Status != http.StatusBadRequest || !strings.Contains(got.Body, "invalid_request") {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	got = provenPost(t, s, "/par", authztest.SPA, "", authztest.Request(authztest.SPA, nil), tokenProof(t, s, key))
	if got.Status != http.StatusBadRequest || !strings.Contains(got.Body, "invalid_dpop_proof") {
		t.Errorf("a proof for the token endpoint: %d %s", got.Status, got.Body)
	}
	if blackbox.Dump(t, s.Store) != before {
		t.Error("the store has changed")
	}
}

// A client with a certificate uses another address (RFC 8705 section 5), and its proofs are for that one.
func TestRFC9449Section4_3_TheAddressForCertificates(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{MTLS: &clientauth.MTLS{URL: "https://mtls.example.com"}}, nil)
	key, app := authztest.NewKey(t, jose.ES256), url.Values{"grant_type": {"client_credentials"}}
	for htu, status := range map[string]int{s.URL + "/token": 200, "https://mtls.example.com/token": 200, "https://mtls.example.com/par": 400} {
		if got := provenToken(t, s, authztest.Worker, authztest.Secret, app, key.Proof(t, "POST", htu, "", "")); got.Status != status {
			t.Errorf("%s: %+v", htu, got)
		}
	}
}

// provenRace sends a request many times at once and counts the error codes of the answers; "" is
// success.
func provenRace(n int, send func() string) map[string]int {
	codes, start := map[string]int{}, make(chan struct{})
	var mu sync.Mutex
	var racers sync.WaitGroup
	for range n {
		racers.Go(func() {
			<-start
			code := send()
			mu.Lock()
			defer mu.Unlock()
			codes[code]++
		})
	}
	close(start)
	racers.Wait()
	return codes
}

func TestRFC9449Section11_1_OfManyUsesOfAProofOneCounts(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	key := authztest.NewKey(t, jose.ES256)
	spa, web := boundSignIn(t, s, authztest.SPA, "", key), boundSignIn(t, s, authztest.Web, authztest.Secret, key)
	errorOf := func(body string) string {
		var answer struct{ Error string }
		_ = json.Unmarshal([]byte(body), &answer)
		return answer.Error
	}
	token := func(clientID, secret string, form url.Values) func() string {
		proof := tokenProof(t, s, key)
		return func() string { return provenToken(t, s, clientID, secret, form, proof).Error }
	}
	atUserinfo := key.Proof(t, "GET", s.URL+"/userinfo", spa.AccessToken, "")
	atPAR := key.Proof(t, "POST", s.URL+"/par", "", "")
	for name, send := range map[string]func() string{
		"refresh, public":       token(authztest.SPA, "", authztest.RefreshForm(spa.RefreshToken)),
		"refresh, confidential": token(authztest.Web, authztest.Secret, authztest.RefreshForm(web.RefreshToken)),
		"client credentials":    token(authztest.Worker, authztest.Secret, url.Values{"grant_type": {"client_credentials"}}),
		"userinfo": func() string {
			return errorOf(useToken(t, s, "GET", "/userinfo", "DPoP", spa.AccessToken, atUserinfo).Body)
		},
		"par": func() string {
			return errorOf(provenPost(t, s, "/par", authztest.Web, authztest.Secret, authztest.Request(authztest.Web, nil), atPAR).Body)
		},
	} {
		if got := provenRace(64, send); got[""] != 1 || got["invalid_dpop_proof"] != 63 {
			t.Errorf("%s: %v", name, got)
		}
	}
	// The contested token still works.
	if got := provenToken(t, s, authztest.SPA, "", authztest.RefreshForm(spa.RefreshToken), tokenProof(t, s, key)); got.Status != http.StatusOK {
		t.Errorf("%+v", got)
	}
}

// Many tabs refresh at once, each with a proof of its own: they agree on one successor.
func TestRFC9449Section5_RefreshRace(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	key := authztest.NewKey(t, jose.ES256)
	tokens := boundSignIn(t, s, authztest.SPA, "", key)
	successors := provenRace(64, func() string {
		got := provenToken(t, s, authztest.SPA, "", authztest.RefreshForm(tokens.RefreshToken), tokenProof(t, s, key))
		if got.Status != http.StatusOK {
			t.Errorf("%+v", got)
		}
		return got.RefreshToken
	})
	if len(successors) != 1 {
		t.Errorf("%d successors", len(successors))
	}
}

// The proof of a confidential client is spent by a request that is refused too; that of a public
// client, whom everybody can pretend to be, leaves nothing in the store.
func TestRFC9449Section11_1_RefusedRequests(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	key := authztest.NewKey(t, jose.ES256)
	marks := func() int { return blackbox.Count(t, s.Store, storage.Marks.Table) }
	unknown := authztest.RefreshForm("azr_unknown")

	proof := tokenProof(t, s, key)
	if got := provenToken(t, s, authztest.Web, authztest.Secret, unknown, proof); got.Error != "invalid_grant" || marks() != 1 {
		t.Errorf("confidential: %+v, %d marks", got, marks())
	}
	if got := provenToken(t, s, authztest.Web, authztest.Secret, unknown, proof); got.Error != "invalid_dpop_proof" {
		t.Errorf("confidential, again: %+v", got)
	}
	if got := provenToken(t, s, authztest.SPA, "", unknown, tokenProof(t, s, key)); got.Error != "invalid_grant" || marks() != 1 {
		t.Errorf("public: %+v, %d marks", got, marks())
	}
	if got := provenToken(t, s, authztest.Web, "wrong", unknown, tokenProof(t, s, key)); got.Error != "invalid_client" || marks() != 1 {
		t.Errorf("nobody: %+v, %d marks", got, marks())
	}
	entries, err := s.Store.Scan(t.Context(), storage.Marks.Table, "", "", 10)
	if err != nil || len(entries) != 1 || entries[0].Expires.After(time.Now().Add(6*time.Minute)) {
		t.Errorf("marks %+v, %v", entries, err)
	}
}

// FAPI 2.0 Security Profile section 5.4.1 forbids RS256, which others may use.
func TestFAPI2Section5_4_1_ProofAlgorithms(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	app := s.NewApp(t)
	for _, alg := range []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA, jose.PS256, jose.RS256} {
		app.DPoP = authztest.NewKey(t, alg)
		code, verifier := app.Code(t, nil)
		tokens := app.Token(t, authztest.CodeForm(code, verifier))
		if want := map[bool]string{true: "invalid_dpop_proof"}[alg == jose.RS256]; tokens.Error != want {
			t.Errorf("%s: %+v", alg, tokens)
		}
	}
	rsa := authztest.NewKey(t, jose.PS256)
	app.DPoP = rsa
	token := app.SignIn(t, nil).AccessToken
	rs256 := &authztest.Key{Alg: jose.RS256, Private: rsa.Private}
	if got := useToken(t, s, "GET", "/userinfo", "DPoP", token, rs256.Proof(t, "GET", s.URL+"/userinfo", token, "")); got.Status != http.StatusUnauthorized {
		t.Errorf("RS256 at userinfo: %d %s", got.Status, got.Body)
	}
	if got := useToken(t, s, "GET", "/userinfo", "DPoP", token, rsa.Proof(t, "GET", s.URL+"/userinfo", token, "")); got.Status != http.StatusOK {
		t.Errorf("PS256 at userinfo: %d %s", got.Status, got.Body)
	}
}

// A device's tokens are bound to its key as others are (RFC 9449 section 5), and a proof that fails
// costs the device nothing.
func TestRFC8628_DPoP(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	d, key := s.NewDevice(t, nil), authztest.NewKey(t, jose.ES256)
	blackbox.ApproveDevice(t, s.NewBrowser(t), d)
	if got := provenToken(t, s, authztest.TV, "", authztest.DeviceForm(d.Code), "garbage"); got.Error != "invalid_dpop_proof" {
		t.Errorf("garbage for a proof: %+v", got)
	}
	tokens := provenToken(t, s, authztest.TV, "", authztest.DeviceForm(d.Code), tokenProof(t, s, key))
	if tokens.Status != 200 || tokens.TokenType != "DPoP" || jktOf(t, tokens.AccessToken) == "" {
		t.Fatalf("%+v", tokens)
	}
	if got := s.Token(t, authztest.TV, "", authztest.RefreshForm(tokens.RefreshToken)); got.Status != 400 {
		t.Errorf("refresh without the key: %+v", got)
	}
	if got := provenToken(t, s, authztest.TV, "", authztest.RefreshForm(tokens.RefreshToken), tokenProof(t, s, key)); got.Status != 200 {
		t.Errorf("refresh with the key: %+v", got)
	}
}
