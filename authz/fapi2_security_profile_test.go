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
	"github.com/authzd/authzd/storage"
)

// FAPI 2.0 Security Profile (Final). Section 5.2, TLS, is cmd/authzd/rfc9325_test.go; what DPoP, PAR
// and client assertions demand by themselves is in the files of their own standards.

// startFAPI runs a server with two applications that keep to a profile; change may make them others.
func startFAPI(t *testing.T, profile string, c authz.Config, change func(m *client.Metadata)) (app, other *authztest.App) {
	t.Helper()
	key := authztest.NewKey(t, jose.PS256)
	key.ID = "other-1"
	s := authztest.Start(t, c, func(m *client.Metadata) {
		switch m.ID {
		case authztest.Web:
			m.Secret, m.AuthMethod, m.JWKS = "", client.AuthPrivateKeyJWT, authztest.JWKS(t, key)
			m.IDTokenAlg = "ES256"
		case authztest.FAPI:
		default:
			return
		}
		m.Profile = profile
		if change != nil {
			change(m)
		}
	})
	app = s.NewApp(t)
	return app, &authztest.App{Server: s, ClientID: authztest.Web, Key: key, DPoP: authztest.NewKey(t, jose.EdDSA)}
}

// pushed posts an authorization request to the PAR endpoint.
func pushed(t *testing.T, app *authztest.App, change url.Values, header http.Header) authztest.Response {
	t.Helper()
	return app.Server.PostForm(t, "/par", app.Authenticate(t, request(app.ClientID, change)), header)
}

// parRefused wants an error of the PAR endpoint, with one of the codes.
func parRefused(t *testing.T, what string, response authztest.Response, codes ...string) {
	t.Helper()
	if response.Status == http.StatusCreated {
		t.Errorf("%s: %s", what, response.Body)
	} else if code := refused(t, response); !slices.Contains(codes, code) {
		t.Errorf("%s: %s, want one of %v", what, response.Body, codes)
	}
}

// tokenRefused wants an error of the token endpoint, with one of the codes.
func tokenRefused(t *testing.T, what string, tokens authztest.Tokens, codes ...string) {
	t.Helper()
	want := http.StatusBadRequest
	if tokens.Error == "invalid_client" {
		want = http.StatusUnauthorized
	}
	if tokens.Status != want || !slices.Contains(codes, tokens.Error) || tokens.AccessToken != "" {
		t.Errorf("%s: %d %s %s, want one of %v", what, tokens.Status, tokens.Error, tokens.Description, codes)
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

// come opens the authorization endpoint as the app's browser does, and more of the query.
func come(t *testing.T, app *authztest.App, b *authztest.Browser, requestURI string, more url.Values) authztest.Answer {
	t.Helper()
	query := url.Values{"client_id": {app.ClientID}, "request_uri": {requestURI}}
	maps.Copy(query, more)
	return b.Authorize(t, query)
}

// Item 1: clients find everything in the metadata.
func TestFAPI2SecurityProfileSection5_3_2_1_1_Discovery(t *testing.T) {
	app, _ := startFAPI(t, client.ProfileFAPI2, authz.Config{}, nil)
	metadata := discovered(t, app.Server)
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
	app, _ := startFAPI(t, client.ProfileFAPI2, authz.Config{}, nil)
	tokens := app.Token(t, url.Values{"grant_type": {"password"}, "username": {authztest.Username}, "password": {authztest.Password}})
	tokenRefused(t, "password", tokens, "unsupported_grant_type")
	if grants, _ := discovered(t, app.Server)["grant_types_supported"].([]any); slices.Contains(grants, any("password")) {
		t.Errorf("grant types %v", grants)
	}
}

// Items 3 and 6: confidential clients, by key.
func TestFAPI2SecurityProfileSection5_3_2_1_6_ClientAuthentication(t *testing.T) {
	app, other := startFAPI(t, client.ProfileFAPI2, authz.Config{}, nil)
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
		tokenRefused(t, name, exchange(t, app, form, proofForToken(t, app)), "invalid_client")
	}

	inQuery := "/token?" + url.Values{"client_assertion_type": {authztest.AssertionType}, "client_assertion": {app.Key.Assertion(t, app.ClientID, app.Server.URL)}}.Encode()
	response := app.Server.PostForm(t, inQuery, form, http.Header{"Dpop": {proofForToken(t, app)}})
	if code := refused(t, response); code != "invalid_client" && code != "invalid_request" {
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
	app, _ := startFAPI(t, client.ProfileFAPI2, authz.Config{}, nil)
	code, verifier := app.Code(t, nil)
	tokenRefused(t, "no proof", exchange(t, app, app.Authenticate(t, authztest.CodeForm(code, verifier))), "invalid_request")
	tokens := app.Token(t, authztest.CodeForm(code, verifier))
	if tokens.Status != http.StatusOK || tokens.TokenType != "DPoP" {
		t.Fatalf("%d %s %s", tokens.Status, tokens.TokenType, tokens.Description)
	}
	if cnf, _ := payload(t, tokens.AccessToken)["cnf"].(map[string]any); cnf["jkt"] != app.DPoP.Thumbprint(t) {
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
	app, _ := startFAPI(t, client.ProfileFAPI2, authz.Config{}, nil)
	b := signedIn(t, app.Server)
	for _, uri := range []string{"https://evil.example", authztest.RedirectURI + "/", authztest.RedirectURI + "#x", "javascript:alert(1)"} {
		parRefused(t, uri, pushed(t, app, url.Values{"redirect_uri": {uri}}, nil), "invalid_request")
		refusedPage(t, uri, ask(t, b, app.ClientID, url.Values{"redirect_uri": {uri}}), "invalid_request")
	}
}

// Item 8: the issuer, as a plain string.
func TestFAPI2SecurityProfileSection5_3_2_1_8_AudienceOfAssertions(t *testing.T) {
	app, _ := startFAPI(t, client.ProfileFAPI2, authz.Config{}, nil)
	issuer := app.Server.URL
	code, verifier := app.Code(t, nil)
	for _, aud := range []any{
		[]string{issuer}, []string{issuer, "https://other.example.com"}, issuer + "/token", issuer + "/par", issuer + "/", strings.ToUpper(issuer), "", []string{}, nil, 1,
	} {
		for path, form := range map[string]url.Values{"/token": codeFormOf(app, code, verifier), "/par": request(app.ClientID, nil)} {
			claims := authztest.AssertionClaims(app.ClientID, issuer)
			claims["aud"] = aud
			form.Set("client_assertion_type", authztest.AssertionType)
			form.Set("client_assertion", app.Key.Sign(t, nil, claims))
			response := app.Server.PostForm(t, path, form, http.Header{"Dpop": {app.DPoP.Proof(t, http.MethodPost, issuer+path, "", "")}})
			if response.Status != http.StatusUnauthorized || refused(t, response) != "invalid_client" {
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
	app, other := startFAPI(t, client.ProfileFAPI2, authz.Config{}, nil)
	first := app.SignIn(t, nil)
	form := authztest.RefreshForm(first.RefreshToken)
	for range 3 {
		again := app.Token(t, form)
		if again.Status != http.StatusOK || again.RefreshToken != "" && again.RefreshToken != first.RefreshToken {
			t.Fatalf("%d %s, rotated: %v", again.Status, again.Description, again.RefreshToken != first.RefreshToken)
		}
	}
	tokenRefused(t, "by another client", other.Token(t, form), "invalid_grant")
	tokenRefused(t, "without a proof", exchange(t, app, app.Authenticate(t, form)), "invalid_request")
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
	app, _ := startFAPI(t, client.ProfileFAPI2, authz.Config{DPoP: authz.DPoP{RequireNonce: true}}, nil)
	code, verifier := app.Code(t, nil)
	form := authztest.CodeForm(code, verifier)
	first := exchange(t, app, app.Authenticate(t, form), proofForToken(t, app))
	tokenRefused(t, "without a nonce", first, "use_dpop_nonce")
	nonce := first.Header.Get("DPoP-Nonce")
	second := exchange(t, app, app.Authenticate(t, form), app.DPoP.Proof(t, http.MethodPost, app.Server.URL+"/token", "", nonce))
	if second.Status != http.StatusOK || nonce == "" {
		t.Errorf("with the nonce %q: %d %s", nonce, second.Status, second.Description)
	}
}

// Item 11: 60 seconds, whatever the server's default is.
func TestFAPI2SecurityProfileSection5_3_2_1_11_CodeLifetime(t *testing.T) {
	lifetimes := authz.DefaultLifetimes
	lifetimes.Code = 5 * time.Minute
	app, _ := startFAPI(t, client.ProfileFAPI2, authz.Config{Lifetimes: lifetimes}, nil)
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
	tokenRefused(t, "an expired code", app.Token(t, authztest.CodeForm(code, verifier)), "invalid_grant")
}

// Item 12: a code is for one DPoP key, if the client says so, in one way or the other.
func TestFAPI2SecurityProfileSection5_3_2_1_12_CodeBoundToDPoPKey(t *testing.T) {
	app, _ := startFAPI(t, client.ProfileFAPI2, authz.Config{}, nil)
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
		code := come(t, app, app.Server.NewBrowser(t), answer.RequestURI, nil).Params.Get("code")
		tokenRefused(t, name+", another key", thief.Token(t, authztest.CodeForm(code, verifier)), "invalid_grant", "invalid_dpop_proof")
		if tokens := app.Token(t, authztest.CodeForm(code, verifier)); tokens.Status != http.StatusOK {
			t.Errorf("%s, its key: %d %s", name, tokens.Status, tokens.Description)
		}
	}
	parRefused(t, "a proof of another key than dpop_jkt", pushed(t, app, jkt, parProof(thief.DPoP)), "invalid_request", "invalid_dpop_proof")
}

// Item 13: clocks differ by seconds, and not by a minute.
func TestFAPI2SecurityProfileSection5_3_2_1_13_ClockOffsets(t *testing.T) {
	app, _ := startFAPI(t, client.ProfileFAPI2, authz.Config{}, nil)
	for _, claim := range []string{"iat", "nbf"} {
		for ahead, want := range map[time.Duration]int{8 * time.Second: http.StatusCreated, 10 * time.Second: http.StatusCreated, 65 * time.Second: http.StatusUnauthorized} {
			claims := authztest.AssertionClaims(app.ClientID, app.Server.URL)
			claims[claim] = time.Now().Add(ahead).Unix()
			claims["exp"] = time.Now().Add(2 * time.Minute).Unix()
			form := request(app.ClientID, nil)
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

// Item 1.
func TestFAPI2SecurityProfileSection5_3_2_2_1_ResponseTypeCode(t *testing.T) {
	app, _ := startFAPI(t, client.ProfileFAPI2, authz.Config{}, nil)
	for _, responseType := range []string{"token", "id_token", "code id_token", "code token", "none"} {
		parRefused(t, responseType, pushed(t, app, url.Values{"response_type": {responseType}}, nil), "unsupported_response_type", "invalid_request", "unauthorized_client")
	}
}

// Items 2 and 3: what the browser brings beside the request_uri counts for nothing, and without one
// there is no request.
func TestFAPI2SecurityProfileSection5_3_2_2_3_PushedRequestsOnly(t *testing.T) {
	app, _ := startFAPI(t, client.ProfileFAPI2, authz.Config{}, nil)
	b := signedIn(t, app.Server)
	plain := redirect(t, ask(t, b, app.ClientID, nil))
	if plain.Get("error") != "invalid_request" || plain.Get("state") != "state of the app" || plain.Get("iss") != app.Server.URL || plain.Has("code") {
		t.Errorf("without PAR: %v", plain)
	}
	verifier, challenge := authztest.PKCE()
	requestURI := app.Push(t, request(app.ClientID, url.Values{"code_challenge": {challenge}, "scope": {"openid"}}))
	_, thief := authztest.PKCE()
	answer := come(t, app, b, requestURI, url.Values{
		"state": {"of a thief"}, "redirect_uri": {"https://evil.example"}, "scope": {"openid orders.write"}, "code_challenge": {thief},
		"nonce": {"of a thief"}, "response_mode": {"fragment"}, "prompt": {"none"}, "dpop_jkt": {authztest.NewKey(t, jose.ES256).Thumbprint(t)},
	})
	if answer.Params.Get("state") != "state of the app" || answer.Params.Get("code") == "" {
		t.Fatalf("%s", answer)
	}
	tokens := app.Token(t, authztest.CodeForm(answer.Params.Get("code"), verifier))
	if tokens.Status != http.StatusOK || tokens.Scope != "openid" || payload(t, tokens.IDToken)["nonce"] != "nonce of the app" {
		t.Errorf("%d %s, scope %q", tokens.Status, tokens.Description, tokens.Scope)
	}
}

// Item 4, and RFC 9126 sections 2.1 and 2.3.
func TestFAPI2SecurityProfileSection5_3_2_2_4_PushedByTheClient(t *testing.T) {
	app, other := startFAPI(t, client.ProfileFAPI2, authz.Config{}, nil)
	parRefused(t, "without authentication", app.Server.PostForm(t, "/par", request(app.ClientID, nil), nil), "invalid_client")
	form := other.Authenticate(t, request(app.ClientID, nil))
	form.Set("client_id", app.ClientID)
	parRefused(t, "by another client", app.Server.PostForm(t, "/par", form, nil), "invalid_client", "invalid_request")
	requestURI := app.Push(t, request(app.ClientID, nil))
	parRefused(t, "a request_uri", pushed(t, app, url.Values{"request_uri": {requestURI}}, nil), "invalid_request")
	b := signedIn(t, app.Server)
	refusedPage(t, "the request_uri of another client", bring(t, b, url.Values{"client_id": {other.ClientID}, "request_uri": {requestURI}}), "invalid_request_uri")
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
		r, err := http.NewRequest(method, app.Server.URL+"/par", strings.NewReader(app.Authenticate(t, request(app.ClientID, nil)).Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if response := app.Server.Send(t, r); response.Status != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", method, response.Status)
		}
	}
}

// Item 5.
func TestFAPI2SecurityProfileSection5_3_2_2_5_PKCE(t *testing.T) {
	app, _ := startFAPI(t, client.ProfileFAPI2, authz.Config{}, func(m *client.Metadata) { m.RequirePKCE = false }) // the profile knows better
	for name, change := range map[string]url.Values{
		"none":           {"code_challenge": nil, "code_challenge_method": nil},
		"plain":          {"code_challenge_method": {"plain"}},
		"plain, implied": {"code_challenge_method": nil},
	} {
		parRefused(t, name, pushed(t, app, change, nil), "invalid_request")
	}
	code, verifier := app.Code(t, nil)
	wrong, _ := authztest.PKCE()
	tokenRefused(t, "a wrong verifier", app.Token(t, authztest.CodeForm(code, wrong)), "invalid_grant")
	without := authztest.CodeForm(code, "")
	without.Del("code_verifier")
	tokenRefused(t, "no verifier", app.Token(t, without), "invalid_grant", "invalid_request")
	if tokens := app.Token(t, authztest.CodeForm(code, verifier)); tokens.Status != http.StatusOK {
		t.Errorf("%d %s", tokens.Status, tokens.Description)
	}
}

// Item 6.
func TestFAPI2SecurityProfileSection5_3_2_2_6_RedirectURIRequired(t *testing.T) {
	app, _ := startFAPI(t, client.ProfileFAPI2, authz.Config{}, nil)
	parRefused(t, "none", pushed(t, app, url.Values{"redirect_uri": nil}, nil), "invalid_request")
}

// Item 7: on errors too.
func TestFAPI2SecurityProfileSection5_3_2_2_7_IssuerInResponses(t *testing.T) {
	app, _ := startFAPI(t, client.ProfileFAPI2, authz.Config{}, nil)
	good := come(t, app, app.Server.NewBrowser(t), app.Push(t, request(app.ClientID, nil)), nil)
	bad := come(t, app, app.Server.NewBrowser(t), app.Push(t, request(app.ClientID, url.Values{"prompt": {"none"}})), nil)
	if good.Params.Get("iss") != app.Server.URL || good.Params.Get("code") == "" {
		t.Errorf("%s", good)
	}
	if bad.Params.Get("iss") != app.Server.URL || bad.Params.Get("error") != "login_required" {
		t.Errorf("%s", bad)
	}
}

// Item 8 is a rule of client.New: TestNewRefusesMetadata in package client.

// Item 9: never a redirect that repeats a POST with the password in it (307).
func TestFAPI2SecurityProfileSection5_3_2_2_9_SeeOther(t *testing.T) {
	app, _ := startFAPI(t, client.ProfileFAPI2, authz.Config{}, nil)
	b := app.Server.NewBrowser(t)
	page := bring(t, b, url.Values{"client_id": {app.ClientID}, "request_uri": {app.Push(t, request(app.ClientID, nil))}})
	for range 10 {
		location := page.Header.Get("Location")
		if page.Status != http.StatusSeeOther || location == "" {
			t.Fatalf("%s: %d", page.URL.Path, page.Status)
		}
		if strings.HasPrefix(location, authztest.RedirectURI) {
			return
		}
		next, err := page.URL.Parse(location)
		if err != nil {
			t.Fatal(err)
		}
		if page = get(t, b, next.String()); page.Has("login-submit") {
			page = b.Do(t, page.Submit(t, "login-submit", url.Values{"username": {authztest.Username}, "password": {authztest.Password}}))
		}
	}
	t.Error("no end")
}

// Items 10 and 11: a request_uri lives for less than 10 minutes and has one answer. Until then its
// user may reload the page.
func TestFAPI2SecurityProfileSection5_3_2_2_10_RequestURI(t *testing.T) {
	app, _ := startFAPI(t, client.ProfileFAPI2, authz.Config{}, nil)
	var answer struct {
		RequestURI string `json:"request_uri"`
		ExpiresIn  int    `json:"expires_in"`
	}
	pushed(t, app, nil, nil).JSON(t, &answer)
	if answer.ExpiresIn < 5 || answer.ExpiresIn >= 600 {
		t.Errorf("expires in %d s", answer.ExpiresIn)
	}
	b := app.Server.NewBrowser(t)
	brought := url.Values{"client_id": {app.ClientID}, "request_uri": {answer.RequestURI}}
	for range 2 {
		if page := bring(t, b, brought); page.Header.Get("Location") == "" || page.Status != http.StatusSeeOther {
			t.Fatalf("before the login: %d", page.Status)
		}
	}
	if first := come(t, app, b, answer.RequestURI, nil); first.Params.Get("code") == "" {
		t.Fatalf("%s", first)
	}
	refusedPage(t, "used", bring(t, b, brought), "invalid_request_uri")
	pushed(t, app, nil, nil).JSON(t, &answer)
	age(t, app.Server)
	refusedPage(t, "expired", bring(t, b, url.Values{"client_id": {app.ClientID}, "request_uri": {answer.RequestURI}}), "invalid_request_uri")
}

// Item 12: nonces of 64 characters work. So do requests without nonce or state.
func TestFAPI2SecurityProfileSection5_3_2_2_12_Nonce(t *testing.T) {
	app, _ := startFAPI(t, client.ProfileFAPI2, authz.Config{}, nil)
	for name, change := range map[string]url.Values{
		"64 characters": {"nonce": {strings.Repeat("n", 64)}}, "no nonce": {"nonce": nil}, "no state": {"state": nil}, "long state": {"state": {strings.Repeat("s", 384)}},
	} {
		tokens := app.SignIn(t, change)
		if nonce, sent := change["nonce"]; sent && len(nonce) > 0 && payload(t, tokens.IDToken)["nonce"] != nonce[0] {
			t.Errorf("%s: %v", name, payload(t, tokens.IDToken)["nonce"])
		}
	}
}

// A code has one use, by the client that it was issued to.
func TestFAPI2SecurityProfileSection5_3_2_2_CodeIsUsedOnce(t *testing.T) {
	app, other := startFAPI(t, client.ProfileFAPI2, authz.Config{}, nil)
	code, verifier := app.Code(t, nil)
	tokenRefused(t, "by another client", other.Token(t, authztest.CodeForm(code, verifier)), "invalid_grant")
	tokens := app.Token(t, authztest.CodeForm(code, verifier))
	if tokens.Status != http.StatusOK {
		t.Fatalf("%d %s", tokens.Status, tokens.Description)
	}
	tokenRefused(t, "again", app.Token(t, authztest.CodeForm(code, verifier)), "invalid_grant")
	if response := callAs(t, app, "DPoP", tokens.AccessToken, app.DPoP); response.Status != http.StatusUnauthorized {
		t.Errorf("the tokens of the first use live on: %d", response.Status)
	}
}

// Section 5.3.2.3: who signed in is said by OpenID Connect.
func TestFAPI2SecurityProfileSection5_3_2_3_IDToken(t *testing.T) {
	app, _ := startFAPI(t, client.ProfileFAPI2, authz.Config{}, nil)
	tokens := app.SignIn(t, url.Values{"claims": {`{"userinfo":{"name":{"essential":true}}}`}})
	claims := payload(t, tokens.IDToken)
	if claims["iss"] != app.Server.URL || claims["aud"] != app.ClientID || claims["sub"] == "" || claims["nonce"] != "nonce of the app" {
		t.Errorf("%v", claims)
	}
	var info map[string]any
	callAs(t, app, "DPoP", tokens.AccessToken, app.DPoP).JSON(t, &info)
	if info["sub"] != claims["sub"] || info["name"] != "Alice Liddell" {
		t.Errorf("userinfo %v", info)
	}
}

// Section 5.3.4, items 1 and 2: tokens come in the header, and never in the query.
func TestFAPI2SecurityProfileSection5_3_4_TokensInTheQuery(t *testing.T) {
	app, _ := startFAPI(t, client.ProfileFAPI2, authz.Config{}, nil)
	tokens := app.SignIn(t, nil)
	for _, header := range []http.Header{{}, {"Dpop": {app.DPoP.Proof(t, http.MethodGet, app.Server.URL+"/userinfo", tokens.AccessToken, "")}}} {
		r, err := http.NewRequest(http.MethodGet, app.Server.URL+"/userinfo?access_token="+url.QueryEscape(tokens.AccessToken), nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = header
		if response := app.Server.Send(t, r); response.Status < 400 || strings.Contains(response.Body, "Alice") {
			t.Errorf("%d %s", response.Status, response.Body)
		}
	}
}

// Section 5.3.4, items 3 and 5: what has been revoked is refused.
func TestFAPI2SecurityProfileSection5_3_4_Revocation(t *testing.T) {
	app, _ := startFAPI(t, client.ProfileFAPI2, authz.Config{}, nil)
	tokens := app.SignIn(t, nil)
	response := app.Server.PostForm(t, "/revoke", app.Authenticate(t, url.Values{"token": {tokens.RefreshToken}}), nil)
	if response.Status != http.StatusOK {
		t.Fatalf("%d %s", response.Status, response.Body)
	}
	if response := callAs(t, app, "DPoP", tokens.AccessToken, app.DPoP); response.Status != http.StatusUnauthorized {
		t.Errorf("%d", response.Status)
	}
}

// Section 5.4.1: PS256, ES256 and EdDSA, and nothing else that is signed.
func TestFAPI2SecurityProfileSection5_4_1_Algorithms(t *testing.T) {
	app, other := startFAPI(t, client.ProfileFAPI2, authz.Config{}, nil)
	good := app.SignIn(t, nil)
	for name, token := range map[string]string{"access token": good.AccessToken, "ID token": good.IDToken} {
		signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.PS256, jose.ES256, jose.EdDSA})
		if err != nil {
			t.Errorf("%s: %v, %v", name, signed, err)
		}
	}
	// The key of the other client is RSA: PS256 and RS256 differ in nothing else.
	weak := &authztest.Key{ID: other.Key.ID, Alg: jose.RS256, Private: other.Key.Private}
	form := request(other.ClientID, nil)
	form.Set("client_assertion_type", authztest.AssertionType)
	form.Set("client_assertion", weak.Assertion(t, other.ClientID, other.Server.URL))
	parRefused(t, "an assertion by RS256", other.Server.PostForm(t, "/par", form, nil), "invalid_client")
	form.Set("client_assertion", other.Key.Assertion(t, other.ClientID, other.Server.URL))
	if response := other.Server.PostForm(t, "/par", form, nil); response.Status != http.StatusCreated {
		t.Errorf("an assertion by PS256: %d %s", response.Status, response.Body)
	}
	for alg, want := range map[jose.SignatureAlgorithm]int{jose.PS256: http.StatusOK, jose.EdDSA: http.StatusOK, jose.RS256: http.StatusBadRequest} {
		app.DPoP = authztest.NewKey(t, alg)
		if tokens := app.Token(t, authztest.RefreshForm(good.RefreshToken)); tokens.Status != want {
			t.Errorf("a proof by %s: %d %s", alg, tokens.Status, tokens.Description)
		}
	}
}

// Section 5.4.1: where the server itself signs with RS256, it does not for this client.
func TestFAPI2SecurityProfileSection5_4_1_BesideRS256(t *testing.T) {
	signing := authz.DefaultSigning // RS256
	app, _ := startFAPI(t, client.ProfileFAPI2, authz.Config{Signing: signing}, func(m *client.Metadata) {
		m.Scopes, m.Resources = []string{"openid"}, nil
	})
	tokens := app.SignIn(t, url.Values{"scope": {"openid"}})
	for name, token := range map[string]string{"access token": tokens.AccessToken, "ID token": tokens.IDToken} {
		if _, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if response := callAs(t, app, "DPoP", tokens.AccessToken, app.DPoP); response.Status != http.StatusOK {
		t.Errorf("userinfo: %d", response.Status)
	}
}

// Section 5.4.1, item 4: credentials that nobody guesses.
func TestFAPI2SecurityProfileSection5_4_1_Entropy(t *testing.T) {
	app, _ := startFAPI(t, client.ProfileFAPI2, authz.Config{}, nil)
	code, verifier := app.Code(t, nil)
	tokens := app.Token(t, authztest.CodeForm(code, verifier))
	const least = 128 / 6 // characters of base64url
	for _, secret := range []string{code, tokens.RefreshToken, app.Push(t, request(app.ClientID, nil))} {
		if random := secret[strings.LastIndexAny(secret, "_:")+1:]; len(random) < least && len(secret) < 40 {
			t.Errorf("%q is short", secret)
		}
	}
}

// Section 5.4.3: keys of one kid are told apart by their type and algorithm.
func TestFAPI2SecurityProfileSection5_4_3_DuplicateKeyIDs(t *testing.T) {
	rsa, ed := authztest.NewKey(t, jose.PS256), authztest.NewKey(t, jose.EdDSA)
	rsa.ID, ed.ID = "same", "same"
	app, _ := startFAPI(t, client.ProfileFAPI2, authz.Config{}, func(m *client.Metadata) {
		if m.ID == authztest.FAPI {
			m.JWKS = authztest.JWKS(t, rsa, ed)
		}
	})
	for _, key := range []*authztest.Key{rsa, ed} {
		app.Key = key
		if response := pushed(t, app, nil, nil); response.Status != http.StatusCreated {
			t.Errorf("%s: %d %s", key.Alg, response.Status, response.Body)
		}
	}
}
