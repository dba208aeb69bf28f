package authorize_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
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
