package authz_test

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/storage"
)

// FAPI 2.0 Security Profile (Final): section 5.3.2.1 here, the others in the files beside. Section
// 5.2, TLS, is cmd/authzd/rfc9325_test.go; what DPoP, PAR and client assertions demand by themselves is
// in the files of their own standards.

// pushed posts an authorization request to the PAR endpoint.
func pushed(t *testing.T, app *authztest.App, change url.Values, header http.Header) authztest.Response {
	t.Helper()
	return app.Server.PostForm(t, "/par", app.Authenticate(t, authztest.Request(app.ClientID, change)), header)
}

// parRefused wants an error of the PAR endpoint, with one of the codes.
func parRefused(t *testing.T, what string, response authztest.Response, codes ...string) {
	t.Helper()
	if response.Status == http.StatusCreated {
		t.Errorf("%s: %s", what, response.Body)
	} else if code := blackbox.ErrorOf(t, response); !slices.Contains(codes, code) {
		t.Errorf("%s: %s, want one of %v", what, response.Body, codes)
	}
}

// exchange posts a token request as it stands.
func exchange(t *testing.T, app *authztest.App, form url.Values, proofs ...string) (tokens authztest.Tokens) {
	t.Helper()
	response := app.Server.PostForm(t, "/token", form, http.Header{"Dpop": proofs})
	response.JSON(t, &tokens)
	tokens.Status, tokens.Header = response.Status, response.Header
	return tokens
}

// proofForToken is a proof for the token endpoint.
func proofForToken(t *testing.T, app *authztest.App) string {
	t.Helper()
	return app.DPoP.Proof(t, http.MethodPost, app.Server.URL+"/token", "", "")
}

// callAs calls userinfo with a token and a proof for it.
func callAs(t *testing.T, app *authztest.App, scheme, token string, key *authztest.Key) authztest.Response {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, app.Server.URL+"/userinfo", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", scheme+" "+token)
	if key != nil {
		r.Header.Set("DPoP", key.Proof(t, http.MethodGet, app.Server.URL+"/userinfo", token, ""))
	}
	return app.Server.Send(t, r)
}

// forged is a JWS with another signature.
func forged(token string) string {
	dot := strings.LastIndex(token, ".") + 1
	first := "A"
	if token[dot] == 'A' {
		first = "B"
	}
	return token[:dot] + first + token[dot+1:]
}

// Item 1: clients find everything in the metadata.
func TestFAPI2SecurityProfileSection5_3_2_1_1_Discovery(t *testing.T) {
	t.Parallel()
	app, _ := blackbox.StartFAPI(t, client.ProfileFAPI2, authz.Config{}, nil)
	metadata := blackbox.Discovery(t, app.Server)
	if metadata["pushed_authorization_request_endpoint"] != app.Server.URL+"/par" || metadata["authorization_response_iss_parameter_supported"] != true {
		t.Errorf("PAR %v, iss %v", metadata["pushed_authorization_request_endpoint"], metadata["authorization_response_iss_parameter_supported"])
	}
	for member, wanted := range map[string][]any{
		"response_types_supported":                         {"code"},
		"code_challenge_methods_supported":                 {"S256"},
		"token_endpoint_auth_methods_supported":            {"private_key_jwt"},
		"token_endpoint_auth_signing_alg_values_supported": {"PS256", "ES256", "EdDSA"},
		"dpop_signing_alg_values_supported":                {"PS256", "ES256", "EdDSA"},
		"id_token_signing_alg_values_supported":            {"ES256"},
	} {
		values, _ := metadata[member].([]any)
		for _, value := range wanted {
			if !slices.Contains(values, value) {
				t.Errorf("%s: %v lacks %v", member, values, value)
			}
		}
	}
	if methods, _ := metadata["code_challenge_methods_supported"].([]any); len(methods) != 1 {
		t.Errorf("more than S256: %v", methods)
	}
}

// Item 2.
func TestFAPI2SecurityProfileSection5_3_2_1_2_NoPasswordGrant(t *testing.T) {
	t.Parallel()
	app, _ := blackbox.StartFAPI(t, client.ProfileFAPI2, authz.Config{}, nil)
	tokens := app.Token(t, url.Values{"grant_type": {"password"}, "username": {authztest.Username}, "password": {authztest.Password}})
	blackbox.WantTokenError(t, "password", tokens, "unsupported_grant_type")
	if grants, _ := blackbox.Discovery(t, app.Server)["grant_types_supported"].([]any); slices.Contains(grants, any("password")) {
		t.Errorf("grant types %v", grants)
	}
}

// Items 3 and 6: confidential clients, by key.
func TestFAPI2SecurityProfileSection5_3_2_1_6_ClientAuthentication(t *testing.T) {
	t.Parallel()
	app, other := blackbox.StartFAPI(t, client.ProfileFAPI2, authz.Config{}, nil)
	code, verifier := app.Code(t, nil)
	form := codeFormOf(app, code, verifier)
	by := func(assertion string) url.Values {
		signed := maps.Clone(form)
		signed.Set("client_assertion_type", authztest.AssertionType)
		signed.Set("client_assertion", assertion)
		return signed
	}
	claims := func(change func(claims map[string]any)) map[string]any {
		c := authztest.AssertionClaims(app.ClientID, app.Server.URL)
		change(c)
		return c
	}
	withSecret := maps.Clone(form)
	withSecret.Set("client_secret", authztest.Secret)
	for name, form := range map[string]url.Values{
		"no proof":                form,
		"a secret":                withSecret,
		"an expired assertion":    by(app.Key.Sign(t, nil, claims(func(c map[string]any) { c["exp"] = time.Now().Add(-5 * time.Minute).Unix() }))),
		"no expiry":               by(app.Key.Sign(t, nil, claims(func(c map[string]any) { delete(c, "exp") }))),
		"no subject":              by(app.Key.Sign(t, nil, claims(func(c map[string]any) { delete(c, "sub") }))),
		"another subject":         by(app.Key.Sign(t, nil, claims(func(c map[string]any) { c["sub"] = other.ClientID }))),
		"another issuer":          by(app.Key.Sign(t, nil, claims(func(c map[string]any) { c["iss"] = other.ClientID }))),
		"the key of another":      by(other.Key.Assertion(t, app.ClientID, app.Server.URL)),
		"another client's":        by(other.Key.Assertion(t, other.ClientID, app.Server.URL)),
		"a signature of nobody's": by(forged(app.Key.Assertion(t, app.ClientID, app.Server.URL))),
	} {
		blackbox.WantTokenError(t, name, exchange(t, app, form, proofForToken(t, app)), "invalid_client")
	}

	inQuery := "/token?" + url.Values{"client_assertion_type": {authztest.AssertionType}, "client_assertion": {app.Key.Assertion(t, app.ClientID, app.Server.URL)}}.Encode()
	response := app.Server.PostForm(t, inQuery, form, http.Header{"Dpop": {proofForToken(t, app)}})
	if code := blackbox.ErrorOf(t, response); code != "invalid_client" && code != "invalid_request" {
		t.Errorf("an assertion in the query: %s", response.Body)
	}
	if tokens := app.Token(t, form); tokens.Status != http.StatusOK {
		t.Errorf("what failed has used the code up: %d %s", tokens.Status, tokens.Description)
	}
}

// codeFormOf is the token request for a code, with the client_id.
func codeFormOf(app *authztest.App, code, verifier string) url.Values {
	form := authztest.CodeForm(code, verifier)
	form.Set("client_id", app.ClientID)
	return form
}

// Items 4 and 5: no token without a key.
func TestFAPI2SecurityProfileSection5_3_2_1_4_SenderConstrainedTokens(t *testing.T) {
	t.Parallel()
	app, _ := blackbox.StartFAPI(t, client.ProfileFAPI2, authz.Config{}, nil)
	code, verifier := app.Code(t, nil)
	blackbox.WantTokenError(t, "no proof", exchange(t, app, app.Authenticate(t, authztest.CodeForm(code, verifier))), "invalid_request")
	tokens := app.Token(t, authztest.CodeForm(code, verifier))
	if tokens.Status != http.StatusOK || tokens.TokenType != "DPoP" {
		t.Fatalf("%d %s %s", tokens.Status, tokens.TokenType, tokens.Description)
	}
	if cnf, _ := blackbox.Claims(t, tokens.AccessToken)["cnf"].(map[string]any); cnf["jkt"] != app.DPoP.Thumbprint(t) {
		t.Errorf("cnf %v", cnf)
	}
	for name, response := range map[string]authztest.Response{
		"as a bearer token":            callAs(t, app, "Bearer", tokens.AccessToken, nil),
		"as a bearer token, proof too": callAs(t, app, "Bearer", tokens.AccessToken, app.DPoP),
		"without a proof":              callAs(t, app, "DPoP", tokens.AccessToken, nil),
		"with the key of a thief":      callAs(t, app, "DPoP", tokens.AccessToken, authztest.NewKey(t, jose.ES256)),
	} {
		if response.Status != http.StatusUnauthorized {
			t.Errorf("%s: %d %s", name, response.Status, response.Body)
		}
	}
	for _, scheme := range []string{"DPoP", "dpop", "DPOP"} {
		if response := callAs(t, app, scheme, tokens.AccessToken, app.DPoP); response.Status != http.StatusOK {
			t.Errorf("%s: %d %s", scheme, response.Status, response.Body)
		}
	}
}

// Item 7.
func TestFAPI2SecurityProfileSection5_3_2_1_7_NoOpenRedirector(t *testing.T) {
	t.Parallel()
	app, _ := blackbox.StartFAPI(t, client.ProfileFAPI2, authz.Config{}, nil)
	b := app.Server.SignedIn(t, nil)
	for _, uri := range []string{"https://evil.example", authztest.RedirectURI + "/", authztest.RedirectURI + "#x", "javascript:alert(1)"} {
		parRefused(t, uri, pushed(t, app, url.Values{"redirect_uri": {uri}}, nil), "invalid_request")
		blackbox.WantErrorPage(t, uri, b.Ask(t, app.ClientID, url.Values{"redirect_uri": {uri}}), "invalid_request")
	}
}

// Item 8: the issuer, as a plain string.
func TestFAPI2SecurityProfileSection5_3_2_1_8_AudienceOfAssertions(t *testing.T) {
	t.Parallel()
	app, _ := blackbox.StartFAPI(t, client.ProfileFAPI2, authz.Config{}, nil)
	issuer := app.Server.URL
	code, verifier := app.Code(t, nil)
	for _, aud := range []any{
		[]string{issuer}, []string{issuer, "https://other.example.com"}, issuer + "/token", issuer + "/par", issuer + "/", strings.ToUpper(issuer), "", []string{}, nil, 1,
	} {
		for path, form := range map[string]url.Values{"/token": codeFormOf(app, code, verifier), "/par": authztest.Request(app.ClientID, nil)} {
			claims := authztest.AssertionClaims(app.ClientID, issuer)
			claims["aud"] = aud
			form.Set("client_assertion_type", authztest.AssertionType)
			form.Set("client_assertion", app.Key.Sign(t, nil, claims))
			response := app.Server.PostForm(t, path, form, http.Header{"Dpop": {app.DPoP.Proof(t, http.MethodPost, issuer+path, "", "")}})
			if response.Status != http.StatusUnauthorized || blackbox.ErrorOf(t, response) != "invalid_client" {
				t.Errorf("aud %v at %s: %d %s", aud, path, response.Status, response.Body)
			}
		}
	}
	if tokens := app.Token(t, authztest.CodeForm(code, verifier)); tokens.Status != http.StatusOK {
		t.Errorf("%d %s", tokens.Status, tokens.Description)
	}
}

// Item 9: a refresh token stays. It is bound to its client, which may change its DPoP key.
func TestFAPI2SecurityProfileSection5_3_2_1_9_NoRefreshTokenRotation(t *testing.T) {
	t.Parallel()
	app, other := blackbox.StartFAPI(t, client.ProfileFAPI2, authz.Config{}, nil)
	first := app.SignIn(t, nil)
	form := authztest.RefreshForm(first.RefreshToken)
	for range 3 {
		again := app.Token(t, form)
		if again.Status != http.StatusOK || again.RefreshToken != "" && again.RefreshToken != first.RefreshToken {
			t.Fatalf("%d %s, rotated: %v", again.Status, again.Description, again.RefreshToken != first.RefreshToken)
		}
	}
	blackbox.WantTokenError(t, "by another client", other.Token(t, form), "invalid_grant")
	blackbox.WantTokenError(t, "without a proof", exchange(t, app, app.Authenticate(t, form)), "invalid_request")
	app.DPoP = authztest.NewKey(t, jose.PS256)
	renewed := app.Token(t, form)
	if renewed.Status != http.StatusOK {
		t.Fatalf("with another key: %d %s", renewed.Status, renewed.Description)
	}
	if response := callAs(t, app, "DPoP", renewed.AccessToken, app.DPoP); response.Status != http.StatusOK {
		t.Errorf("a token for the new key: %d", response.Status)
	}
}

// Item 10: nonces, where the operator asks for them.
func TestFAPI2SecurityProfileSection5_3_2_1_10_ServerNonce(t *testing.T) {
	t.Parallel()
	app, _ := blackbox.StartFAPI(t, client.ProfileFAPI2, authz.Config{DPoP: authz.DPoP{RequireNonce: true}}, nil)
	code, verifier := app.Code(t, nil)
	form := authztest.CodeForm(code, verifier)
	first := exchange(t, app, app.Authenticate(t, form), proofForToken(t, app))
	blackbox.WantTokenError(t, "without a nonce", first, "use_dpop_nonce")
	nonce := first.Header.Get("DPoP-Nonce")
	second := exchange(t, app, app.Authenticate(t, form), app.DPoP.Proof(t, http.MethodPost, app.Server.URL+"/token", "", nonce))
	if second.Status != http.StatusOK || nonce == "" {
		t.Errorf("with the nonce %q: %d %s", nonce, second.Status, second.Description)
	}
}

// Item 11: 60 seconds, whatever the server's default is.
func TestFAPI2SecurityProfileSection5_3_2_1_11_CodeLifetime(t *testing.T) {
	t.Parallel()
	lifetimes := authz.DefaultLifetimes
	lifetimes.Code = 5 * time.Minute
	app, _ := blackbox.StartFAPI(t, client.ProfileFAPI2, authz.Config{Lifetimes: lifetimes}, nil)
	code, verifier := app.Code(t, nil)
	codes, err := storage.Codes.Scan(t.Context(), app.Server.Store, "", "", 10)
	if err != nil || len(codes) != 1 {
		t.Fatalf("%d codes, %v", len(codes), err)
	}
	record := codes[0].Value
	if life := record.ExpiresAt.Sub(record.CreatedAt); life > time.Minute {
		t.Errorf("a code lives for %v", life)
	}
	record.ExpiresAt = time.Now().Add(-time.Second)
	if err := app.Server.Store.Apply(t.Context(), storage.Codes.Put(codes[0].Key, record, storage.Any, time.Now().Add(time.Hour))); err != nil {
		t.Fatal(err)
	}
	blackbox.WantTokenError(t, "an expired code", app.Token(t, authztest.CodeForm(code, verifier)), "invalid_grant")
}

// Item 12: a code is for one DPoP key, if the client says so, in one way or the other.
func TestFAPI2SecurityProfileSection5_3_2_1_12_CodeBoundToDPoPKey(t *testing.T) {
	t.Parallel()
	app, _ := blackbox.StartFAPI(t, client.ProfileFAPI2, authz.Config{}, nil)
	thief := *app
	thief.DPoP = authztest.NewKey(t, jose.ES256)
	parProof := func(key *authztest.Key) http.Header {
		return http.Header{"Dpop": {key.Proof(t, http.MethodPost, app.Server.URL+"/par", "", "")}}
	}
	jkt := url.Values{"dpop_jkt": {app.DPoP.Thumbprint(t)}}
	verifier, challenge := authztest.PKCE()
	jkt.Set("code_challenge", challenge)
	for name, way := range map[string]struct {
		change url.Values
		header http.Header
	}{
		"dpop_jkt":     {jkt, nil},
		"a proof":      {url.Values{"code_challenge": {challenge}}, parProof(app.DPoP)},
		"both, agreed": {jkt, parProof(app.DPoP)},
	} {
		var answer struct {
			RequestURI string `json:"request_uri"`
		}
		pushed(t, app, way.change, way.header).JSON(t, &answer)
		code := blackbox.OpenPushed(t, app, app.Server.NewBrowser(t), answer.RequestURI, nil).Params.Get("code")
		blackbox.WantTokenError(t, name+", another key", thief.Token(t, authztest.CodeForm(code, verifier)), "invalid_grant", "invalid_dpop_proof")
		if tokens := app.Token(t, authztest.CodeForm(code, verifier)); tokens.Status != http.StatusOK {
			t.Errorf("%s, its key: %d %s", name, tokens.Status, tokens.Description)
		}
	}
	parRefused(t, "a proof of another key than dpop_jkt", pushed(t, app, jkt, parProof(thief.DPoP)), "invalid_request", "invalid_dpop_proof")
}

// Item 13: clocks differ by seconds, and not by a minute.
func TestFAPI2SecurityProfileSection5_3_2_1_13_ClockOffsets(t *testing.T) {
	t.Parallel()
	app, _ := blackbox.StartFAPI(t, client.ProfileFAPI2, authz.Config{}, nil)
	for _, claim := range []string{"iat", "nbf"} {
		for ahead, want := range map[time.Duration]int{8 * time.Second: http.StatusCreated, 10 * time.Second: http.StatusCreated, 65 * time.Second: http.StatusUnauthorized} {
			claims := authztest.AssertionClaims(app.ClientID, app.Server.URL)
			claims[claim] = time.Now().Add(ahead).Unix()
			claims["exp"] = time.Now().Add(2 * time.Minute).Unix()
			form := authztest.Request(app.ClientID, nil)
			form.Set("client_assertion_type", authztest.AssertionType)
			form.Set("client_assertion", app.Key.Sign(t, nil, claims))
			if response := app.Server.PostForm(t, "/par", form, nil); response.Status != want {
				t.Errorf("assertion with %s %v ahead: %d %s", claim, ahead, response.Status, response.Body)
			}
		}
	}
	tokens := app.SignIn(t, nil)
	for offset, want := range map[time.Duration]int{
		-10 * time.Second: http.StatusOK, 10 * time.Second: http.StatusOK, time.Hour: http.StatusBadRequest, -time.Hour: http.StatusBadRequest, 65 * time.Second: http.StatusBadRequest,
	} {
		claims := authztest.ProofClaims(http.MethodPost, app.Server.URL+"/token", "", "")
		claims["iat"] = time.Now().Add(offset).Unix()
		got := exchange(t, app, app.Authenticate(t, authztest.RefreshForm(tokens.RefreshToken)), app.DPoP.SignProof(t, nil, claims))
		if got.Status != want {
			t.Errorf("proof %v off: %d %s", offset, got.Status, got.Description)
		}
	}
}
