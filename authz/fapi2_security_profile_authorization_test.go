package authz_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
)

// FAPI 2.0 Security Profile section 5.3.2.2: flows that use the authorization endpoint.

// Item 1.
func TestFAPI2SecurityProfileSection5_3_2_2_1_ResponseTypeCode(t *testing.T) {
	t.Parallel()
	app, _ := blackbox.StartFAPI(t, client.ProfileFAPI2, authz.Config{}, nil)
	for _, responseType := range []string{"token", "id_token", "code id_token", "code token", "none"} {
		parRefused(t, responseType, pushed(t, app, url.Values{"response_type": {responseType}}, nil), "unsupported_response_type", "invalid_request", "unauthorized_client")
	}
}

// Items 2 and 3: what the browser brings beside the request_uri counts for nothing, and without one
// there is no request.
func TestFAPI2SecurityProfileSection5_3_2_2_3_PushedRequestsOnly(t *testing.T) {
	t.Parallel()
	app, _ := blackbox.StartFAPI(t, client.ProfileFAPI2, authz.Config{}, nil)
	b := app.Server.SignedIn(t, nil)
	plain := b.Ask(t, app.ClientID, nil).Redirect(t)
	if plain.Get("error") != "invalid_request" || plain.Get("state") != "state of the app" || plain.Get("iss") != app.Server.URL || plain.Has("code") {
		t.Errorf("without PAR: %v", plain)
	}
	verifier, challenge := authztest.PKCE()
	requestURI := app.Push(t, authztest.Request(app.ClientID, url.Values{"code_challenge": {challenge}, "scope": {"openid"}}))
	_, thief := authztest.PKCE()
	answer := blackbox.OpenPushed(t, app, b, requestURI, url.Values{
		"state": {"of a thief"}, "redirect_uri": {"https://evil.example"}, "scope": {"openid orders.write"}, "code_challenge": {thief},
		"nonce": {"of a thief"}, "response_mode": {"fragment"}, "prompt": {"none"}, "dpop_jkt": {authztest.NewKey(t, jose.ES256).Thumbprint(t)},
	})
	if answer.Params.Get("state") != "state of the app" || answer.Params.Get("code") == "" {
		t.Fatalf("%s", answer)
	}
	tokens := app.Token(t, authztest.CodeForm(answer.Params.Get("code"), verifier))
	if tokens.Status != http.StatusOK || tokens.Scope != "openid" || blackbox.Claims(t, tokens.IDToken)["nonce"] != "nonce of the app" {
		t.Errorf("%d %s, scope %q", tokens.Status, tokens.Description, tokens.Scope)
	}
}

// Item 4, and RFC 9126 sections 2.1 and 2.3.
func TestFAPI2SecurityProfileSection5_3_2_2_4_PushedByTheClient(t *testing.T) {
	t.Parallel()
	app, other := blackbox.StartFAPI(t, client.ProfileFAPI2, authz.Config{}, nil)
	parRefused(t, "without authentication", app.Server.PostForm(t, "/par", authztest.Request(app.ClientID, nil), nil), "invalid_client")
	form := other.Authenticate(t, authztest.Request(app.ClientID, nil))
	form.Set("client_id", app.ClientID)
	parRefused(t, "by another client", app.Server.PostForm(t, "/par", form, nil), "invalid_client", "invalid_request")
	requestURI := app.Push(t, authztest.Request(app.ClientID, nil))
	parRefused(t, "a request_uri", pushed(t, app, url.Values{"request_uri": {requestURI}}, nil), "invalid_request")
	b := app.Server.SignedIn(t, nil)
	blackbox.WantErrorPage(t, "the request_uri of another client", b.Open(t, url.Values{"client_id": {other.ClientID}, "request_uri": {requestURI}}), "invalid_request_uri")
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
		r, err := http.NewRequest(method, app.Server.URL+"/par", strings.NewReader(app.Authenticate(t, authztest.Request(app.ClientID, nil)).Encode()))
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
	t.Parallel()
	app, _ := blackbox.StartFAPI(t, client.ProfileFAPI2, authz.Config{}, func(m *client.Metadata) { m.RequirePKCE = new(false) }) // the profile knows better
	for name, change := range map[string]url.Values{
		"none":           {"code_challenge": nil, "code_challenge_method": nil},
		"plain":          {"code_challenge_method": {"plain"}},
		"plain, implied": {"code_challenge_method": nil},
	} {
		parRefused(t, name, pushed(t, app, change, nil), "invalid_request")
	}
	code, verifier := app.Code(t, nil)
	wrong, _ := authztest.PKCE()
	blackbox.WantTokenError(t, "a wrong verifier", app.Token(t, authztest.CodeForm(code, wrong)), "invalid_grant")
	without := authztest.CodeForm(code, "")
	without.Del("code_verifier")
	blackbox.WantTokenError(t, "no verifier", app.Token(t, without), "invalid_grant", "invalid_request")
	if tokens := app.Token(t, authztest.CodeForm(code, verifier)); tokens.Status != http.StatusOK {
		t.Errorf("%d %s", tokens.Status, tokens.Description)
	}
}

// Item 6.
func TestFAPI2SecurityProfileSection5_3_2_2_6_RedirectURIRequired(t *testing.T) {
	t.Parallel()
	app, _ := blackbox.StartFAPI(t, client.ProfileFAPI2, authz.Config{}, nil)
	parRefused(t, "none", pushed(t, app, url.Values{"redirect_uri": nil}, nil), "invalid_request")
}

// Item 7: on errors too.
func TestFAPI2SecurityProfileSection5_3_2_2_7_IssuerInResponses(t *testing.T) {
	t.Parallel()
	app, _ := blackbox.StartFAPI(t, client.ProfileFAPI2, authz.Config{}, nil)
	good := blackbox.OpenPushed(t, app, app.Server.NewBrowser(t), app.Push(t, authztest.Request(app.ClientID, nil)), nil)
	bad := blackbox.OpenPushed(t, app, app.Server.NewBrowser(t), app.Push(t, authztest.Request(app.ClientID, url.Values{"prompt": {"none"}})), nil)
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
	t.Parallel()
	app, _ := blackbox.StartFAPI(t, client.ProfileFAPI2, authz.Config{}, nil)
	b := app.Server.NewBrowser(t)
	page := b.Open(t, url.Values{"client_id": {app.ClientID}, "request_uri": {app.Push(t, authztest.Request(app.ClientID, nil))}})
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
		if page = b.Get(t, next.String()); page.Has("login-submit") {
			page = b.Do(t, page.Submit(t, "login-submit", url.Values{"username": {authztest.Username}, "password": {authztest.Password}}))
		}
	}
	t.Error("no end")
}

// Items 10 and 11: a request_uri lives for less than 10 minutes and has one answer. Until then its
// user may reload the page.
func TestFAPI2SecurityProfileSection5_3_2_2_10_RequestURI(t *testing.T) {
	t.Parallel()
	app, _ := blackbox.StartFAPI(t, client.ProfileFAPI2, authz.Config{}, nil)
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
		if page := b.Open(t, brought); page.Header.Get("Location") == "" || page.Status != http.StatusSeeOther {
			t.Fatalf("before the login: %d", page.Status)
		}
	}
	if first := blackbox.OpenPushed(t, app, b, answer.RequestURI, nil); first.Params.Get("code") == "" {
		t.Fatalf("%s", first)
	}
	blackbox.WantErrorPage(t, "used", b.Open(t, brought), "invalid_request_uri")
	pushed(t, app, nil, nil).JSON(t, &answer)
	blackbox.ExpirePushed(t, app.Server)
	blackbox.WantErrorPage(t, "expired", b.Open(t, url.Values{"client_id": {app.ClientID}, "request_uri": {answer.RequestURI}}), "invalid_request_uri")
}

// Item 12: nonces of 64 characters work. So do requests without nonce or state.
func TestFAPI2SecurityProfileSection5_3_2_2_12_Nonce(t *testing.T) {
	t.Parallel()
	app, _ := blackbox.StartFAPI(t, client.ProfileFAPI2, authz.Config{}, nil)
	for name, change := range map[string]url.Values{
		"64 characters": {"nonce": {strings.Repeat("n", 64)}}, "no nonce": {"nonce": nil}, "no state": {"state": nil}, "long state": {"state": {strings.Repeat("s", 384)}},
	} {
		tokens := app.SignIn(t, change)
		if nonce, sent := change["nonce"]; sent && len(nonce) > 0 && blackbox.Claims(t, tokens.IDToken)["nonce"] != nonce[0] {
			t.Errorf("%s: %v", name, blackbox.Claims(t, tokens.IDToken)["nonce"])
		}
	}
}

// A code has one use, by the client that it was issued to.
func TestFAPI2SecurityProfileSection5_3_2_2_CodeIsUsedOnce(t *testing.T) {
	t.Parallel()
	app, other := blackbox.StartFAPI(t, client.ProfileFAPI2, authz.Config{}, nil)
	code, verifier := app.Code(t, nil)
	blackbox.WantTokenError(t, "by another client", other.Token(t, authztest.CodeForm(code, verifier)), "invalid_grant")
	tokens := app.Token(t, authztest.CodeForm(code, verifier))
	if tokens.Status != http.StatusOK {
		t.Fatalf("%d %s", tokens.Status, tokens.Description)
	}
	blackbox.WantTokenError(t, "again", app.Token(t, authztest.CodeForm(code, verifier)), "invalid_grant")
	if response := callAs(t, app, "DPoP", tokens.AccessToken, app.DPoP); response.Status != http.StatusUnauthorized {
		t.Errorf("the tokens of the first use live on: %d", response.Status)
	}
}
