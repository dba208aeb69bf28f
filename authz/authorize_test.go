package authz_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/internal/blackbox"
)

// OpenID Connect Core section 3.1.2.1: prompt.
func TestPrompt(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	stranger, b := s.NewBrowser(t), s.SignedIn(t, nil)

	none := url.Values{"prompt": {"none"}}
	if got := stranger.Ask(t, authztest.SPA, none).Redirect(t); got.Get("error") != "login_required" {
		t.Errorf("none without a session: %v", got)
	}
	if got := b.Ask(t, authztest.SPA, none).Redirect(t); got.Get("code") == "" {
		t.Errorf("none with a session: %v", got)
	}
	if got := b.Ask(t, authztest.ThirdParty, none).Redirect(t); got.Get("error") != "consent_required" {
		t.Errorf("none without consent: %v", got)
	}
	for prompt, page := range map[string]string{"login": "/login", "consent": "/consent", "select_account": "/select-account", "login consent": "/login"} {
		if got := b.Ask(t, authztest.SPA, url.Values{"prompt": {prompt}}).LedTo(t); got != page {
			t.Errorf("prompt=%s led to %s", prompt, got)
		}
	}
	if got := b.Ask(t, authztest.SPA, url.Values{"prompt": {"unheard_of"}, "display": {"touch"}, "x": {"y"}}).Redirect(t); got.Get("code") == "" {
		t.Errorf("unknown values are no errors: %v", got)
	}
	// A second login in the same browser ends the request that demanded it.
	if code, _ := b.Code(t, authztest.SPA, url.Values{"prompt": {"login"}}); code == "" {
		t.Error("prompt=login never ends")
	}
	if code, _ := b.Code(t, authztest.ThirdParty, url.Values{"prompt": {"consent"}}); code == "" {
		t.Error("prompt=consent never ends")
	}
}

func TestSelectAccount(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.SignedIn(t, nil)
	page := b.Get(t, b.Ask(t, authztest.SPA, url.Values{"prompt": {"select_account"}}).Header.Get("Location"))
	on := b.Do(t, page.Submit(t, "account-continue", nil))
	if got := b.Get(t, on.Header.Get("Location")).Redirect(t); got.Get("code") == "" {
		t.Errorf("continue: %v", got)
	}
	other := b.Do(t, page.Submit(t, "account-other", nil))
	login := b.Get(t, other.Header.Get("Location"))
	if !login.Has("username") {
		t.Fatalf("another account: %.300s", login.Body)
	}
}

// OpenID Connect Core section 3.1.2.1: max_age.
func TestMaxAge(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.SignedIn(t, nil)
	if got := b.Ask(t, authztest.SPA, url.Values{"max_age": {"10000"}}).Redirect(t); got.Get("code") == "" {
		t.Errorf("max_age=10000: %v", got)
	}
	if got := b.Ask(t, authztest.SPA, url.Values{"max_age": {"0"}}).LedTo(t); got != "/login" {
		t.Errorf("max_age=0 led to %s", got)
	}
	if got := b.Ask(t, authztest.SPA, url.Values{"max_age": {"0"}, "prompt": {"none"}}).Redirect(t); got.Get("error") != "login_required" {
		t.Errorf("max_age=0 and prompt=none: %v", got)
	}
	if code, _ := b.Code(t, authztest.SPA, url.Values{"max_age": {"0"}}); code == "" {
		t.Error("max_age=0 never ends")
	}
}

// OpenID Connect Core section 3.1.2.1: id_token_hint.
func TestIDTokenHint(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.SignedIn(t, nil)
	mine := s.SignIn(t, authztest.SPA, "", nil)
	if got := b.Ask(t, authztest.SPA, url.Values{"id_token_hint": {mine.IDToken}, "prompt": {"none"}}).Redirect(t); got.Get("code") == "" {
		t.Errorf("hint of the same user: %v", got)
	}
	web := s.SignIn(t, authztest.Web, authztest.Secret, nil)
	if got := b.Ask(t, authztest.SPA, url.Values{"id_token_hint": {web.IDToken}}).Redirect(t); got.Get("error") != "invalid_request" {
		t.Errorf("hint of another client: %v", got)
	}
	if got := b.Ask(t, authztest.SPA, url.Values{"id_token_hint": {mine.AccessToken}}).Redirect(t); got.Get("error") != "invalid_request" {
		t.Errorf("access token as hint: %v", got)
	}
}

func TestConsent(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.NewBrowser(t)
	b.Deny = true
	_, challenge := authztest.PKCE()
	params := authztest.AuthorizationParams(authztest.ThirdParty, challenge)
	if got := b.Authorize(t, params); got.Params.Get("error") != "access_denied" || got.Params.Get("state") == "" {
		t.Errorf("denied: %s", got)
	}
	b.Deny = false
	b.Code(t, authztest.ThirdParty, nil)
	if got := b.Ask(t, authztest.ThirdParty, nil).Redirect(t); got.Get("code") == "" {
		t.Errorf("consent is not remembered: %v", got)
	}
	more := url.Values{"scope": {"openid orders.read orders.write"}}
	if got := b.Ask(t, authztest.ThirdParty, more).LedTo(t); got != "/consent" {
		t.Errorf("a new scope led to %s", got)
	}
	claims := url.Values{"scope": {"openid"}, "claims": {`{"userinfo":{"email":{"essential":true}}}`}}
	if got := b.Ask(t, authztest.ThirdParty, claims).LedTo(t); got != "/consent" {
		t.Errorf("a single claim led to %s", got)
	}
}

// A withdrawn consent ends what was granted under it, and a new one does not bring it back.
func TestWithdrawConsent(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.NewBrowser(t)
	code, verifier := b.Code(t, authztest.ThirdParty, nil)
	tokens := s.Token(t, authztest.ThirdParty, "", authztest.CodeForm(code, verifier))
	page := b.Get(t, s.URL+"/account")
	if !page.Has("revoke-" + authztest.ThirdParty) {
		t.Fatalf("account page: %.500s", page.Body)
	}
	b.Do(t, page.Submit(t, "revoke-"+authztest.ThirdParty, nil))
	check := func(when string) {
		t.Helper()
		if got := s.Token(t, authztest.ThirdParty, "", authztest.RefreshForm(tokens.RefreshToken)); got.Error != "invalid_grant" {
			t.Errorf("refresh %s: %+v", when, got)
		}
		if status := blackbox.UserinfoStatus(t, s, tokens.AccessToken); status != 401 {
			t.Errorf("userinfo %s: %d", when, status)
		}
	}
	check("after the withdrawal")
	b.Code(t, authztest.ThirdParty, nil)
	check("after a new consent")
}

// A cross-site POST carries no Lax cookie, so it must become a GET (OpenID Connect Core 3.1.2.1).
func TestAuthorizeByPost(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.SignedIn(t, nil)
	_, challenge := authztest.PKCE()
	form := authztest.AuthorizationParams(authztest.SPA, challenge)
	request, err := http.NewRequest(http.MethodPost, s.URL+"/authorize", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Origin", "https://app.example.com")
	page := b.Do(t, request)
	if got := b.Get(t, page.Header.Get("Location")).Redirect(t); page.Status != 303 || got.Get("code") == "" {
		t.Errorf("%d %v", page.Status, got)
	}
}

// A sign-in belongs to the browser that began it. Elsewhere its request begins again, without what
// was answered on the way; a browser that keeps no cookies is told so.
func TestFlowIsBoundToTheBrowser(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	attacker, victim := s.SignedIn(t, nil), s.SignedIn(t, nil)
	login := attacker.Get(t, attacker.Ask(t, authztest.SPA, url.Values{"prompt": {"login"}}).Header.Get("Location"))
	answered := attacker.Do(t, login.Submit(t, "login-submit", url.Values{"username": {authztest.Username}, "password": {authztest.Password}}))
	flow := answered.Header.Get("Location")

	again := victim.Get(t, flow).Header.Get("Location")
	if !strings.HasPrefix(again, s.URL+"/authorize?") || strings.Contains(again, "flow=") {
		t.Fatalf("another browser: %s", again)
	}
	if got := victim.Get(t, again).LedTo(t); got != "/login" {
		t.Errorf("the login of another browser counts: %s", got)
	}
	if page := s.NewBrowser(t).Get(t, flow); page.Status != 400 || !strings.Contains(page.Body, "sign_in_expired") {
		t.Errorf("a browser without cookies: %d %.300s", page.Status, page.Body)
	}
	if got := attacker.Get(t, flow).Redirect(t); got.Get("code") == "" {
		t.Errorf("the browser itself: %v", got)
	}
}

// Wrong passwords tell nothing, and lead nowhere.
func TestWrongPassword(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	bodies := map[string]string{}
	for name, username := range map[string]string{"known": authztest.Username, "unknown": "nobody"} {
		b := s.NewBrowser(t)
		b.Username, b.Password = username, "wrong"
		login := b.Get(t, b.Ask(t, authztest.SPA, nil).Header.Get("Location"))
		page := b.Do(t, login.Submit(t, "login-submit", url.Values{"username": {username}, "password": {"wrong"}}))
		if got := page.LedTo(t); page.Status != 303 || got != "/login" { // history has no form to send again
			t.Errorf("%s user: %d to %s", name, page.Status, got)
		}
		for _, c := range page.Header.Values("Set-Cookie") {
			if strings.HasPrefix(c, "authzd=") && !strings.Contains(c, "Max-Age=0") {
				t.Errorf("%s user got a session cookie: %s", name, c)
			}
		}
		again := b.Get(t, page.Header.Get("Location"))
		if !again.Has("problem") {
			t.Errorf("%s user: %.300s", name, again.Body)
		}
		flow := again.URL.Query().Get("flow")
		bodies[name] = strings.NewReplacer(flow, "FLOW", username, "USERNAME", again.Text("request-id"), "ID").Replace(again.Body)
	}
	if bodies["known"] != bodies["unknown"] {
		t.Errorf("the pages differ:\n%s\n%s", bodies["known"], bodies["unknown"])
	}
}
